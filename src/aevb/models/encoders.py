"""Recognition models q(z|x)."""

import jax

from aevb.batch import Batch
from aevb.distributions import Distribution, LogVarianceNormal
from aevb.models.conditional import LOG_VARIANCE_LIMITS, Conditional, output_width, soft_clip
from aevb.networks import Initialization, Linear, Network
from aevb.typing import PRNGKey


class GaussianEncoder(Conditional):
    """q(z|x) = N(mu(x), diag(sigma^2(x))): a network, and a linear head each for mean and log-variance.

    Kingma & Welling 2014, equation 9 and Appendix C.2.

    Args:
        network: from features to features, for any number of rows at once.
        n_features: columns of the data.
        n_latents: dimensions of z.
        initialization: of the heads' weights, see `aevb.networks.Linear`.
        key: random key for the heads' initial weights.
    """

    network: Network
    loc: Linear
    log_variance: Linear

    def __init__(
        self,
        network: Network,
        n_features: int,
        n_latents: int,
        initialization: Initialization = "uniform",
        *,
        key: PRNGKey,
    ):
        width = output_width(network, n_features)
        loc_key, log_variance_key = jax.random.split(key)
        self.network = network
        self.loc = Linear(width, n_latents, initialization, key=loc_key)
        self.log_variance = Linear(width, n_latents, initialization, key=log_variance_key)

    def __call__(self, batch: Batch) -> Distribution:
        """q(z|x) of batch shape `(batch,)` and event shape `(latents,)`."""
        h = self.network(batch.observed)
        log_variance = soft_clip(self.log_variance(h), *LOG_VARIANCE_LIMITS)
        return LogVarianceNormal(self.loc(h), log_variance).to_event(1)
