"""The generative model p(z) p(x|z), and the recognition model trained beside it."""

import equinox as eqx
import jax
import jax.numpy as jnp
from numpyro.distributions import Independent

from aevb.batch import Batch
from aevb.distributions import Distribution, kl_divergence
from aevb.models.conditional import Conditional
from aevb.models.constant import Constant
from aevb.models.decoders import BernoulliDecoder, GaussianDecoder
from aevb.models.encoders import GaussianEncoder
from aevb.typing import Codes, PerRow, PRNGKey, Rows


class LatentVariableModel(eqx.Module):
    """p(x, z) = p(z) p(x|z). Objectives and inference need only its three methods.

    Args:
        prior: p(z).
        decoder: p(x|z), over scaled features.
        log_scale: log of the factor by which each feature was divided, shape `(features,)`. This Jacobian is in
            every log density, so densities are per the user's units; the mass function (or cross-entropy) of a
            Bernoulli needs none.
    """

    prior: Conditional
    decoder: BernoulliDecoder | GaussianDecoder
    log_scale: Constant

    @property
    def n_features(self) -> int:
        """Columns of the data."""
        return self.log_scale.value.shape[0]

    def log_prior(self, z: Codes, batch: Batch) -> PerRow:
        """log p(z), nats per row."""
        return self.prior(batch).log_prob(z)

    def log_likelihood(self, batch: Batch, z: Codes) -> PerRow:
        """log p(x|z), nats per row, summed over observed entries only."""
        log_prob = self.decoder(z).log_prob(batch.observed)
        if self.decoder.is_density:
            log_prob = log_prob - self.log_scale.value.astype(batch.x.dtype)
        if batch.mask is not None:
            log_prob = jnp.where(batch.mask, log_prob, 0.0)
        return jnp.sum(log_prob, axis=-1)

    def simulate(self, key: PRNGKey, batch: Batch) -> tuple[Codes, Rows]:
        """As many draws of (z, x) from the model as `batch` has rows; x in scaled units."""
        z_key, x_key = jax.random.split(key)
        z = self.prior(batch).sample(z_key, (batch.n_rows,))
        return z, self.decoder(z).sample(x_key).astype(z.dtype)


class AmortizedPosterior(eqx.Module):
    """What objectives need of q(z|x): `sample`, `log_prob` and, where it is closed, `kl`.

    Args:
        distribution: q(z|x), batch shape `(batch,)`.
        prior: p(z), for the KL divergence.
    """

    distribution: Distribution
    prior: Distribution

    def sample(self, key: PRNGKey) -> Codes:
        """One reparameterized draw of z per row."""
        return self.distribution.sample(key)

    def log_prob(self, z: Codes) -> PerRow:
        """log q(z|x), nats per row, at any z."""
        return self.distribution.log_prob(z)

    def kl(self) -> PerRow:
        """KL(q(z|x) || p(z)), nats per row.

        Raises:
            NotImplementedError: where no closed form is known.
        """
        return kl_divergence(self.distribution, self.prior)

    def kl_per_latent(self) -> Codes:
        """The same, kept apart by latent dimension, shape `(batch, latents)`, for factorized q and p."""
        assert isinstance(self.distribution, Independent)
        assert isinstance(self.prior, Independent)
        return kl_divergence(self.distribution.base_dist, self.prior.base_dist)


class AutoEncoder(eqx.Module):
    """A generative model with the recognition model that is trained beside it: what a training run learns.

    Args:
        model: p(z) p(x|z).
        encoder: q(z|x).
    """

    model: LatentVariableModel
    encoder: GaussianEncoder

    def posterior(self, batch: Batch) -> AmortizedPosterior:
        """q(z|x) for the rows of a batch."""
        return AmortizedPosterior(self.encoder(batch), self.model.prior(batch))
