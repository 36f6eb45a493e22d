"""One joint test of the hypothesis that draws of a gradient have the mean that they are said to have.

The test looks at several statistics of a gradient g, all linear in it: every coordinate, and the component of g along
the exact gradient. It finds a bias where any of their t-scores exceeds a limit, which by the union bound keeps the
rate of false alarms below the stated one *however the statistics depend on each other*: coordinates of a gradient
share their noise, are often exact functions of one another, and Hotelling's T^2 would have to invert their singular
covariance. What is assumed is that the means over draws are normal.
"""

import dataclasses
import functools
from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int8
from scipy import stats

from aevb.experiments.gradients.moments import Accumulator, Moments

FALSE_ALARM = 0.01
POWER = 0.9
SKETCH = 16

Vector = Float[np.ndarray, " coordinates"]
Draws = Float[np.ndarray, "draws coordinates"]
Statistics = Float[np.ndarray, "draws statistics"]


@dataclasses.dataclass(frozen=True)
class Reference:
    """The gradient that an estimator is to have in the mean.

    Args:
        how: in words, where it is from.
        direction: the unit vector along it, shape `(coordinates,)`.
        every_coordinate: whether the test looks at every coordinate, or for a gradient too long for that at a sketch
            of it.
        expected: what the statistics should be in the mean; the first one is the gradient's length.
        error: the standard errors of `expected`.
    """

    how: str
    direction: Vector
    every_coordinate: bool
    expected: Float[np.ndarray, " statistics"]
    error: Float[np.ndarray, " statistics"]

    @property
    def length(self) -> float:
        """The length of the exact gradient."""
        return float(self.expected[0])

    def statistics(self, draws: Draws) -> Statistics:
        """The statistics of each draw, that along the gradient first."""
        return _statistics(draws, self.direction, self.every_coordinate)


def exact_reference(gradient: Vector, how: str) -> Reference:
    """A gradient that is known exactly, and not zero."""
    direction = gradient / np.linalg.norm(gradient)
    expected = _statistics(gradient[None], direction, True)[0]
    return Reference(how, direction, True, expected, np.zeros_like(expected))


def replicated_reference(replicates: Draws, how: str) -> Reference:
    """The mean of a few independent estimates, each far more accurate than what is held against it."""
    gradient = replicates.mean(axis=0)
    direction = gradient / np.linalg.norm(gradient)
    values = _statistics(replicates, direction, True)
    return Reference(
        how, direction, True, values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(len(values))
    )


def sampled_reference(draw: Callable[[], Draws], n_blocks: int, how: str) -> Reference:
    """The mean of a long run of an unbiased estimator.

    Its first half gives the direction and its second the values, whose means would else depend on their own noise.
    """
    halves = Accumulator(n_powers=2), Accumulator(n_powers=2)
    for _ in range(n_blocks):
        halves[0].add(draw())
    direction = halves[0].moments().mean
    direction /= np.linalg.norm(direction)
    for _ in range(n_blocks):
        halves[1].add(_statistics(draw(), direction, False))
    values = halves[1].moments()
    return Reference(how, direction, False, values.mean, values.mean_error)


def _statistics(draws: Draws, direction: Vector, every_coordinate: bool) -> Statistics:
    rest = draws if every_coordinate else sketch(draws)
    return np.concatenate([(draws @ direction.astype(draws.dtype))[:, None], rest], axis=1)


def sketch(draws: Draws) -> Float[np.ndarray, "draws sketch"]:
    """Each coordinate with a fixed random sign, summed in 16 groups (a count sketch: Charikar et al. 2002)."""
    n, p = draws.shape
    signed = np.pad(draws * _signs(p).astype(draws.dtype), ((0, 0), (0, -p % SKETCH)))
    return signed.reshape(n, -1, SKETCH).sum(axis=1)


@functools.lru_cache
def _signs(n: int) -> Int8[np.ndarray, " coordinates"]:
    return np.random.default_rng(0).choice(np.array([-1, 1], np.int8), n)


@dataclasses.dataclass(frozen=True)
class BiasTest:
    """What the joint test found.

    Args:
        along: the bias along the exact gradient, as a share of that gradient's length.
        along_error: its standard error.
        largest_score: the largest absolute t-score of all statistics.
        limit: above which it would be called a bias.
        detectable: the length, as a share of the exact gradient's, from which a bias is found with a probability of
            `POWER` or more: whatever its direction where the test looks at every coordinate, else along the gradient.
    """

    along: float
    along_error: float
    largest_score: float
    limit: float
    detectable: float

    @property
    def found(self) -> bool:
        """Whether there is a bias, at the stated rate of false alarms."""
        return self.largest_score > self.limit

    @classmethod
    def of(cls, reference: Reference, statistics: Moments, false_alarm: float = FALSE_ALARM) -> "BiasTest":
        """Test the moments of `reference.statistics` of all draws.

        Args:
            reference: what to hold them against.
            statistics: their moments.
            false_alarm: of this one test. A bias of length b has a coordinate of at least `size_j` in absolute value
                unless b < |size|, whence `detectable`.
        """
        error = np.hypot(statistics.mean_error, reference.error)
        difference = statistics.mean - reference.expected
        with np.errstate(divide="ignore", invalid="ignore"):
            scores = np.where(difference == 0, 0.0, np.abs(difference) / error)
        limit = float(stats.t.isf(false_alarm / (2 * len(scores)), statistics.n - 1))
        size = (limit + stats.norm.isf(1 - POWER)) * error
        detectable = np.linalg.norm(size[1:]) if reference.every_coordinate else size[0]
        return cls(
            float(difference[0] / reference.length),
            float(error[0] / reference.length),
            float(scores.max()),
            limit,
            float(detectable / reference.length),
        )
