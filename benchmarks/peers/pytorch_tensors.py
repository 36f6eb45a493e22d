"""The PyTorch script with the least that an item can cost: a row of one tensor, converted to float."""

import numpy as np
import torch
from pytorch_script import Images, build
from torch import Tensor
from worker import serve


class Rows(Images):
    """MNIST without the PIL image that torchvision makes of each item."""

    def __init__(self, path: str) -> None:
        self.pixels = torch.from_numpy(np.load(path))

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.pixels[index].to(torch.float32).div(255), 0


if __name__ == "__main__":
    serve(lambda path: build(path, Rows), ["torch", "numpy"])
