"""Whether the support of q lies within that of p, without which KL(q || p) is infinite."""

import math
from typing import Any, NamedTuple

import numpyro.distributions as dist

from aevb.distributions.composition import F
from aevb.distributions.continuous_bernoulli import ContinuousBernoulli
from aevb.distributions.divergence.special import Numeric
from aevb.distributions.inverse_cdf import Erlang, Rayleigh
from aevb.distributions.location_scale import Triangular
from aevb.distributions.normal import LogVarianceNormal


class End(NamedTuple):
    """One end of a support: a number, or a parameter that lies beyond that number, inside."""

    limit: float
    parameter: str | None = None


_REAL = (End(-math.inf), End(math.inf))
_POSITIVE = (End(0.0), End(math.inf))
_UNIT = (End(0.0), End(1.0))
_INTERVAL = (End(-math.inf, "low"), End(math.inf, "high"))

SUPPORTS: dict[type, tuple[End, End]] = {
    dist.Normal: _REAL,
    LogVarianceNormal: _REAL,
    dist.Laplace: _REAL,
    dist.Logistic: _REAL,
    dist.Gumbel: _REAL,
    dist.Cauchy: _REAL,
    dist.StudentT: _REAL,
    dist.Uniform: _INTERVAL,
    Triangular: _INTERVAL,
    dist.Exponential: _POSITIVE,
    dist.Gamma: _POSITIVE,
    dist.Chi2: _POSITIVE,
    Erlang: _POSITIVE,
    dist.Weibull: _POSITIVE,
    Rayleigh: _POSITIVE,
    dist.Gompertz: _POSITIVE,
    dist.LogNormal: _POSITIVE,
    F: _POSITIVE,
    dist.Pareto: (End(0.0, "scale"), End(math.inf)),
    dist.LogUniform: (End(0.0, "low"), End(math.inf, "high")),
    dist.Beta: _UNIT,
    ContinuousBernoulli: _UNIT,
}


def find(table: dict[type, Any], family: type) -> Any:
    """The entry of a family, or of the nearest class that it derives from; None where there is none."""
    return next((table[parent] for parent in family.__mro__ if parent in table), None)


def never_nested(q: type, p: type) -> bool:
    """Whether no distribution of the family q has its support within one of the family p."""
    supports = find(SUPPORTS, q), find(SUPPORTS, p)
    if None in supports:
        return False
    (q_low, q_high), (p_low, p_high) = supports
    return _sticks_out(-q_low.limit, q_low, -p_low.limit, p_low) or _sticks_out(
        q_high.limit, q_high, p_high.limit, p_high
    )


def _sticks_out(q_limit: float, q: End, p_limit: float, p: End) -> bool:
    return q.parameter is None and (q_limit > p_limit or (p.parameter is not None and q_limit >= p_limit))


def nested(q: Any, p: Any) -> Numeric:
    """Whether the support of q lies within that of p, element by element."""
    (q_low, q_high), (p_low, p_high) = (
        [
            end.limit if end.parameter is None else getattr(law, end.parameter)
            for end in find(SUPPORTS, type(law))
        ]
        for law in (q, p)
    )
    return (q_low >= p_low) & (q_high <= p_high)
