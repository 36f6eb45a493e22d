"""The usual PyTorch script in the plain way: a Dataset that converts each item, a DataLoader, a loop.

An item is what `torchvision.datasets.MNIST` with `transforms.ToTensor()` gives, by the same steps: a PIL image, then
a float tensor with a channel in front, and the label. (torchvision itself has no build for this CPU-only PyTorch.)
`pytorch_tensors.py` is the same script without the PIL image.
"""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn, optim
from torch.utils.data import DataLoader, Dataset
from worker import BATCH_SIZE, HIDDEN, LATENTS, LEARNING_RATE, PIXELS, THREADS, serve


class Images(Dataset[tuple[Tensor, int]]):
    """MNIST as `torchvision.datasets.MNIST` with `transforms.ToTensor()` gives it."""

    def __init__(self, path: str) -> None:
        self.pixels = torch.from_numpy(np.load(path)).view(-1, 28, 28)

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image = Image.fromarray(self.pixels[index].numpy(), mode="L")
        pixels = torch.from_numpy(np.array(image, np.uint8, copy=True)).view(28, 28, 1)
        return pixels.permute(2, 0, 1).contiguous().to(torch.float32).div(255), 0


class VAE(nn.Module):
    """The network of the tutorial: 784-400-20-400-784 with ReLU."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(PIXELS, HIDDEN)
        self.fc21 = nn.Linear(HIDDEN, LATENTS)
        self.fc22 = nn.Linear(HIDDEN, LATENTS)
        self.fc3 = nn.Linear(LATENTS, HIDDEN)
        self.fc4 = nn.Linear(HIDDEN, PIXELS)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        hidden = F.relu(self.fc1(x))
        mean, log_variance = self.fc21(hidden), self.fc22(hidden)
        z = mean + torch.randn_like(mean) * torch.exp(0.5 * log_variance)
        return torch.sigmoid(self.fc4(F.relu(self.fc3(z)))), mean, log_variance


def negative_bound(reconstruction: Tensor, x: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """Cross-entropy plus KL, summed over the minibatch."""
    cross_entropy = F.binary_cross_entropy(reconstruction, x, reduction="sum")
    kl = -0.5 * torch.sum(1 + log_variance - mean.pow(2) - log_variance.exp())
    return cross_entropy + kl


def build(path: str, images: Callable[[str], Dataset[tuple[Tensor, int]]] = Images) -> Callable[[], float]:
    """Return the function that trains one epoch on the items of `images(path)`."""
    torch.set_num_threads(THREADS)
    torch.manual_seed(0)
    # No loader processes: with num_workers=2 an epoch took a fifth longer on two cores.
    loader = DataLoader(images(path), batch_size=BATCH_SIZE, shuffle=True, num_workers=0)
    model = VAE()
    optimizer = optim.Adam(model.parameters(), lr=LEARNING_RATE)

    def train_epoch() -> float:
        model.train()
        total = 0.0
        for data, _ in loader:
            x = data.view(-1, PIXELS)
            optimizer.zero_grad()
            reconstruction, mean, log_variance = model(x)
            loss = negative_bound(reconstruction, x, mean, log_variance)
            loss.backward()
            total += loss.item()
            optimizer.step()
        return total / len(loader.dataset)

    return train_epoch


if __name__ == "__main__":
    serve(build, ["torch", "numpy"])
