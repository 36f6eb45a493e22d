"""Full variational Bayes: a decoder's weights as latent variables, too (Kingma & Welling 2014, Appendix F)."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp

from aevb.batch import Batch
from aevb.errors import InvalidRecipeError
from aevb.models import AutoEncoder, Model, Posterior
from aevb.objectives.bound import Bound, Objective
from aevb.objectives.draws import draw_keys, over_draws
from aevb.objectives.requirements import require_draws
from aevb.objectives.wrapper import Wrapper
from aevb.typing import PRNGKey


class FullVariationalBayes(Wrapper):
    """Another objective at theta ~ q(theta), less KL(q(theta) || p(theta)), for a model with a `BayesianDecoder`.

    The divergence, in closed form (equation 24), is a property of the data set and goes into the bound's
    `global_term`. Weights are drawn once per minibatch and sample, never per row. Where a model's weights have been
    drawn already, as for evaluation, the bound is the wrapped objective's.

    Args:
        objective: of the model with given weights.
        n_samples: draws of all weights per minibatch, the bound being the mean over them.

    Raises:
        InvalidRecipeError: `n_samples` under 1, or an objective that maximizes no bound: whose value is none, or that
            keeps something of each row or fits the encoder apart.
    """

    objective: Objective
    n_samples: int = eqx.field(static=True, default=1)

    def __check_init__(self):
        require_draws(self, self.n_samples)
        wrapped = self.objective
        if not wrapped.is_bound or wrapped.knows_rows or wrapped.fits_encoder_apart:
            while isinstance(wrapped, Wrapper):
                wrapped = wrapped.objective
            raise InvalidRecipeError(
                f"{type(wrapped).__name__} maximizes no bound that q(theta) could join: use the objective sgvb-a, "
                "sgvb-b, or another bound, or leave weight_posterior at point"
            )

    @property
    def estimand(self) -> str:
        """What the wrapped objective estimates, with the weights integrated out as well."""
        return f"E_q(theta)[{self.objective.estimand}] - KL(q(theta) || p(theta)) / N"

    @property
    def evaluated(self) -> Objective:
        """The wrapped objective: an evaluated model has its weights."""
        return self.objective.evaluated

    def check_autoencoder(self, autoencoder: AutoEncoder) -> None:
        """Refuse a model whose weights have no distribution."""
        super().check_autoencoder(autoencoder)
        if autoencoder.model.weight_divergence is None and not autoencoder.model.has_random_weights:
            raise InvalidRecipeError(
                "this model's weights have no distribution: leave weight_posterior at point"
            )

    def __call__(self, key: PRNGKey, model: Model, posterior: Posterior, batch: Batch) -> Bound:
        """The wrapped objective's bound, averaged over draws of the weights."""
        divergence = model.weight_divergence
        if divergence is None:
            return self.objective(key, model, posterior, batch)

        def at_draw(key: PRNGKey) -> Bound:
            weight_key, key = jax.random.split(key)
            bound = self.objective(key, model.with_weights(weight_key), posterior, batch)
            return jax.tree.map(jnp.asarray, bound)

        bounds = over_draws(at_draw, draw_keys(key, self.n_samples))
        bound: Bound = jax.tree.map(lambda terms: jnp.mean(terms, axis=0), bounds)
        return dataclasses.replace(bound, global_term=bound.global_term - divergence)
