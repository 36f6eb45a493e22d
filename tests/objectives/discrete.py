"""Discrete posteriors with nothing but what the base class asks for, and the bound by summing over all codes."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from aevb.batch import Batch
from aevb.models import CodeSpace, Conditional, Constant, LatentVariableModel, Posterior, Site
from aevb.networks import Linear
from oracles import tiny


class CategoricalPosterior(Posterior):
    """Categorical variables, one-hot and side by side; with `binary` their second category alone, as 0 or 1."""

    logits: jax.Array  # (*batch, variables, categories)
    prior_logits: jax.Array  # (variables, categories)
    binary: bool = eqx.field(static=True)

    @property
    def space(self):
        n_variables, n_categories = self.logits.shape[-2:]
        values = np.array([[0.0], [1.0]]) if self.binary else np.eye(n_categories)
        return CodeSpace(Site((n_variables * values.shape[1],), values=values))

    @property
    def closed(self):
        return True

    def _code(self, one_hot):
        return one_hot[..., 1] if self.binary else one_hot.reshape(*one_hot.shape[:-2], -1)

    def relaxed(self, key, temperature):
        noisy = self.logits + jax.random.gumbel(key, self.logits.shape, self.logits.dtype)
        discrete = jax.nn.one_hot(jnp.argmax(noisy, -1), noisy.shape[-1], dtype=noisy.dtype)
        return self._code(jax.nn.softmax(noisy / temperature)), self._code(discrete)

    def sample(self, key):
        return self.relaxed(key, 1.0)[1]

    def log_prob(self, z):
        one_hot = (
            jnp.stack([1 - z, z], -1) if self.binary else z.reshape(*z.shape[:-1], *self.logits.shape[-2:])
        )
        return jnp.sum(one_hot * jax.nn.log_softmax(self.logits), axis=(-2, -1))

    def divergence(self, z):
        log_q, log_p = jax.nn.log_softmax(self.logits), jax.nn.log_softmax(self.prior_logits)
        return {"z": jnp.sum(jnp.exp(log_q) * (log_q - log_p), axis=-1)}


class LearnedPrior(Conditional):
    logits: jax.Array
    binary: bool = eqx.field(static=True)

    def __call__(self, *given):
        return CategoricalPosterior(self.logits, self.logits, self.binary)


class Encode(eqx.Module):
    layer: Linear

    def __call__(self, batch):
        return self.layer(batch.observed)


class Discrete:
    """A small model of discrete codes, its posterior, and all codes there are."""

    def __init__(self, n_variables, n_categories, seed=0):
        self.shape = (n_variables, n_categories)
        self.binary = n_categories == 2
        width, features = n_variables * (1 if self.binary else n_categories), 3
        rng = np.random.default_rng(seed)

        def array(*shape):
            return jnp.asarray(rng.normal(size=shape).astype(np.float32))

        decoder = tiny("gaussian", d=features, k=width, hidden=(4,), seed=seed).model.decoder
        # For codes that matter, so that the encoder's gradient stands out of its noise.
        decoder = eqx.tree_at(lambda d: d.network, decoder, jax.tree.map(lambda w: 4 * w, decoder.network))
        prior = LearnedPrior(0.5 * array(*self.shape), self.binary)
        self.model = LatentVariableModel(prior, decoder, Constant(jnp.zeros(features)))
        layer = Linear(features, n_variables * n_categories, key=jax.random.key(0))
        weights = 0.3 * array(*layer.weight.shape), array(*layer.bias.shape)
        self.encoder = Encode(eqx.tree_at(lambda layer: (layer.weight, layer.bias), layer, weights))
        self.batch = Batch(1.5 * array(3, features))
        one_hot = np.eye(n_categories)[list(itertools.product(range(n_categories), repeat=n_variables))]
        self.codes = one_hot[..., 1] if self.binary else one_hot.reshape(len(one_hot), -1)

    def posterior(self, model, encoder, batch):
        logits = encoder(batch).reshape(batch.n_rows, *self.shape)
        return CategoricalPosterior(logits, model.prior.logits, self.binary)

    def elbo(self, model, encoder):
        """Per row, exactly."""
        batch = Batch(self.batch.x.astype(encoder.layer.weight.dtype))
        q = self.posterior(model, encoder, batch)
        z = jnp.broadcast_to(
            jnp.asarray(self.codes)[:, None], (len(self.codes), batch.n_rows, self.codes.shape[1])
        )
        log_q = q.log_prob(z)
        log_w = model.log_likelihood(batch, z) + model.log_prior(z, batch) - log_q
        return jnp.sum(jnp.exp(log_q) * log_w, axis=0)
