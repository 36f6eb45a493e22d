"""A model's samples against rows: the distribution of each column, and how columns go together."""

import dataclasses
import math
from typing import Any

import jax
import numpy as np
from jaxtyping import Float, Num
from scipy.stats import ks_2samp, rankdata

from aevb import inference
from aevb.datasets import RepeatedColumn
from aevb.evaluation.rows import Data, random_rows
from aevb.trained import TrainedModel

# Draws, and rows to hold them against at the most: errors of 0.01 in a share, of 0.02 in a correlation.
DRAWS = 5000
# Of fewer rows nothing is told.
LEAST_ROWS = 50
# Of 1,000 models that are right about every column and pair, one is called wrong.
FALSE_ALARM = 1e-3
# Columns of which more is missing: what is observed of them need not be what there is.
MOST_MISSING = 0.05


@dataclasses.dataclass(frozen=True)
class Simulated:
    """How far a model's samples are from rows.

    Args:
        n_rows: that samples were held against.
        columns: numbers of the columns looked at: not those of which much is missing, or that have a spike under a
            density.
        distance: of each the Kolmogorov-Smirnov distance between samples and rows: the largest difference between
            their shares below any value.
        distance_by_chance: the largest that chance gives, in one of a thousand evaluations.
        correlation: Spearman's rank correlations of the rows' columns, shape `(columns, columns)`.
        difference: those of samples less these.
        difference_by_chance: the largest that chance gives, in one of a thousand evaluations, where columns are
            independent; where they are not it is less.
    """

    n_rows: int
    columns: tuple[int, ...]
    distance: Float[np.ndarray, " columns"]
    distance_by_chance: float
    correlation: Float[np.ndarray, "columns columns"]
    difference: Float[np.ndarray, "columns columns"]
    difference_by_chance: float

    @property
    def farthest(self) -> tuple[int, float]:
        """The column that is farthest off, and its distance."""
        j = int(np.argmax(self.distance))
        return self.columns[j], float(self.distance[j])

    def columns_off(self, least: float) -> list[tuple[int, float]]:
        """Columns whose distance is above this and beyond chance, and their distances, largest first."""
        order = np.argsort(-self.distance)
        limit = max(least, self.distance_by_chance)
        return [(self.columns[j], float(self.distance[j])) for j in order if self.distance[j] > limit]

    def pairs_off(self, least: float) -> list[tuple[int, int, float, float]]:
        """Pairs of columns whose correlation differs by more than this and beyond chance: both, rows', samples'."""
        first, second = np.triu_indices(len(self.columns), 1)
        size = np.abs(self.difference[first, second])
        order = np.argsort(-size)
        chosen = [i for i in order if size[i] > max(least, self.difference_by_chance)]
        return [
            (
                self.columns[first[i]],
                self.columns[second[i]],
                float(self.correlation[first[i], second[i]]),
                float((self.correlation + self.difference)[first[i], second[i]]),
            )
            for i in chosen
        ]

    def summary(self, names: tuple[str, ...], most: int = 10) -> dict[str, Any]:
        """What is worth writing down: how far off samples are at the most, and the columns and pairs farthest off."""
        return {
            "rows": self.n_rows,
            "largest_distance": float(self.distance.max()),
            "distance_by_chance": self.distance_by_chance,
            "columns": {names[j]: distance for j, distance in self.columns_off(0.0)[:most]},
            "largest_correlation_difference": float(np.abs(self.difference).max()),
            "correlation_difference_by_chance": self.difference_by_chance,
            "pairs": [[names[i], names[j], r, s] for i, j, r, s in self.pairs_off(0.0)[:most]],
        }


def hold_against(
    model: TrainedModel, x: Data, repeated: tuple[RepeatedColumn, ...], seed: int
) -> Simulated | None:
    """Samples of the model against rows; None for too few rows or no column that tells.

    Columns of few values are compared on these values: a sample is moved to the nearest. Ranks, and no moments, as
    heavy tails leave none to be had.

    Args:
        model: the model.
        x: rows, the user's units.
        repeated: columns whose values repeat, under a density.
        seed: of all randomness.
    """
    rows = _given(model, x[random_rows(len(x), DRAWS, seed)], seed)
    spikes = {column.column for column in repeated if column.spike is not None or column.n_values == 1}
    enough = (np.mean(np.isnan(rows), axis=0) <= MOST_MISSING) & (np.nanmin(rows, 0) < np.nanmax(rows, 0))
    columns = [j for j in np.flatnonzero(enough).tolist() if j not in spikes]
    if len(rows) < LEAST_ROWS or not columns:
        return None
    draws = np.array(inference.sample(model.autoencoder, DRAWS, jax.random.key(seed))[0], np.float64)
    for column in repeated:
        draws[:, column.column] = _nearest(draws[:, column.column], rows[:, column.column])
    rows, draws = rows[:, columns], draws[:, columns]
    distance = np.array([_distance(*pair) for pair in zip(rows.T, draws.T, strict=True)])
    whole = rows[~np.isnan(rows).any(axis=1)]
    n, m = len(rows), len(draws)
    n_pairs = max(len(columns) * (len(columns) - 1) // 2, 1)
    correlation, simulated = _rank_correlation(whole), _rank_correlation(draws)
    return Simulated(
        n,
        tuple(columns),
        distance,
        # The tail of Kolmogorov's distribution, 2 exp(-2 nm/(n+m) D^2), over all columns (Bonferroni).
        math.sqrt(-0.5 * (1 / n + 1 / m) * math.log(FALSE_ALARM / len(columns) / 2)),
        correlation,
        simulated - correlation,
        # A normal tail of a variance of 1/(n-1) for each correlation, over all pairs.
        math.sqrt(2 * math.log(n_pairs / FALSE_ALARM) * (1 / max(len(whole) - 1, 1) + 1 / (m - 1))),
    )


def _distance(rows: np.ndarray, draws: np.ndarray) -> float:
    found: Any = ks_2samp(rows[~np.isnan(rows)], draws, method="asymp")
    return float(found.statistic)


def _given(model: TrainedModel, x: Data, seed: int) -> Num[np.ndarray, "rows features"]:
    """Rows as the likelihood draws them: grey pixels under a Bernoulli as black or white by their grey value."""
    rows = model.prepare(x).astype(np.float64)
    if model.is_normalized:
        return rows
    white = np.random.default_rng(seed).uniform(size=rows.shape) < rows
    return np.where(np.isnan(rows), np.nan, white)


def _nearest(values: Float[np.ndarray, " draws"], levels: Float[np.ndarray, " rows"]) -> np.ndarray:
    """Each value moved to the nearest of the levels."""
    known = np.unique(levels[~np.isnan(levels)])
    return known[np.searchsorted((known[1:] + known[:-1]) / 2, values)]


def _rank_correlation(x: Num[np.ndarray, "rows columns"]) -> Float[np.ndarray, "columns columns"]:
    """Spearman's; of a column that does not vary with any it is 0."""
    with np.errstate(all="ignore"):
        found = np.corrcoef(rankdata(x, axis=0), rowvar=False)
    return np.nan_to_num(np.atleast_2d(found))
