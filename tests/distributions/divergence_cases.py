"""Families with SciPy's densities and edges of their parameter ranges, and the integrals of the divergence tests."""

from collections.abc import Callable
from functools import cache
from itertools import pairwise
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from scipy import stats

from aevb.distributions.composition import F
from aevb.distributions.continuous_bernoulli import ContinuousBernoulli
from aevb.distributions.inverse_cdf import Erlang, Rayleigh
from aevb.distributions.location_scale import Triangular
from aevb.distributions.normal import LogVarianceNormal


class TiltedUniform:
    """A density proportional to e^(logit z) on [0, 1], which SciPy has for negative logits."""

    def __init__(self, logit):
        self.logit = logit
        self.falling = stats.truncexpon(abs(logit), scale=1 / abs(logit))

    def logpdf(self, z):
        return self.falling.logpdf(1 - z if self.logit > 0 else z)

    def ppf(self, u):
        return 1 - self.falling.ppf(1 - np.asarray(u)) if self.logit > 0 else self.falling.ppf(u)

    def support(self):
        return 0.0, 1.0


class Case(NamedTuple):
    """A family: how it is made, SciPy's, four settings of the parameters, and at which of them the density bends."""

    make: Callable
    scipy: Callable
    settings: tuple
    kink: int | None = None

    def parameters(self, repeat):
        """Arrays of length 16: every setting four times, by `np.repeat` or `np.tile`."""
        return [
            jnp.asarray(repeat(np.asarray(column, float), 4)) for column in zip(*self.settings, strict=True)
        ]


def triangular(low, mode, high):
    return stats.triang((mode - low) / (high - low), low, high - low)


LOCATED = ((0.0, 1.0), (1.5, 0.4), (-0.7, 0.6), (3.0, 2.0))
CASES = {
    "Normal": Case(dist.Normal, stats.norm, LOCATED),
    "LogVarianceNormal": Case(
        LogVarianceNormal, lambda m, a: stats.norm(m, np.exp(a / 2)), ((0, 0), (1.5, -2), (-1, 1), (3, 1.5))
    ),
    "Laplace": Case(dist.Laplace, stats.laplace, LOCATED, kink=0),
    "Logistic": Case(dist.Logistic, stats.logistic, LOCATED),
    "Gumbel": Case(dist.Gumbel, stats.gumbel_r, ((0, 0.75), (1.5, 0.3), (-0.7, 0.75), (3.0, 1.5))),
    "Cauchy": Case(dist.Cauchy, stats.cauchy, LOCATED),
    "StudentT": Case(
        dist.StudentT, stats.t, ((2.8, 0.0, 1.0), (3.5, 1.5, 0.3), (8.0, -0.7, 2.0), (60.0, 3.0, 1.0))
    ),
    "Uniform": Case(
        dist.Uniform, lambda a, b: stats.uniform(a, b - a), ((0, 1), (0.2, 0.21), (-2.0, 3.0), (0.3, 4.0))
    ),
    "Triangular": Case(
        Triangular, triangular, ((0, 0.5, 1), (0.2, 0.201, 0.21), (-2.0, 3.0, 3.0), (0.3, 0.3, 0.8)), kink=1
    ),
    "Exponential": Case(
        dist.Exponential, lambda r: stats.expon(scale=1 / r), ((1,), (0.5,), (30.0,), (4.0,))
    ),
    "Gamma": Case(
        dist.Gamma, lambda a, b: stats.gamma(a, scale=1 / b), ((1, 1), (0.15, 0.4), (3.3, 6.0), (250.0, 90.0))
    ),
    "Chi2": Case(dist.Chi2, stats.chi2, ((1,), (2.0,), (0.4,), (17.0,))),
    "Erlang": Case(
        lambda r: Erlang(3, r), lambda r: stats.gamma(3, scale=1 / r), ((1,), (0.2,), (30.0,), (4.0,))
    ),
    "Weibull": Case(
        dist.Weibull, lambda s, k: stats.weibull_min(k, scale=s), ((1, 1), (0.5, 0.6), (2.0, 3.0), (1.5, 2.0))
    ),
    "Rayleigh": Case(Rayleigh, lambda s: stats.rayleigh(scale=s), ((1,), (0.2,), (30.0,), (2.0,))),
    "Gompertz": Case(
        dist.Gompertz,
        lambda c, r: stats.gompertz(c, scale=1 / r),
        ((1, 0.7), (0.01, 0.3), (0.3, 1.4), (200.0, 0.1)),
    ),
    "LogNormal": Case(
        dist.LogNormal, lambda m, s: stats.lognorm(s, scale=np.exp(m)), ((0, 1), (1, 0.1), (-2, 0.5), (0, 2))
    ),
    "F": Case(F, stats.f, ((1, 17.0), (6.0, 40.0), (0.5, 90.0), (30.0, 25.0))),
    "Pareto": Case(
        dist.Pareto, lambda s, a: stats.pareto(a, scale=s), ((1, 9.0), (0.1, 12.0), (3.0, 25.0), (0.2, 10.0))
    ),
    "LogUniform": Case(dist.LogUniform, stats.loguniform, ((0.1, 1), (0.2, 0.21), (0.01, 40.0), (0.25, 0.7))),
    "Beta": Case(dist.Beta, stats.beta, ((1, 1), (0.2, 0.8), (3.3, 40.0), (200.0, 90.0))),
    "ContinuousBernoulli": Case(ContinuousBernoulli, TiltedUniform, ((1e-9,), (0.5,), (-30.0,), (6.0,))),
}

