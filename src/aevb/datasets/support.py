"""The values that a likelihood knows: an interval, of real or of whole numbers."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Num

from aevb.datasets.checks import name_cell
from aevb.datasets.wording import count_of
from aevb.errors import InvalidDataError

# The value next to a limit that is itself outside, in scaled units.
NEXT = 1e-6


@dataclass(frozen=True)
class Support:
    """The set of values to which a likelihood gives a density or a probability.

    Args:
        low: the least value.
        high: the greatest value.
        is_whole: only whole numbers.
        is_open: the limits themselves are outside.

    >>> Support(0.0, is_whole=True).holds(np.array([3.0, 0.5, -1.0, np.nan]))
    array([ True, False, False,  True])
    >>> str(Support(0.0, is_open=True))
    'numbers above 0'
    """

    low: float = -math.inf
    high: float = math.inf
    is_whole: bool = False
    is_open: bool = False

    def holds(self, x: Num[np.ndarray, "*shape"]) -> Bool[np.ndarray, "*shape"]:
        """Which values are inside; NaN, a missing value, is."""
        inside = (x > self.low) & (x < self.high) if self.is_open else (x >= self.low) & (x <= self.high)
        if self.is_whole:
            inside &= x == np.round(x)
        return inside | np.isnan(x)

    def holds_all(self, x: Num[np.ndarray, "*shape"]) -> bool:
        """Whether all values are inside."""
        if (
            not self.is_whole
        ):  # the extremes tell without an array of the size of x; fmin and fmax pass over NaN
            low, high = np.fmin.reduce(x, axis=None), np.fmax.reduce(x, axis=None)
            if math.isnan(low):
                return True
            return bool(
                low > self.low and high < self.high if self.is_open else low >= self.low and high <= self.high
            )
        return bool(self.holds(x).all())

    def nearest(self, x: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
        """The nearest value inside."""
        inset = NEXT if self.is_open else 0.0
        return np.clip(np.round(x) if self.is_whole else x, self.low + inset, self.high - inset)

    def __str__(self) -> str:
        """In words, to go on after "needs"."""
        kind = "whole numbers" if self.is_whole else "numbers" if self.is_open else "values"
        if math.isinf(self.low):
            return kind
        if math.isinf(self.high):
            return f"{kind} {'above' if self.is_open else 'of at least'} {self.low:g}"
        if self.is_open:
            return f"{kind} between {self.low:g} and {self.high:g}, both exclusive"
        return f"{kind} in [{self.low:g}, {self.high:g}]"


def check_support(
    x: Num[np.ndarray, "rows features"],
    likelihood: str,
    support: Support,
    *,
    name: str = "x",
    feature_names: Sequence[str] | None = None,
    advice: str = "",
) -> None:
    """Refuse rows with a value that a likelihood does not know.

    Args:
        x: rows in the units that the likelihood sees; NaN, for a missing value, passes.
        likelihood: its name, for the error.
        support: the values that it knows.
        name: what to call the array in an error.
        feature_names: names of the columns, for the error.
        advice: what to do, a sentence.

    Raises:
        InvalidDataError: names the first value outside.

    >>> check_support(np.array([[0.5, 0.7]]), "bernoulli", Support(0.0, 1.0))
    """
    if support.holds_all(x):
        return
    outside = ~support.holds(x)
    row, column = (int(i) for i in np.argwhere(outside)[0])
    said = (
        f"the {likelihood} likelihood needs {support}, but {name} has {x[row, column]:g} "
        f"at {name_cell(row, column, feature_names)}, and {count_of(int(outside.sum()), 'cell')} outside in all."
    )
    raise InvalidDataError(f"{said} {advice}".rstrip())
