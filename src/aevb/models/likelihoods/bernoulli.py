"""Likelihoods of values in [0, 1]."""
# Each names its features as arguments, of which the base class knows only that there are some.
# pyright: reportIncompatibleMethodOverride=false

from typing import ClassVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from aevb.datasets import Support
from aevb.distributions import ContinuousBernoulli, Distribution, LogitBernoulli
from aevb.models.likelihoods.likelihood import Cells, Likelihood, Training

# Halvings of the interval in which the continuous Bernoulli's natural parameter lies, until it is known to 1e-12.
HALVINGS = 60
LARGEST_LOGIT = 1e3
ADVICE = "The gaussian likelihood fits any real values; minmax scaling brings columns into [0, 1]."


class Bernoulli(Likelihood):
    """Bernoulli(x; logits(z)) (Kingma & Welling 2014, Appendix C.1).

    For x strictly between 0 and 1 its `log_prob` is a negative cross-entropy, not a log density.
    """

    name: ClassVar[str] = "bernoulli"
    summary: ClassVar[str] = "0 or 1; of grey pixels a cross-entropy"
    heads: ClassVar[tuple[str, ...]] = ("logits",)
    support: ClassVar[Support] = Support(0.0, 1.0)
    proper_on: ClassVar[Support | None] = Support(0.0, 1.0, is_whole=True)
    is_density: ClassVar[bool] = False
    mean_range: ClassVar[tuple[float, float] | None] = (0.0, 1.0)
    clip_norm: ClassVar[float] = 0.0
    noise: ClassVar[tuple[str, ...]] = ("flips",)
    advice: ClassVar[str] = ADVICE

    def distribution(self, logits: Array) -> Distribution:
        """One Bernoulli per cell."""
        return LogitBernoulli(logits)

    def independent(self, rows: Cells, train: Training) -> Cells:
        """With half a row of each kind more, so that a value that no training row has is unlikely, not impossible."""
        n = np.sum(~np.isnan(train), axis=0)
        p = (np.nansum(train, axis=0) + 0.5) / (n + 1)
        return rows * np.log(p) + (1 - rows) * np.log1p(-p)


class ContinuousBernoulliLikelihood(Likelihood):
    """CB(x; logits(z)), a density on [0, 1] (Loaiza-Ganem & Cunningham 2019).

    For grey pixels: the Bernoulli's cross-entropy with the constant that makes it a log density. Its means are not
    the sigmoids of the logits.
    """

    name: ClassVar[str] = "continuous-bernoulli"
    summary: ClassVar[str] = "real numbers in [0, 1], such as grey pixels"
    heads: ClassVar[tuple[str, ...]] = ("logits",)
    support: ClassVar[Support] = Support(0.0, 1.0)
    mean_range: ClassVar[tuple[float, float] | None] = (0.0, 1.0)
    clip_norm: ClassVar[float] = 0.0
    advice: ClassVar[str] = ADVICE

    def distribution(self, logits: Array) -> Distribution:
        """One continuous Bernoulli per cell."""
        return ContinuousBernoulli(jnp.asarray(logits), validate_args=False)

    def independent(self, rows: Cells, train: Training) -> Cells:
        """The logit whose mean is the column's, found by halving: the mean rises with it."""
        wanted = np.nanmean(train, axis=0)
        low, high = np.full(wanted.shape, -LARGEST_LOGIT), np.full(wanted.shape, LARGEST_LOGIT)
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            below = _mean(middle) < wanted
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        logit = (low + high) / 2
        return rows * logit - _log_normalizer(logit)


def _mean(logit: np.ndarray) -> np.ndarray:
    """Of the density proportional to exp(logit x) on [0, 1]: 1 / (1 - exp(-logit)) - 1 / logit."""
    near = np.abs(logit) < 1e-3
    safe = np.where(near, 1.0, logit)
    with np.errstate(over="ignore"):
        return np.where(near, 0.5 + logit / 12, -1 / np.expm1(-safe) - 1 / safe)


def _log_normalizer(logit: np.ndarray) -> np.ndarray:
    """log((exp(logit) - 1) / logit), which is logit of its negative plus logit."""
    near, size = np.abs(logit) < 1e-6, np.abs(logit)
    safe = np.where(near, 1.0, size)
    return np.where(near, logit / 2, np.maximum(logit, 0) + np.log(-np.expm1(-safe) / safe))