_T = np.arange(-5.75, 4.75, 1 / 32)
_FAR, _FAR_WEIGHTS = np.exp(np.pi / 2 * np.sinh(_T)), np.pi / 2 * np.cosh(_T) / 32
_NEAR = 1 / (1 + _FAR**-2)


def _piece(a, b, scale):
    """Double-exponential nodes and weights on an interval, either end of which may be infinite."""
    if np.isinf(b):
        return a + scale * _FAR, scale * _FAR * _FAR_WEIGHTS
    if np.isinf(a):
        return b - scale * _FAR, scale * _FAR * _FAR_WEIGHTS
    return a + (b - a) * _NEAR, (b - a) * 2 * _NEAR * (1 - _NEAR) * _FAR_WEIGHTS


@cache
def _nodes(name, i, kinks):
    """Where to evaluate, with the mass there and log q, of the i-th setting of a family."""
    q = CASES[name].scipy(*CASES[name].settings[i])
    low, high = q.support()
    lower, median, upper = q.ppf([0.25, 0.5, 0.75])
    points = [low, *sorted({k for k in (*kinks, median) if low < k < high}), high]
    pieces = [(a, b, *_piece(a, b, upper - lower)) for a, b in pairwise(points)]
    inside = [(z > a) & (z < b) for a, b, z, _ in pieces]
    z, weights = (
        np.concatenate([piece[k][seen] for piece, seen in zip(pieces, inside, strict=True)]) for k in (2, 3)
    )
    log_q = q.logpdf(z)
    mass = weights * np.exp(log_q)
    seen = mass > 1e-50  # where SciPy's densities have not underflown
    return z[seen], mass[seen], log_q[seen]


def integral_of_divergence(q_name, i, p_name, j):
    """int q (log q - log p), by double-exponential quadrature between kinks; infinite where it is over 1e12."""
    names = ((q_name, i), (p_name, j))
    kinks = {CASES[name].settings[k][CASES[name].kink] for name, k in names if CASES[name].kink is not None}
    q, p = (CASES[name].scipy(*CASES[name].settings[k]) for name, k in names)
    (low, high), (p_low, p_high) = q.support(), p.support()
    if low < p_low or high > p_high:
        return np.inf
    with np.errstate(all="ignore"):
        z, mass, log_q = _nodes(q_name, i, tuple(sorted(kinks)))
        total = np.sum(mass * (log_q - p.logpdf(z)))
    return total if total < 1e12 else np.inf
