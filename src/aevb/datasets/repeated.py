"""Columns whose values repeat, for which a density is the wrong thing."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Num

# Of fewer observed values nothing can be told.
LEAST_VALUES = 20
# A coin, a grade, a count: so few values, each of which comes many times, are a list to choose from. Measurements that
# were rounded have more (iris: 22 to 43 in 150 rows); whole numbers are mostly counts.
FEW_VALUES, FEW_WHOLE_NUMBERS, TIMES_EACH = 20, 50, 5
# One value in so many of the rows, amid others that spread: no rain, no sale, "unknown". Rounding alone does not do
# this to a normal column unless it has fewer than a dozen values.
SPIKE_SHARE = 0.2
# That many rows show both, drawn at random.
MOST_ROWS = 10_000


@dataclass(frozen=True)
class RepeatedColumn:
    """A column of values that repeat.

    Args:
        column: its number, from 0.
        name: what it is called.
        n_values: how many different values it has.
        spike: the value that most rows have, where its share and not the number of values is why; else None.
        share: of the rows with the most frequent value.
    """

    column: int
    name: str
    n_values: int
    spike: float | None
    share: float

    def __str__(self) -> str:
        """In words."""
        if self.n_values == 1:
            return f"{self.name} (one value)"
        if self.spike is None:
            return f"{self.name} ({self.n_values} values)"
        return f"{self.name} ({self.spike:g} in {100 * self.share:.0f}% of the rows)"


def repeated_columns(
    x: Num[np.ndarray, "rows features"], feature_names: tuple[str, ...] | None = None
) -> tuple[RepeatedColumn, ...]:
    """The columns of few values, or with one value in many rows.

    A density over such a column grows without limit as the model learns to give just these values: log p(x) and the
    bound then say less and less about the other columns, and can be above 0.

    Args:
        x: rows, in any units; NaN for a missing value.
        feature_names: what the columns are called; by their numbers from 0 if not given.

    Returns:
        In the order of the columns; those of fewer than 20 observed values are not looked at.

    >>> x = np.random.default_rng(0).normal(size=(100, 3))
    >>> x[:, 1] = x[:, 1] > 0
    >>> [str(column) for column in repeated_columns(x, ("height", "smokes", "weight"))]
    ["'smokes' (2 values)"]
    """
    found = []
    if len(x) > MOST_ROWS:
        x = x[np.random.default_rng(0).choice(len(x), MOST_ROWS, replace=False)]
    for j in range(x.shape[1]):
        column = x[:, j].astype(np.float64)
        values, counts = np.unique(column[~np.isnan(column)], return_counts=True)
        n = int(counts.sum())
        if n < LEAST_VALUES:
            continue
        most = int(np.argmax(counts))
        share = float(counts[most]) / n
        most_values = FEW_WHOLE_NUMBERS if np.all(values == np.round(values)) else FEW_VALUES
        is_few = len(values) <= min(most_values, n / TIMES_EACH)
        if is_few or share >= SPIKE_SHARE:
            name = f"'{feature_names[j]}'" if feature_names else f"column {j}"
            found.append(RepeatedColumn(j, name, len(values), None if is_few else float(values[most]), share))
    return tuple(found)


def describe_repeated(columns: tuple[RepeatedColumn, ...], most: int = 5) -> str:
    """Their names and why, at most so many of them."""
    others = len(columns) - most
    named = ", ".join(str(column) for column in columns[:most])
    return f"{named} and {others} more" if others > 0 else named
