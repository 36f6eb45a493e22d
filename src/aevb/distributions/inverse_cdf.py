"""Families sampled by a tractable inverse CDF: z = F^-1(u), u ~ Uniform(0, 1) (Kingma & Welling 2014, section 2.4).

Densities are 0 outside the support whether or not arguments are validated, and at its edge they are their limits.
"""
# NumPyro annotates its methods with ArrayLike and `support` as a property, which no subclass of its own follows.
# pyright: reportIncompatibleMethodOverride=false, reportAssignmentType=false

import math
import operator
from collections.abc import Callable
from typing import SupportsIndex

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jax.scipy.special import xlogy
from jaxtyping import Array
from numpyro.distributions import constraints
from numpyro.distributions.transforms import AffineTransform, ExpTransform
from numpyro.distributions.util import lazy_property, validate_sample

from aevb.distributions.composition import Gamma
from aevb.distributions.numerics import (
    DrawsItself,
    Floats,
    Numeric,
    cdf_on,
    exp_positive,
    float_dtype,
    hold_between,
    hold_positive,
    log1p_square,
    log_density_on,
    log_ratio,
    open_uniform,
)
from aevb.typing import PRNGKey


class Exponential(dist.Exponential):
    """f(x) = rate exp(-rate x), x > 0; x = -log(1 - u) / rate.

    Args:
        rate: positive.
    """

    rate: Numeric

    def sample(self, key: PRNGKey, sample_shape: tuple[int, ...] = ()) -> Floats:
        """Draws by the inverse CDF."""
        return hold_positive(self.icdf(open_uniform(key, self.shape(sample_shape), float_dtype(self.rate))))

    @validate_sample
    def log_prob(self, value: Numeric, intermediates: None = None) -> Floats:
        """log rate - rate x."""
        return log_density_on(0.0, None, lambda x: jnp.log(self.rate) - self.rate * x, value)

    def cdf(self, value: Numeric) -> Floats:
        """1 - exp(-rate x)."""
        return cdf_on(0.0, None, super().cdf, value)


class Cauchy(dist.Cauchy):
    """f(x) = 1 / (pi scale (1 + ((x - loc) / scale)^2)); x = loc + scale tan(pi (u - 1/2)). It has no mean.

    Args:
        loc: median.
        scale: positive; half of the distance between the quartiles.
    """

    loc: Numeric
    scale: Numeric

    def sample(self, key: PRNGKey, sample_shape: tuple[int, ...] = ()) -> Floats:
        """Draws by the inverse CDF."""
        return self.icdf(open_uniform(key, self.shape(sample_shape), float_dtype(self.loc, self.scale)))

    @validate_sample
    def log_prob(self, value: Numeric, intermediates: None = None) -> Floats:
        """-log(pi scale (1 + z^2)), z the standardized value."""
        return -jnp.log(math.pi * self.scale) - log1p_square((value - self.loc) / self.scale)

    def icdf(self, q: Numeric) -> Floats:
        """loc + scale tan(pi (q - 1/2)), by the cotangent of the smaller tail, which is the more precise."""
        left = q < 0.5
        cotangent = 1 / jnp.tan(jnp.pi * jnp.where(left, q, 1 - q))
        return self.loc + self.scale * jnp.where(left, -cotangent, cotangent)

    @property
    def median(self) -> Floats:
        """loc."""
        return jnp.broadcast_to(self.loc, self.batch_shape)


class Logistic(dist.Logistic):
    """f(x) = exp(-z) / (scale (1 + exp(-z))^2), z = (x - loc) / scale; x = loc + scale log(u / (1 - u)).

    Args:
        loc: mean.
        scale: positive; the standard deviation is pi / sqrt(3) scales.
    """

    loc: Numeric
    scale: Numeric

    def sample(self, key: PRNGKey, sample_shape: tuple[int, ...] = ()) -> Floats:
        """Draws by the inverse CDF."""
        return self.icdf(open_uniform(key, self.shape(sample_shape), float_dtype(self.loc, self.scale)))


class Rayleigh(dist.Distribution):
    """f(x) = x / scale^2 exp(-x^2 / (2 scale^2)), x > 0; x = scale sqrt(-2 log(1 - u)).

    Args:
        scale: positive; the mode.
    """

    scale: Numeric

    arg_constraints = {"scale": constraints.positive}  # noqa: RUF012
    support = constraints.positive
    reparametrized_params = ["scale"]  # noqa: RUF012

    def __init__(self, scale: Numeric, *, validate_args: bool | None = None):
        self.scale = scale
        super().__init__(jnp.shape(scale), validate_args=validate_args)

    def sample(self, key: PRNGKey, sample_shape: tuple[int, ...] = ()) -> Floats:
        """Draws by the inverse CDF."""
        return hold_positive(self.icdf(open_uniform(key, self.shape(sample_shape), float_dtype(self.scale))))

    @validate_sample
    def log_prob(self, value: Numeric, intermediates: None = None) -> Floats:
        """log x - 2 log scale - (x / scale)^2 / 2."""

        def log_density(x: Array) -> Array:
            return jnp.log(x) - 2 * jnp.log(self.scale) - 0.5 * jnp.square(x / self.scale)

        return log_density_on(0.0, None, log_density, value)

    def cdf(self, value: Numeric) -> Floats:
        """1 - exp(-(x / scale)^2 / 2)."""
        return cdf_on(0.0, None, lambda x: -jnp.expm1(-0.5 * jnp.square(x / self.scale)), value)

    def icdf(self, q: Numeric) -> Floats:
        """scale sqrt(-2 log(1 - q))."""
        return self.scale * jnp.sqrt(-2 * jnp.log1p(-q))

    @property
    def mean(self) -> Floats:
        """scale sqrt(pi / 2)."""
        return jnp.asarray(self.scale * math.sqrt(math.pi / 2))

    @property
    def variance(self) -> Floats:
        """scale^2 (4 - pi) / 2."""
        return jnp.square(self.scale) * (2 - math.pi / 2)

    def entropy(self) -> Floats:
        """1 + log(scale / sqrt(2)) + gamma / 2."""
        return 1 + jnp.log(self.scale) - math.log(2) / 2 + jnp.euler_gamma / 2


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
            log_z = jnp.log(x) - jnp.log(self.scale)
            # k = 1 has a density at x = 0, where the product with a logarithm is 0 by its limit.
            power = xlogy(k - 1, x) - (k - 1) * jnp.log(self.scale)
            return jnp.log(k) - jnp.log(self.scale) + power - jnp.exp(k * log_z)

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


