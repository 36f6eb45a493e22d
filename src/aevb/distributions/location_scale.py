"""Families whose samples are noise of a fixed law, moved and stretched: z = loc + scale epsilon.

Kingma & Welling 2014, section 2.4. `LogVarianceNormal` and `Elliptical` belong here, too.
"""
# NumPyro annotates its methods with ArrayLike and `support` as a property, which no subclass of its own follows.
# pyright: reportIncompatibleMethodOverride=false, reportAssignmentType=false

import math

import jax
import jax.numpy as jnp
import numpyro.distributions as dist
from jaxtyping import Array
from numpyro.distributions import constraints
from numpyro.distributions.util import promote_shapes, validate_sample

from aevb.distributions.gamma_derivative import digamma
from aevb.distributions.gamma_sampler import log_gamma
from aevb.distributions.incomplete import beta_cdf, beta_quantile
from aevb.distributions.numerics import (
    Floats,
    Numeric,
    cdf_on,
    float_dtype,
    hold_between,
    lgamma_half_step,
    log1p_square,
    log_density_on,
    open_uniform,
    times_log,
)
from aevb.typing import PRNGKey


class Laplace(dist.Laplace):
    """f(x) = exp(-|x - loc| / scale) / (2 scale); x = loc + scale epsilon, epsilon ~ Laplace(0, 1).

    Args:
        loc: mean.
        scale: positive; the standard deviation is sqrt(2) scales.
    """

    loc: Numeric
    scale: Numeric

    def sample(self, key: PRNGKey, sample_shape: tuple[int, ...] = ()) -> Floats:
        """Draws with noise by the inverse CDF."""
        return self.icdf(open_uniform(key, self.shape(sample_shape), float_dtype(self.loc, self.scale)))

    @validate_sample
    def log_prob(self, value: Numeric, intermediates: None = None) -> Floats:
        """-|z| - log(2 scale); its slope at z = 0 is 0, not that of one side."""
        z = (value - self.loc) / self.scale
        return -z * jnp.sign(z) - jnp.log(2 * self.scale)

    def cdf(self, value: Numeric) -> Floats:
        """exp(z) / 2 up to z = 0, z the standardized value, and 1 - exp(-z) / 2 from there on."""
        z = (value - self.loc) / self.scale
        left = z < 0
        tail = 0.5 * jnp.exp(jnp.where(left, z, -z))
        return jnp.where(left, tail, 1 - tail)

    def icdf(self, q: Numeric) -> Floats:
        """loc + scale log(2 q) up to q = 1/2, and loc - scale log(2 (1 - q)) from there on."""
        left = q < 0.5
        log_tail = jnp.log(2 * jnp.where(left, q, 1 - q))
        return self.loc + self.scale * jnp.where(left, log_tail, -log_tail)

    def entropy(self) -> Floats:
        """1 + log(2 scale)."""
        return jnp.broadcast_to(1 + jnp.log(2 * self.scale), self.batch_shape)


