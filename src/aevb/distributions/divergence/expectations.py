"""KL(q || p) = -H(q) - E_q[log p]: what E_q[log p] needs to know of q, family of p by family of p."""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
import numpyro.distributions as dist

from aevb.distributions.continuous_bernoulli import ContinuousBernoulli
from aevb.distributions.divergence.logs import (
    LOG_POWER,
    MEAN_LOG,
    MEAN_LOG_COMPLEMENT,
    MEAN_LOG_TENT,
    VARIANCE_LOG,
    Table,
)
from aevb.distributions.divergence.moments import MEAN, VARIANCE, entropy
from aevb.distributions.divergence.same import Law, gamma_parameters, log_variance, weibull_parameters
from aevb.distributions.divergence.special import (
    HALF_LOG_TAU,
    Numeric,
    Value,
    betaln,
    lgamma,
    lgamma_half_step,
    where_it_fits,
)
from aevb.distributions.divergence.supports import SUPPORTS, find, nested
from aevb.distributions.divergence.tails import ABSOLUTE, LOG_GROWTH, LOG_MGF, MEAN_LOG_SQUARE
from aevb.distributions.inverse_cdf import Rayleigh
from aevb.distributions.location_scale import Triangular
from aevb.distributions.normal import LogVarianceNormal

Moment = Callable[..., Value]


def _normal(p: Law, mean: Moment, variance: Moment) -> Value:
    square = variance() + jnp.square(mean() - p.loc)
    return -HALF_LOG_TAU - 0.5 * (log_variance(p) + square * jnp.exp(-log_variance(p)))


def _log_normal(p: Law, mean_log: Moment, variance_log: Moment) -> Value:
    return _normal(p, mean_log, variance_log) - mean_log()


def _exponential(p: Law, mean: Moment) -> Value:
    return jnp.log(p.rate) - p.rate * mean()


def _gamma(p: Law, mean: Moment, mean_log: Moment) -> Value:
    a, b = gamma_parameters(p)
    return a * jnp.log(b) - lgamma(a) + (a - 1) * mean_log() - b * mean()


def _weibull(p: Law, log_power: Moment, mean_log: Moment) -> Value:
    scale, k = weibull_parameters(p)
    log_scale = jnp.log(scale)
    return (
        jnp.log(k)
        - log_scale
        + (k - 1) * (mean_log() - log_scale)
        - where_it_fits(jnp.exp, log_power(k) - k * log_scale)
    )


def _rayleigh(p: Law, mean: Moment, variance: Moment, mean_log: Moment) -> Value:
    square = variance() + jnp.square(mean())
    return mean_log() - 2 * jnp.log(p.scale) - 0.5 * square / jnp.square(p.scale)


def _laplace(p: Law, absolute: Moment) -> Value:
    return -absolute(p.loc) / p.scale - jnp.log(2 * p.scale)


def _gumbel(p: Law, mean: Moment, log_mgf: Moment) -> Value:
    return (
        -jnp.log(p.scale) - (mean() - p.loc) / p.scale - where_it_fits(jnp.exp, log_mgf(-1 / p.scale, p.loc))
    )


def _gompertz(p: Law, mean: Moment, log_growth: Moment) -> Value:
    growth = where_it_fits(jnp.expm1, log_growth(p.rate, 0.0))
    return jnp.log(p.concentration * p.rate) + p.rate * mean() - p.concentration * growth


def _student_t(p: Law, mean_log_square: Moment) -> Value:
    half, scale = p.df / 2, p.scale * jnp.sqrt(p.df)
    normalizer = lgamma_half_step(half) - 0.5 * jnp.log(jnp.pi) - jnp.log(scale)
    return normalizer - (half + 0.5) * mean_log_square(p.loc, scale)


def _uniform(p: Law) -> Value:
    return -jnp.log(p.high - p.low)


