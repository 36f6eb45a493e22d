"""The generative model p(z) p(x|z), and the recognition model trained beside it."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float
from numpyro.distributions import Independent

from aevb.batch import Batch
from aevb.distributions import FAMILIES, CategoricalCodes, Distribution, kl_divergence
from aevb.models.bayesian import DecoderEnsemble
from aevb.models.conditional import Conditional
from aevb.models.constant import Constant
from aevb.models.decoders import AnyDecoder
from aevb.models.encoders import Features, RecognitionModel
from aevb.typing import Codes, PerRow, PRNGKey, Rows


class LatentVariableModel(eqx.Module):
    """p(x, z) = p(z) p(x|z). Objectives and inference need only its methods.

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
    def n_features(self) -> int:
        """Columns of the data."""
        return self.log_scale.value.shape[0]

    def example(self, n_rows: int = 1) -> Batch:
        """Rows of zeros, for what depends on the shape of rows alone."""
        return Batch(jnp.zeros((n_rows, self.n_features)))

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

    def simulate(self, key: PRNGKey, batch: Batch) -> tuple[Codes, Rows]:
        """As many draws of (z, x) from the model as `batch` has rows; x in scaled units."""
        z_key, x_key = jax.random.split(key)
        z = self.prior(batch).sample(z_key, (batch.n_rows,))
        if isinstance(self.decoder, DecoderEnsemble):
            return z, self.decoder.sample_rows(x_key, z).astype(z.dtype)
        return z, self.decoder(z).sample(x_key).astype(z.dtype)

    def with_decoder(self, decoder: AnyDecoder) -> "LatentVariableModel":
        """The same model with another p(x|z)."""
        return LatentVariableModel(self.prior, decoder, self.log_scale)


class AmortizedPosterior(eqx.Module):
    """What objectives need of q(z|x): `sample`, `log_prob` and, where it is closed, `kl`.

    Args:
        distribution: q(z|x), batch shape `(batch,)`.
        prior: p(z), for the KL divergence.
        family: of q(z|x), a name in `aevb.distributions.FAMILIES`.
    """

    distribution: Distribution
    prior: Distribution
    family: str = eqx.field(static=True, default="gaussian")

    @property
    def is_reparameterized(self) -> bool:
        """Whether samples are differentiable in the parameters of q."""
        return FAMILIES[self.family].route != "discrete"

    @property
    def support_moves(self) -> bool:
        """Whether the support of q depends on its parameters."""
        return FAMILIES[self.family].support_moves

    def sample(self, key: PRNGKey) -> Codes:
        """One draw of z per row, reparameterized where the family is."""
        return self.distribution.sample(key)

    def relaxed(self, key: PRNGKey, temperature: float) -> tuple[Codes, Codes]:
        """For discrete codes, a relaxed draw that is differentiable in q, and the discrete one in the same noise."""
        return _by_latent(self.distribution).relaxed_sample(key, temperature)

    def log_prob(self, z: Codes) -> PerRow:
        """log q(z|x), nats per row, at any z."""
        return self.distribution.log_prob(z)

    def kl(self) -> PerRow:
        """KL(q(z|x) || p(z)), nats per row.

        Raises:
            NotImplementedError: where no closed form is known.
        """
        return kl_divergence(self.distribution, self.prior)

    def kl_per_latent(self) -> Float[Array, "batch columns"]:
        """The same, kept apart by latent, shape `(batch, latents)`; one column where codes hang together.

        Raises:
            NotImplementedError: where no closed form is known.
        """
        if isinstance(self.distribution, Independent) and isinstance(self.prior, Independent):
            return kl_divergence(self.distribution.base_dist, self.prior.base_dist)
        if isinstance(self.distribution, CategoricalCodes) and isinstance(self.prior, CategoricalCodes):
            return kl_divergence(self.distribution.by_variable, self.prior.by_variable)
        return self.kl()[..., None]

    def log_ratio_per_latent(self, z: Codes) -> Float[Array, "*samples batch columns"]:
        """log q(z_j|x) - log p(z_j), whose mean over draws of z is `kl_per_latent`."""
        if isinstance(self.distribution, Independent) and isinstance(self.prior, Independent):
            q, p = _by_latent(self.distribution), _by_latent(self.prior)
            return q.log_prob(z) - p.log_prob(z)
        return (self.log_prob(z) - self.prior.log_prob(z))[..., None]

    def point_summary(self) -> Codes:
        """One code for each row: the mean of q(z|x), or the median where the family may have no finite mean."""
        return FAMILIES[self.family].point_summary(_by_latent(self.distribution))


def _by_latent(distribution: Distribution) -> Distribution:
    return distribution.base_dist if isinstance(distribution, Independent) else distribution


class AutoEncoder(eqx.Module):
    """A generative model with the recognition model that is trained beside it: what a training run learns.

    Args:
        model: p(z) p(x|z).
        encoder: q(z|x), usually an `Encoder`.
    """

    model: LatentVariableModel
    encoder: RecognitionModel

    def posterior(self, batch: Batch) -> AmortizedPosterior:
        """q(z|x) for the rows of a batch."""
        return self.posterior_of(self.encoder.features(batch), batch)

    def posterior_of(self, features: Features, batch: Batch) -> AmortizedPosterior:
        """The member of the encoder's family with these unconstrained parameters, instead of those it gives."""
        return AmortizedPosterior(self.encoder.build(features), self.model.prior(batch), self.encoder.family)
