"""Recognition models q(z|x)."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from aevb.batch import Batch
from aevb.distributions import Distribution
from aevb.models.codes import AmortizedPosterior
from aevb.models.conditional import output_width
from aevb.models.heads import head
from aevb.models.likelihoods import LIKELIHOODS, Likelihood
from aevb.models.model import Model
from aevb.models.recognition import RecognitionModel
from aevb.networks import Initialization, Linear, Network
from aevb.typing import Inputs, PRNGKey

Features = dict[str, Float[Array, "batch ..."]]


class FamilyRecognition(RecognitionModel):
    """q(z|x) of a family in `aevb.distributions.FAMILIES`, for models with one site of codes."""

    family: eqx.AbstractVar[str]
    n_categories: eqx.AbstractVar[int]

    def build(self, features: Features) -> Distribution:
        """q(z|x) from its unconstrained parameters, batch shape `(batch,)` and event shape `(code width,)`."""
        layers = head(self.family, self.n_categories)
        return layers.build(*(features[name] for name in layers.features))

    def posterior(self, features: Features, batch: Batch, model: Model) -> AmortizedPosterior:
        """q(z|x), with what its divergence from the model's prior needs."""
        return AmortizedPosterior(self.build(features), model.prior_of(batch), self.family)

    def __call__(self, batch: Batch) -> Distribution:
        """q(z|x) as one of NumPyro's distributions."""
        return self.build(self.features(batch))


class Encoder(FamilyRecognition):
    """q(z|x): a network, and a linear head for each parameter of a family of distributions.

    With the family `gaussian` q(z|x) = N(mu(x), diag(sigma^2(x))) (Kingma & Welling 2014, equation 9 and
    Appendix C.2).

    Args:
        network: from features to features, for any number of rows at once.
        n_features: columns of the data.
        n_latents: number of latents.
        family: a name in `aevb.distributions.FAMILIES`.
        n_categories: of each categorical latent; the other families do not look at it.
        initialization: of the heads' weights, see `aevb.networks.Linear`.
        likelihood: of the data, which says how the network sees a value.
        sees_mask: give the network, beside the values with 0 for those that are missing, which of them were
            observed (1 or 0): twice as many inputs.
        key: random key for the heads' initial weights.
    """

    network: Network
    heads: dict[str, Linear]
    family: str = eqx.field(static=True)
    n_categories: int = eqx.field(static=True)
    mask_is_input: bool = eqx.field(static=True)
    likelihood: Likelihood

    def __init__(
        self,
        network: Network,
        n_features: int,
        n_latents: int,
        family: str = "gaussian",
        n_categories: int = 10,
        initialization: Initialization = "uniform",
        sees_mask: bool = False,
        likelihood: Likelihood = LIKELIHOODS["gaussian"],
        *,
        key: PRNGKey,
    ):
        width = output_width(network, likelihood.input_width(n_features) + sees_mask * n_features)
        layers = head(family, n_categories)
        keys = jax.random.split(key, len(layers.features))
        self.network = network
        self.heads = {
            name: Linear(width, layers.width(name, n_latents), initialization, key=k)
            for name, k in zip(layers.features, keys, strict=True)
        }
        self.family = family
        self.n_categories = n_categories
        self.mask_is_input = sees_mask
        self.likelihood = likelihood

    @property
    def sees_mask(self) -> bool:
        """Whether the network is told which values are missing."""
        return self.mask_is_input

    def features(self, batch: Batch) -> Features:
        """What the heads' linear layers give, shape `(batch, ...)` each: unconstrained parameters of q(z|x)."""
        h = self.network(self._inputs(batch))
        return {name: layer(h) for name, layer in self.heads.items()}

    def _inputs(self, batch: Batch) -> Inputs:
        inputs = self.likelihood.inputs(batch.observed, batch.mask)
        if not self.mask_is_input:
            return inputs
        mask = jnp.ones_like(batch.x) if batch.mask is None else batch.mask.astype(batch.x.dtype)
        return jnp.concatenate([inputs, mask], axis=-1)
