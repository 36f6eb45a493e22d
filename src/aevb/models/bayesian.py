"""Decoders whose weights are latent variables too: full variational Bayes (Kingma & Welling 2014, Appendix F)."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array

from aevb.distributions import Distribution
from aevb.models.conditional import Conditional
from aevb.models.constant import learned, split_learned
from aevb.models.decoders import AnyDecoder
from aevb.models.likelihoods import Likelihood
from aevb.typing import Codes, PRNGKey, Rows, Scalar, Tree

# Of q(theta) before training: small beside the weights' own spread, so that it starts as a point estimate does.
FIRST_SD = 0.01


class BayesianDecoder(Conditional):
    """q(theta) = N(mu, diag(sigma^2)) over all weights of a decoder, with p(theta) = N(0, I).

    Args:
        decoder: any decoder; its weights are where mu starts.
    """

    mean: AnyDecoder
    log_sd: Tree

    def __init__(self, decoder: AnyDecoder):
        self.mean = decoder
        self.log_sd = jax.tree.map(lambda weight: jnp.full_like(weight, jnp.log(FIRST_SD)), learned(decoder))

    @property
    def likelihood(self) -> Likelihood:
        """The decoder's."""
        return self.mean.likelihood

    @property
    def is_density(self) -> bool:
        """As the decoder is."""
        return self.mean.is_density

    def draw(self, key: PRNGKey) -> AnyDecoder:
        """The decoder with weights theta = mu + sigma * epsilon, differentiable in mu and sigma (equation 21)."""
        means, rest = split_learned(self.mean)
        leaves, structure = jax.tree.flatten(means)
        keys = jax.tree.unflatten(structure, list(jax.random.split(key, len(leaves))))

        def drawn(key: PRNGKey, mean: Array, log_sd: Array) -> Array:
            return mean + jnp.exp(log_sd) * jax.random.normal(key, mean.shape, mean.dtype)

        return eqx.combine(jax.tree.map(drawn, keys, means, self.log_sd), rest)

    def kl(self) -> Scalar:
        """KL(q(theta) || p(theta)), nats: -1/2 sum(1 + log sigma^2 - mu^2 - sigma^2) (equation 24 and Appendix B)."""

        def of_array(mean: Array, log_sd: Array) -> Scalar:
            return 0.5 * jnp.sum(jnp.square(mean) + jnp.exp(2 * log_sd) - 1 - 2 * log_sd)

        return jax.tree.reduce(jnp.add, jax.tree.map(of_array, learned(self.mean), self.log_sd))

    def __call__(self, z: Codes) -> Distribution:
        """p(x|z) at the weights' means."""
        return self.mean(z)


class DecoderEnsemble(Conditional):
    """Decoders drawn from q(theta), over which the predictive p(x|z) is the mean.

    With weights and codes both integrated out, log p(x) = log E_q(theta) E_p(z)[p(x|z, theta)]: the two expectations
    change places, so that whatever estimates a marginal likelihood estimates this one from the mean of p(x|z, theta).

    Args:
        source: the decoder with q(theta).
        n_draws: how many to draw.
        key: random key.
    """

    source: BayesianDecoder
    decoders: AnyDecoder  # their weights stacked along a first axis

    def __init__(self, source: BayesianDecoder, n_draws: int, key: PRNGKey):
        self.source = source
        self.decoders = eqx.filter_vmap(source.draw)(jax.random.split(key, n_draws))

    @property
    def n_draws(self) -> int:
        """How many decoders there are."""
        return jax.tree.leaves(learned(self.decoders))[0].shape[0]

    @property
    def likelihood(self) -> Likelihood:
        """The decoders'."""
        return self.decoders.likelihood

    @property
    def is_density(self) -> bool:
        """As the decoders are."""
        return self.decoders.is_density

    def each(self, function: Callable[[AnyDecoder], Tree]) -> Tree:
        """`function` of every decoder, results stacked along a new first axis."""
        return eqx.filter_vmap(function)(self.decoders)

    def log_mean(self, log_likelihood: Callable[[AnyDecoder], Array]) -> Array:
        """log of the mean over decoders of a likelihood, from its logarithm."""
        return _log_mean_exp(self.each(log_likelihood))

    def sample_rows(self, key: PRNGKey, z: Codes) -> Rows:
        """A row for each code, all features of which come from one decoder, a row's own."""
        which_key, key = jax.random.split(key)
        draws = self.each(lambda decoder: decoder(z).sample(key))
        which = jax.random.randint(which_key, (len(z),), 0, self.n_draws)
        return draws[which, jnp.arange(len(z))]

    def __call__(self, z: Codes) -> Distribution:
        """The predictive distribution of each feature on its own; the features of a row share their weights."""
        return ElementwiseMixture(self.each(lambda decoder: decoder(z)), self.n_draws)


class ElementwiseMixture(Distribution):
    """The equal mixture of distributions of one kind, element by element.

    Args:
        components: a tree of arrays with a first axis that the distribution does not know of.
        n_components: the length of that axis.
    """

    def __init__(self, components: Distribution, n_components: int, *, validate_args: bool | None = False):
        self.components, self.n_components = components, n_components
        super().__init__(batch_shape=components.batch_shape, validate_args=validate_args)

    def _each(self, function: Callable[[Distribution], Array]) -> Array:
        return jax.vmap(function)(self.components)

    @property
    def mean(self) -> Array:
        """The mean of the means."""
        return jnp.mean(self._each(lambda p: jnp.asarray(p.mean)), axis=0)

    @property
    def variance(self) -> Array:
        """The mean of the variances, and the variance of the means."""
        means = self._each(lambda p: jnp.asarray(p.mean))
        return jnp.mean(self._each(lambda p: jnp.asarray(p.variance)), axis=0) + jnp.var(means, axis=0)

    def sample(self, key: PRNGKey, sample_shape: tuple[int, ...] = ()) -> Array:
        """A draw of a component for each element, then one of that component."""
        which_key, key = jax.random.split(key)
        draws = self._each(lambda p: p.sample(key, sample_shape))
        which = jax.random.randint(which_key, draws.shape[1:], 0, self.n_components)
        return jnp.take_along_axis(draws, which[None], axis=0)[0]

    def log_prob(self, value: Array, intermediates: None = None) -> Array:
        """The log of the mean density of each element."""
        return _log_mean_exp(self._each(lambda p: p.log_prob(value)))


def _log_mean_exp(log_values: Array) -> Array:
    return jax.nn.logsumexp(log_values, axis=0) - jnp.log(log_values.shape[0])
