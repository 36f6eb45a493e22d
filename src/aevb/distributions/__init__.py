"""What `numpyro.distributions` lacks, on its contract."""

from typing import TYPE_CHECKING, Any, TypeAlias

from aevb.distributions.bernoulli import LogitBernoulli
from aevb.distributions.composition import Beta, Chi2, Dirichlet, F, Gamma, LogNormal
from aevb.distributions.continuous_bernoulli import ContinuousBernoulli
from aevb.distributions.discrete import BernoulliCodes, CategoricalCodes, CategoryCodes
from aevb.distributions.divergence import kl_divergence
from aevb.distributions.elliptical import Elliptical, EllipticalStudentT
from aevb.distributions.families import FAMILIES, Family
from aevb.distributions.inverse_cdf import (
    Cauchy,
    Erlang,
    Exponential,
    Gompertz,
    Gumbel,
    Logistic,
    Rayleigh,
)
from aevb.distributions.location_scale import Laplace, StudentT, Triangular, Uniform
from aevb.distributions.normal import LogVarianceNormal
from aevb.distributions.parameters import Parameter, Relation
from aevb.distributions.powers import LogUniform, Pareto, Weibull

if TYPE_CHECKING:
    # NumPyro annotates what its distributions return as ArrayLike, where arrays are what comes back.
    Distribution: TypeAlias = Any
else:
    from numpyro.distributions import Distribution

__all__ = [
    "FAMILIES",
    "BernoulliCodes",
    "Beta",
    "CategoricalCodes",
    "CategoryCodes",
    "Cauchy",
    "Chi2",
    "ContinuousBernoulli",
    "Dirichlet",
    "Distribution",
    "Elliptical",
    "EllipticalStudentT",
    "Erlang",
    "Exponential",
    "F",
    "Family",
    "Gamma",
    "Gompertz",
    "Gumbel",
    "Laplace",
    "LogNormal",
    "LogUniform",
    "LogVarianceNormal",
    "Logistic",
    "LogitBernoulli",
    "Parameter",
    "Pareto",
    "Rayleigh",
    "Relation",
    "StudentT",
    "Triangular",
    "Uniform",
    "Weibull",
    "kl_divergence",
]
