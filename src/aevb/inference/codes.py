"""Codes of rows, rows of codes, and samples of both; everything in scaled units."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from aevb.batch import Batch, each_row, map_rows
from aevb.models import AutoEncoder, joined
from aevb.objectives.draws import divergence
from aevb.typing import PRNGKey

BLOCK_ROWS = 1000
KL_DRAWS = 100


def encode(
    autoencoder: AutoEncoder, x: Float[np.ndarray, "rows features"]
) -> Float[np.ndarray, "rows latents"]:
    """The mean of q(z|x) for each row, or its median for families whose mean may be infinite; a column per entry."""
    return map_rows(lambda batch: _posterior_mean(autoencoder, batch), x, BLOCK_ROWS)


def decode(
    autoencoder: AutoEncoder, z: Float[np.ndarray, "rows latents"]
) -> Float[np.ndarray, "rows features"]:
    """The mean of p(x|z) for each code, of which `z` has a column per entry."""
    return map_rows(lambda batch: _predictive_mean(autoencoder, batch.x), z, BLOCK_ROWS)


def kl_per_latent(
    autoencoder: AutoEncoder, x: Float[np.ndarray, "rows features"], key: PRNGKey
) -> Float[np.ndarray, " latents"]:
    """KL(q(z_j|x) || p(z_j)) for each latent j, nats, averaged over the rows.

    Where no closed form is known, the mean of `KL_DRAWS` draws per row, in noise from `key` and the row's values.
    Latents that hang together, as those of a Dirichlet, have one divergence.
    """
    kl = map_rows(lambda batch: _kl_per_latent(autoencoder, batch, key), x, BLOCK_ROWS)
    return np.asarray(np.mean(kl, axis=0, dtype=np.float64))


def sample(
    autoencoder: AutoEncoder, n: int, key: PRNGKey
) -> tuple[Float[np.ndarray, "n features"], Float[np.ndarray, "n features"]]:
    """`n` draws from the model.

    Returns:
        The draws of x, and the means of p(x|z) at the same codes, which is what papers show for images.
    """
    keys = jax.random.split(key, -(-n // BLOCK_ROWS))
    blocks = [jax.tree.map(np.asarray, _simulate(autoencoder, key)) for key in keys]
    draws, means = (np.concatenate(parts)[:n] for parts in zip(*blocks, strict=True))
    return draws, means


@eqx.filter_jit
def _posterior_mean(autoencoder: AutoEncoder, batch: Batch) -> Float[Array, "batch latents"]:
    return autoencoder.model.space.columns(autoencoder.posterior(batch).summary())


@eqx.filter_jit
def _predictive_mean(
    autoencoder: AutoEncoder, columns: Float[Array, "batch columns"]
) -> Float[Array, "batch features"]:
    model = autoencoder.model
    return model.predictive(model.example(len(columns)), model.space.from_columns(columns)).mean


@eqx.filter_jit
def _kl_per_latent(autoencoder: AutoEncoder, batch: Batch, key: PRNGKey) -> Float[Array, "batch latents"]:
    def one_row(key: PRNGKey, row: Batch) -> Float[Array, " latents"]:
        posterior = autoencoder.posterior(row)
        z = jax.vmap(posterior.sample)(jax.random.split(key, KL_DRAWS))
        return jnp.mean(joined(divergence(autoencoder.model, posterior, row, z)), axis=(0, 1))

    return each_row(one_row, key, batch)


@eqx.filter_jit
def _simulate(
    autoencoder: AutoEncoder, key: PRNGKey
) -> tuple[Float[Array, "batch features"], Float[Array, "batch features"]]:
    z, batch = autoencoder.model.simulate(key, autoencoder.model.example(BLOCK_ROWS))
    return batch.x, autoencoder.model.predictive(batch, z).mean
