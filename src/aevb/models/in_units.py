"""A user's own model of scaled rows, with densities in the user's units."""

import jax.numpy as jnp

from aevb.batch import Batch
from aevb.distributions import Distribution
from aevb.models.codes import CodeDistribution
from aevb.models.constant import Constant
from aevb.models.likelihoods import Likelihood
from aevb.models.model import Model
from aevb.models.noise import Noise
from aevb.models.space import CodeSpace
from aevb.typing import Codes, PerRow, PRNGKey, Scalar


class InUnits(Model):
    """Another model, whose log densities get the Jacobian of the scaling of its columns.

    Args:
        model: of rows in scaled units.
        log_scale: log of the factor by which each feature was divided, shape `(features,)`.
        fitted: the model's likelihood, which may have been fitted to the training rows.
    """

    model: Model
    log_scale: Constant
    fitted: Likelihood

    @property
    def space(self) -> CodeSpace:
        """The model's."""
        return self.model.space

    @property
    def likelihood(self) -> Likelihood:
        """The model's, fitted."""
        return self.fitted

    def example(self, n_rows: int = 1) -> Batch:
        """The model's."""
        return self.model.example(n_rows)

    def prior_of(self, batch: Batch) -> CodeDistribution:
        """The model's p(z)."""
        return self.model.prior_of(batch)

    def log_prior(self, z: Codes, batch: Batch) -> PerRow:
        """log p(z), nats per row."""
        return self.model.log_prior(z, batch)

    def log_likelihood(self, batch: Batch, z: Codes) -> PerRow:
        """log p(x|z), nats per row, in the user's units if it is a density."""
        log_p = self.model.log_likelihood(batch, z)
        if not self.likelihood.is_density:
            return log_p
        scale = self.log_scale.value.astype(batch.x.dtype)
        volumes = jnp.sum(scale if batch.mask is None else jnp.where(batch.mask, scale, 0.0), axis=-1)
        return log_p - volumes

    def simulate(self, key: PRNGKey, batch: Batch) -> tuple[Codes, Batch]:
        """The model's, x in scaled units."""
        return self.model.simulate(key, batch)

    def predictive(self, batch: Batch, z: Codes) -> Distribution:
        """The model's p(x|z), in scaled units."""
        return self.model.predictive(batch, z)

    @property
    def weight_divergence(self) -> Scalar | None:
        """The model's."""
        return self.model.weight_divergence

    def with_weights(self, key: PRNGKey) -> Model:
        """With a draw of the model's weights."""
        return self._around(self.model.with_weights(key))

    @property
    def has_random_weights(self) -> bool:
        """As the model has."""
        return self.model.has_random_weights

    def for_use(self, key: PRNGKey) -> Model:
        """With the model as it is used."""
        return self._around(self.model.for_use(key))

    def as_trained(self) -> Model:
        """With the model as it was trained."""
        return self._around(self.model.as_trained())

    def seen_through(self, noise: Noise) -> Model:
        """With the model of what is observed through noise."""
        return self._around(self.model.seen_through(noise))

    def _around(self, model: Model) -> Model:
        return self if model is self.model else InUnits(model, self.log_scale, self.fitted)
