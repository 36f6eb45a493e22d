"""Eight training runs, one of them well and seven ill in their own ways; of one shape, so that they share programs."""

import dataclasses

import numpy as np
import pytest

from aevb.assembly import assemble
from aevb.datasets import Dataset
from aevb.evaluation import evaluate
from aevb.recipe import Recipe
from aevb.run import trained_model
from aevb.trained import TrainedModel
from aevb.training import train

N_TRAIN, N_NEW, N_FEATURES = 1000, 400, 6


def linked(n, seed):
    """Two latents behind six columns, and noise: a linear-Gaussian model's own data."""
    rng, weight = np.random.default_rng(seed), np.random.default_rng(77).normal(size=(2, N_FEATURES))
    return rng.normal(size=(n, 2)) @ weight + 0.5 * rng.normal(size=(n, N_FEATURES))


def unrelated(n, seed):
    """Columns that have nothing in common, so that there is nothing for codes to tell."""
    return np.random.default_rng(seed).normal(size=(n, N_FEATURES))


def copies(n, seed):
    """Thirty rows of those again and again, as training rows."""
    return np.resize(unrelated(30, seed), (n, N_FEATURES)) if n == N_TRAIN else unrelated(n, seed)


def yes_or_no(n, seed):
    """Columns of 0 and 1."""
    return (linked(n, seed) > 0).astype(float)


def spiked(n, seed):
    """A column that is 0 in half of the rows."""
    x = linked(n, seed)
    x[np.random.default_rng(seed + 100).uniform(size=n) < 0.5, 2] = 0.0
    return x


def heavy(n, seed):
    """A column of Student's t with one degree of freedom, a Cauchy distribution."""
    x = linked(n, seed)
    x[:, 1] = np.random.default_rng(seed + 100).standard_t(1.0, n)
    return x


# What the rows are, what is unusual about the recipe, the word for it, and what else such a run may be told.
SICK_CODES = {"unreliable importance weights", "prior mismatch", "weak encoder", "unlike the data"}
CASES = {
    "healthy": (linked, {}, None, set()),
    "diverged": (linked, {"learning_rate": 3.0}, "diverged", {"below independent columns", *SICK_CODES}),
    "undertrained": (linked, {"epochs": 6, "evaluate_every": 1}, "undertrained", {"unlike the data"}),
    "collapsed": (unrelated, {}, "posterior collapse", set()),
    "overfitted": (copies, {}, "overfitting", {"below independent columns", *SICK_CODES}),
    "wrong likelihood": (
        yes_or_no,
        {"likelihood": "gaussian"},
        "repeated values",
        {"undertrained", *SICK_CODES},
    ),
    "spikes": (spiked, {}, "repeated values", set()),
    "heavy tails": (
        heavy,
        {"epochs": 200, "evaluate_every": 5, "schedule": "cosine"},
        "heavy tails",
        {"unlike the data"},
    ),
}


@dataclasses.dataclass(frozen=True)
class Run:
    """A model, its training rows, and its history."""

    model: TrainedModel
    x: np.ndarray
    history: tuple[dict, ...]


def trained(name, seed=0):
    """The run of this name."""
    rows, changes, _, _ = CASES[name]
    about = {"latents": 2, "hidden": (32,), "batch_size": 100, "epochs": 60, "evaluate_every": 2, "test": 0.0}
    recipe = Recipe(**{**about, "learning_rate": 3e-3, "seed": seed, **changes})
    dataset = Dataset("made up", rows(N_TRAIN, seed + 1))
    assembly = assemble(recipe, dataset)
    *_, state = train(assembly.start, assembly.plan, assembly.data)
    model = trained_model(state, assembly.recipe, dataset, assembly)
    return Run(model, dataset.x_train, state.progress.history)


def judged(name, run, seed=0):
    """Its evaluation on new rows of the same kind."""
    x = CASES[name][0](N_NEW, seed + 2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("aevb.evaluation.measure.GAP_ROWS", 20)
        return evaluate(run.model, x, x_train=run.x, history=run.history)