class Gompertz(dist.Gompertz):
    """f(x) = c b exp(b x - c (exp(b x) - 1)), x > 0; x = log(1 - log(1 - u) / c) / b.

    Args:
        concentration: c, positive.
        rate: b, positive.
    """

    concentration: Numeric
    rate: Numeric

    def sample(self, key: PRNGKey, sample_shape: tuple[int, ...] = ()) -> Floats:
        """Draws by the inverse CDF."""
        dtype = float_dtype(self.concentration, self.rate)
        return hold_positive(self.icdf(open_uniform(key, self.shape(sample_shape), dtype)))

    @validate_sample
    def log_prob(self, value: Numeric, intermediates: None = None) -> Floats:
        """log(c b) + b x - c (exp(b x) - 1)."""

        def log_density(x: Array) -> Array:
            z = self.rate * x
            return jnp.log(self.concentration) + jnp.log(self.rate) + z - self.concentration * jnp.expm1(z)

        return log_density_on(0.0, None, log_density, value)

    def cdf(self, value: Numeric) -> Floats:
        """1 - exp(-c (exp(b x) - 1))."""
        return cdf_on(0.0, None, super().cdf, value)

    @property
    def mean(self) -> Floats:
        """exp(c) E1(c) / b, with E1 the exponential integral."""
        return self._expected(lambda z: z) / self.rate

    @property
    def variance(self) -> Floats:
        """An integral without elementary form."""
        mean = self._expected(lambda z: z)
        return self._expected(lambda z: jnp.square(z - mean[..., None])) / jnp.square(self.rate)

    def _expected(self, function: Callable[[Array], Array]) -> Floats:
        """E[function(b x)], a trapezoidal sum in y of e^y = -log(1 - u): exact to 1e-14, where E1 overflows as well."""
        y = np.arange(-40.0, 4.25, 0.25)
        c = jnp.broadcast_to(self.concentration, self.batch_shape)[..., None]
        weight = 0.25 * np.exp(y - np.exp(y))
        return jnp.sum(weight.astype(c.dtype) * function(jnp.log1p(np.exp(y).astype(c.dtype) / c)), axis=-1)

    def entropy(self) -> Floats:
        """1 - log(c b) - b E[x]."""
        return 1 - jnp.log(self.concentration) - jnp.log(self.rate) - self.rate * self.mean


class Gumbel(dist.Gumbel):
    """f(x) = exp(-z - exp(-z)) / scale, z = (x - loc) / scale; x = loc - scale log(-log u).

    Args:
        loc: mode.
        scale: positive; the standard deviation is pi / sqrt(6) scales.
    """

    loc: Numeric
    scale: Numeric

    def sample(self, key: PRNGKey, sample_shape: tuple[int, ...] = ()) -> Floats:
        """Draws by the inverse CDF."""
        return self.icdf(open_uniform(key, self.shape(sample_shape), float_dtype(self.loc, self.scale)))

    def entropy(self) -> Floats:
        """log scale + gamma + 1."""
        return jnp.broadcast_to(jnp.log(self.scale) + jnp.euler_gamma + 1, self.batch_shape)


class Erlang(Gamma):
    """The waiting time for the n-th of events at a constant rate: a Gamma of integer shape; x = -sum_i log u_i / rate.

    Its quantile function is not elementary, but its noise is n uniform variates. There is no gradient in n.

    Args:
        shape: n, a positive integer; kept as `shape_parameter`, because `shape` is a method.
        rate: positive.
    """

    arg_constraints = {"rate": constraints.positive}  # noqa: RUF012
    reparametrized_params = ["rate"]  # noqa: RUF012
    pytree_aux_fields = ("shape_parameter",)

    def __init__(self, shape: SupportsIndex, rate: Numeric, *, validate_args: bool | None = None):
        self.shape_parameter = operator.index(shape)
        self.rate = rate
        dist.Distribution.__init__(self, jnp.shape(rate), validate_args=validate_args)

    @lazy_property
    def concentration(self) -> Floats:
        """n, as the shape parameter of a Gamma. A `lazy_property` is no leaf of NumPyro's trees."""
        return jnp.full(jnp.shape(self.rate), self.shape_parameter, float_dtype(self.rate))

    def sample(self, key: PRNGKey, sample_shape: tuple[int, ...] = ()) -> Floats:
        """Sums of the logarithms of uniform variates."""
        u = open_uniform(key, (*self.shape(sample_shape), self.shape_parameter), float_dtype(self.rate))
        return hold_positive(-jnp.sum(jnp.log(u), axis=-1) / self.rate)
