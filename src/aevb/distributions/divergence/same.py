"""Divergences within one family, written so that they stay exact, and their gradients finite, where q is near p."""

import math
from typing import Any

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jax.core import Tracer

from aevb.distributions.divergence.special import (
    Numeric,
    Value,
    excess,
    lgamma,
    log_gamma_divergence,
    polynomial,
    scale_divergence,
    shape_divergence,
    where_it_fits,
)
from aevb.distributions.inverse_cdf import Rayleigh
from aevb.distributions.normal import LogVarianceNormal

Law = Any  # a NumPyro distribution, whose attributes are of no declared type

# Families of one form; the chi-square and Erlang's derive from the Gamma.
NORMALS = (dist.Normal, LogVarianceNormal)
GAMMAS = (dist.Exponential, dist.Gamma)
WEIBULLS = (dist.Exponential, dist.Weibull, Rayleigh)


def normal(q: Law, p: Law) -> Value:
    """KL of Gaussians, and of log-normals: (e^d - 1 - d + (mu_q - mu_p)^2 / s_p^2) / 2, d = log(s_q^2 / s_p^2)."""
    d = log_variance(q) - log_variance(p)
    squared = jnp.square(q.loc - p.loc) * jnp.exp(-log_variance(p))
    return 0.5 * (jnp.expm1(d) - d + squared)


def log_variance(law: Law) -> Numeric:
    """Of either Gaussian."""
    return law.log_variance if isinstance(law, LogVarianceNormal) else 2 * jnp.log(law.scale)


def gamma(q: Law, p: Law) -> Value:
    """KL of Gammas: one term for the ratio of the means and one for the shapes, both non-negative.

    With shapes a, alpha, means m, mu and r = m / mu: alpha (r - 1 - log r) + G(alpha) - G(a) - G'(a) (alpha - a),
    G(a) = log Gamma(a) - a log a + a. Equal to the textbook's log(Gamma(alpha) / Gamma(a)) + (a - alpha) digamma(a)
    - alpha log(beta / b) + a (beta / b - 1), whose terms of size a log a cancel.
    """
    (a, b), (alpha, beta) = gamma_parameters(q), gamma_parameters(p)
    ratio = (a / alpha) * (beta / b)
    return alpha * excess(ratio, ratio - 1) + shape_divergence(alpha, a)


def gamma_parameters(law: Law) -> tuple[Numeric, Numeric]:
    """Shape and rate of an exponential, Erlang, chi-square or Gamma distribution."""
    if isinstance(law, dist.Exponential):
        return 1.0, law.rate
    return law.concentration, law.rate


def dirichlet(q: Law, p: Law) -> Value:
    """KL of Dirichlets: as of Gammas, with ratios of mean proportions, less what their sums contribute."""
    return _proportions(q.concentration, p.concentration)


def beta(q: Law, p: Law) -> Value:
    """KL of Betas, which are Dirichlets of two parts."""
    return _proportions(
        *(jnp.stack(jnp.broadcast_arrays(law.concentration1, law.concentration0), axis=-1) for law in (q, p))
    )


def _proportions(a: Numeric, alpha: Numeric) -> Value:
    sum_a, sum_alpha = jnp.sum(a, axis=-1), jnp.sum(alpha, axis=-1)
    ratio = (a / alpha) * (sum_alpha / sum_a)[..., None]
    parts = jnp.sum(alpha * excess(ratio, ratio - 1) + shape_divergence(alpha, a), axis=-1)
    return parts - shape_divergence(sum_alpha, sum_a)


def gumbel(q: Law, p: Law) -> Value:
    """KL of Gumbels, see `extreme_value`."""
    return extreme_value(q.scale / p.scale, (q.loc - p.loc) / p.scale)


