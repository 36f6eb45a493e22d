"""The marginal likelihood log p(x) by importance sampling from the recognition model."""

import dataclasses
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from aevb.batch import Batch, map_rows, row_keys
from aevb.errors import InvalidRecipeError
from aevb.models import AutoEncoder
from aevb.typing import PerRow, PRNGKey, Scalar

BLOCK_ROWS = 16
BLOCK_SAMPLES = 250


@dataclasses.dataclass(frozen=True)
class MarginalEstimate:
    """Estimates of log p(x), nats per row.

    Args:
        log_p: the estimate of each row.
        monte_carlo_error: the standard error of each row's estimate, from the spread of its importance weights.
            It says how far another set of samples may lie; unreliable where few samples carry the weight.
        effective_samples: (sum w)^2 / sum w^2 of each row's weights w, out of `n_samples`.
        n_samples: K.
    """

    log_p: Float[np.ndarray, " rows"]
    monte_carlo_error: Float[np.ndarray, " rows"]
    effective_samples: Float[np.ndarray, " rows"]
    n_samples: int

    @property
    def mean(self) -> float:
        """The mean of log p(x) over the rows."""
        return float(np.mean(self.log_p, dtype=np.float64))

    @property
    def mean_monte_carlo_error(self) -> float:
        """The Monte Carlo error of `mean`, for these rows.

        Rows are estimated independently, but for equal rows, which share their noise and so their estimate.
        """
        estimates = np.stack([self.log_p, self.monte_carlo_error], axis=1).astype(np.float64)
        distinct, counts = np.unique(estimates, axis=0, return_counts=True)
        return float(np.sqrt(np.sum(np.square(counts * distinct[:, 1]))) / len(self.log_p))

    @property
    def sampling_error(self) -> float:
        """The standard error of `mean` as an estimate for all rows of the kind that these were drawn from."""
        n = len(self.log_p)
        return float(np.std(self.log_p, ddof=1, dtype=np.float64) / np.sqrt(n)) if n > 1 else float("nan")


def log_marginal(
    autoencoder: AutoEncoder, x: Float[np.ndarray, "rows features"], key: PRNGKey, n_samples: int
) -> MarginalEstimate:
    """Estimate log p(x) = log E_q(z|x)[p(x, z) / q(z|x)] for each row with K samples.

    The expectation of the estimate lies below log p(x), and rises to it with K (Burda et al. 2016, theorem 1). A
    row's estimate depends on `key` and its own values only.

    Args:
        autoencoder: the model and its recognition model.
        x: the rows, scaled units.
        key: random key.
        n_samples: K.

    Raises:
        InvalidRecipeError: K below 1.
    """
    if n_samples < 1:
        raise InvalidRecipeError(f"the number of importance samples must be at least 1, not {n_samples}")
    # Samples come in blocks of one size, so that every K shares a compiled program; those beyond K get no weight.
    estimate = map_rows(
        lambda batch: _estimate(autoencoder, batch, key, jnp.asarray(n_samples)), x, BLOCK_ROWS
    )
    return MarginalEstimate(**estimate, n_samples=n_samples)


@eqx.filter_jit
def _estimate(autoencoder: AutoEncoder, batch: Batch, key: PRNGKey, n_samples: Array) -> dict[str, PerRow]:
    model = autoencoder.model

    def one_row(key: PRNGKey, x: Float[Array, " features"]) -> dict[str, Scalar]:
        row = Batch(x[None])
        posterior = autoencoder.posterior(row)

        def log_weights(block: Array) -> Float[Array, " samples"]:
            z = jax.vmap(posterior.sample)(jax.random.split(jax.random.fold_in(key, block), BLOCK_SAMPLES))
            log_w = model.log_likelihood(row, z) + model.log_prior(z, row) - posterior.log_prob(z)
            index = block * BLOCK_SAMPLES + jnp.arange(BLOCK_SAMPLES)
            return jnp.where(index < n_samples, log_w[:, 0], -jnp.inf)

        return _log_mean_exp(log_weights, n_samples)

    return jax.vmap(one_row)(row_keys(key, batch.x), batch.x)


def _log_mean_exp(
    log_weights: Callable[[Array], Float[Array, " samples"]], n_samples: Array
) -> dict[str, Scalar]:
    """The estimate and its error, streamed over blocks: the largest log weight, and sums of weights relative to it."""

    def add_block(block: Array, sums: tuple[Scalar, Scalar, Scalar]) -> tuple[Scalar, Scalar, Scalar]:
        largest, first, second = sums
        log_w = log_weights(block)
        now_largest = jnp.maximum(largest, jnp.max(log_w))
        w, shrink = jnp.exp(log_w - now_largest), jnp.exp(largest - now_largest)
        return now_largest, shrink * first + jnp.sum(w), shrink**2 * second + jnp.sum(w**2)

    n_blocks = (n_samples + BLOCK_SAMPLES - 1) // BLOCK_SAMPLES
    start = (jnp.array(-jnp.inf), jnp.array(0.0), jnp.array(0.0))
    largest, first, second = jax.lax.fori_loop(0, n_blocks, add_block, start)
    effective = first**2 / second
    # Delta method: the variance of log(mean w) is var(w) / (K mean(w)^2), about 1/ESS - 1/K.
    variance = jnp.maximum(1 / effective - 1 / n_samples, 0.0)
    return {
        "log_p": largest + jnp.log(first / n_samples),
        "monte_carlo_error": jnp.where(n_samples > 1, jnp.sqrt(variance), jnp.nan),
        "effective_samples": effective,
    }
