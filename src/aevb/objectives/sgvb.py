"""The two SGVB estimators of the evidence lower bound (Kingma & Welling 2014, section 2.3)."""

from aevb.batch import Batch
from aevb.models import Model, Posterior, total
from aevb.objectives.bound import Bound
from aevb.objectives.draws import draw, draw_keys, elbo, log_densities, over_draws
from aevb.objectives.evidence_lower_bound import EvidenceLowerBound
from aevb.objectives.requirements import require_closed_kl
from aevb.typing import PerRow, PRNGKey


class SGVBA(EvidenceLowerBound):
    """L^A = 1/L sum_l [log p(x, z_l) - log q(z_l|x)], z_l ~ q(z|x): every term sampled (equation 6).

    Args:
        n_samples: L, draws of z per row.

    Raises:
        InvalidRecipeError: `n_samples` under 1.
    """

    def __call__(self, key: PRNGKey, model: Model, posterior: Posterior, batch: Batch) -> Bound:
        """The bound on each row; its `kl` part is a sample of log q(z|x) - log p(z)."""
        z = draw(posterior, key, self.n_samples)
        return log_densities(model, posterior, batch, z).bound()


class SGVBB(EvidenceLowerBound):
    """L^B = 1/L sum_l log p(x|z_l) - KL(q(z|x) || p(z)), the divergence in closed form (equation 7).

    Args:
        n_samples: L, draws of z per row.

    Raises:
        InvalidRecipeError: `n_samples` under 1.
    """

    def check(self, posterior: Posterior) -> None:
        """Refuse discrete codes, and a posterior and prior whose divergence has no closed form."""
        super().check(posterior)
        require_closed_kl(self, posterior, instead="sgvb-a")

    def __call__(self, key: PRNGKey, model: Model, posterior: Posterior, batch: Batch) -> Bound:
        """The bound on each row.

        Raises:
            NotImplementedError: where the divergence has no closed form; sgvb-a needs none.
        """

        def terms(key: PRNGKey) -> tuple[PerRow, PerRow]:
            z = posterior.sample(key)
            return model.log_likelihood(batch, z), total(posterior.divergence(z))

        return elbo(*over_draws(terms, draw_keys(key, self.n_samples)))
