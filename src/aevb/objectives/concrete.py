"""The Concrete relaxation of discrete codes, as a gradient estimator."""

import math

import equinox as eqx
import jax.numpy as jnp

from aevb.batch import Batch
from aevb.errors import InvalidRecipeError
from aevb.models import Model, Posterior, total
from aevb.objectives.bound import Bound, Objective
from aevb.objectives.draws import draw_keys, elbo, over_draws
from aevb.objectives.requirements import require_closed_kl, require_draws
from aevb.typing import PerRow, PRNGKey


class Concrete(Objective):
    """Differentiates E[log p(x|z_relaxed)] - KL(q(z|x) || p(z)) in place of the bound of discrete codes.

    z_relaxed is a smooth function of the parameters of q and of noise, and becomes the discrete z as the temperature
    falls to 0, while the gradient's variance grows (Maddison, Mnih & Teh 2017; Jang, Gu & Poole 2017). The divergence
    is that of the discrete distributions, in closed form. The value and its parts are those of the discrete codes in
    the same noise: the evidence lower bound, whose gradient this one is not.

    Args:
        temperature: of the relaxation, above 0: the lower, the less bias and the more variance.
        n_samples: draws of z per row.

    Raises:
        InvalidRecipeError: a temperature that is not above 0, or `n_samples` under 1.
    """

    temperature: float = eqx.field(static=True, default=0.5)
    n_samples: int = eqx.field(static=True, default=1)

    def __check_init__(self):
        require_draws(self, self.n_samples)
        if not 0 < self.temperature < math.inf:
            raise InvalidRecipeError(f"Concrete needs a finite temperature above 0, not {self.temperature}")

    @property
    def estimand(self) -> str:
        """The relaxed objective."""
        return f"relaxed objective (temperature = {self.temperature:g})"

    @property
    def is_biased(self) -> bool:
        """For the evidence lower bound of discrete codes."""
        return True

    def check(self, posterior: Posterior) -> None:
        """Refuse codes that are not discrete, and a divergence without a closed form."""
        if posterior.is_reparameterized:
            raise InvalidRecipeError(
                "Concrete relaxes discrete codes, and those of this posterior are continuous: use the objective "
                "sgvb-b or sgvb-a, or the posterior bernoulli or categorical"
            )
        require_closed_kl(self, posterior, instead="score-function")

    def __call__(self, key: PRNGKey, model: Model, posterior: Posterior, batch: Batch) -> Bound:
        """The bound on each row, of discrete codes, and the relaxed objective as its surrogate."""

        def terms(key: PRNGKey) -> tuple[PerRow, PerRow, PerRow]:
            z_relaxed, z = posterior.relaxed(key, self.temperature)
            divergence = total(posterior.divergence(z))
            return model.log_likelihood(batch, z_relaxed), model.log_likelihood(batch, z), divergence

        relaxed, discrete, kl = over_draws(terms, draw_keys(key, self.n_samples))
        bound = elbo(discrete, kl)
        return Bound(bound.value, bound.parts, surrogate=jnp.mean(relaxed - kl, axis=0))
