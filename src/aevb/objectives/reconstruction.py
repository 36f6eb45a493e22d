"""The plain autoencoder: a baseline without any inference."""

import jax.numpy as jnp

from aevb.batch import Batch
from aevb.models import Model, Posterior
from aevb.objectives.bound import Bound, Objective
from aevb.objectives.sgvb import SGVBA
from aevb.typing import PRNGKey


class Reconstruction(Objective):
    """log p(x | z) at one code per row, the mean of q(z|x) (its median, where the family may have no mean).

    A deterministic autoencoder. Nothing holds codes near the prior, and the spread of q(z|x) is not learned, so that
    samples and likelihoods of the model mean nothing. Without hidden layers and under a Gaussian likelihood with one
    variance for all features its codes span the subspace of principal component analysis (Baldi & Hornik 1989).
    """

    @property
    def estimand(self) -> str:
        """What is maximized, without any draw."""
        return "log p(x | z) at the code of x"

    @property
    def value_name(self) -> str:
        """That of x given its code."""
        return "reconstruction log-likelihood"

    @property
    def is_bound(self) -> bool:
        """It is none: nothing is paid for a code."""
        return False

    @property
    def parts_note(self) -> str:
        """Nothing is paid for a code."""
        return "A plain autoencoder pays nothing for its codes, and its kl is 0."

    @property
    def evaluated(self) -> Objective:
        """The evidence lower bound, which says how little the model is a density."""
        return SGVBA()

    def __call__(self, key: PRNGKey, model: Model, posterior: Posterior, batch: Batch) -> Bound:
        """The log-likelihood of each row at its code."""
        value = model.log_likelihood(batch, posterior.summary())
        return Bound(value, {"reconstruction": value, "kl": jnp.zeros_like(value)}, surrogate=value)
