"""Families sampled by the inverse CDF as powers of noise, on a logarithmic scale (see `inverse_cdf`)."""
# NumPyro annotates its methods with ArrayLike and `support` as a property, which no subclass of its own follows.
# pyright: reportIncompatibleMethodOverride=false, reportAssignmentType=false

import math

import jax
import jax.numpy as jnp
import numpyro.distributions as dist
from jaxtyping import Array
from numpyro.distributions.transforms import AffineTransform, ExpTransform
from numpyro.distributions.util import validate_sample

from aevb.distributions.numerics import (
    DrawsItself,
    Floats,
    Numeric,
    cdf_on,
    exp_positive,
    float_dtype,
    hold_between,
    log_density_on,
    log_ratio,
    open_uniform,
    times_log,
)
from aevb.typing import PRNGKey


class Pareto(DrawsItself, dist.Pareto):
    """f(x) = alpha scale^alpha / x^(alpha + 1), x > scale; x = scale / (1 - u)^(1 / alpha).

    Args:
        scale: positive; the lower end of the support.
        alpha: positive; the mean is infinite up to 1, the variance up to 2.
    """

    scale: Numeric
    alpha: Numeric

    def __init__(self, scale: Numeric, alpha: Numeric, *, validate_args: bool | None = None):
        super().__init__(scale, alpha, validate_args=validate_args)
        # NumPyro's has a scalar 0 among its leaves, over which `jax.vmap` cannot map.
        zero = jnp.zeros(self.batch_shape, float_dtype(scale))
        self.transforms = [ExpTransform(), AffineTransform(zero, jnp.broadcast_to(scale, self.batch_shape))]

    def sample(self, key: PRNGKey, sample_shape: tuple[int, ...] = ()) -> Floats:
        """Draws by the inverse CDF, on a logarithmic scale."""
        u = open_uniform(key, self.shape(sample_shape), float_dtype(self.scale, self.alpha))
        return hold_between(exp_positive(self._log_icdf(u)), self.scale, jnp.finfo(u.dtype).max)

    @validate_sample
    def log_prob(self, value: Numeric, intermediates: None = None) -> Floats:
        """log(alpha / x) + alpha log(scale / x)."""

        def log_density(x: Array) -> Array:
            return jnp.log(self.alpha) - jnp.log(x) - self.alpha * log_ratio(x, self.scale)

        return log_density_on(self.scale, None, log_density, value)

    def cdf(self, value: Numeric) -> Floats:
        """1 - (scale / x)^alpha."""
        return cdf_on(self.scale, None, lambda x: -jnp.expm1(-self.alpha * log_ratio(x, self.scale)), value)

    def icdf(self, q: Numeric) -> Floats:
        """scale / (1 - q)^(1 / alpha)."""
        return jnp.exp(self._log_icdf(q))

    def _log_icdf(self, q: Numeric) -> Floats:
        return jnp.log(self.scale) - jnp.log1p(-q) / self.alpha

    @property
    def median(self) -> Floats:
        """scale 2^(1 / alpha)."""
        return self.scale * jnp.exp2(1 / self.alpha)

    @property
    def mean(self) -> Floats:
        """alpha scale / (alpha - 1); infinite up to alpha = 1."""
        excess = jnp.where(self.alpha > 1, self.alpha - 1, 1.0)
        return jnp.where(self.alpha > 1, self.alpha * self.scale / excess, jnp.inf)

    @property
    def variance(self) -> Floats:
        """alpha scale^2 / ((alpha - 1)^2 (alpha - 2)); infinite up to alpha = 2."""
        alpha = jnp.where(self.alpha > 2, self.alpha, 3.0)
        variance = alpha * jnp.square(self.scale / (alpha - 1)) / (alpha - 2)
        return jnp.where(self.alpha > 2, variance, jnp.inf)


