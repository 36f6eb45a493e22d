"""Generative networks p(x|z), and the table of likelihoods by name.

A decoder's distribution is element-wise: batch shape `(*samples, batch, features)` and no event shape, so that a
mask can apply before the sum over features.
"""

from abc import abstractmethod
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from aevb.distributions import ContinuousBernoulli, Distribution, LogitBernoulli, LogVarianceNormal
from aevb.models.conditional import LOG_VARIANCE_LIMITS, Conditional, output_width, soft_clip
from aevb.networks import Initialization, Linear, Network, side_by_side
from aevb.typing import Codes, PRNGKey

Likelihood = Literal[
    "bernoulli",
    "continuous-bernoulli",
    "gaussian",
    "gaussian-sigmoid",
    "gaussian-isotropic",
    "gaussian-diagonal",
]
# Likelihoods that give values outside [0, 1] no density.
ON_UNIT_INTERVAL = ("bernoulli", "continuous-bernoulli")


class Decoder(Conditional):
    """p(x|z), one distribution per feature."""

    @property
    @abstractmethod
    def is_density(self) -> bool:
        """Whether its `log_prob` is a log density, rather than that of a mass function or a cross-entropy."""


class BernoulliDecoder(Decoder):
    """p(x|z) = prod_i Bernoulli(x_i; logits_i(z)) (Kingma & Welling 2014, Appendix C.1).

    For x strictly between 0 and 1 its `log_prob` is a negative cross-entropy, not a log density.

    Args:
        network: from codes to features, for any number of codes at once.
        n_latents: length of a code.
        n_features: columns of the data.
        initialization: of the head's weights, see `aevb.networks.Linear`.
        key: random key for the head's initial weights.
    """

    network: Network
    logits: Linear

    def __init__(
        self,
        network: Network,
        n_latents: int,
        n_features: int,
        initialization: Initialization = "uniform",
        *,
        key: PRNGKey,
    ):
        self.network = network
        self.logits = Linear(output_width(network, n_latents), n_features, initialization, key=key)

    @property
    def is_density(self) -> bool:
        """A mass function of 0 and 1; of values between them no distribution at all."""
        return False

    def __call__(self, z: Codes) -> Distribution:
        """p(x|z), one Bernoulli per feature."""
        logits = self.logits(self.network(z))
        return LogitBernoulli(logits)


class ContinuousBernoulliDecoder(Decoder):
    """p(x|z) = prod_i CB(x_i; logits_i(z)), a density on [0, 1] (Loaiza-Ganem & Cunningham 2019).

    For grey pixels: the Bernoulli's cross-entropy with the constant that makes it a log density. Its means are not
    the sigmoids of the logits.

    Args:
        network: from codes to features, for any number of codes at once.
        n_latents: length of a code.
        n_features: columns of the data.
        initialization: of the head's weights, see `aevb.networks.Linear`.
        key: random key for the head's initial weights.
    """

    network: Network
    logits: Linear

    def __init__(
        self,
        network: Network,
        n_latents: int,
        n_features: int,
        initialization: Initialization = "uniform",
        *,
        key: PRNGKey,
    ):
        self.network = network
        self.logits = Linear(output_width(network, n_latents), n_features, initialization, key=key)

    @property
    def is_density(self) -> bool:
        """A density."""
        return True

    def __call__(self, z: Codes) -> Distribution:
        """p(x|z), one continuous Bernoulli per feature."""
        return ContinuousBernoulli(self.logits(self.network(z)), validate_args=False)


class GaussianDecoder(Decoder):
    """p(x|z) = prod_i N(x_i; mu_i(z), sigma_i^2(z)) (Kingma & Welling 2014, Appendix C.2).

    Args:
        network: from codes to features, for any number of codes at once.
        n_latents: length of a code.
        n_features: columns of the data.
        sigmoid: put the means through a sigmoid, for data in [0, 1] (the paper's Frey Face model).
        initialization: of the heads' weights, see `aevb.networks.Linear`.
        key: random key for the heads' initial weights.
    """

    network: Network
    loc: Linear
    log_variance: Linear
    sigmoid: bool = eqx.field(static=True)

    def __init__(
        self,
        network: Network,
        n_latents: int,
        n_features: int,
        initialization: Initialization = "uniform",
        *,
        sigmoid: bool = False,
        key: PRNGKey,
    ):
        width = output_width(network, n_latents)
        loc_key, log_variance_key = jax.random.split(key)
        self.network = network
        self.loc = Linear(width, n_features, initialization, key=loc_key)
        self.log_variance = Linear(width, n_features, initialization, key=log_variance_key)
        self.sigmoid = sigmoid

    @property
    def is_density(self) -> bool:
        """A density."""
        return True

    def __call__(self, z: Codes) -> Distribution:
        """p(x|z), one Gaussian per feature."""
        loc, log_variance = side_by_side(self.network(z), self.loc, self.log_variance)
        return LogVarianceNormal(self._link(loc), soft_clip(log_variance, *LOG_VARIANCE_LIMITS))

    def _link(self, loc: Array) -> Array:
        return jax.nn.sigmoid(loc) if self.sigmoid else loc


class EqualNoiseDecoder(Decoder):
    """p(x|z) = prod_i N(x_i; mu_i(z), sigma_i^2), with variances that do not depend on z.

    Without hidden layers mu is linear: factor analysis, or with one variance for all features probabilistic principal
    component analysis (Tipping & Bishop 1999).

    Args:
        network: from codes to features, for any number of codes at once.
        n_latents: length of a code.
        n_features: columns of the data.
        initialization: of the head's weights, see `aevb.networks.Linear`.
        shared: one variance for all features, in scaled units; else one for each.
        key: random key for the head's initial weights.
    """

    network: Network
    loc: Linear
    log_variance: Float[Array, " #features"]

    def __init__(
        self,
        network: Network,
        n_latents: int,
        n_features: int,
        initialization: Initialization = "uniform",
        *,
        shared: bool = False,
        key: PRNGKey,
    ):
        self.network = network
        self.loc = Linear(output_width(network, n_latents), n_features, initialization, key=key)
        self.log_variance = jnp.zeros(1 if shared else n_features)

    @property
    def is_density(self) -> bool:
        """A density."""
        return True

    def __call__(self, z: Codes) -> Distribution:
        """p(x|z), one Gaussian per feature."""
        loc = self.loc(self.network(z))
        log_variance = soft_clip(self.log_variance, *LOG_VARIANCE_LIMITS)
        return LogVarianceNormal(loc, jnp.broadcast_to(log_variance, loc.shape))


def make_decoder(
    likelihood: Likelihood,
    network: Network,
    n_latents: int,
    n_features: int,
    initialization: Initialization = "uniform",
    *,
    key: PRNGKey,
) -> Decoder:
    """The decoder of a likelihood by its name."""
    shape = (network, n_latents, n_features, initialization)
    if likelihood == "bernoulli":
        return BernoulliDecoder(*shape, key=key)
    if likelihood == "continuous-bernoulli":
        return ContinuousBernoulliDecoder(*shape, key=key)
    if likelihood in ("gaussian-isotropic", "gaussian-diagonal"):
        return EqualNoiseDecoder(*shape, shared=likelihood == "gaussian-isotropic", key=key)
    return GaussianDecoder(*shape, sigmoid=likelihood == "gaussian-sigmoid", key=key)
