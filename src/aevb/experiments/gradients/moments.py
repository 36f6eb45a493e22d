"""Means, variances and their standard errors from draws that arrive in blocks. NumPy in double precision, no JAX."""

import dataclasses

import numpy as np
from jaxtyping import Float

Columns = Float[np.ndarray, " columns"]
Block = Float[np.ndarray, "draws columns"]


@dataclasses.dataclass(frozen=True)
class Moments:
    """What `n` independent draws of a vector say about its distribution, column by column.

    Args:
        n: the number of draws.
        mean: of each column.
        variance: unbiased, of each column.
        fourth: the fourth central moment of each column; None where it was not kept.
        total_variance_error: the standard error of the sum of the columns' variances, which takes into account that
            columns move together.
    """

    n: int
    mean: Columns
    variance: Columns
    fourth: Columns | None
    total_variance_error: float

    @property
    def mean_error(self) -> Columns:
        """The standard error of each mean: sqrt(variance / n)."""
        return np.sqrt(self.variance / self.n)

    @property
    def variance_error(self) -> Columns:
        """The standard error of each variance: sqrt((m4 - (n - 3) / (n - 1) s^4) / n).

        From Var(s^2), Mood, Graybill & Boes 1974, "Introduction to the Theory of Statistics", section VI.2.
        """
        assert self.fourth is not None
        n = self.n
        return np.sqrt(np.maximum(self.fourth - (n - 3) / (n - 1) * self.variance**2, 0.0) / n)

    @property
    def mean_variance(self) -> float:
        """The variance per column, averaged over columns."""
        return float(np.mean(self.variance))

    @property
    def mean_variance_error(self) -> float:
        """The standard error of `mean_variance`."""
        return self.total_variance_error / len(self.variance)


class Accumulator:
    """Collects draws block by block, and keeps sums of their powers only.

    The powers are of distances from the first block's mean, so that nothing cancels where a mean is large.

    Args:
        n_powers: 4, or 2 to do without fourth moments.
    """

    def __init__(self, n_powers: int = 4) -> None:
        self._n_powers = n_powers
        self._center: Columns | None = None
        self._sums: list[Columns] = []
        self._squared_distances: list[Float[np.ndarray, " draws"]] = []

    def add(self, draws: Float[np.ndarray, "draws columns"]) -> None:
        """Take in a block of independent draws."""
        if self._center is None:
            self._center = np.asarray(np.mean(draws, axis=0, dtype=np.float64))
            self._sums = [np.zeros(draws.shape[1]) for _ in range(self._n_powers)]
        x = draws - self._center
        squares = np.square(x)
        self._sums[0] += x.sum(axis=0)
        self._sums[1] += squares.sum(axis=0)
        if self._n_powers == 4:
            self._sums[2] += np.sum(squares * x, axis=0)
            self._sums[3] += np.sum(np.square(squares), axis=0)
        self._squared_distances.append(squares.sum(axis=1))

    def moments(self) -> Moments:
        """The moments of all draws so far, of which there must be two or more."""
        distances = np.concatenate(self._squared_distances)
        n = len(distances)
        assert self._center is not None
        shift, second = self._sums[0] / n, self._sums[1] / n
        variance = np.maximum(second - shift**2, 0.0) * n / (n - 1)
        fourth = None
        if self._n_powers == 4:
            third, central = self._sums[2] / n, self._sums[3] / n
            central = central - 4 * shift * third + 6 * shift**2 * second - 3 * shift**4
            fourth = np.maximum(central, 0.0)
        # The sum of variances is a mean of squared distances, but for terms of order 1/n.
        error = float(np.std(distances, ddof=1) / np.sqrt(n))
        return Moments(n, self._center + shift, variance, fourth, error)