class StudentT(dist.StudentT):
    """f(x) proportional to (1 + z^2 / df)^(-(df + 1) / 2), z = (x - loc) / scale.

    x = loc + scale epsilon sqrt(df / (2 g)), epsilon ~ N(0, 1), g ~ Gamma(df / 2, 1).

    Args:
        df: degrees of freedom, positive; the mean is not finite up to 1, the variance up to 2.
        loc: median.
        scale: positive.
    """

    df: Numeric
    loc: Numeric
    scale: Numeric

    def __init__(
        self, df: Numeric, loc: Numeric = 0.0, scale: Numeric = 1.0, *, validate_args: bool | None = None
    ):
        shape = jnp.broadcast_shapes(jnp.shape(df), jnp.shape(loc), jnp.shape(scale))
        self.df, self.loc, self.scale = promote_shapes(df, loc, scale, shape=shape)
        dist.Distribution.__init__(self, shape, validate_args=validate_args)

    def sample(self, key: PRNGKey, sample_shape: tuple[int, ...] = ()) -> Floats:
        """Draws with the ratio taken on a logarithmic scale, where float32 holds it for few degrees of freedom."""
        normal_key, gamma_key = jax.random.split(key)
        shape, dtype = self.shape(sample_shape), float_dtype(self.df, self.loc, self.scale)
        half_df = jnp.asarray(0.5 * self.df, dtype)
        log_ratio = jnp.log(half_df) - log_gamma(gamma_key, half_df, shape)
        stretch = jnp.exp(jnp.minimum(0.5 * log_ratio, 0.9 * math.log(jnp.finfo(dtype).max)))
        return self.loc + self.scale * (jax.random.normal(normal_key, shape, dtype) * stretch)

    @validate_sample
    def log_prob(self, value: Numeric, intermediates: None = None) -> Floats:
        """-(df + 1) / 2 log(1 + z^2 / df), normalized."""
        half_df = 0.5 * jnp.asarray(self.df, float_dtype(self.df, self.loc, self.scale))
        z = (value - self.loc) / self.scale
        normalizer = lgamma_half_step(half_df) - 0.5 * jnp.log(2 * math.pi * half_df) - jnp.log(self.scale)
        return normalizer - (half_df + 0.5) * log1p_square(z / jnp.sqrt(2 * half_df))

    def cdf(self, value: Numeric) -> Floats:
        """Half of I_x(df / 2, 1/2), x = df / (df + z^2), is the smaller tail."""
        return _student_cdf(*self._with_df((value - self.loc) / self.scale))

    def icdf(self, q: Numeric) -> Floats:
        """From the quantile of a Beta(df / 2, 1/2)."""
        return self.loc + self.scale * _student_quantile(*self._with_df(q))

    def _with_df(self, other: Numeric) -> list[Floats]:
        dtype = float_dtype(self.df, other)
        return jnp.broadcast_arrays(jnp.asarray(self.df, dtype), jnp.asarray(other, dtype))

    @property
    def median(self) -> Floats:
        """loc."""
        return jnp.broadcast_to(self.loc, self.batch_shape)

    def entropy(self) -> Floats:
        """(df + 1) / 2 (psi((df + 1) / 2) - psi(df / 2)) + log(sqrt(df) B(df / 2, 1/2)) + log scale."""
        half_df = 0.5 * jnp.asarray(self.df, float_dtype(self.df, self.loc, self.scale))
        difference = digamma(half_df + 0.5) - digamma(half_df)
        log_beta = 0.5 * jnp.log(2 * math.pi * half_df) - lgamma_half_step(half_df)
        return jnp.broadcast_to(
            (half_df + 0.5) * difference + log_beta + jnp.log(self.scale), self.batch_shape
        )


@jax.custom_jvp
def _student_cdf(df: Floats, z: Floats) -> Floats:
    tail = _student_tail(df, z)
    return jnp.where(z < 0, tail, 1 - tail)


def _student_tail(df: Floats, z: Floats) -> Floats:
    """P(X > |z|)."""
    distance = jnp.maximum(jnp.abs(z), jnp.finfo(z.dtype).tiny)
    return 0.5 * beta_cdf(0.5 * df, jnp.full_like(df, 0.5), jnp.log(df) - 2 * jnp.log(distance))


def _student_density(df: Floats, z: Floats) -> Floats:
    return jnp.exp(StudentT(df, validate_args=False).log_prob(z))


def _student_cdf_in_df(df: Floats, z: Floats) -> Floats:
    _, slope = jax.jvp(lambda df: _student_tail(df, z), (df,), (jnp.ones_like(df),))
    return -jnp.sign(z) * slope


@jax.custom_jvp
def _student_quantile(df: Floats, q: Floats) -> Floats:
    left = q < 0.5
    twice_tail = 2 * jnp.where(left, q, 1 - q)
    z = jnp.sqrt(df) * jnp.exp(-0.5 * beta_quantile(0.5 * df, jnp.full_like(df, 0.5), twice_tail))
    return jnp.where(left, -z, z)


# By hand, because at the median the Beta's gradients are infinite.
_student_cdf.defjvps(
    lambda tangent, _, df, z: tangent * _student_cdf_in_df(df, z),
    lambda tangent, _, df, z: tangent * _student_density(df, z),
)
_student_quantile.defjvps(
    lambda tangent, z, df, q: -tangent * _student_cdf_in_df(df, z) / _student_density(df, z),
    lambda tangent, z, df, q: tangent / _student_density(df, z),
)


class Uniform(dist.Uniform):
    """f(x) = 1 / (high - low), low <= x <= high; x = low + (high - low) u, u ~ Uniform(0, 1).

    Args:
        low: real.
        high: greater than `low`.
    """

    low: Numeric
    high: Numeric

    def sample(self, key: PRNGKey, sample_shape: tuple[int, ...] = ()) -> Floats:
        """Draws from [low, high]; the ends come up by rounding only."""
        u = open_uniform(key, self.shape(sample_shape), float_dtype(self.low, self.high))
        return hold_between(self.icdf(u), self.low, self.high)

    @validate_sample
    def log_prob(self, value: Numeric, intermediates: None = None) -> Floats:
        """-log(high - low)."""
        return log_density_on(
            self.low, self.high, lambda x: jnp.zeros_like(x) - jnp.log(self.high - self.low), value
        )

    def cdf(self, value: Numeric) -> Floats:
        """(x - low) / (high - low)."""
        return cdf_on(self.low, self.high, lambda x: (x - self.low) / (self.high - self.low), value)