class Weibull(dist.Weibull):
    """f(x) = k / scale (x / scale)^(k - 1) exp(-(x / scale)^k), x > 0; x = scale (-log(1 - u))^(1 / k).

    Args:
        scale: positive.
        concentration: k, positive.
    """

    scale: Numeric
    concentration: Numeric

    def sample(self, key: PRNGKey, sample_shape: tuple[int, ...] = ()) -> Floats:
        """Draws by the inverse CDF, on a logarithmic scale."""
        u = open_uniform(key, self.shape(sample_shape), float_dtype(self.scale, self.concentration))
        return exp_positive(self._log_icdf(u))

    @validate_sample
    def log_prob(self, value: Numeric, intermediates: None = None) -> Floats:
        """log(k / scale) + (k - 1) log(x / scale) - (x / scale)^k."""
        k = self.concentration

        def log_density(x: Array) -> Array:
            log_z = jnp.log(jnp.maximum(x, jnp.finfo(x.dtype).tiny)) - jnp.log(self.scale)
            power = times_log(k - 1, x) - k * jnp.log(self.scale)
            return jnp.log(k) + power - jnp.exp(k * log_z)

        return log_density_on(0.0, None, log_density, value)

    def cdf(self, value: Numeric) -> Floats:
        """1 - exp(-(x / scale)^k)."""

        def cdf(x: Array) -> Array:
            return -jnp.expm1(-jnp.exp(self.concentration * (jnp.log(x) - jnp.log(self.scale))))

        return cdf_on(0.0, None, cdf, value)

    def icdf(self, q: Numeric) -> Floats:
        """scale (-log(1 - q))^(1 / k)."""
        return jnp.exp(self._log_icdf(q))

    def _log_icdf(self, q: Numeric) -> Floats:
        return jnp.log(self.scale) + jnp.log(-jnp.log1p(-q)) / self.concentration

    @property
    def variance(self) -> Floats:
        """scale^2 (Gamma(1 + 2 / k) - Gamma(1 + 1 / k)^2)."""
        log_mean, log_square = (jax.lax.lgamma(1 + n / self.concentration) for n in (1.0, 2.0))
        return jnp.square(self.scale) * jnp.exp(2 * log_mean) * jnp.expm1(log_square - 2 * log_mean)


class LogUniform(DrawsItself, dist.LogUniform):
    """The reciprocal distribution, f(x) = 1 / (x log(high / low)), low < x < high; x = low^(1 - u) high^u.

    Args:
        low: positive.
        high: greater than `low`.
    """

    low: Numeric
    high: Numeric

    def sample(self, key: PRNGKey, sample_shape: tuple[int, ...] = ()) -> Floats:
        """Draws by the inverse CDF."""
        u = open_uniform(key, self.shape(sample_shape), float_dtype(self.low, self.high))
        return hold_between(self.icdf(u), self.low, self.high)

    @validate_sample
    def log_prob(self, value: Numeric, intermediates: None = None) -> Floats:
        """-log(x log(high / low))."""
        width = log_ratio(self.high, self.low)
        return log_density_on(self.low, self.high, lambda x: -jnp.log(x) - jnp.log(width), value)

    def cdf(self, value: Numeric) -> Floats:
        """log(x / low) / log(high / low)."""
        width = log_ratio(self.high, self.low)
        return cdf_on(self.low, self.high, lambda x: log_ratio(x, self.low) / width, value)

    def icdf(self, q: Numeric) -> Floats:
        """low^(1 - q) high^q, counted from the nearer end."""
        left, width = q < 0.5, log_ratio(self.high, self.low)
        end, sign = jnp.where(left, self.low, self.high), jnp.where(left, 1.0, -1.0)
        return end * jnp.exp(sign * jnp.where(left, q, 1 - q) * width)

    @property
    def mean(self) -> Floats:
        """(high - low) / log(high / low)."""
        return (self.high - self.low) / log_ratio(self.high, self.low)

    @property
    def variance(self) -> Floats:
        """m ((high + low) / 2 - m), m the mean.

        With d = log(high / low) / 2 that is m sqrt(low high) (cosh d - sinh d / d); by its series where d is small.
        """
        d = 0.5 * log_ratio(self.high, self.low)
        series = sum(2 * k / math.factorial(2 * k + 1) * jnp.minimum(d, 0.5) ** (2 * k) for k in range(1, 8))
        near = jnp.sqrt(self.low) * jnp.sqrt(self.high) * series
        far = 0.5 * (self.high + self.low) - self.mean
        return self.mean * jnp.where(d < 0.5, near, far)

    def entropy(self) -> Floats:
        """log(low high) / 2 + log log(high / low)."""
        return 0.5 * (jnp.log(self.low) + jnp.log(self.high)) + jnp.log(log_ratio(self.high, self.low))
