"""Generative networks p(x|z).

A decoder's distribution is element-wise: batch shape `(*samples, batch, features)` and no event shape, so that a
mask can apply before the sum over features.
"""

from typing import Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from aevb.distributions import Distribution
from aevb.models.conditional import Conditional, output_width
from aevb.models.likelihoods import Likelihood
from aevb.networks import Initialization, Linear, Network, side_by_side
from aevb.typing import Codes, PRNGKey


@runtime_checkable
class AnyDecoder(Protocol):
    """What a model needs of p(x|z): `Decoder`, one with a distribution over its weights, or a user's own."""

    @property
    def likelihood(self) -> Likelihood:
        """On which values, and whether it is a density."""
        ...

    @property
    def is_density(self) -> bool:
        """Whether its `log_prob` is a log density."""
        ...

    def __call__(self, z: Codes) -> Distribution:
        """p(x|z), one distribution per feature."""
        ...


class Decoder(Conditional):
    """p(x|z), one distribution per feature: a network, and a linear head for each parameter of a likelihood.

    Args:
        likelihood: what features become, a value of `aevb.models.LIKELIHOODS` or a user's own.
        network: from codes to features, for any number of codes at once.
        n_latents: length of a code.
        n_features: columns of the data.
        initialization: of the heads' weights, see `aevb.networks.Linear`.
        key: random key for the heads' initial weights.
    """

    network: Network
    heads: dict[str, Linear]
    free: dict[str, Float[Array, " width"]]
    likelihood: Likelihood

    def __init__(
        self,
        likelihood: Likelihood,
        network: Network,
        n_latents: int,
        n_features: int,
        initialization: Initialization = "uniform",
        *,
        key: PRNGKey,
    ):
        inputs, names = output_width(network, n_latents), likelihood.heads
        keys = jax.random.split(key, len(names)) if len(names) > 1 else [key]
        self.network = network
        self.heads = {
            name: Linear(inputs, likelihood.width(name, n_features), initialization, key=k)
            for name, k in zip(names, keys, strict=True)
        }
        self.free = {name: jnp.zeros(likelihood.width(name, n_features)) for name in likelihood.free}
        self.likelihood = likelihood

    @property
    def is_density(self) -> bool:
        """Whether its `log_prob` is a log density, rather than that of a mass function or a cross-entropy."""
        return self.likelihood.is_density

    def __call__(self, z: Codes) -> Distribution:
        """p(x|z), one distribution per feature."""
        outputs = side_by_side(self.network(z), list(self.heads.values()))
        return self.likelihood.distribution(**dict(zip(self.heads, outputs, strict=True)), **self.free)
