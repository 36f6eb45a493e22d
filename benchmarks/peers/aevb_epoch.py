"""aevb: one epoch of `aevb train mnist` at its defaults, without the evaluation that follows it."""

import dataclasses
from collections.abc import Callable

import numpy as np
from worker import BATCH_SIZE, HIDDEN, LATENTS, LEARNING_RATE, serve

from aevb.assembly import assemble
from aevb.datasets import Dataset
from aevb.recipe import Recipe
from aevb.training import TrainingState, train


def build(path: str) -> Callable[[], float]:
    """Return the function that trains one epoch."""
    recipe = Recipe(
        latents=LATENTS, hidden=(HIDDEN,), batch_size=BATCH_SIZE, learning_rate=LEARNING_RATE, epochs=1
    )
    assembly = assemble(recipe, Dataset("mnist", np.load(path)))
    state = TrainingState.start(assembly.autoencoder, assembly.plan.optimizer)

    def run_epoch() -> float:
        nonlocal state
        progress = dataclasses.replace(state.progress, status="running")
        plan = dataclasses.replace(assembly.plan, epochs=progress.epoch + 1)
        start = dataclasses.replace(state, progress=progress)
        *_, state = train(start, plan, assembly.objective, assembly.data)
        return -state.progress.history[-1]["train_elbo"]

    return run_epoch


if __name__ == "__main__":
    serve(build, ["aevb", "jax", "jaxlib", "numpy"])
