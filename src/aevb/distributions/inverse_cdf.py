"""Families sampled by a tractable inverse CDF: z = F^-1(u), u ~ Uniform(0, 1) (Kingma & Welling 2014, section 2.4).

Densities are 0 outside the support whether or not arguments are validated, and at its edge they are their limits.
"""
# NumPyro annotates its methods with ArrayLike and `support` as a property, which no subclass of its own follows.
# pyright: reportIncompatibleMethodOverride=false, reportAssignmentType=false

import math
import operator
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jaxtyping import Array
from numpyro.distributions import constraints
from numpyro.distributions.util import lazy_property, validate_sample

from aevb.distributions.composition import Gamma
from aevb.distributions.numerics import (
    Floats,
    Numeric,
    cdf_on,
    float_dtype,
    hold_positive,
    log1p_square,
    log_density_on,
    open_uniform,
)
from aevb.errors import InvalidParameterError
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

    def __init__(self, shape: Any, rate: Numeric, *, validate_args: bool | None = None):
        if not hasattr(shape, "__index__") or operator.index(shape) < 1:
            raise InvalidParameterError(f"Erlang: shape must be an integer of at least 1, not {shape!r}")
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
