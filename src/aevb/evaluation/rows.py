"""Some of many rows, and where one row lies among others."""

from collections.abc import Callable, Iterator

import numpy as np
from jaxtyping import Float, Int, Num

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


def count_shared(x: Data, others: TrainingData) -> int:
    """How many rows of `x` are equal, value by value, to one of the others."""
    known = {row for block in _blocks(others) for row in block}
    return sum(row in known for block in _blocks(x) for row in block)


def _blocks(x: np.ndarray, size: int = 10_000) -> Iterator[list[bytes]]:
    """Rows as bytes that are equal where their numbers are, whatever the type."""
    for start in range(0, len(x), size):
        rows = np.ascontiguousarray(x[start : start + size], np.float64) + 0.0  # of -0.0 this is 0.0
        yield [row.tobytes() for row in rows]