def _triangular(p: Law, mean_log_tent: Moment) -> Value:
    return jnp.log(2 / (p.high - p.low)) + mean_log_tent(p)


def _pareto(p: Law, mean_log: Moment) -> Value:
    return jnp.log(p.alpha) + p.alpha * jnp.log(p.scale) - (p.alpha + 1) * mean_log()


def _log_uniform(p: Law, mean_log: Moment) -> Value:
    return -mean_log() - jnp.log(jnp.log(p.high / p.low))


def _beta(p: Law, mean_log: Moment, mean_log_complement: Moment) -> Value:
    a, b = p.concentration1, p.concentration0
    return (a - 1) * mean_log() + (b - 1) * mean_log_complement() - betaln(a, b)


def _continuous_bernoulli(p: Law, mean: Moment) -> Value:
    """Its log density is linear in z; a mean outside of the support is not looked at."""
    return p.log_prob(jnp.clip(mean(), 0.0, 1.0))


class Expectation(NamedTuple):
    """E_q[log p] as a function of p and of the moments of q that it needs, in which it is linear."""

    function: Callable[..., Value]
    needs: tuple[Table, ...] = ()


EXPECTATIONS: dict[type, Expectation] = {
    dist.Normal: Expectation(_normal, (MEAN, VARIANCE)),
    LogVarianceNormal: Expectation(_normal, (MEAN, VARIANCE)),
    dist.LogNormal: Expectation(_log_normal, (MEAN_LOG, VARIANCE_LOG)),
    dist.Exponential: Expectation(_exponential, (MEAN,)),
    dist.Gamma: Expectation(_gamma, (MEAN, MEAN_LOG)),
    dist.Weibull: Expectation(_weibull, (LOG_POWER, MEAN_LOG)),
    Rayleigh: Expectation(_rayleigh, (MEAN, VARIANCE, MEAN_LOG)),
    dist.Laplace: Expectation(_laplace, (ABSOLUTE,)),
    dist.Gumbel: Expectation(_gumbel, (MEAN, LOG_MGF)),
    dist.Gompertz: Expectation(_gompertz, (MEAN, LOG_GROWTH)),
    dist.StudentT: Expectation(_student_t, (MEAN_LOG_SQUARE,)),
    dist.Uniform: Expectation(_uniform),
    Triangular: Expectation(_triangular, (MEAN_LOG_TENT,)),
    dist.Pareto: Expectation(_pareto, (MEAN_LOG,)),
    dist.LogUniform: Expectation(_log_uniform, (MEAN_LOG,)),
    dist.Beta: Expectation(_beta, (MEAN_LOG, MEAN_LOG_COMPLEMENT)),
    ContinuousBernoulli: Expectation(_continuous_bernoulli, (MEAN,)),
}


def is_known(q: type, p: type) -> bool:
    """Whether `cross_divergence` has a formula for two families."""
    expectation = find(EXPECTATIONS, p)
    if expectation is None:
        return False
    return all(find(table, q) is not None for table in (SUPPORTS, *expectation.needs))


def cross_divergence(q: Law, p: Law) -> Value:
    """KL(q || p) of two families of which `is_known` holds; infinite where supports do not nest or moments are.

    There the formula is evaluated with ones in place of all moments, so that derivatives are finite.
    """
    function, needs = find(EXPECTATIONS, type(p))
    values: list[Value] = []

    def record(table: Table) -> Moment:
        def moment(*of: Numeric) -> Value:
            values.append(jnp.asarray(find(table, type(q))(q, *of)))
            return values[-1]

        return moment

    function(p, *map(record, needs))  # which moments, at which arguments, is up to it; the result is not used
    finite = nested(q, p)
    for value in values:
        finite = finite & ~jnp.isinf(value)
    safe = (jnp.where(finite, value, 1.0) for value in values)
    mean_log_p = function(p, *(lambda *of: next(safe) for _ in needs))
    return jnp.where(finite, -entropy(q) - mean_log_p, jnp.inf)
