"""`VAEOutlierDetector`: which rows are odd, as scikit-learn's outlier detectors say it."""

import math
import warnings
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, OutlierMixin, clone
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _num_samples, check_is_fitted

from aevb.errors import InvalidRecipeError
from aevb.estimator.fitting import held_out_rows
from aevb.estimator.vae import VAE
from aevb.evaluation.rows import random_rows, share_below

# Reference rows that are scored at the most, and as many more as leave so many of them below the threshold.
MOST_ROWS, ROWS_BELOW = 2000, 100
# From so many held-out rows on, a threshold needs no warning.
ENOUGH_ROWS = 100


class VAEOutlierDetector(OutlierMixin, BaseEstimator):
    """Rows whose log p(x) under a variational auto-encoder is low are odd: -1; the others are ordinary: 1.

    The threshold is a quantile of log p(x) among reference rows: the validation rows of the fit, where `vae` holds any
    out (`VAE(validation=0.2)`), else the training rows. Rows that a model was trained on score higher than others like
    them, so that a threshold among these calls more new rows odd than `contamination` says; a warning says so.

    A low log p(x) is no proof: a density depends on the units of columns, and rows that are simpler than the training
    rows can have a higher one. Of rows with missing values the observed ones are scored, so that rows with fewer of
    them are not to be compared with rows with more; a row without any is never odd.

    Args:
        vae: a `VAE` with the settings to train with, which stays as it is: a copy is trained. None for one with the
            default settings.
        contamination: the share of the reference rows that are called odd, above 0 and at most 0.5.

    Attributes:
        vae_: the trained `VAE`.
        offset_: the threshold, nats: `decision_function` is `score_samples` less this.
        reference_: "validation rows" or "training rows".
        reference_scores_: the log p(x) of the reference rows, nats; at most 2,000 of them, drawn at random, or as many
            as leave 100 below the threshold.
        n_features_in_: the number of features.
        feature_names_in_: their names, when fitted on a data frame.

    >>> x = np.random.default_rng(0).normal(size=(500, 3))
    >>> vae = VAE(n_latents=1, hidden=(8,), epochs=5, validation=0.3, random_state=0)
    >>> VAEOutlierDetector(vae).fit(x).predict([[0.0, 0.0, 0.0], [9.0, 9.0, -9.0]])
    array([ 1, -1])
    """

    def __init__(self, vae: VAE | None = None, contamination: float = 0.05):
        self.vae = vae
        self.contamination = contamination

    def fit(self, X: Any, y: Any = None) -> "VAEOutlierDetector":
        """Train on the rows of `X`, as `VAE.fit`, and find the threshold; `y` is ignored.

        Raises:
            InvalidRecipeError: `contamination` out of range.
            AevbError: as `VAE.fit`.
        """
        if not 0 < self.contamination <= 0.5:
            raise InvalidRecipeError(
                f"contamination = {self.contamination!r}: it must be above 0 and at most 0.5"
            )
        vae: Any = VAE() if self.vae is None else clone(self.vae)
        self.vae_: VAE = vae.fit(X)
        self.n_features_in_ = vae.n_features_in_
        if hasattr(vae, "feature_names_in_"):
            self.feature_names_in_ = vae.feature_names_in_
        n_rows = _num_samples(X)
        held_out = held_out_rows(vae.model_, n_rows)
        self.reference_ = "validation rows" if len(held_out) else "training rows"
        self._warn_of_reference(len(held_out))
        rows = held_out if len(held_out) else np.arange(n_rows)
        most = max(MOST_ROWS, math.ceil(ROWS_BELOW / self.contamination))
        rows = rows[random_rows(len(rows), most, vae.model_.recipe.seed)]
        # Rows of X as it came: of a frame, with its columns' names.
        self.reference_scores_ = self._scores(_safe_indexing(X.tocsr() if issparse(X) else X, rows))
        self.offset_ = float(np.quantile(self.reference_scores_, self.contamination))
        return self

    def score_samples(self, X: Any) -> Float[np.ndarray, " rows"]:
        """log p(x) of each row, nats, as `VAE.score_samples`: the lower, the odder."""
        check_is_fitted(self)
        return self._scores(X)

    def decision_function(self, X: Any) -> Float[np.ndarray, " rows"]:
        """`score_samples` less the threshold, nats: below 0 for odd rows."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> Int[np.ndarray, " rows"]:
        """-1 for odd rows, 1 for ordinary ones."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    def percentiles(self, X: Any) -> Float[np.ndarray, " rows"]:
        """The share of reference rows with a lower log p(x), in per cent, those with an equal one counted half.

        NaN for a row without any value, whose log p(x) says nothing about it.
        """
        check_is_fitted(self)
        x = self.vae_._rows(X)
        nothing = np.isnan(x).all(axis=1) if x.dtype.kind == "f" else np.zeros(len(x), bool)
        return np.where(nothing, np.nan, 100.0 * share_below(self.reference_scores_, self._scores(X)))

    def _scores(self, X: Any) -> Float[np.ndarray, " rows"]:
        return self.vae_.score_samples(X).astype(np.float64)

    def _warn_of_reference(self, n_held_out: int) -> None:
        if not n_held_out:
            warnings.warn(
                "the threshold lies among rows that the model was trained on, which score higher than new rows like "
                f"them: of new ones more than {self.contamination:.0%} will be called odd. `validation=0.2` of the "
                "VAE holds rows out for it",
                stacklevel=3,
            )
        elif n_held_out < ENOUGH_ROWS:
            warnings.warn(
                f"the threshold lies among {n_held_out} held-out rows only, too few to place it well: hold out "
                f"{ENOUGH_ROWS} or more (`validation=` of the VAE)",
                stacklevel=3,
            )

    def __sklearn_tags__(self) -> Any:
        """What scikit-learn should know: sparse matrices are read, and NaN is welcome where the VAE's model has it."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = self.vae is not None and self.vae.missing == "nan"
        return tags
