"""Recognition models q(z|x)."""

import equinox as eqx
import jax

from aevb.batch import Batch
from aevb.distributions import Distribution, LogVarianceNormal
from aevb.models.conditional import LOG_VARIANCE_LIMITS, Conditional, output_width, soft_clip
from aevb.networks import over_rows
from aevb.typing import PRNGKey


class GaussianEncoder(Conditional):
    """q(z|x) = N(mu(x), diag(sigma^2(x))): a network, and a linear head each for mean and log-variance.

    Kingma & Welling 2014, equation 9 and Appendix C.2.

    Args:
        network: any Equinox module from one row of features to features.
        n_features: columns of the data.
        n_latents: dimensions of z.
        key: random key for the heads' initial weights.
    """

    network: eqx.Module
    loc: eqx.nn.Linear
    log_variance: eqx.nn.Linear

    def __init__(self, network: eqx.Module, n_features: int, n_latents: int, *, key: PRNGKey):
        width = output_width(network, n_features)
        loc_key, log_variance_key = jax.random.split(key)
        self.network = network
        self.loc = eqx.nn.Linear(width, n_latents, key=loc_key)
        self.log_variance = eqx.nn.Linear(width, n_latents, key=log_variance_key)

    def __call__(self, batch: Batch) -> Distribution:
        """q(z|x) of batch shape `(batch,)` and event shape `(latents,)`."""
        h = over_rows(self.network, batch.observed)  # pyright: ignore[reportArgumentType]
        log_variance = soft_clip(over_rows(self.log_variance, h), *LOG_VARIANCE_LIMITS)
        return LogVarianceNormal(over_rows(self.loc, h), log_variance).to_event(1)
