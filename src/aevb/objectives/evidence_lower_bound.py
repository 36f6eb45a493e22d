"""What the estimators of the evidence lower bound and of its gradient have in common."""

import equinox as eqx

from aevb.objectives.bound import ELBO, Objective
from aevb.objectives.requirements import require_draws


class EvidenceLowerBound(Objective):
    """The evidence lower bound, estimated from draws of z.

    Args:
        n_samples: L, draws of z per row.

    Raises:
        InvalidRecipeError: `n_samples` under 1.
    """

    n_samples: int = eqx.field(static=True, default=1)

    def __check_init__(self):
        require_draws(self, self.n_samples)

    @property
    def estimand(self) -> str:
        """The evidence lower bound."""
        return ELBO
