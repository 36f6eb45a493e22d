"""Where to start looking for a row's posterior: the best of many draws from the prior."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpyro.distributions as dist
from jaxtyping import Array, Float

from aevb.batch import Batch
from aevb.distributions import Distribution
from aevb.models import LatentVariableModel, RecognitionModel
from aevb.models.encoders import Features
from aevb.typing import Codes, PRNGKey

N_DRAWS, N_BEST = 4096, 8
SD = 0.1


class BestOfDraws(RecognitionModel):
    """Equal shares of narrow Gaussians around those draws from the prior under which a row is likeliest.

    With few latents, chains that start there cover the modes that hold most of the posterior's mass, where a climb from
    an encoder's guess may end in a lesser one; and where they start in several, they tell by not agreeing.

    Args:
        model: p(z) p(x|z), with a prior that does not depend on x.
        key: random key of the draws, the same for all rows.
    """

    model: LatentVariableModel
    draws: Codes
    family: str = eqx.field(static=True, default="gaussian")
    n_categories: int = eqx.field(static=True, default=1)
    sees_mask: bool = eqx.field(static=True, default=False)

    def __init__(self, model: LatentVariableModel, key: PRNGKey):
        self.model = model
        self.draws = model.prior(Batch(jnp.zeros((1, model.n_features)))).sample(key, (N_DRAWS,))

    def features(self, batch: Batch) -> Features:
        """The best draws of each row."""

        def best(x: Float[Array, " features"]) -> Float[Array, "best latents"]:
            copies = Batch(jnp.broadcast_to(x, (N_DRAWS, len(x))))
            return self.draws[jax.lax.top_k(self.model.log_likelihood(copies, self.draws), N_BEST)[1]]

        return {"locs": jax.lax.map(best, batch.x)}

    def build(self, features: Features) -> Distribution:
        """The mixture."""
        locs = features["locs"]
        around = dist.Normal(locs, SD, validate_args=False).to_event(1)
        return dist.MixtureSameFamily(
            dist.Categorical(logits=jnp.zeros(locs.shape[:-1]), validate_args=False),
            around,
            validate_args=False,
        )
