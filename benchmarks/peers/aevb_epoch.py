"""aevb: one epoch of `aevb train mnist` at its defaults, without the evaluation that follows it.

A second argument names another family for the posterior.
"""

import sys
from collections.abc import Callable

import numpy as np
from worker import BATCH_SIZE, HIDDEN, LATENTS, LEARNING_RATE, serve

from aevb.assembly import assemble
from aevb.datasets import Dataset
from aevb.recipe import Recipe
from aevb.training import train


def build(path: str) -> Callable[[], float]:
    """Return the function that trains one epoch."""
    recipe = Recipe(
        latents=LATENTS,
        hidden=(HIDDEN,),
        posterior=sys.argv[2] if len(sys.argv) > 2 else "gaussian",
        batch_size=BATCH_SIZE,
        learning_rate=LEARNING_RATE,
        epochs=10**6,
    )
    assembly = assemble(recipe, Dataset("mnist", np.load(path), image_shape=(28, 28)))
    states = train(assembly.start, assembly.plan, assembly.data)

    def run_epoch() -> float:
        state = next(state for state in states if state.progress.batch == 0)
        return -state.progress.history[-1]["train_bound"]

    return run_epoch


if __name__ == "__main__":
    serve(build, ["aevb", "jax", "jaxlib", "numpy"])
