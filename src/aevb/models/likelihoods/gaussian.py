"""Gaussian likelihoods: variances that depend on z, one for each column, or one for all."""
# Each names its features as arguments, of which the base class knows only that there are some.
# pyright: reportIncompatibleMethodOverride=false

import math
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from aevb.datasets import Support
from aevb.distributions import Distribution, LogVarianceNormal
from aevb.models.conditional import LOG_VARIANCE_LIMITS, soft_clip
from aevb.models.likelihoods.likelihood import Cells, Likelihood, Training, as_log_variance

# A variance below this, in scaled units, is that of a column with one value, whose density knows no bound.
LEAST_VARIANCE = 1e-12


class _WithVariance(Likelihood):
    """What Gaussians whose variance depends on z have in common: a least one.

    Args:
        least_log_variance: which a log-variance is held above.
    """

    least_log_variance: float = eqx.field(static=True, default=LOG_VARIANCE_LIMITS[0])

    heads: ClassVar[tuple[str, ...]] = ("loc", "log_variance")
    noise: ClassVar[tuple[str, ...]] = ("gaussian",)

    def fitted(self, x: Training, *, is_table: bool = False) -> "_WithVariance":
        """With the least variance of a table: that of a column's mean, the column's own over the number of rows.

        For all columns it is that of the column that varies least, after standardization of every one. To be surer of
        a value is to have learned rows by heart.
        """
        if not is_table:
            return self
        variance = np.nanvar(x, axis=0, dtype=np.float64)
        varying = variance[variance > 0]
        least = math.log(varying.min() / len(x)) if len(varying) else LOG_VARIANCE_LIMITS[0]
        return type(self)(round(max(least, LOG_VARIANCE_LIMITS[0]), 3))

    def independent(self, rows: Cells, train: Training) -> Cells:
        """With each column's mean and variance."""
        return _independent(rows, train)

    def _normal(self, loc: Array, log_variance: Array) -> Distribution:
        return LogVarianceNormal(
            loc, soft_clip(log_variance, self.least_log_variance, LOG_VARIANCE_LIMITS[1])
        )


class Gaussian(_WithVariance):
    """N(x; mu(z), sigma^2(z)) (Kingma & Welling 2014, Appendix C.2)."""

    name: ClassVar[str] = "gaussian"
    summary: ClassVar[str] = "real numbers; the variance depends on z"

    def distribution(self, loc: Array, log_variance: Array) -> Distribution:
        """One Gaussian per cell."""
        return self._normal(loc, log_variance)


class GaussianSigmoid(_WithVariance):
    """N(x; sigmoid(mu(z)), sigma^2(z)), for data in [0, 1] (Kingma & Welling 2014, the Frey Face model)."""

    name: ClassVar[str] = "gaussian-sigmoid"
    summary: ClassVar[str] = "real numbers in [0, 1], with means through a sigmoid"
    reach: ClassVar[Support | None] = Support(0.0, 1.0)
    mean_range: ClassVar[tuple[float, float] | None] = (0.0, 1.0)
    advice: ClassVar[str] = (
        "The gaussian likelihood fits any real values; minmax scaling brings columns into [0, 1]."
    )

    def distribution(self, loc: Array, log_variance: Array) -> Distribution:
        """One Gaussian per cell."""
        return self._normal(jax.nn.sigmoid(loc), log_variance)


class GaussianDiagonal(Likelihood):
    """N(x; mu(z), sigma^2), with a variance of each column's own that does not depend on z.

    Without hidden layers mu is linear: factor analysis.
    """

    name: ClassVar[str] = "gaussian-diagonal"
    summary: ClassVar[str] = "real numbers; one variance per column"
    heads: ClassVar[tuple[str, ...]] = ("loc",)
    free: ClassVar[tuple[str, ...]] = ("log_variance",)
    noise: ClassVar[tuple[str, ...]] = ("gaussian",)

    def distribution(self, loc: Array, log_variance: Array) -> Distribution:
        """One Gaussian per cell."""
        return LogVarianceNormal(loc, jnp.broadcast_to(as_log_variance(log_variance), jnp.shape(loc)))

    def independent(self, rows: Cells, train: Training) -> Cells:
        """With each column's mean and variance."""
        return _independent(rows, train)


class GaussianIsotropic(GaussianDiagonal):
    """N(x; mu(z), sigma^2), with one variance for all columns, in scaled units.

    Without hidden layers it is probabilistic principal component analysis (Tipping & Bishop 1999).
    """

    name: ClassVar[str] = "gaussian-isotropic"
    summary: ClassVar[str] = "real numbers; one variance for all columns"

    def width(self, parameter: str, n_features: int) -> int:
        """One variance."""
        return {"loc": n_features, "log_variance": 1}[parameter]


def _independent(rows: Cells, train: Training) -> Cells:
    mean = np.nanmean(train, axis=0)
    variance = np.maximum(np.nanmean((train - mean) ** 2, axis=0), LEAST_VARIANCE)
    return -0.5 * (np.log(2 * np.pi * variance) + (rows - mean) ** 2 / variance)
