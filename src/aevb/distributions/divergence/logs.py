"""Expectations of powers and logarithms of positive z, in closed form.

Each table maps families to functions of a distribution q, and of what the expectation is of. A value may be infinite;
its derivatives are finite all the same. Where a uniform or triangular q reaches below 0 (or, for log(1 - z), above 1)
the value is finite and means nothing.
"""

from collections.abc import Callable
from functools import partial

import jax.numpy as jnp
import numpyro.distributions as dist

from aevb.distributions.composition import F
from aevb.distributions.continuous_bernoulli import ContinuousBernoulli
from aevb.distributions.divergence.intervals import (
    capped_interval_mean_log,
    interval_mean_log,
    interval_variance_log,
    triangle_mean_log,
)
from aevb.distributions.divergence.same import GAMMAS, Law, gamma_parameters, weibull_parameters
from aevb.distributions.divergence.special import (
    EULER_GAMMA,
    Numeric,
    Value,
    digamma,
    expm1_ratio,
    lgamma,
    log_gamma_step,
    tilted_mean_log,
    trigamma,
)
from aevb.distributions.inverse_cdf import Rayleigh
from aevb.distributions.location_scale import Triangular

Table = dict[type, Callable[..., Numeric]]


def where_positive(margin: Numeric, function: Callable[[Numeric], Numeric]) -> Value:
    """function(margin) where the margin is positive, else infinity; there the function sees 1, see `jnp.where`."""
    positive = margin > 0
    return jnp.where(positive, function(jnp.where(positive, margin, 1.0)), jnp.inf)


def gammas(function: Callable[..., Numeric]) -> Table:
    """Rows of the Gamma distributions, from a function of shape and rate."""
    return dict.fromkeys(GAMMAS, lambda q, *of: function(*gamma_parameters(q), *of))


def weibulls(function: Callable[..., Numeric]) -> Table:
    """Rows of the Weibull distributions but the exponential, from a function of scale and shape."""
    return dict.fromkeys((dist.Weibull, Rayleigh), lambda q, *of: function(*weibull_parameters(q), *of))


def _pareto_log_power(q: Law, k: Numeric) -> Value:
    return where_positive(q.alpha - k, lambda margin: k * jnp.log(q.scale) + jnp.log(q.alpha / margin))


def _f_log_power(q: Law, k: Numeric) -> Value:
    """Gamma(d1 / 2 + k) Gamma(d2 / 2 - k) / (Gamma(d1 / 2) Gamma(d2 / 2)) (d2 / d1)^k, for k < d2 / 2."""
    a, b = q.df1 / 2, q.df2 / 2
    scale = k * jnp.log(b / a)
    return where_positive(b - k, lambda rest: log_gamma_step(a, k) - log_gamma_step(rest, k) + scale)


def _uniform_log_power(q: Law, k: Numeric) -> Value:
    """(1 - x^(k + 1)) / ((k + 1) (1 - x)) of the upper end's power, x = low / high."""
    low, high = _positive(q, q.low, q.high)
    x = low / high
    wide = x < 0.5
    far, near = jnp.where(wide, x, 0.0), jnp.log(jnp.where(wide, 0.5, x))
    direct = (1 - far ** (k + 1)) / ((k + 1) * (1 - far))
    ratio = jnp.where(wide, direct, expm1_ratio((k + 1) * near) / expm1_ratio(near))
    return k * jnp.log(high) + jnp.log(ratio)


def _positive(q: Law, *points: Numeric) -> list[Value]:
    return _where(q.low >= 0, points)


def _below_one(q: Law, *points: Numeric) -> list[Value]:
    return _where(q.high <= 1, points)


def _where(inside: Numeric, points: tuple[Numeric, ...]) -> list[Value]:
    """The points where the support is inside, else some increasing ones between 1 and 2."""
    return [jnp.where(inside, point, 1 + k / len(points)) for k, point in enumerate(points)]


