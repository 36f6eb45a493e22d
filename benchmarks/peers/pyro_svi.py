"""Pyro's VAE tutorial (SVI with Trace_ELBO) with the PyTorch tutorial's network.

The rows are floats already, which is faster than the per-item conversion of Pyro's own tutorial.
"""

from collections.abc import Callable

import numpy as np
import pyro
import pyro.distributions as dist
import torch
from pyro.infer import SVI, Trace_ELBO
from pyro.optim import Adam
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset
from worker import BATCH_SIZE, HIDDEN, LATENTS, LEARNING_RATE, PIXELS, THREADS, serve


class Encoder(nn.Module):
    """q(z|x): 784-400 with ReLU, then the mean and the standard deviation."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(PIXELS, HIDDEN)
        self.fc21 = nn.Linear(HIDDEN, LATENTS)
        self.fc22 = nn.Linear(HIDDEN, LATENTS)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        hidden = torch.relu(self.fc1(x))
        return self.fc21(hidden), torch.exp(0.5 * self.fc22(hidden))


class Decoder(nn.Module):
    """p(x|z): 20-400-784 with ReLU and a sigmoid."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(LATENTS, HIDDEN)
        self.fc21 = nn.Linear(HIDDEN, PIXELS)

    def forward(self, z: Tensor) -> Tensor:
        return torch.sigmoid(self.fc21(torch.relu(self.fc1(z))))


class VAE(nn.Module):
    """Model and guide of the tutorial."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = Encoder()
        self.decoder = Decoder()

    def model(self, x: Tensor) -> None:
        pyro.module("decoder", self.decoder)
        with pyro.plate("data", x.shape[0]):
            loc = x.new_zeros((x.shape[0], LATENTS))
            scale = x.new_ones((x.shape[0], LATENTS))
            z = pyro.sample("latent", dist.Normal(loc, scale).to_event(1))
            probabilities = self.decoder(z)
            pyro.sample("obs", dist.Bernoulli(probabilities, validate_args=False).to_event(1), obs=x)

    def guide(self, x: Tensor) -> None:
        pyro.module("encoder", self.encoder)
        with pyro.plate("data", x.shape[0]):
            loc, scale = self.encoder(x)
            pyro.sample("latent", dist.Normal(loc, scale).to_event(1))


def build(path: str) -> Callable[[], float]:
    """Return the function that trains one epoch."""
    torch.set_num_threads(THREADS)
    pyro.distributions.enable_validation(False)
    pyro.set_rng_seed(0)
    x = torch.from_numpy(np.load(path)).to(torch.float32).div(255)
    loader = DataLoader(TensorDataset(x), batch_size=BATCH_SIZE, shuffle=True)
    vae = VAE()
    svi = SVI(vae.model, vae.guide, Adam({"lr": LEARNING_RATE}), loss=Trace_ELBO())

    def train_epoch() -> float:
        return sum(svi.step(batch) for (batch,) in loader) / len(x)

    return train_epoch


if __name__ == "__main__":
    serve(build, ["pyro-ppl", "torch", "numpy"])
