"""Divergences of random vectors from multivariate normal distributions."""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
import numpyro.distributions as dist
from jax import lax

from aevb.distributions.divergence.logs import LOG_POWER, MEAN_LOG, where_positive
from aevb.distributions.divergence.moments import MEAN, VARIANCE, entropy
from aevb.distributions.divergence.same import NORMALS, Law, log_variance
from aevb.distributions.divergence.special import HALF_LOG_TAU, Numeric, Value, excess, where_it_fits
from aevb.distributions.divergence.supports import find
from aevb.distributions.elliptical import Elliptical
from aevb.distributions.radii import ChiRadius, StudentTRadius, log_sphere_area


class Vector(NamedTuple):
    """A vector loc + root s, with s of covariance `square` times the identity, or of infinite covariance."""

    loc: Value  # (..., d)
    root: Value  # (..., d, d), lower triangular
    square: Value  # (...)
    entropy: Numeric  # of s, (...)


class Normal(NamedTuple):
    """A normal vector, with what divides the rows of a matrix by the root of its covariance."""

    loc: Value  # (..., d)
    standardize: Callable[[Value], Value]


def divergence_from_normal(q: Law, p: Law) -> Value | None:
    """KL(q || p) = KL(N(mean_q, covariance_q) || p) + the entropy that q lacks to that normal distribution's.

    With M = root_p^-1 root_q, c the square and d the difference of the means, standardized by p, the former is
    (sum_i (c m_ii^2 - 1 - log c m_ii^2 + d_i^2) + c sum_(i > j) m_ij^2) / 2. None where q or p is not of the kind.
    """
    target = _normal(p)
    source = None if target is None else _vector(q)
    if target is None or source is None:
        return None
    infinite = jnp.isinf(source.square)
    c = jnp.where(infinite, 1.0, source.square)
    difference = target.standardize((source.loc - target.loc)[..., None])
    m = target.standardize(source.root)
    ratio = c[..., None] * jnp.square(jnp.diagonal(m, axis1=-2, axis2=-1))
    below = c * jnp.sum(jnp.square(jnp.tril(m, -1)), axis=(-2, -1))
    matched = (
        jnp.sum(excess(ratio, ratio - 1), axis=-1) + jnp.sum(jnp.square(difference), axis=(-2, -1)) + below
    )
    negentropy = m.shape[-1] * (HALF_LOG_TAU + 0.5 + 0.5 * jnp.log(c)) - source.entropy
    return jnp.where(infinite, jnp.inf, 0.5 * matched + negentropy)


def _normal(p: Law) -> Normal | None:
    if isinstance(p, dist.Independent) and p.reinterpreted_batch_ndims == 1:
        base = _without_expansion(p.base_dist)
        return _independent_normal(p.shape(), base) if isinstance(base, NORMALS) else None
    if isinstance(p, dist.MultivariateNormal) or (
        isinstance(p, Elliptical) and isinstance(p.radius, ChiRadius)
    ):
        return _correlated_normal(p)
    return None


def _independent_normal(shape: tuple[int, ...], base: Law) -> Normal:
    inverse = jnp.broadcast_to(jnp.exp(-0.5 * log_variance(base)), shape)[..., None]
    return Normal(jnp.broadcast_to(base.loc, shape), lambda rows: inverse * rows)


def _correlated_normal(p: Law) -> Normal:
    return Normal(jnp.asarray(p.loc), lambda rows: _solve(jnp.asarray(p.scale_tril), rows))


def _without_expansion(law: Law) -> Law:
    return law.base_dist if isinstance(law, dist.ExpandedDistribution) else law


def _solve(root: Value, rows: Value) -> Value:
    batch = jnp.broadcast_shapes(root.shape[:-2], rows.shape[:-2])
    root, rows = (jnp.broadcast_to(part, batch + part.shape[-2:]) for part in (root, rows))
    return lax.linalg.triangular_solve(root, rows, left_side=True, lower=True)


def _vector(q: Law) -> Vector | None:
    if isinstance(q, dist.Independent) and q.reinterpreted_batch_ndims == 1:
        return _independent(q)
    if isinstance(q, dist.MultivariateNormal):
        return _spherical(ChiRadius(q.event_shape[0]), q)
    if isinstance(q, dist.MultivariateStudentT):
        return _spherical(StudentTRadius(q.df, q.event_shape[0]), q)
    return _spherical(q.radius, q) if isinstance(q, Elliptical) else None


def _independent(q: Law) -> Vector | None:
    base = _without_expansion(q.base_dist)
    mean, variance = (find(table, type(base)) for table in (MEAN, VARIANCE))
    if mean is None or variance is None:
        return None
    variances = jnp.broadcast_to(variance(base), q.shape())
    infinite = jnp.isinf(variances)
    scales = jnp.sqrt(jnp.where(infinite, 1.0, variances))
    loc = jnp.where(infinite, 0.0, mean(base))
    rest = jnp.sum(entropy(base) - jnp.log(scales), axis=-1)
    square = jnp.where(jnp.any(infinite, axis=-1), jnp.inf, 1.0)
    return Vector(loc, scales[..., None] * jnp.eye(scales.shape[-1]), square, rest)


def _spherical(radius: Law, q: Law) -> Vector | None:
    """With s = r u: E[s s^T] = E[r^2] / d, and H(s) = H(r) + (d - 1) E[log r] + log of the sphere's area."""
    d = q.event_shape[0]
    log_power, mean_log = (find(table, type(radius)) for table in (LOG_POWER, MEAN_LOG))
    if isinstance(radius, ChiRadius):
        square, rest = jnp.ones(()), radius.spherical_entropy()
    elif isinstance(radius, StudentTRadius):
        square = where_positive(radius.df - 2, lambda margin: (margin + 2) / margin)
        rest = radius.spherical_entropy()
    elif log_power is None or mean_log is None:
        return None
    else:
        square = where_it_fits(jnp.exp, log_power(radius, 2.0)) / d
        rest = entropy(radius) + (d - 1) * mean_log(radius) + log_sphere_area(d)
    return Vector(jnp.asarray(q.loc), jnp.asarray(q.scale_tril), square, rest)
