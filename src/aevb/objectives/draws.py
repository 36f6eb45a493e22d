"""Draws of z and the log densities at them, which every objective is made of."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from aevb.batch import Batch
from aevb.models import Model, Posterior
from aevb.models.codes import Parts
from aevb.objectives.bound import Bound
from aevb.typing import Codes, PerRow, PRNGKey, Tree

PerDraw = Float[Array, "draws batch"]


class LogDensities(eqx.Module):
    """The three log densities at draws of z, in nats, each of shape `(draws, batch)`.

    Args:
        likelihood: log p(x|z).
        prior: log p(z).
        posterior: log q(z|x).
    """

    likelihood: PerDraw
    prior: PerDraw
    posterior: PerDraw

    @property
    def log_weight(self) -> PerDraw:
        """log w = log p(x, z) - log q(z|x)."""
        return self.likelihood - (self.posterior - self.prior)

    def bound(self) -> Bound:
        """The evidence lower bound with every term sampled, its surrogate the value itself."""
        return elbo(self.likelihood, self.posterior - self.prior)


def over_draws(function: Callable[[Tree], Tree], given: Tree) -> Tree:
    """`function` of each entry along the first axis of `given`, results stacked along a new first axis."""
    n_draws = jax.tree.leaves(given)[0].shape[0]
    if n_draws == 1:  # the usual case; a batch of one by `vmap` costs 5% of a training step on a CPU
        result = function(jax.tree.map(lambda leaf: leaf[0], given))
        return jax.tree.map(lambda leaf: leaf[None], result)
    return jax.vmap(function)(given)


def draw_keys(key: PRNGKey, n_draws: int) -> Tree:
    """One random key per draw; of a single draw, `key` itself."""
    return key[None] if n_draws == 1 else jax.random.split(key, n_draws)


def draw(posterior: Posterior, key: PRNGKey, n_draws: int) -> Codes:
    """Draws of z, shape `(draws, batch, latents)`."""
    return over_draws(posterior.sample, draw_keys(key, n_draws))


def log_densities(model: Model, posterior: Posterior, batch: Batch, z: Codes) -> LogDensities:
    """The log densities at draws `z`, shape `(draws, batch, latents)`."""

    def one(z: Codes) -> tuple[PerRow, PerRow, PerRow]:
        return model.log_likelihood(batch, z), model.log_prior(z, batch), posterior.log_prob(z)

    return LogDensities(*over_draws(one, z))


def divergence(model: Model, posterior: Posterior, batch: Batch, z: Codes) -> Parts:
    """KL(q(z|x) || p(z)) by site and latent: in closed form if there is one, else log q - log p at draws `z`.

    If q and p do not split into the same latents, there is one part.
    """
    if posterior.closed:
        parts = posterior.divergence(z)
        samples = jax.eval_shape(lambda z: posterior.log_prob(z), z).shape
        return {name: jnp.broadcast_to(part, (*samples, part.shape[-1])) for name, part in parts.items()}
    own, prior = posterior.log_prob_by_part(z), model.prior_of(batch).log_prob_by_part(z)
    if jax.tree.map(jnp.shape, own) == jax.tree.map(jnp.shape, prior):
        return jax.tree.map(jnp.subtract, own, prior)
    return {"z": (posterior.log_prob(z) - model.log_prior(z, batch))[..., None]}


def elbo(reconstruction: PerDraw, kl: PerDraw | PerRow) -> Bound:
    """The evidence lower bound, averaged over draws, its surrogate the value itself.

    Args:
        reconstruction: log p(x|z) of each draw.
        kl: log q(z|x) - log p(z) of each draw, or the divergence of each row.
    """
    parts = {"reconstruction": jnp.mean(reconstruction, axis=0), "kl": jnp.mean(jnp.atleast_2d(kl), axis=0)}
    value = parts["reconstruction"] - parts["kl"]
    return Bound(value, parts, surrogate=value)


def stopped(tree: Tree) -> Tree:
    """A copy whose arrays are constants to differentiation.

    Raises:
        TypeError: `tree` is an object whose arrays JAX does not see.
    """
    if jax.tree_util.all_leaves([tree]) and not eqx.is_array(tree):
        raise TypeError(
            f"{type(tree).__name__} must be a tree of arrays to JAX, such as an equinox.Module is"
        )
    return jax.tree.map(lambda leaf: jax.lax.stop_gradient(leaf) if eqx.is_array(leaf) else leaf, tree)