class Triangular(dist.Distribution):
    """A density that rises linearly from `low` to `mode` and falls linearly to `high`.

    x = low + sqrt(u (high - low) (mode - low)) up to u = c = (mode - low) / (high - low), and
    x = high - sqrt((1 - u) (high - low) (high - mode)) from there on, u ~ Uniform(0, 1).

    Args:
        low: real.
        mode: between `low` and `high`, or one of them.
        high: greater than `low`.
    """

    low: Numeric
    high: Numeric
    mode: Numeric = None  # makes way for the parameter, where NumPyro has a property

    arg_constraints = {  # noqa: RUF012
        name: constraints.dependent(is_discrete=False, event_dim=0) for name in ("low", "mode", "high")
    }
    reparametrized_params = ["low", "mode", "high"]  # noqa: RUF012

    def __init__(self, low: Numeric, mode: Numeric, high: Numeric, *, validate_args: bool | None = None):
        self.low, self.mode, self.high = promote_shapes(low, mode, high)
        shape = jnp.broadcast_shapes(jnp.shape(low), jnp.shape(mode), jnp.shape(high))
        super().__init__(shape, validate_args=validate_args)

    @constraints.dependent_property(is_discrete=False, event_dim=0)  # pyright: ignore[reportArgumentType]
    def support(self) -> constraints.Constraint:
        """[low, high]."""
        return constraints.interval(self.low, self.high)

    def sample(self, key: PRNGKey, sample_shape: tuple[int, ...] = ()) -> Floats:
        """Draws by the inverse CDF, strictly inside (low, high): at an end the density may be 0."""
        dtype = float_dtype(self.low, self.mode, self.high)
        low, high = (jax.lax.stop_gradient(jnp.asarray(end, dtype)) for end in (self.low, self.high))
        x = self.icdf(open_uniform(key, self.shape(sample_shape), dtype))
        return hold_between(x, jnp.nextafter(low, high), jnp.nextafter(high, low))

    @validate_sample
    def log_prob(self, value: Numeric, intermediates: None = None) -> Floats:
        """log(2 / (high - low)) + log of the height above the base, as a part of that at the mode."""

        def log_density(x: Array) -> Array:
            side, left = self._side(x < self.mode)
            distance = jnp.where(left, x - self.low, self.high - x)
            height = jnp.where(x == self.mode, 0.0, times_log(1.0, distance) - jnp.log(side))
            return height + math.log(2) - jnp.log(self.high - self.low)

        return log_density_on(self.low, self.high, log_density, value)

    def cdf(self, value: Numeric) -> Floats:
        """(x - low)^2 / ((high - low) (mode - low)) up to the mode, and likewise from the other end."""

        def cdf(x: Array) -> Array:
            side, left = self._side(x < self.mode)
            distance = jnp.where(left, x - self.low, self.high - x)
            tail = jnp.square(distance) / ((self.high - self.low) * side)
            return jnp.where(left, tail, 1 - tail)

        return cdf_on(self.low, self.high, cdf, value)

    def icdf(self, q: Numeric) -> Floats:
        """low + sqrt(q (high - low) (mode - low)) up to the mode, and likewise from the other end."""
        width = self.high - self.low
        side, left = self._side(q * width < self.mode - self.low)
        distance = jnp.sqrt(jnp.where(left, q, 1 - q)) * jnp.sqrt(width * side)
        return jnp.where(left, self.low + distance, self.high - distance)

    def _side(self, left: Array) -> tuple[Floats, Array]:
        """The distance from the mode to the end on one side, never 0, and whether it is the left side."""
        left = left | (self.mode == self.high)
        side = jnp.where(left, self.mode - self.low, self.high - self.mode)
        return side, left

    @property
    def mean(self) -> Floats:
        """(low + mode + high) / 3."""
        return jnp.asarray((self.low + self.mode + self.high) / 3)

    @property
    def variance(self) -> Floats:
        """((high - low)^2 - (high - mode) (mode - low)) / 18."""
        return (jnp.square(self.high - self.low) - (self.high - self.mode) * (self.mode - self.low)) / 18

    def entropy(self) -> Floats:
        """1/2 + log((high - low) / 2)."""
        return jnp.broadcast_to(0.5 + jnp.log(0.5 * (self.high - self.low)), self.batch_shape)