# log E[z^k], k > 0
LOG_POWER: Table = {
    **gammas(lambda a, b, k: log_gamma_step(a, k) - k * jnp.log(b)),
    **weibulls(lambda scale, shape, k: k * jnp.log(scale) + lgamma(1 + k / shape)),
    dist.LogNormal: lambda q, k: k * q.loc + 0.5 * jnp.square(k * q.scale),
    dist.LogUniform: lambda q, k: k * jnp.log(q.high) + jnp.log(expm1_ratio(k * jnp.log(q.low / q.high))),
    dist.Pareto: _pareto_log_power,
    F: _f_log_power,
    dist.Uniform: _uniform_log_power,
    dist.Beta: lambda q, k: (
        log_gamma_step(q.concentration1, k) - log_gamma_step(q.concentration1 + q.concentration0, k)
    ),
}

# E[log z]
MEAN_LOG: Table = {
    **gammas(lambda a, b: digamma(a) - jnp.log(b)),
    **weibulls(lambda scale, shape: jnp.log(scale) - EULER_GAMMA / shape),
    dist.LogNormal: lambda q: q.loc,
    dist.LogUniform: lambda q: (jnp.log(q.low) + jnp.log(q.high)) / 2,
    dist.Pareto: lambda q: jnp.log(q.scale) + 1 / q.alpha,
    F: lambda q: digamma(q.df1 / 2) - digamma(q.df2 / 2) + jnp.log(q.df2 / q.df1),
    dist.Uniform: lambda q: interval_mean_log(*_positive(q, q.low, q.high)),
    Triangular: lambda q: triangle_mean_log(*_positive(q, q.low, q.mode, q.high)),
    dist.Beta: lambda q: digamma(q.concentration1) - digamma(q.concentration1 + q.concentration0),
    ContinuousBernoulli: lambda q: tilted_mean_log(q.logits),
}

# E[log(1 - z)]
MEAN_LOG_COMPLEMENT: Table = {
    dist.Uniform: lambda q: interval_mean_log(*_below_one(q, 1 - q.high, 1 - q.low)),
    Triangular: lambda q: triangle_mean_log(*_below_one(q, 1 - q.high, 1 - q.mode, 1 - q.low)),
    dist.Beta: lambda q: digamma(q.concentration0) - digamma(q.concentration1 + q.concentration0),
    ContinuousBernoulli: lambda q: tilted_mean_log(-q.logits),
}

# Var[log z]
VARIANCE_LOG: Table = {
    **gammas(lambda a, b: trigamma(a)),
    **weibulls(lambda scale, shape: jnp.pi**2 / 6 / jnp.square(shape)),
    dist.LogNormal: lambda q: jnp.square(q.scale),
    dist.LogUniform: lambda q: jnp.square(jnp.log(q.high / q.low)) / 12,
    dist.Pareto: lambda q: 1 / jnp.square(q.alpha),
    F: lambda q: trigamma(q.df1 / 2) + trigamma(q.df2 / 2),
    dist.Uniform: lambda q: interval_variance_log(*_positive(q, q.low, q.high)),
    dist.Beta: lambda q: trigamma(q.concentration1) - trigamma(q.concentration1 + q.concentration0),
}


def _tent(mean_log: Callable[..., Value], p: Law, *points: Numeric) -> Value:
    rising = _below_side(mean_log, points, p.low, p.mode)
    return rising + _below_side(mean_log, tuple(-x for x in reversed(points)), -p.high, -p.mode)


def _below_side(mean_log: Callable[..., Value], points: tuple, foot: Numeric, top: Numeric) -> Value:
    """E[log min(x, 1)] with x = (z - foot) / (top - foot), which is 0 where top and foot are one."""
    step = top == foot
    scaled = tuple((point - foot) / jnp.where(step, 1.0, top - foot) for point in points)
    return jnp.where(step, 0.0, mean_log(*_where(~step & (scaled[0] >= 0), scaled)))


# E[log of p(z) over its maximum] for a triangular p
MEAN_LOG_TENT: Table = {
    dist.Uniform: lambda q, p: _tent(capped_interval_mean_log, p, q.low, q.high),
    Triangular: lambda q, p: _tent(partial(triangle_mean_log, cap=1.0), p, q.low, q.mode, q.high),
}