def weibull(q: Law, p: Law) -> Value:
    """KL of Weibulls, exponentials and Rayleighs: -log z of a Weibull variate z is Gumbel(-log scale, 1 / shape)."""
    (scale_q, k_q), (scale_p, k_p) = weibull_parameters(q), weibull_parameters(p)
    return extreme_value(k_p / k_q, k_p * jnp.log(scale_p / scale_q))


def weibull_parameters(law: Law) -> tuple[Numeric, Numeric]:
    """Scale and shape of an exponential, Rayleigh or Weibull distribution."""
    if isinstance(law, dist.Exponential):
        return 1 / law.rate, 1.0
    if isinstance(law, Rayleigh):
        return math.sqrt(2) * law.scale, 2.0
    return law.scale, law.concentration


def extreme_value(r: Numeric, d: Numeric) -> Value:
    """KL of Gumbels whose scales have the ratio r and whose locations differ by d of p's scales.

    -log r + gamma (r - 1) + d + e^-d Gamma(1 + r) - 1 (Bauckhage 2013, for Weibulls), grouped into e^v - 1 - v with
    v = log Gamma(1 + r) - d, and log Gamma(r) + gamma (r - 1), which is the divergence of log Gamma from 1 to r.
    """
    v = lgamma(1 + r) - d
    return where_it_fits(jnp.expm1, v) - v + log_gamma_divergence(r, 1.0)


def laplace(q: Law, p: Law) -> Value:
    """log(b_p / b_q) + (|d| + b_q e^(-|d| / b_q)) / b_p - 1, d the difference of the locations."""
    x = jnp.abs(q.loc - p.loc) / q.scale
    return scale_divergence(q.scale, p.scale) + (x + jnp.expm1(-x)) * (q.scale / p.scale)


def cauchy(q: Law, p: Law) -> Value:
    """log(((s_q + s_p)^2 + d^2) / (4 s_q s_p)) (Chyzak & Nielsen 2019)."""
    squares = jnp.square(q.scale - p.scale) + jnp.square(q.loc - p.loc)
    return jnp.log1p(squares / (4 * q.scale * p.scale))


def pareto(q: Law, p: Law) -> Value:
    """log(alpha_q / alpha_p) + alpha_p / alpha_q - 1 + alpha_p log(s_q / s_p), where s_q >= s_p; else infinite."""
    nested = q.scale >= p.scale
    log_ratio = jnp.log(jnp.where(nested, q.scale / p.scale, 1.0))
    return jnp.where(nested, scale_divergence(p.alpha, q.alpha) + p.alpha * log_ratio, jnp.inf)


def logistic(q: Law, p: Law) -> Value | None:
    """d coth(d / 2) - 2 with d = (mu_q - mu_p) / s, where the scales are known to be equal."""
    if not _known_equal(q.scale, p.scale):
        return None
    d = jnp.abs(q.loc - p.loc) / p.scale
    square, far = jnp.square(d), jnp.where(d < 0.5, 1.0, d)
    series = square * polynomial(square, [2 * c for c in _COTH])
    return jnp.where(d < 0.5, series, far - 2 + 2 * far / jnp.expm1(far))


# (d / 2) coth(d / 2) = 1 + sum B_2n d^2n / (2n)!
_COTH = (1 / 12, -1 / 720, 1 / 30240, -1 / 1209600, 1 / 47900160, -691 / 1307674368000, 1 / 74724249600)


def f(q: Law, p: Law) -> Value | None:
    """That of Beta(d1 / 2, d2 / 2), where the ratios d2 / d1 are known to be equal: F is d2 / d1 times Beta's odds."""
    if not _known_equal(q.df1 * p.df2, q.df2 * p.df1):
        return None
    return beta(*(dist.Beta(law.df1 / 2, law.df2 / 2) for law in (q, p)))


def _known_equal(x: Numeric, y: Numeric) -> bool:
    """Whether two values are equal, as far as can be said while a program is traced."""
    if x is y:
        return True
    return not any(isinstance(part, Tracer) for part in (x, y)) and bool(np.all(np.equal(x, y)))
