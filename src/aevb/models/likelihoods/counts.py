"""Likelihoods of counts: whole numbers of at least 0, which are never scaled."""
# Each names its features as arguments, of which the base class knows only that there are some.
# pyright: reportIncompatibleMethodOverride=false

from typing import ClassVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array
from numpyro import distributions

from aevb.datasets import Support
from aevb.distributions import Distribution
from aevb.models.constant import Constant
from aevb.models.likelihoods.likelihood import AutoScale, Likelihood, Training, as_concentration, as_log_mean
from aevb.typing import Inputs, Mask, Rows

# Of a column of zeros.
LEAST_LEVEL = 1e-3


class _Counts(Likelihood):
    """What likelihoods of counts have in common: an encoder sees log(1 + x), and means are relative to a column's.

    Args:
        log_level: logarithm of each column's mean among the training rows, shape `(features,)`; None for zeros.
    """

    log_level: Constant | None = None

    support: ClassVar[Support] = Support(0.0, is_whole=True)
    is_density: ClassVar[bool] = False
    auto_scale: ClassVar[AutoScale] = "none"
    advice: ClassVar[str] = "Train on counts without scaling; the gaussian likelihood fits any real values."

    def fitted(self, x: Training, *, is_table: bool = False) -> "_Counts":
        """With the columns' means: counts are never scaled, and weights near 0 must fit large ones, too."""
        means = np.maximum(np.nanmean(x, axis=0, dtype=np.float64), LEAST_LEVEL)
        return type(self)(Constant(jnp.asarray(np.log(means), jnp.float32)))

    def _mean(self, h: Array) -> Array:
        level = 0.0 if self.log_level is None else self.log_level.value
        return jnp.exp(as_log_mean(h) + level)

    def _negative_binomial(self, h: Array, dispersion: Array) -> Distribution:
        shape = jnp.broadcast_to(as_concentration(dispersion), jnp.shape(h))
        return distributions.NegativeBinomial2(self._mean(h), shape, validate_args=False)

    def inputs(self, observed: Rows, mask: Mask | None) -> Inputs:
        """log(1 + x), so that large counts do not drown small ones."""
        return jnp.log1p(jnp.maximum(observed, 0.0))


class Poisson(_Counts):
    """Poisson(x; rate(z)): as much variance as mean."""

    name: ClassVar[str] = "poisson"
    summary: ClassVar[str] = "counts"
    heads: ClassVar[tuple[str, ...]] = ("log_rate",)

    def distribution(self, log_rate: Array) -> Distribution:
        """One Poisson distribution per cell."""
        return distributions.Poisson(self._mean(log_rate), validate_args=False)


class NegativeBinomial(_Counts):
    """NB(x; mean(z), concentration), with variance mean + mean^2 / concentration; the latter of each column's own.

    The Poisson's mixture over a gamma distribution of rates, as in models of gene expression (Lopez et al. 2018).
    """

    name: ClassVar[str] = "negative-binomial"
    summary: ClassVar[str] = "counts that vary more than a Poisson's; dispersion per column"
    heads: ClassVar[tuple[str, ...]] = ("log_mean",)
    free: ClassVar[tuple[str, ...]] = ("concentration",)

    def distribution(self, log_mean: Array, concentration: Array) -> Distribution:
        """One negative binomial per cell."""
        return self._negative_binomial(log_mean, concentration)


class ZeroInflatedNegativeBinomial(_Counts):
    """A negative binomial, or with probability gate(z) zero (Lopez et al. 2018, equation 3)."""

    name: ClassVar[str] = "zero-inflated-negative-binomial"
    summary: ClassVar[str] = "counts with zeros beyond a negative binomial's"
    heads: ClassVar[tuple[str, ...]] = ("log_mean", "gate")
    free: ClassVar[tuple[str, ...]] = ("concentration",)

    def distribution(self, log_mean: Array, gate: Array, concentration: Array) -> Distribution:
        """One mixture per cell; few zeros of the gate's at first."""
        return distributions.ZeroInflatedDistribution(
            self._negative_binomial(log_mean, concentration), gate_logits=gate - 2.0, validate_args=False
        )
