"""How odd rows are, as far as a model can tell."""

import dataclasses

import jax
import numpy as np
from jaxtyping import Float

from aevb.errors import InvalidRecipeError
from aevb.evaluation.gaps import inference_gaps
from aevb.evaluation.results import log_p_key
from aevb.evaluation.rows import Data, ShowStage, TrainingData, random_rows, share_below, show_no_stage
from aevb.inference import MarginalEstimate, MarginalMethod
from aevb.inference.importance import covers
from aevb.trained import TrainedModel

# Rows whose diagnostics fail that are looked at a second time, at random.
CHECKED_ROWS = 40
# A score that moves by less than this many nats, and of a row that stays within so many percentiles, means the same.
MOVED_NATS, MOVED_PERCENTILES = 0.5, 1.0
# Scores of some rows move by chance; of one in so many it is a pattern.
MOVED_SHARE = 0.1


@dataclasses.dataclass(frozen=True)
class SecondLook:
    """What became of rows whose diagnostics failed when their posteriors were refined, row by row.

    Args:
        n_rows: of them, at random.
        rise: by how much log p(x) rose on average, nats; both estimates are biased down.
        n_moved: how many rows have another answer: by half a nat and, where there are percentiles, by one of them.
    """

    n_rows: int
    rise: float
    n_moved: int

    @property
    def matters(self) -> bool:
        """Whether more rows than by chance have another answer."""
        return self.n_moved > MOVED_SHARE * self.n_rows


@dataclasses.dataclass(frozen=True)
class Scores:
    """log p(x) of rows, and where it lies among those of a reference.

    A low log p(x) marks rows that the model finds odd. It is no proof that they are: a density depends on the
    units of the columns, and rows that are simpler than the reference can have a higher one.

    Args:
        estimate: of each row.
        percentile: the share of reference rows with a lower log p(x), in per cent, those with an equal one counted
            half; NaN for a row without any value, None where there was no reference.
        n_reference: how many rows that is out of.
        second_look: at rows whose diagnostics failed; None if there were none, or none can be taken.
    """

    estimate: MarginalEstimate
    percentile: Float[np.ndarray, " rows"] | None
    n_reference: int
    second_look: SecondLook | None = None

    def columns(self, *, is_normalized: bool) -> dict[str, np.ndarray]:
        """Each column by the name that it deserves."""
        columns = {
            log_p_key(is_normalized=is_normalized): self.estimate.log_p,
            "monte_carlo_error": self.estimate.monte_carlo_error,
            "reliable": self.estimate.reliable,
        }
        return columns if self.percentile is None else {**columns, "percentile": self.percentile}

    def table(self) -> Float[np.ndarray, "rows columns"]:
        """The columns side by side, in single precision, True as 1."""
        columns = self.columns(is_normalized=True).values()
        return np.stack([np.asarray(column, np.float32) for column in columns], axis=1)


def score_rows(
    model: TrainedModel,
    x: Data,
    method: MarginalMethod,
    reference: TrainingData | None = None,
    n_reference: int = 2000,
    seed: int = 0,
    show: ShowStage = show_no_stage,
) -> Scores:
    """Score rows, and rank them among others.

    Args:
        model: the model.
        x: rows, the user's units.
        method: of estimating log p(x).
        reference: the rows to rank among, or None for no percentiles. Rows that the model was trained on flatter it:
            they score higher than others like them, so that these look odd.
        n_reference: reference rows to compare with at the most, drawn at random.
        seed: of all randomness.
        show: called with a stage's name and the share of it that is done.

    Raises:
        InvalidDataError: rows that cannot be used.
    """
    estimate = model.log_marginal(x, method, seed, lambda share: show("rows", share))
    others = np.zeros(0)
    if reference is not None:
        rows = reference[random_rows(len(reference), n_reference, seed)]
        others = model.log_marginal(rows, method, seed, lambda share: show("reference", share)).log_p
    look = _look_again(model, x, estimate, others, seed, show)
    if reference is None:
        return Scores(estimate, None, 0, look)
    percentile = 100.0 * share_below(others, estimate.log_p)
    # Of a row without any value log p(x) is 0, which says nothing about it.
    return Scores(estimate, np.where(np.isnan(x).all(axis=1), np.nan, percentile), len(others), look)


def _look_again(
    model: TrainedModel,
    x: Data,
    estimate: MarginalEstimate,
    others: Float[np.ndarray, " reference"],
    seed: int,
    show: ShowStage,
) -> SecondLook | None:
    """Whether rows whose diagnostics fail have another answer once their posteriors are refined."""
    failed = np.flatnonzero(~estimate.reliable)
    if not len(failed) or not covers(model.autoencoder.model, model.recognition):
        return None
    rows = failed[random_rows(len(failed), CHECKED_ROWS, seed)]
    given = model.prepare(x[rows])
    try:
        levels = inference_gaps(
            model.autoencoder, given, jax.random.key(seed), lambda share: show("second look", share)
        )
    except InvalidRecipeError:  # discrete codes are not refined
        return None
    before, after = estimate.log_p[rows], levels["log_p"].astype(np.float64)
    moved = np.abs(after - before) > MOVED_NATS
    if len(others):
        moved &= 100 * np.abs(share_below(others, after) - share_below(others, before)) > MOVED_PERCENTILES
    return SecondLook(len(rows), float(np.mean(after - before)), int(moved.sum()))
