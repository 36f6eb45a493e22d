"""Why the bound of a row lies below its log p(x): what the encoder loses, and what its family of posteriors loses."""

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float

from aevb.batch import Batch, each_row, map_rows
from aevb.inference.marginal import Rows, Show, show_nothing
from aevb.inference.refined import Refined, bound_of
from aevb.models import AutoEncoder
from aevb.objectives import ImportanceWeighted
from aevb.typing import PRNGKey

BLOCK_ROWS = 20
BOUND_DRAWS = 100
IMPORTANCE_SAMPLES = 1000

PerRow = Float[np.ndarray, " rows"]


def inference_gaps(
    autoencoder: AutoEncoder, x: Rows, key: PRNGKey, show: Show = show_nothing
) -> dict[str, PerRow]:
    """The levels between which the amortization gap and the approximation gap lie, nats per row.

    Cremer, Li & Duvenaud (2018), "Inference suboptimality in variational autoencoders": the amortization gap is the
    refined less the amortized bound, the approximation gap log p(x) less the refined bound.

    Args:
        autoencoder: the model and its encoder.
        x: the rows, scaled units; NaN where a value is missing.
        key: random key.
        show: called with the share of the work that is done.

    Returns:
        `amortized`, the evidence lower bound at the encoder's posterior; `refined`, the same at `Refined`, in the same
        noise; `log_p`, log p(x) by `IMPORTANCE_SAMPLES` importance samples from the refined posterior, biased down.

    Raises:
        InvalidRecipeError: discrete codes, which are not refined.
    """
    refine_key, key = jax.random.split(key)
    refined = Refined(autoencoder, refine_key)
    return map_rows(lambda batch: _levels(refined, batch, key), x, BLOCK_ROWS, show)


@eqx.filter_jit
def _levels(refined: Refined, batch: Batch, key: PRNGKey) -> dict[str, Array]:
    autoencoder = refined.autoencoder
    bound = bound_of(autoencoder, BOUND_DRAWS)

    def one_row(key: PRNGKey, row: Batch) -> dict[str, Array]:
        best = refined(row)
        bound_key, weight_key = jax.random.split(key)
        levels = {
            "amortized": bound(bound_key, autoencoder.model, autoencoder.posterior(row), row),
            "refined": bound(bound_key, autoencoder.model, best, row),
            "log_p": ImportanceWeighted(IMPORTANCE_SAMPLES)(weight_key, autoencoder.model, best, row),
        }
        return {name: level.value[0] for name, level in levels.items()}

    return each_row(one_row, key, batch)
