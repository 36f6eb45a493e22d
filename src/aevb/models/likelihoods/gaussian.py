"""Gaussian likelihoods: variances that depend on z, one for each column, or one for all."""
# Each names its features as arguments, of which the base class knows only that there are some.
# pyright: reportIncompatibleMethodOverride=false

from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from aevb.datasets import Support
from aevb.distributions import Distribution, LogVarianceNormal
from aevb.models.likelihoods.likelihood import Cells, Likelihood, Training, as_log_variance

# A variance below this, in scaled units, is that of a column with one value, whose density knows no bound.
LEAST_VARIANCE = 1e-12


class Gaussian(Likelihood):
    """N(x; mu(z), sigma^2(z)) (Kingma & Welling 2014, Appendix C.2)."""

    name: ClassVar[str] = "gaussian"
    summary: ClassVar[str] = "real numbers; the variance depends on z"
    heads: ClassVar[tuple[str, ...]] = ("loc", "log_variance")
    noise: ClassVar[tuple[str, ...]] = ("gaussian",)

    def distribution(self, loc: Array, log_variance: Array) -> Distribution:
        """One Gaussian per cell."""
        return _normal(loc, log_variance)

    def independent(self, rows: Cells, train: Training) -> Cells:
        """With each column's mean and variance."""
        return _independent(rows, train)


class GaussianSigmoid(Likelihood):
    """N(x; sigmoid(mu(z)), sigma^2(z)), for data in [0, 1] (Kingma & Welling 2014, the Frey Face model)."""

    name: ClassVar[str] = "gaussian-sigmoid"
    summary: ClassVar[str] = "real numbers in [0, 1], with means through a sigmoid"
    heads: ClassVar[tuple[str, ...]] = ("loc", "log_variance")
    reach: ClassVar[Support | None] = Support(0.0, 1.0)
    mean_range: ClassVar[tuple[float, float] | None] = (0.0, 1.0)
    advice: ClassVar[str] = (
        "The gaussian likelihood fits any real values; minmax scaling brings columns into [0, 1]."
    )
    noise: ClassVar[tuple[str, ...]] = ("gaussian",)

    def distribution(self, loc: Array, log_variance: Array) -> Distribution:
        """One Gaussian per cell."""
        return _normal(jax.nn.sigmoid(loc), log_variance)

    def independent(self, rows: Cells, train: Training) -> Cells:
        """With each column's mean and variance."""
        return _independent(rows, train)


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
        return _normal(loc, log_variance)

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


def _normal(loc: Array, features: Array) -> Distribution:
    return LogVarianceNormal(loc, jnp.broadcast_to(as_log_variance(features), jnp.shape(loc)))


def _independent(rows: Cells, train: Training) -> Cells:
    mean = np.nanmean(train, axis=0)
    variance = np.maximum(np.nanmean((train - mean) ** 2, axis=0), LEAST_VARIANCE)
    return -0.5 * (np.log(2 * np.pi * variance) + (rows - mean) ** 2 / variance)
