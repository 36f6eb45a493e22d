"""log p(x) by importance sampling from the recognition model."""

import dataclasses
from collections.abc import Callable
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from aevb.batch import Batch, each_row, map_rows
from aevb.errors import InvalidRecipeError
from aevb.inference.marginal import MarginalEstimate, Rows, Show
from aevb.models import LatentVariableModel
from aevb.objectives import Recognition
from aevb.typing import PerRow, PRNGKey, Scalar

BLOCK_ROWS = 16
BLOCK_SAMPLES = 250


@dataclasses.dataclass(frozen=True)
class Importance:
    """log p(x) = log E_q(z|x)[p(x, z) / q(z|x)] with K samples (Burda et al. 2016, theorem 1).

    The expectation of the estimate lies below log p(x), and rises to it with K.

    Args:
        n_samples: K.

    Raises:
        InvalidRecipeError: K below 1.
    """

    n_samples: int = 1000
    name: ClassVar[str] = "importance"

    def __post_init__(self):
        if self.n_samples < 1:
            raise InvalidRecipeError(
                f"the number of importance samples must be at least 1, not {self.n_samples}"
            )

    def __call__(
        self, model: LatentVariableModel, recognition: Recognition | None, x: Rows, key: PRNGKey, show: Show
    ) -> MarginalEstimate:
        """The estimates; see `aevb.inference.log_marginal`.

        Raises:
            InvalidRecipeError: there is no recognition model.
        """
        if recognition is None:
            raise InvalidRecipeError("importance sampling needs a recognition model to draw from")
        # Samples come in blocks of one size, so that every K shares a compiled program; those beyond K get no weight.
        k = jnp.asarray(self.n_samples)
        found = map_rows(lambda batch: _estimate(model, recognition, batch, key, k), x, BLOCK_ROWS, show)
        effective = found["effective_samples"]
        return MarginalEstimate(
            self.name,
            "down",
            found["log_p"],
            found["monte_carlo_error"],
            effective > 1,
            {"effective_samples": effective},
        )


@eqx.filter_jit
def _estimate(
    model: LatentVariableModel, recognition: Recognition, batch: Batch, key: PRNGKey, n_samples: Array
) -> dict[str, PerRow]:
    def one_row(key: PRNGKey, row: Batch) -> dict[str, Scalar]:
        posterior = recognition(row)

        def log_weights(block: Array) -> Float[Array, " samples"]:
            z = jax.vmap(posterior.sample)(jax.random.split(jax.random.fold_in(key, block), BLOCK_SAMPLES))
            log_w = model.log_likelihood(row, z) + model.log_prior(z, row) - posterior.log_prob(z)
            index = block * BLOCK_SAMPLES + jnp.arange(BLOCK_SAMPLES)
            return jnp.where(index < n_samples, log_w[:, 0], -jnp.inf)

        return _log_mean_exp(log_weights, n_samples)

    return each_row(one_row, key, batch)


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
