"""What `numpyro.distributions` lacks, on its contract."""

from aevb.distributions.divergence import kl_divergence
from aevb.distributions.normal import LogVarianceNormal

__all__ = ["LogVarianceNormal", "kl_divergence"]
