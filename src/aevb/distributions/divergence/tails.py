"""Expectations that the tails of p ask for: absolute deviations, exponential moments, logarithms of squares.

Each table maps families to functions of a distribution q, and of what the expectation is of. A value may be infinite;
its derivatives are finite all the same.
"""

import jax.numpy as jnp
import numpyro.distributions as dist
from jax.scipy.special import erf

from aevb.distributions.composition import F
from aevb.distributions.divergence.logs import Table, gammas, where_positive
from aevb.distributions.divergence.moments import infinite
from aevb.distributions.divergence.same import NORMALS, Law, log_variance
from aevb.distributions.divergence.special import (
    HALF_LOG_TAU,
    Numeric,
    Value,
    expm1_ratio,
    growth_integral,
    lgamma,
)
from aevb.distributions.location_scale import Triangular


def _normal_absolute(q: Law, m: Numeric) -> Value:
    s = jnp.exp(0.5 * log_variance(q))
    x = (m - q.loc) / s
    return s * (2 * jnp.exp(-0.5 * x * x - HALF_LOG_TAU) + x * erf(x / jnp.sqrt(2.0)))


def _laplace_absolute(q: Law, m: Numeric) -> Value:
    d = jnp.abs(m - q.loc)
    return d + q.scale * jnp.exp(-d / q.scale)


def _logistic_absolute(q: Law, m: Numeric) -> Value:
    d = jnp.abs(m - q.loc)
    return d + 2 * q.scale * jnp.log1p(jnp.exp(-d / q.scale))


def _exponential_absolute(q: Law, m: Numeric) -> Value:
    c = jnp.maximum(m, 0.0)
    return c + (2 * jnp.exp(-q.rate * c) - 1) / q.rate + (c - m)


def _nearest(m: Numeric, q: Law) -> Value:
    """The point of the support nearest to m; at its ends `jnp.clip` would halve the derivative."""
    return jnp.where(m < q.low, q.low, jnp.where(m > q.high, q.high, m))


def _uniform_absolute(q: Law, m: Numeric) -> Value:
    c = _nearest(m, q)
    return (jnp.square(c - q.low) + jnp.square(q.high - c)) / (2 * (q.high - q.low)) + jnp.abs(m - c)


def _triangular_absolute(q: Law, m: Numeric) -> Value:
    """Up to the mode, c - E[z] from the left is twice the integral of the distribution function, a cubic."""
    c = _nearest(m, q)
    left, mean = c <= q.mode, (q.low + q.mode + q.high) / 3
    side = jnp.where(left, q.mode - q.low, q.high - q.mode)
    d = jnp.where(left, c - q.low, q.high - c)
    side = jnp.where(side > 0, side, 1.0)
    cubic = 2 * d * d * d / (3 * side * (q.high - q.low))
    return jnp.where(left, mean - c, c - mean) + cubic + jnp.abs(m - c)


# E|z - m|
ABSOLUTE: Table = {
    **dict.fromkeys(NORMALS, _normal_absolute),
    dist.Laplace: _laplace_absolute,
    dist.Logistic: _logistic_absolute,
    dist.Cauchy: infinite,
    dist.Exponential: _exponential_absolute,
    dist.Uniform: _uniform_absolute,
    Triangular: _triangular_absolute,
}


def _logistic_log_mgf(q: Law, t: Numeric, c: Numeric) -> Value:
    """log(pi y / sin(pi y)) with y = t scale, for |y| < 1."""
    y = t * q.scale
    inside = jnp.abs(y) < 1
    return t * (q.loc - c) - jnp.where(inside, jnp.log(jnp.sinc(jnp.where(inside, y, 0.0))), -jnp.inf)


def _uniform_log_mgf(q: Law, t: Numeric, c: Numeric) -> Value:
    end = jnp.where(t > 0, q.high, q.low)
    return t * (end - c) + jnp.log(expm1_ratio(-jnp.abs(t) * (q.high - q.low)))


def _gompertz_log_mgf(q: Law, t: Numeric, c: Numeric) -> Value:
    r = t / q.rate
    growth = growth_integral(r, q.concentration)
    overflows = jnp.isinf(growth)
    return jnp.where(overflows, jnp.inf, jnp.log1p(r * jnp.where(overflows, 0.0, growth)) - t * c)


# log E[e^(t (z - c))]
LOG_MGF: Table = {
    **dict.fromkeys(
        NORMALS, lambda q, t, c: t * (q.loc - c) + 0.5 * jnp.square(t) * jnp.exp(log_variance(q))
    ),
    **gammas(lambda a, b, t, c: where_positive(1 - t / b, lambda margin: -a * jnp.log(margin)) - t * c),
    **dict.fromkeys((dist.Cauchy, dist.StudentT), infinite),
    dist.Laplace: lambda q, t, c: where_positive(
        1 - jnp.square(t * q.scale), lambda margin: t * (q.loc - c) - jnp.log(margin)
    ),
    dist.Logistic: _logistic_log_mgf,
    dist.Gumbel: lambda q, t, c: where_positive(1 - t * q.scale, lambda x: t * (q.loc - c) + lgamma(x)),
    dist.Uniform: _uniform_log_mgf,
    dist.Gompertz: _gompertz_log_mgf,
}

# The same where t > 0 and z > 0
LOG_GROWTH: Table = {**LOG_MGF, **dict.fromkeys((dist.LogNormal, dist.Pareto, F), infinite)}

# E[log(1 + ((z - m) / c)^2)]
MEAN_LOG_SQUARE: Table = {
    dist.Cauchy: lambda q, m, c: jnp.log(jnp.square(1 + q.scale / c) + jnp.square((q.loc - m) / c)),
}
