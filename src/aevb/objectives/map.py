"""Maximum a posteriori: a prior on the generative weights, added to any objective."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp

from aevb.batch import Batch
from aevb.models import LatentVariableModel, learned
from aevb.objectives.bound import Bound, Objective, Posterior
from aevb.typing import PRNGKey, Scalar


class MaximumAPosteriori(Objective):
    """Another objective plus log p(theta), p(theta) = N(0, I) over all generative weights.

    The prior is a property of the data set, not of a row: it goes into the bound's `global_term`, and training
    divides it by the number of rows, once (Kingma & Welling 2014, section 5 and equation 8).
    """

    objective: Objective

    @property
    def estimand(self) -> str:
        """What the wrapped objective estimates, plus the log prior of the weights."""
        return f"{self.objective.estimand} + log p(theta) / N"

    @property
    def is_biased(self) -> bool:
        """As the wrapped objective is."""
        return self.objective.is_biased

    @property
    def value_name(self) -> str:
        """The wrapped objective's; the prior of the weights is not in a row's value."""
        return self.objective.value_name

    def check(self, posterior: Posterior) -> None:
        """Refuse what the wrapped objective refuses."""
        self.objective.check(posterior)

    def updated(self, batch: Batch, bound: Bound) -> "MaximumAPosteriori":
        """The wrapped objective, updated."""
        return eqx.tree_at(lambda o: o.objective, self, self.objective.updated(batch, bound))

    def __call__(self, key: PRNGKey, model: LatentVariableModel, posterior: Posterior, batch: Batch) -> Bound:
        """The wrapped objective's bound, with log p(theta) in its global term."""
        bound = self.objective(key, model, posterior, batch)
        return eqx.tree_at(lambda b: b.global_term, bound, bound.global_term + log_normal_prior(model))


def log_normal_prior(model: LatentVariableModel) -> Scalar:
    """log N(theta; 0, I) over all learned arrays of the model, nats."""
    weights = jax.tree.leaves(learned(model))
    return -0.5 * sum(
        (jnp.sum(jnp.square(w)) + w.size * math.log(2 * math.pi) for w in weights), start=jnp.zeros(())
    )
