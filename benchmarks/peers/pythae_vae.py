"""Pythae's VAE and BaseTrainer with the tutorial's network, and Pythae's own defaults for all the rest.

Only the trainer's training epoch is timed: the copy of the best model and the checkpoints are left out.
Pythae makes an (empty) output folder in the working folder, which the harness removes.
"""

from collections.abc import Callable

import numpy as np
import torch
from pythae.data.datasets import BaseDataset
from pythae.models import VAE, VAEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.trainers import BaseTrainer, BaseTrainerConfig
from torch import Tensor, nn
from worker import BATCH_SIZE, HIDDEN, LATENTS, LEARNING_RATE, PIXELS, THREADS, serve


class Encoder(BaseEncoder):
    """784-400 with ReLU, then a head each for mean and log-variance."""

    def __init__(self) -> None:
        BaseEncoder.__init__(self)
        self.hidden = nn.Sequential(nn.Linear(PIXELS, HIDDEN), nn.ReLU())
        self.embedding = nn.Linear(HIDDEN, LATENTS)
        self.log_var = nn.Linear(HIDDEN, LATENTS)

    def forward(self, x: Tensor) -> ModelOutput:
        hidden = self.hidden(x)
        return ModelOutput(embedding=self.embedding(hidden), log_covariance=self.log_var(hidden))


class Decoder(BaseDecoder):
    """20-400-784 with ReLU and a sigmoid."""

    def __init__(self) -> None:
        BaseDecoder.__init__(self)
        self.layers = nn.Sequential(
            nn.Linear(LATENTS, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, PIXELS), nn.Sigmoid()
        )

    def forward(self, z: Tensor) -> ModelOutput:
        return ModelOutput(reconstruction=self.layers(z))


def build(path: str) -> Callable[[], float]:
    """Return the function that trains one epoch."""
    torch.set_num_threads(THREADS)
    x = torch.from_numpy(np.load(path)).to(torch.float32).div(255)
    config = VAEConfig(input_dim=(PIXELS,), latent_dim=LATENTS, reconstruction_loss="bce")
    trainer = BaseTrainer(
        model=VAE(config, encoder=Encoder(), decoder=Decoder()),
        train_dataset=BaseDataset(x, torch.zeros(len(x))),
        training_config=BaseTrainerConfig(
            output_dir="pythae-output",
            per_device_train_batch_size=BATCH_SIZE,
            learning_rate=LEARNING_RATE,
            no_cuda=True,
        ),
    )
    trainer.prepare_training()

    def train_epoch() -> float:
        loss = trainer.train_step(epoch=1)  # a mean of the minibatches' means
        trainer.callback_handler.on_epoch_end(training_config=trainer.training_config)
        return float(loss)

    return train_epoch


if __name__ == "__main__":
    serve(build, ["pythae", "torch", "numpy"])
