"""The generative model p(z) p(x|z), and the recognition model trained beside it."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp

from aevb.batch import Batch
from aevb.distributions import Distribution
from aevb.models.bayesian import BayesianDecoder, DecoderEnsemble
from aevb.models.codes import CodeDistribution, FamilyPrior
from aevb.models.conditional import Conditional
from aevb.models.constant import Constant
from aevb.models.decoders import AnyDecoder
from aevb.models.likelihoods import Likelihood
from aevb.models.model import Model
from aevb.models.noise import Noise, NoisyDecoder
from aevb.models.space import CodeSpace
from aevb.typing import Codes, PerRow, PRNGKey, Scalar

# How many draws of the weights stand for a distribution over them when a model is used.
WEIGHT_DRAWS = 16


class LatentVariableModel(Model):
    """p(x, z) = p(z) p(x|z), one layer of codes and cells that are independent given z.

    Args:
        prior: p(z).
        decoder: p(x|z), over scaled features.
        log_scale: log of the factor by which each feature was divided, shape `(features,)`. This Jacobian is in
            every log density, so densities are per the user's units; the mass function (or cross-entropy) of a
            Bernoulli needs none.
    """

    prior: Conditional
    decoder: AnyDecoder
    log_scale: Constant

    @property
    def space(self) -> CodeSpace:
        """One site, that of the prior."""
        return self.prior_of(self.example()).space

    @property
    def likelihood(self) -> Likelihood:
        """The decoder's."""
        return self.decoder.likelihood

    @property
    def n_features(self) -> int:
        """Columns of the data."""
        return self.log_scale.value.shape[0]

    def example(self, n_rows: int = 1) -> Batch:
        """Rows of zeros, for what depends on the shape of rows alone."""
        return Batch(jnp.zeros((n_rows, self.n_features)))

    def prior_of(self, batch: Batch) -> CodeDistribution:
        """p(z) for each row."""
        return FamilyPrior(self.prior(batch), batch.n_rows)

    def log_prior(self, z: Codes, batch: Batch) -> PerRow:
        """log p(z), nats per row."""
        return self.prior(batch).log_prob(z)

    def log_likelihood(self, batch: Batch, z: Codes) -> PerRow:
        """log p(x|z), nats per row, summed over observed entries only."""
        if isinstance(self.decoder, DecoderEnsemble):
            return self.decoder.log_mean(lambda decoder: self.with_decoder(decoder).log_likelihood(batch, z))
        # Where a value is missing, one that the likelihood knows stands in, so that no gradient meets an infinity.
        x = batch.x if batch.mask is None else jnp.where(batch.mask, batch.x, self.decoder.likelihood.a_value)
        log_prob = self.decoder(z).log_prob(x)
        if self.decoder.is_density:
            log_prob = log_prob - self.log_scale.value.astype(batch.x.dtype)
        if batch.mask is not None:
            log_prob = jnp.where(batch.mask, log_prob, 0.0)
        return jnp.sum(log_prob, axis=-1)

    def simulate(self, key: PRNGKey, batch: Batch) -> tuple[Codes, Batch]:
        """As many draws of (z, x) from the model as `batch` has rows, x in scaled units."""
        z_key, x_key = jax.random.split(key)
        z = self.prior_of(batch).sample(z_key)
        if isinstance(self.decoder, DecoderEnsemble):
            x = self.decoder.sample_rows(x_key, z)
        else:
            x = self.decoder(z).sample(x_key)
        return z, dataclasses.replace(batch, x=x.astype(z.dtype))

    def predictive(self, batch: Batch, z: Codes) -> Distribution:
        """p(x|z), one distribution per cell, in scaled units."""
        return self.decoder(z)

    @property
    def weight_divergence(self) -> Scalar | None:
        """That of the decoder's weights, if they have a distribution."""
        return self.decoder.kl() if isinstance(self.decoder, BayesianDecoder) else None

    def with_weights(self, key: PRNGKey) -> Model:
        """The model with a draw of the decoder's weights, if they have a distribution."""
        if not isinstance(self.decoder, BayesianDecoder):
            return self
        return self.with_decoder(self.decoder.draw(key))

    @property
    def has_random_weights(self) -> bool:
        """Whether its weights are drawn from a distribution."""
        return isinstance(self.decoder, DecoderEnsemble)

    def for_use(self, key: PRNGKey) -> Model:
        """The model with draws of the weights in place of a distribution over them."""
        if not isinstance(self.decoder, BayesianDecoder):
            return self
        return self.with_decoder(DecoderEnsemble(self.decoder, WEIGHT_DRAWS, key))

    def as_trained(self) -> Model:
        """The model that `for_use` was called on."""
        return self.with_decoder(self.decoder.source) if isinstance(self.decoder, DecoderEnsemble) else self

    def seen_through(self, noise: Noise) -> Model:
        """p(z) p(y|z), y what is observed of x through noise."""
        return eqx.tree_at(lambda m: m.decoder, self, NoisyDecoder(self.decoder, noise))

    def with_decoder(self, decoder: AnyDecoder) -> "LatentVariableModel":
        """The same model with another p(x|z)."""
        return LatentVariableModel(self.prior, decoder, self.log_scale)
