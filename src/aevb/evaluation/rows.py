"""Some of many rows, and where one row lies among others."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int, Num

from aevb.datasets import row_digests

Data = Num[np.ndarray, "rows features"]
TrainingData = Num[np.ndarray, "training features"]
ShowStage = Callable[[str, float], None]


def show_no_stage(stage: str, share_done: float) -> None:
    """A progress bar for those who want none."""


def random_rows(n: int, most: int, seed: int) -> Int[np.ndarray, " chosen"]:
    """The numbers of at most so many rows, drawn at random and in their order: files are often sorted."""
    return np.arange(n) if n <= most else np.sort(np.random.default_rng(seed).choice(n, most, replace=False))


def share_below(
    reference: Float[np.ndarray, " reference"], values: Float[np.ndarray, " rows"]
) -> Float[np.ndarray, " rows"]:
    """Of each value the share of the reference below it, equals counted half."""
    ordered = np.sort(reference)
    sides = [np.searchsorted(ordered, values, side=side) for side in ("left", "right")]
    return np.asarray(sides[0] + sides[1], np.float64) / (2 * len(ordered))


def count_shared(x: Data, others: TrainingData) -> tuple[int, float]:
    """How many rows of `x` are equal, value by value, to one of the others; and how many are to be expected.

    Rows of few different values are equal by chance: as often as one of the others has a twin among them.
    """
    known = row_digests(others)
    _, place, counts = np.unique(known, return_inverse=True, return_counts=True)
    by_chance = float(np.mean(counts[place] > 1))
    return int(np.isin(row_digests(x), known).sum()), by_chance * len(x)
