"""The two SGVB estimators of the evidence lower bound (Kingma & Welling 2014, section 2.3)."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp

from aevb.batch import Batch
from aevb.models import LatentVariableModel
from aevb.objectives.bound import Bound, Objective, Posterior
from aevb.typing import PerRow, PRNGKey, Tree


class SGVBA(Objective):
    """L^A = 1/L sum_l [log p(x, z_l) - log q(z_l|x)], z_l ~ q(z|x): every term sampled (equation 6).

    Args:
        n_samples: L, draws of z per row.
    """

    n_samples: int = eqx.field(static=True, default=1)

    @property
    def estimand(self) -> str:
        """The evidence lower bound."""
        return "evidence lower bound"

    def __call__(self, key: PRNGKey, model: LatentVariableModel, posterior: Posterior, batch: Batch) -> Bound:
        """The bound on each row; its `kl` part is a sample of log q(z|x) - log p(z)."""

        def terms(key: PRNGKey) -> tuple[PerRow, PerRow]:
            z = posterior.sample(key)
            return model.log_likelihood(batch, z), posterior.log_prob(z) - model.log_prior(z, batch)

        reconstruction, kl = _average(terms, key, self.n_samples)
        return _bound(reconstruction, kl)


class SGVBB(Objective):
    """L^B = 1/L sum_l log p(x|z_l) - KL(q(z|x) || p(z)), the divergence in closed form (equation 7).

    Args:
        n_samples: L, draws of z per row.
    """

    n_samples: int = eqx.field(static=True, default=1)

    @property
    def estimand(self) -> str:
        """The evidence lower bound."""
        return "evidence lower bound"

    def __call__(self, key: PRNGKey, model: LatentVariableModel, posterior: Posterior, batch: Batch) -> Bound:
        """The bound on each row.

        Raises:
            NotImplementedError: where the divergence has no closed form; sgvb-a needs none.
        """

        def term(key: PRNGKey) -> PerRow:
            return model.log_likelihood(batch, posterior.sample(key))

        return _bound(_average(term, key, self.n_samples), posterior.kl())


def _average(terms: Callable[[PRNGKey], Tree], key: PRNGKey, n_samples: int) -> Tree:
    """The mean of `terms(key)` over independent keys."""
    if n_samples == 1:  # the usual case; a batch of one by `vmap` costs 5% of a training step on a CPU
        return terms(key)
    samples = jax.vmap(terms)(jax.random.split(key, n_samples))
    return jax.tree.map(lambda per_sample: jnp.mean(per_sample, axis=0), samples)


def _bound(reconstruction: PerRow, kl: PerRow) -> Bound:
    value = reconstruction - kl
    return Bound(value, {"reconstruction": reconstruction, "kl": kl}, surrogate=value)
