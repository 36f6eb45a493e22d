"""Priors p(z): a standard member of each family, and which one goes with which posterior."""

import math
from typing import Any

import equinox as eqx
import jax.numpy as jnp

from aevb.distributions import FAMILIES, Distribution
from aevb.errors import InvalidRecipeError
from aevb.models.conditional import Conditional
from aevb.models.heads import ERLANG_SHAPE, HEADS, POSITIVE, REAL, UNIT, head

# The standard member of each family: its parameters, and the interval on which it has density.
_STANDARD: dict[str, tuple[tuple[float, ...], tuple[float, float]]] = {
    "exponential": ((1.0,), POSITIVE),
    "cauchy": ((0.0, 1.0), REAL),
    "logistic": ((0.0, 1.0), REAL),
    "rayleigh": ((1.0,), POSITIVE),
    "pareto": ((1.0, 2.0), (1.0, math.inf)),
    "weibull": ((1.0, 1.0), POSITIVE),
    "reciprocal": ((0.01, 100.0), (0.01, 100.0)),
    "gompertz": ((1.0, 1.0), POSITIVE),
    "gumbel": ((0.0, 1.0), REAL),
    "erlang": ((1.0,), POSITIVE),
    "continuous-bernoulli": ((0.0,), UNIT),
    "laplace": ((0.0, 1.0), REAL),
    "student-t": ((5.0, 0.0, 1.0), REAL),
    "uniform": ((0.0, 1.0), UNIT),
    "triangular": ((-1.0, 0.0, 1.0), (-1.0, 1.0)),
    "gaussian": ((0.0, 0.0), REAL),
    "log-normal": ((0.0, 1.0), POSITIVE),
    "gamma": ((1.0, 1.0), POSITIVE),
    "beta": ((1.0, 1.0), UNIT),
    "chi-squared": ((2.0,), POSITIVE),
    "f": ((4.0, 8.0), POSITIVE),
    "bernoulli": ((0.0,), UNIT),
}
# Families of codes that hang together; each goes with the one prior over the same set.
_JOINT = {"dirichlet": "a simplex", "categorical": "one-hot vectors"}
# The prior of a family is its own standard member, but for these, whose own would not hold the posterior's support,
# or has no divergence in closed form, where another natural choice has.
_DEFAULTS = {
    **dict.fromkeys(("logistic", "gumbel", "laplace", "student-t", "elliptical"), "gaussian"),
    **dict.fromkeys(("uniform", "triangular"), "gaussian"),
    **dict.fromkeys(("pareto", "reciprocal", "f"), "log-normal"),
    "gompertz": "exponential",
    "chi-squared": "gamma",
}
# Posteriors with too heavy a tail for a prior's: E_q[log p] is minus infinity for some of their parameters.
_TOO_HEAVY = {
    "gaussian": {"cauchy"},
    "laplace": {"cauchy"},
    "logistic": {"cauchy"},
    "gumbel": {"cauchy", "laplace", "logistic", "student-t", "elliptical"},
    "gompertz": {name for name, layers in HEADS.items() if layers.interval == POSITIVE}
    - {"gompertz", "reciprocal", "rayleigh"},
}


class Prior(Conditional):
    """p(z): the standard member of a family, the same for every row, event shape `(code width,)`.

    Args:
        family: a name in `aevb.distributions.FAMILIES`.
        n_latents: number of latents.
        n_categories: of each categorical latent; the other families do not look at it.
    """

    family: str = eqx.field(static=True)
    n_latents: int = eqx.field(static=True)
    n_categories: int = eqx.field(static=True, default=10)

    def __call__(self, *given: Any) -> Distribution:
        """The same distribution whatever is given."""
        distribution, n = FAMILIES[self.family].distribution, self.n_latents
        if self.family == "categorical":
            return distribution(jnp.zeros((n, self.n_categories)))
        if self.family == "dirichlet":
            return distribution(jnp.ones(n), validate_args=False)
        if self.family == "elliptical":
            return distribution(jnp.asarray(5.0), jnp.zeros(n), jnp.eye(n), validate_args=False)
        values = [jnp.full(n, value) for value in _STANDARD[self.family][0]]
        shape = (ERLANG_SHAPE,) if self.family == "erlang" else ()
        return distribution(*shape, *values, validate_args=False).to_event(1)


def choose_prior(prior: str, posterior: str) -> str:
    """The name of the prior's family, where `prior` may be `auto`.

    Raises:
        InvalidRecipeError: the posterior can give codes that have no density under the prior, so that the
            divergence between them can be infinite.
    """
    if prior == "auto":
        return _DEFAULTS.get(posterior, posterior)
    reason = _misfit(prior, posterior)
    if reason:
        raise InvalidRecipeError(
            f"the posterior {posterior} does not fit the prior {prior}: {reason}, so that KL(q(z|x) || p(z)) can be "
            f"infinite. Its default prior is {_DEFAULTS.get(posterior, posterior)}"
        )
    return prior


def _misfit(prior: str, posterior: str) -> str:
    """Why the support of the posterior's family is not inside the prior's; empty where it is."""
    discrete = [FAMILIES[name].route == "discrete" for name in (posterior, prior)]
    if discrete[0] != discrete[1]:
        return "one is discrete and the other has a density"
    for name, other in ((posterior, prior), (prior, posterior)):
        if name in _JOINT and other != name:
            return f"codes of {name} are points of {_JOINT[name]}, those of {other} are not"
    if posterior in _JOINT:
        return ""
    if posterior in _TOO_HEAVY.get(prior, set()):
        return f"the tails of {posterior} are too heavy for it"
    low, high = head(posterior, 2).interval or REAL
    least, greatest = REAL if prior == "elliptical" else _STANDARD[prior][1]
    if least <= low and high <= greatest:
        return ""
    return f"its codes lie anywhere in ({low:g}, {high:g}), and the prior has density on ({least:g}, {greatest:g}) only"
