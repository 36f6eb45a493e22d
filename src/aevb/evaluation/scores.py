"""How odd rows are, as far as a model can tell."""

import dataclasses

import numpy as np
from jaxtyping import Float

from aevb.evaluation.results import log_p_key
from aevb.evaluation.rows import Data, ShowStage, TrainingData, random_rows, share_below, show_no_stage
from aevb.inference import MarginalEstimate, MarginalMethod
from aevb.trained import TrainedModel


@dataclasses.dataclass(frozen=True)
class Scores:
    """log p(x) of rows, and where it lies among those of training rows.

    A low log p(x) marks rows that the model finds odd. It is no proof that they are: a density depends on the
    units of the columns, and rows that are simpler than the training rows can have a higher one.

    Args:
        estimate: of each row.
        percentile: the share of training rows with a lower log p(x), in per cent, those with an equal one counted half;
            NaN for a row without any value, None where there were no training rows.
        n_training: how many training rows that is out of.
    """

    estimate: MarginalEstimate
    percentile: Float[np.ndarray, " rows"] | None
    n_training: int

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
    x_train: TrainingData | None = None,
    n_training: int = 2000,
    seed: int = 0,
    show: ShowStage = show_no_stage,
) -> Scores:
    """Score rows, and rank them among training rows.

    Args:
        model: the model.
        x: rows, the user's units.
        method: of estimating log p(x).
        x_train: the training rows, or None for no percentiles.
        n_training: training rows to compare with at the most, drawn at random.
        seed: of all randomness.
        show: called with a stage's name and the share of it that is done.

    Raises:
        InvalidDataError: rows that cannot be used.
    """
    estimate = model.log_marginal(x, method, seed, lambda share: show("rows", share))
    if x_train is None:
        return Scores(estimate, None, 0)
    rows = x_train[random_rows(len(x_train), n_training, seed)]
    reference = model.log_marginal(rows, method, seed, lambda share: show("training rows", share))
    percentile = 100.0 * share_below(reference.log_p, estimate.log_p)
    # Of a row without any value log p(x) is 0, which says nothing about it.
    return Scores(estimate, np.where(np.isnan(x).all(axis=1), np.nan, percentile), len(rows))
