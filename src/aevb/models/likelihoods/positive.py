"""Likelihoods of positive numbers, and of shares."""
# Each names its features as arguments, of which the base class knows only that there are some.
# pyright: reportIncompatibleMethodOverride=false

from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array
from numpyro import distributions

from aevb.datasets import Support
from aevb.distributions import Distribution
from aevb.models.likelihoods.likelihood import AutoScale, Likelihood, as_concentration, as_log_mean, as_scale
from aevb.typing import Inputs, Mask, Rows

ADVICE = (
    "The gaussian likelihood fits any real values, and counts with zeros have poisson and negative-binomial."
)


class _Positive(Likelihood):
    """What likelihoods of positive numbers have in common: an encoder sees logarithms."""

    support: ClassVar[Support] = Support(0.0, is_open=True)
    auto_scale: ClassVar[AutoScale] = "mean"
    advice: ClassVar[str] = ADVICE

    def inputs(self, observed: Rows, mask: Mask | None) -> Inputs:
        """The logarithm of a value in units of the column's mean."""
        logs = jnp.log(jnp.where(observed > 0, observed, 1.0))
        return jnp.clip(logs, -10.0, 10.0)


class LogNormal(_Positive):
    """log x ~ N(loc(z), scale^2(z))."""

    name: ClassVar[str] = "log-normal"
    summary: ClassVar[str] = "positive numbers over orders of magnitude"
    heads: ClassVar[tuple[str, ...]] = ("loc", "scale")

    def distribution(self, loc: Array, scale: Array) -> Distribution:
        """One log-normal distribution per cell."""
        # The scale of a logarithm is at most e, so that means and variances stay finite.
        return distributions.LogNormal(
            as_log_mean(loc), as_scale(jnp.minimum(scale, 2.0)), validate_args=False
        )


class Gamma(_Positive):
    """Gamma(x; concentration(z), concentration(z) / mean(z))."""

    name: ClassVar[str] = "gamma"
    summary: ClassVar[str] = "positive numbers, such as durations and amounts"
    heads: ClassVar[tuple[str, ...]] = ("log_mean", "concentration")

    def distribution(self, log_mean: Array, concentration: Array) -> Distribution:
        """One gamma distribution per cell."""
        shape = as_concentration(concentration)
        return distributions.Gamma(shape, shape * jnp.exp(-as_log_mean(log_mean)), validate_args=False)


class Beta(Likelihood):
    """Beta(x; mean(z), concentration(z)), by its mean and the sum of its two shape parameters."""

    name: ClassVar[str] = "beta"
    summary: ClassVar[str] = "shares between 0 and 1, both exclusive"
    heads: ClassVar[tuple[str, ...]] = ("logit_mean", "concentration")
    support: ClassVar[Support] = Support(0.0, 1.0, is_open=True)
    mean_range: ClassVar[tuple[float, float] | None] = (0.0, 1.0)
    advice: ClassVar[str] = (
        "The continuous-bernoulli likelihood knows 0 and 1, too, and gaussian any real values."
    )

    def distribution(self, logit_mean: Array, concentration: Array) -> Distribution:
        """One beta distribution per cell, of about the uniform one at first."""
        total = 2.0 * as_concentration(concentration)
        mean = jax.nn.sigmoid(_limited(logit_mean))
        return distributions.Beta(total * mean, total * (1.0 - mean), validate_args=False)


def _limited(logits: Array) -> Array:
    """Logits within 8, where 1 - sigmoid still has its digits."""
    return 8.0 * jnp.tanh(logits / 8.0)
