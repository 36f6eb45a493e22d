"""Decoders of the continuous Bernoulli paper: logits within limits, and scores of a model trained as a Bernoulli."""

from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from aevb.distributions import ContinuousBernoulli, Distribution, LogitBernoulli
from aevb.models import LIKELIHOODS, Conditional, Decoder, Likelihood
from aevb.networks import Network
from aevb.typing import Codes

Reading = Literal["as trained", "naive", "through-mean", "interpolated"]

# The authors' code keeps lambda within these, in training and in evaluation.
LEAST_LAMBDA = 1e-4
LIMIT = float(np.log1p(-LEAST_LAMBDA) - np.log(LEAST_LAMBDA))
KNOTS = 100
NEWTON_STEPS = 12


class LimitedDecoder(Conditional):
    """p(x|z) from the logits of another decoder.

    Args:
        decoder: whose network and logits.
        reading: `as trained`, the same likelihood; else logits of a Bernoulli as those of a continuous Bernoulli,
            `naive`, the same numbers; `through-mean`, those with which its mean is the Bernoulli's; `interpolated`,
            these by the authors' linear interpolation of lambda between 100 knots.
        limit: the largest absolute logit; None for no limit.
    """

    decoder: Decoder
    reading: Reading = eqx.field(static=True, default="as trained")
    limit: float | None = eqx.field(static=True, default=None)

    @property
    def network(self) -> Network:
        """The decoder's."""
        return self.decoder.network

    @property
    def likelihood(self) -> Likelihood:
        """The decoder's, or the continuous Bernoulli as which its logits are read."""
        return (
            self.decoder.likelihood if self.reading == "as trained" else LIKELIHOODS["continuous-bernoulli"]
        )

    @property
    def is_density(self) -> bool:
        """Whether what it gives is a density, as of a continuous Bernoulli."""
        return self.likelihood.is_density

    def __call__(self, z: Codes) -> Distribution:
        """p(x|z), one distribution per feature."""
        logits = self.decoder.heads["logits"](self.decoder.network(z))
        if self.reading == "through-mean":
            logits = logits_of_mean(logits)
        elif self.reading == "interpolated":
            logits = interpolated_logits(logits)
        if self.limit is not None:
            logits = jnp.clip(logits, -self.limit, self.limit)
        if self.is_density:
            return ContinuousBernoulli(logits, validate_args=False)
        return LogitBernoulli(logits)


def logits_of_mean(logits: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """h such that the mean of a continuous Bernoulli with logits h is sigmoid(logits).

    Newton's method for h <= 0, the other half being its mirror image. The mean is at least 1 / (2 - h), so that
    1 - exp(|logits|) is beyond the solution; from there the steps do not overshoot, as the mean is convex.
    """
    size = jnp.minimum(jnp.abs(logits), 40.0)
    mean = jax.nn.sigmoid(-size)

    def step(_: Array, h: Array) -> Array:
        at = ContinuousBernoulli(h, validate_args=False)
        return jnp.minimum(h - (at.mean - mean) / at.variance, 0.0)

    h = jax.lax.fori_loop(0, NEWTON_STEPS, step, -jnp.expm1(size))
    return jnp.where(logits > 0, -h, h)


def interpolated_logits(logits: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """The authors' approximation of `logits_of_mean`, whose lambda is far too large for means near 0."""
    knots = np.linspace(0.0, 1 + 1e-4, KNOTS)
    inner = knots[1:-1]
    at_knots = np.r_[0.0, inner / (2 * inner - 1) + 1 / (2 * np.arctanh(1 - 2 * inner)), knots[-1]]
    least = LEAST_LAMBDA
    lam = jnp.clip(jnp.interp(jax.nn.sigmoid(logits), at_knots, knots), least, 1 - least)
    return jnp.log(lam) - jnp.log1p(-lam)
