"""Moments of log z for z uniform or triangular, without cancellation where the interval is narrow."""

from typing import NamedTuple

import jax.numpy as jnp

from aevb.distributions.divergence.special import Numeric, Value, polynomial

_FLOOR = 1e-18  # stands for zero in a logarithm, so that gradients stay finite; its square fits into float32


def interval_mean_log(low: Numeric, high: Numeric) -> Value:
    """E[log z] of z uniform on [low, high], 0 <= low: the logarithm of the identric mean."""
    return _interval(low, high).mean


def interval_variance_log(low: Numeric, high: Numeric) -> Value:
    """Var[log z] of z uniform on [low, high]: 1 - low high (log(high / low) / (high - low))^2."""
    return _interval(low, high).variance


def capped_interval_mean_log(low: Numeric, high: Numeric) -> Value:
    """E[log min(z, 1)] of z uniform on [low, high]."""
    x_0, x_1 = jnp.minimum(low, 1.0), jnp.minimum(high, 1.0)
    return (x_1 - x_0) / (high - low) * interval_mean_log(x_0, x_1)


def triangle_mean_log(low: Numeric, mode: Numeric, high: Numeric, *, cap: float = jnp.inf) -> Value:
    """E[log min(z, cap)] of z triangular on [low, high], 0 <= low.

    On each side of the mode the density is linear, so two means of log z over the side make the expectation: the
    plain one, and the one weighted by the position.
    """
    x_0, x_1, x_2 = (jnp.minimum(x, cap) for x in (low, mode, high))
    rise, fall = _interval(x_0, x_1), _interval(x_1, x_2)
    at_the_end_of_rise = _ratio_or_one(x_1 - low, mode - low)
    at_the_end_of_fall = _ratio_or_zero(high - x_2, high - mode)
    rising = at_the_end_of_rise * (rise.mean + rise.slope)
    falling = (1 + at_the_end_of_fall) * fall.mean + (at_the_end_of_fall - 1) * fall.slope
    return ((x_1 - x_0) * rising + (x_2 - x_1) * falling) / (high - low)


class _Interval(NamedTuple):
    """With t uniform on [-1, 1] and z = (low + high) / 2 + t (high - low) / 2."""

    mean: Value  # E[log z]
    slope: Value  # E[t log z]
    variance: Value  # Var[log z]


def _interval(low: Numeric, high: Numeric) -> _Interval:
    """By powers of s = (high - low) / (high + low) where it is small, else by the antiderivatives.

    For z = 1 + s t: E[log z] = -sum s^2k / (2k (2k + 1)), E[t log z] = sum s^(2k+1) / ((2k + 1) (2k + 3)), and
    Var[log z] = 1 - (1 - s^2) (atanh(s) / s)^2.
    """
    centre = jnp.maximum((low + high) / 2, _FLOOR)
    s, x, y = (high - low) / (2 * centre), low / centre, high / centre
    narrow, t = s < 0.3, s * s
    powers = range(16)
    mean = -t * polynomial(t, [1 / ((2 * k + 2) * (2 * k + 3)) for k in powers])
    slope = s * polynomial(t, [1 / ((2 * k + 1) * (2 * k + 3)) for k in powers])
    a = t * polynomial(t, [1 / (2 * k + 3) for k in powers])  # atanh(s) / s - 1
    variance = t * jnp.square(1 + a) - a * (2 + a)

    s = jnp.where(narrow, 0.5, s)
    log_x, log_y = (jnp.log(jnp.maximum(part, _FLOOR)) for part in (x, y))
    width = log_y - log_x
    wide_mean = (y * log_y - x * log_x) / (2 * s) - 1
    wide_slope = (s - 0.5 * x * y * width) / (2 * s * s)
    wide_variance = 1 - x * y * jnp.square(width / (2 * s))
    return _Interval(
        jnp.log(centre) + jnp.where(narrow, mean, wide_mean),
        jnp.where(narrow, slope, wide_slope),
        jnp.where(narrow, variance, wide_variance),
    )


def _ratio_or_one(x: Numeric, y: Numeric) -> Value:
    return jnp.where(y > 0, x / jnp.where(y > 0, y, 1.0), 1.0)


def _ratio_or_zero(x: Numeric, y: Numeric) -> Value:
    return jnp.where(y > 0, x / jnp.where(y > 0, y, 1.0), 0.0)
