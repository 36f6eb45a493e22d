"""Likelihoods of counts: whole numbers of at least 0, which are never scaled."""
# Each names its features as arguments, of which the base class knows only that there are some.
# pyright: reportIncompatibleMethodOverride=false

from typing import ClassVar

import jax.numpy as jnp
from jaxtyping import Array
from numpyro import distributions

from aevb.datasets import Support
from aevb.distributions import Distribution
from aevb.models.likelihoods.likelihood import AutoScale, Likelihood, as_concentration, as_log_mean
from aevb.typing import Inputs, Mask, Rows


class _Counts(Likelihood):
    """What likelihoods of counts have in common: an encoder sees log(1 + x)."""

    support: ClassVar[Support] = Support(0.0, is_whole=True)
    is_density: ClassVar[bool] = False
    auto_scale: ClassVar[AutoScale] = "none"
    advice: ClassVar[str] = "Train on counts without scaling; the gaussian likelihood fits any real values."

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
        return distributions.Poisson(jnp.exp(as_log_mean(log_rate)), validate_args=False)


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
        return _negative_binomial(log_mean, concentration)


class ZeroInflatedNegativeBinomial(_Counts):
    """A negative binomial, or with probability gate(z) zero (Lopez et al. 2018, equation 3)."""

    name: ClassVar[str] = "zero-inflated-negative-binomial"
    summary: ClassVar[str] = "counts with zeros beyond a negative binomial's"
    heads: ClassVar[tuple[str, ...]] = ("log_mean", "gate")
    free: ClassVar[tuple[str, ...]] = ("concentration",)

    def distribution(self, log_mean: Array, gate: Array, concentration: Array) -> Distribution:
        """One mixture per cell; few zeros of the gate's at first."""
        return distributions.ZeroInflatedDistribution(
            _negative_binomial(log_mean, concentration), gate_logits=gate - 2.0, validate_args=False
        )


def _negative_binomial(mean: Array, dispersion: Array) -> Distribution:
    shape = jnp.broadcast_to(as_concentration(dispersion), jnp.shape(mean))
    return distributions.NegativeBinomial2(jnp.exp(as_log_mean(mean)), shape, validate_args=False)
