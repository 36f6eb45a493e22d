"""What `numpyro.distributions` lacks, on its contract."""

from typing import TYPE_CHECKING, Any, TypeAlias

from aevb.distributions.bernoulli import LogitBernoulli
from aevb.distributions.divergence import kl_divergence
from aevb.distributions.normal import LogVarianceNormal

if TYPE_CHECKING:
    # NumPyro annotates what its distributions return as ArrayLike, where arrays are what comes back.
    Distribution: TypeAlias = Any
else:
    from numpyro.distributions import Distribution

__all__ = ["Distribution", "LogVarianceNormal", "LogitBernoulli", "kl_divergence"]
