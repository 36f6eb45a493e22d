"""Entropies, means, variances, absolute deviations and exponential moments, in closed form.

Each table maps families to functions of a distribution q, and of what the expectation is of. A value may be infinite;
its derivatives are finite all the same. NumPyro's own properties are not used where they are NaN, have NaN
derivatives, or cancel.
"""

from collections.abc import Callable

import jax.numpy as jnp
import numpyro.distributions as dist

from aevb.distributions.composition import F
from aevb.distributions.continuous_bernoulli import ContinuousBernoulli
from aevb.distributions.divergence.logs import LOG_POWER, Table, gammas, where_positive
from aevb.distributions.divergence.same import NORMALS, Law, beta, log_variance
from aevb.distributions.divergence.special import (
    EULER_GAMMA,
    HALF_LOG_TAU,
    Numeric,
    Value,
    digamma,
    growth_integral,
    lgamma_half_step,
    log_gamma_divergence,
    shape_divergence,
    where_it_fits,
)
from aevb.distributions.divergence.supports import find
from aevb.distributions.inverse_cdf import Rayleigh
from aevb.distributions.location_scale import Triangular


def infinite(q: Law, *of: Numeric) -> float:
    """What has no finite expectation for any parameters."""
    return jnp.inf


def _student_t_entropy(q: Law) -> Value:
    """(df + 1) / 2 (psi((df + 1) / 2) - psi(df / 2)) + log(sqrt(df) B(df / 2, 1/2)) + log scale."""
    a = q.df / 2
    step_of_psi = 2 * (log_gamma_divergence(a, a + 0.5) + log_gamma_divergence(a + 0.5, a))
    log_beta = 0.5 * jnp.log(2 * jnp.pi * a) - lgamma_half_step(a)
    return (a + 0.5) * step_of_psi + log_beta + jnp.log(q.scale)


def _beta_entropy(q: Law) -> Value:
    return -beta(q, dist.Beta(1.0, 1.0))


def _f_entropy(q: Law) -> Value:
    """Of b / a times the odds x / (1 - x) of a Beta(a, b) variate x, by E[log(1 - x)]."""
    a, b = q.df1 / 2, q.df2 / 2
    return _beta_entropy(dist.Beta(a, b)) + 2 * (digamma(a + b) - digamma(b)) + jnp.log(b / a)


_ENTROPY: Table = {
    **dict.fromkeys(NORMALS, lambda q: HALF_LOG_TAU + 0.5 + 0.5 * log_variance(q)),
    **gammas(lambda a, b: 1 + jnp.log(a / b) - shape_divergence(1.0, a)),
    dist.StudentT: _student_t_entropy,
    dist.Gumbel: lambda q: 1 + EULER_GAMMA + jnp.log(q.scale),
    dist.Gompertz: lambda q: 1 - jnp.log(q.concentration * q.rate) - growth_integral(0.0, q.concentration),
    dist.Beta: _beta_entropy,
    F: _f_entropy,
}


def entropy(q: Law) -> Numeric:
    """-E[log q(z)]."""
    function = find(_ENTROPY, type(q))
    return q.entropy() if function is None else function(q)


_SYMMETRIC = (*NORMALS, dist.Laplace, dist.Logistic, dist.StudentT)


def _mean_by_power(family: type) -> Callable[[Law], Value]:
    return lambda q: where_it_fits(jnp.exp, LOG_POWER[family](q, 1.0))


# E[z]
MEAN: Table = {
    **dict.fromkeys(_SYMMETRIC, lambda q: q.loc),
    **gammas(lambda a, b: a / b),
    **{
        family: _mean_by_power(family) for family in (dist.Weibull, Rayleigh, dist.LogNormal, dist.LogUniform)
    },
    **{family: _mean_by_power(family) for family in (dist.Pareto, F)},
    dist.Cauchy: infinite,
    dist.Gumbel: lambda q: q.loc + EULER_GAMMA * q.scale,
    dist.Uniform: lambda q: (q.low + q.high) / 2,
    Triangular: lambda q: (q.low + q.mode + q.high) / 3,
    dist.Beta: lambda q: q.concentration1 / (q.concentration1 + q.concentration0),
    ContinuousBernoulli: lambda q: q.mean,
    dist.Gompertz: lambda q: growth_integral(0.0, q.concentration) / q.rate,
}


def _variance_by_powers(family: type) -> Callable[[Law], Value]:
    def variance(log_square: Value, log_mean: Value) -> Value:
        return jnp.exp(2 * log_mean) * jnp.expm1(log_square - 2 * log_mean)

    return lambda q: where_it_fits(variance, *(LOG_POWER[family](q, k) for k in (2.0, 1.0)))


def _triangular_variance(q: Law) -> Value:
    width, rise = q.high - q.low, q.mode - q.low
    return (width * width - rise * (width - rise)) / 18


def _beta_variance(q: Law) -> Value:
    total = q.concentration1 + q.concentration0
    return q.concentration1 * q.concentration0 / (total * total * (total + 1))


def _f_variance(q: Law) -> Value:
    """2 d2^2 (d1 + d2 - 2) / (d1 (d2 - 2)^2 (d2 - 4)), for d2 > 4."""

    def variance(margin: Numeric) -> Value:
        d2 = margin + 4
        return 2 * jnp.square(d2 / (margin + 2)) * (q.df1 + d2 - 2) / (q.df1 * margin)

    return where_positive(q.df2 - 4, variance)


def _student_t_variance(q: Law) -> Value:
    return where_positive(q.df - 2, lambda margin: jnp.square(q.scale) * (margin + 2) / margin)


def _pareto_variance(q: Law) -> Value:
    """s^2 a / ((a - 1)^2 (a - 2)), for a > 2."""
    return where_positive(
        q.alpha - 2, lambda margin: jnp.square(q.scale / (margin + 1)) * (margin + 2) / margin
    )


# Var[z]
VARIANCE: Table = {
    **dict.fromkeys(NORMALS, lambda q: jnp.exp(log_variance(q))),
    **gammas(lambda a, b: a / b / b),
    **{
        family: _variance_by_powers(family)
        for family in (dist.Weibull, Rayleigh, dist.LogNormal, dist.LogUniform)
    },
    dist.Laplace: lambda q: 2 * jnp.square(q.scale),
    dist.Logistic: lambda q: jnp.square(jnp.pi * q.scale) / 3,
    dist.Gumbel: lambda q: jnp.square(jnp.pi * q.scale) / 6,
    dist.Cauchy: infinite,
    dist.StudentT: _student_t_variance,
    dist.Uniform: lambda q: jnp.square(q.high - q.low) / 12,
    Triangular: _triangular_variance,
    dist.Pareto: _pareto_variance,
    F: _f_variance,
    dist.Beta: _beta_variance,
    ContinuousBernoulli: lambda q: q.variance,
}
