"""Sticking the landing: a pathwise gradient without the score of q."""

from aevb.batch import Batch
from aevb.models import Model, Posterior
from aevb.objectives.bound import Bound
from aevb.objectives.draws import draw, log_densities, stopped
from aevb.objectives.evidence_lower_bound import EvidenceLowerBound
from aevb.objectives.requirements import require_fixed_support
from aevb.typing import PRNGKey


class StickingTheLanding(EvidenceLowerBound):
    """L^A with the parameters of q stopped inside log q: 1/L sum_l [log p(x, z_l) - log q_stopped(z_l|x)].

    What is left out, the mean of grad log q(z|x) at fixed z, is zero in expectation; the rest vanishes sample by
    sample as q approaches the posterior (Roeder, Wu & Duvenaud 2017). Of the importance-weighted bound
    this gradient is biased: see `ImportanceWeighted`, whose K = 1 is this objective's L = 1.

    Args:
        n_samples: L, draws of z per row.

    Raises:
        InvalidRecipeError: `n_samples` under 1.
    """

    def check(self, posterior: Posterior) -> None:
        """Refuse discrete codes, and a support that moves with the parameters of q."""
        super().check(posterior)
        require_fixed_support(self, posterior)

    def __call__(self, key: PRNGKey, model: Model, posterior: Posterior, batch: Batch) -> Bound:
        """The bound on each row; its value is that of `SGVBA`."""
        z = draw(posterior, key, self.n_samples)
        return log_densities(model, stopped(posterior), batch, z).bound()
