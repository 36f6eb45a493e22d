"""Maximum a posteriori: a prior on the generative weights, added to any objective."""

import dataclasses
import math

import equinox as eqx
import jax
import jax.numpy as jnp

from aevb.batch import Batch
from aevb.models import AutoEncoder, Model, Posterior, learned
from aevb.objectives.bound import Bound, Objective
from aevb.objectives.wrapper import Wrapper
from aevb.typing import PRNGKey, Scalar


class MaximumAPosteriori(Wrapper):
    """Another objective plus log p(theta), p(theta) = N(0, I) over all generative weights.

    Of wake-sleep, whose recognition model maximizes a likelihood of its own, the recognition weights get one too.

    The prior is a property of the data set, not of a row: it goes into the bound's `global_term`, and training
    divides it by the number of rows, once (Kingma & Welling 2014, section 5 and equation 8).
    """

    objective: Objective

    @property
    def estimand(self) -> str:
        """What the wrapped objective estimates, plus the log prior of the weights."""
        return f"{self.objective.estimand} + log p(theta) / N"

    @property
    def evaluated(self) -> Objective:
        """With what the wrapped objective is evaluated by."""
        return MaximumAPosteriori(self.objective.evaluated)

    def __call__(self, key: PRNGKey, model: Model, posterior: Posterior, batch: Batch) -> Bound:
        """The wrapped objective's bound, with log p(theta) in its global term."""
        return _with(self.objective(key, model, posterior, batch), log_normal_prior(model))

    def for_training(self, key: PRNGKey, autoencoder: AutoEncoder, batch: Batch) -> Bound:
        """The same, of what the wrapped objective trains on."""
        log_prior = log_normal_prior(autoencoder.model)
        if self.objective.fits_encoder_apart:
            log_prior = log_prior + log_normal_prior(autoencoder.encoder)
        return _with(self.objective.for_training(key, autoencoder, batch), log_prior)


def _with(bound: Bound, log_prior: Scalar) -> Bound:
    return dataclasses.replace(bound, global_term=bound.global_term + log_prior)


def log_normal_prior(module: eqx.Module) -> Scalar:
    """log N(theta; 0, I) over all learned arrays of a module, nats."""
    weights = jax.tree.leaves(learned(module))
    return -0.5 * sum(
        (jnp.sum(jnp.square(w)) + w.size * math.log(2 * math.pi) for w in weights), start=jnp.zeros(())
    )
