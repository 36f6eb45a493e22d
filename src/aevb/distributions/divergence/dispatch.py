"""Kullback-Leibler divergences in closed form, without touching NumPyro's own registry.

The formulas are in modules of their own:

- `same`, `discrete`: q and p of one family, or of families that are special cases of one;
- `expectations`: KL(q || p) = -H(q) - E_q[log p] for all other pairs, from the moments of q in
  `moments`, `logs` and `tails`, with `supports` where it is infinite;
- `multivariate`: p multivariate normal;
- `special`, `intervals`: the functions they are made of.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
import numpyro.distributions as dist
from jaxtyping import Array, Float

from aevb.distributions.composition import F
from aevb.distributions.discrete import CategoricalCodes
from aevb.distributions.divergence import discrete, same
from aevb.distributions.divergence.expectations import cross_divergence, is_known
from aevb.distributions.divergence.multivariate import divergence_from_normal
from aevb.distributions.divergence.same import Law, Value
from aevb.distributions.divergence.supports import SUPPORTS, never_nested


class Kin(NamedTuple):
    """Families whose divergences from each other have one formula, and the condition that it needs, if any.

    The formula returns None where the condition is not met.
    """

    families: tuple[type, ...]
    function: Callable[[Law, Law], Value | None]
    condition: str = ""


# In this order: exponentials are Gammas first, Weibulls second.
KIN = (
    Kin(same.NORMALS, same.normal),
    Kin(same.GAMMAS, same.gamma),
    Kin(same.WEIBULLS, same.weibull),
    Kin((dist.LogNormal,), same.normal),
    Kin((dist.Beta,), same.beta),
    Kin((dist.Dirichlet,), same.dirichlet),
    Kin((dist.Gumbel,), same.gumbel),
    Kin((dist.Laplace,), same.laplace),
    Kin((dist.Cauchy,), same.cauchy),
    Kin((dist.Pareto,), same.pareto),
    Kin((dist.Logistic,), same.logistic, "only where their scales are equal, and known to be"),
    Kin((F,), same.f, "only where the ratios df2 / df1 are equal, and known to be"),
    Kin((dist.BernoulliLogits,), discrete.bernoulli),
    Kin((dist.CategoricalLogits,), discrete.categorical),
    Kin((CategoricalCodes,), discrete.categorical_codes),
)

# Not in closed form: NumPyro sums ten terms of a series, which can be off by a nat.
_INEXACT_IN_NUMPYRO = ((dist.Kumaraswamy, dist.Beta),)


def kl_divergence(q: dist.Distribution, p: dist.Distribution) -> Float[Array, "..."]:
    """KL(q || p) in nats, of shape `batch_shape`; independent event dimensions are summed.

    For q = N(mu, s^2), p = N(0, 1) this is -1/2 sum(1 + log s^2 - mu^2 - s^2) (Kingma & Welling 2014,
    Appendix B). It is infinite, element by element, where the support of q is not within that of p or a moment of q
    is; its derivatives are zero there. What is not known here is left to NumPyro.

    Raises:
        NotImplementedError: where no closed form is known; it names the families.
    """
    divergence = _closed_form(q, p)
    if divergence is None:
        divergence = _numpyros(q, p)
    return jnp.broadcast_to(divergence, jnp.broadcast_shapes(q.batch_shape, p.batch_shape))


def closed_forms() -> dict[tuple[type, type], str]:
    """The pairs of univariate continuous families (q, p) that `kl_divergence` knows.

    With "closed", "infinite" (whatever the parameters, as supports do not nest), or the condition.
    """
    pairs = {(q, p): _status(q, p) for q in SUPPORTS for p in SUPPORTS}
    return {pair: status for pair, status in pairs.items() if status}


def _status(q: type, p: type) -> str:
    kin = _kin(q, p)
    if kin is not None:
        return kin.condition or "closed"
    if never_nested(q, p):
        return "infinite"
    return "closed" if is_known(q, p) else ""


def _kin(q: type, p: type) -> Kin | None:
    return next((kin for kin in KIN if issubclass(q, kin.families) and issubclass(p, kin.families)), None)


def _closed_form(q: Law, p: Law) -> Value | None:
    if isinstance(q, dist.ExpandedDistribution):
        return kl_divergence(q.base_dist, p)
    if isinstance(p, dist.ExpandedDistribution):
        return kl_divergence(q, p.base_dist)
    if isinstance(q, dist.Independent) and isinstance(p, dist.Independent):
        return _independent(q, p)
    kin = _kin(type(q), type(p))
    if kin is not None:
        return kin.function(q, p)
    if never_nested(type(q), type(p)):
        return jnp.asarray(jnp.inf)
    return cross_divergence(q, p) if is_known(type(q), type(p)) else divergence_from_normal(q, p)


def _independent(q: Law, p: Law) -> Value:
    """The sum over the event dimensions that both have."""
    n = min(q.reinterpreted_batch_ndims, p.reinterpreted_batch_ndims)
    q, p = (
        law.base_dist.to_event(law.reinterpreted_batch_ndims - n)
        if law.reinterpreted_batch_ndims > n
        else law.base_dist
        for law in (q, p)
    )
    return jnp.sum(kl_divergence(q, p), axis=tuple(range(-n, 0)))


def _numpyros(q: Law, p: Law) -> Value:
    if not any(isinstance(q, inexact[0]) and isinstance(p, inexact[1]) for inexact in _INEXACT_IN_NUMPYRO):
        try:
            return dist.kl_divergence(q, p)
        except NotImplementedError:
            pass
    kin = _kin(type(q), type(p))
    condition = "" if kin is None else f" {kin.condition}"
    raise NotImplementedError(
        f"KL({_name(q)} || {_name(p)}) is not known in closed form{condition}. The objective sgvb-a needs no closed "
        "form: it samples the divergence."
    )


def _name(law: Law) -> str:
    if isinstance(law, dist.Independent):
        return f"{_name(law.base_dist)}.to_event({law.reinterpreted_batch_ndims})"
    return type(law).__name__
