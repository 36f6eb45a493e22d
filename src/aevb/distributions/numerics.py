"""What families share: noise in an open interval, values held inside an open support, densities that end at an edge."""

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from aevb.distributions.gamma_derivative import lgamma
from aevb.typing import PRNGKey

Floats: TypeAlias = Float[Array, "..."]
# What NumPyro calls ArrayLike: an array of JAX's or NumPy's, or a number. Type checkers let no such union be added to.
Numeric: TypeAlias = Any


def float_dtype(*parameters: Numeric) -> Any:
    """The floating-point type of values computed from these parameters."""
    dtype = jnp.result_type(*parameters)
    return dtype if jnp.issubdtype(dtype, jnp.floating) else jnp.result_type(float)


def open_uniform(key: PRNGKey, shape: tuple[int, ...], dtype: Any) -> Floats:
    """Uniform noise strictly between 0 and 1: the middles of the steps that `jax.random.uniform` takes.

    In float32 the least is 2^-24 and the greatest 1 - 2^-24, both exact, so that neither tail of an inverse CDF
    reaches infinity or is favoured.
    """
    return jax.random.uniform(key, shape, dtype) + 0.5 * jnp.finfo(dtype).eps


def exp_positive(log_x: Floats) -> Floats:
    """exp(log_x), held between the smallest and the largest normal number; the gradient of what is held is 0."""
    limits = jnp.finfo(log_x.dtype)
    # One per cent inside, because the logarithms are rounded.
    return jnp.exp(jnp.clip(log_x, math.log(limits.tiny) + 0.01, math.log(limits.max) - 0.01))


def hold_positive(x: Floats) -> Floats:
    """`x`, held between the smallest and the largest normal number; the gradient of what is held is 0."""
    return jnp.clip(x, jnp.finfo(x.dtype).tiny, jnp.finfo(x.dtype).max)


def hold_in_unit(x: Floats) -> Floats:
    """`x`, held strictly between 0 and 1; the gradient of what is held is 0."""
    return jnp.clip(x, jnp.finfo(x.dtype).tiny, 1 - jnp.finfo(x.dtype).epsneg)


@jax.custom_jvp
def hold_between(x: Floats, low: Numeric, high: Numeric) -> Floats:
    """`x`, which only rounding can put outside [low, high], held inside; its gradient is left as it is."""
    return jnp.clip(x, low, high)


hold_between.defjvps(lambda tangent, out, x, low, high: jnp.broadcast_to(tangent, out.shape), None, None)


def log_density_on(
    low: Numeric, high: Numeric, log_density: Callable[[Array], Array], value: Numeric
) -> Floats:
    """`log_density(value)` on [low, high], else -inf; gradients are finite outside, as a double `where` makes them.

    Args:
        low: lower end of the support.
        high: upper end; None for a support without one.
        log_density: is only ever given values inside.
        value: where.
    """
    value = jnp.asarray(value)
    outside = value < low if high is None else (value < low) | (value > high)
    return jnp.where(outside, -jnp.inf, log_density(_replace(value, outside, low, high)))


def cdf_on(low: Numeric, high: Numeric, cdf: Callable[[Array], Array], value: Numeric) -> Floats:
    """`cdf(value)` strictly between `low` and `high`, 0 below and 1 above; arguments as in `log_density_on`."""
    value = jnp.asarray(value)
    below = value <= low
    above = jnp.isposinf(value) if high is None else value >= high
    inside = cdf(_replace(value, below | above, low, high))
    return jnp.where(below, 0.0, jnp.where(above, 1.0, inside))


def _replace(value: Numeric, outside: Bool[Array, "..."], low: Numeric, high: Numeric) -> Array:
    return jnp.where(outside, low + 1.0 if high is None else low + 0.5 * (high - low), value)


def times_log(
    exponent: Numeric, x: Floats, log: Callable[[Array], Array] = jnp.log, edge: float = 0.0
) -> Floats:
    """exponent log(x), and its limit where x is 0, of gradient 0: one value at the edge does not spoil a batch's.

    Args:
        exponent: any sign; where it is 0 the product is 0 at the edge, too.
        x: where.
        log: the logarithm, or another that is -inf at the edge.
        edge: where that is.
    """
    at_edge = x == edge
    limit = jnp.where(exponent > 0, -jnp.inf, jnp.where(exponent < 0, jnp.inf, 0.0))
    return jnp.where(at_edge, limit, exponent * log(jnp.where(at_edge, 0.5, x)))


def log1p_square(z: Floats) -> Floats:
    """log(1 + z^2), also where z^2 overflows."""
    far = jnp.abs(z) > 1
    near = jnp.log1p(jnp.square(jnp.where(far, 0.0, z)))
    z = jnp.where(far, z, 1.0)
    return jnp.where(far, 2 * jnp.log(jnp.abs(z)) + jnp.log1p(jnp.square(1 / z)), near)


@jax.custom_jvp
def log_ratio(a: Numeric, b: Numeric) -> Floats:
    """log(a / b) of positive a >= b, exact also where they are nearly equal, and where a / b overflows."""
    close = a < 2 * b
    near = jnp.log1p((jnp.where(close, a, b) - b) / b)
    return jnp.where(close, near, jnp.log(a) - jnp.log(b))


log_ratio.defjvps(
    lambda tangent, out, a, b: jnp.broadcast_to(tangent / a, out.shape),
    lambda tangent, out, a, b: jnp.broadcast_to(-tangent / b, out.shape),
)


def lgamma_half_step(a: Floats) -> Floats:
    """log Gamma(a + 1/2) - log Gamma(a) of positive a, without the cancellation of their difference.

    From a = 16 on by its asymptotic series (Tricomi and Erdelyi 1951), whose error is then under 3e-14.
    """
    u = 1 / jnp.maximum(a, 16.0)
    series = u * (-1 / 8 + u**2 * (1 / 192 + u**2 * (-1 / 640 + u**2 * 17 / 14336)))
    direct = lgamma(jnp.minimum(a, 16.0) + 0.5) - lgamma(jnp.minimum(a, 16.0))
    return jnp.where(a > 16, 0.5 * jnp.log(a) + series, direct)


class DrawsItself:
    """For subclasses of NumPyro's transformed distributions with a `sample` of their own.

    NumPyro draws from what is transformed instead, where `expand` or `rsample` is used.
    """

    sample: Callable[..., Floats]

    def sample_with_intermediates(
        self, key: PRNGKey, sample_shape: tuple[int, ...] = ()
    ) -> tuple[Floats, list[Any]]:
        """Draws, and nothing that `log_prob` could use again."""
        return self.sample(key, sample_shape), []

    def rsample(self, key: PRNGKey, sample_shape: tuple[int, ...] = ()) -> Floats:
        """Draws."""
        return self.sample(key, sample_shape)
