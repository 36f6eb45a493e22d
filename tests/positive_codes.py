"""A small model whose posteriors are not Gaussian, with log p(x) by a sum over a fine grid."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import logsumexp

from aevb.models import LIKELIHOODS, AutoEncoder, Constant, Decoder, Encoder, LatentVariableModel, Prior
from aevb.networks import MLP


def with_codes_of(family, prior=None, d=5, k=2, encoder_scale=0.1):
    """A Bernoulli model with random weights and codes of a family; at `encoder_scale` 0 q is the same for every x."""

    def build():
        key = jax.random.key(0)
        encoder = Encoder(MLP(d, (4,), "tanh", key=key), d, k, family, key=key)
        decoder = Decoder(LIKELIHOODS["bernoulli"], MLP(k, (4,), "tanh", key=key), k, d, key=key)
        model = LatentVariableModel(Prior(prior or family, k), decoder, Constant(jnp.zeros(d)))
        return AutoEncoder(model, encoder)

    rng = np.random.default_rng(0)
    shapes = eqx.filter_eval_shape(build)
    drawn = jax.tree.map(lambda w: jnp.asarray(1.5 * rng.normal(size=w.shape).astype(w.dtype)), shapes)
    encoder = jax.tree.map(lambda w: encoder_scale * w, drawn.encoder)
    model = eqx.tree_at(lambda m: m.log_scale.value, drawn.model, jnp.zeros(d))
    return AutoEncoder(model, encoder)


def log_marginal_of_exponential_codes(autoencoder, x):
    """log p(x) of two codes from Exponential(1), by the rectangle rule over their logarithms, in NumPy."""
    line = np.linspace(-16, 4, 401)
    u = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    layer, head = autoencoder.model.decoder.network.layers[0], autoencoder.model.decoder.heads["logits"]
    h = np.tanh(np.exp(u) @ np.asarray(layer.weight, float) + np.asarray(layer.bias, float))
    logits = h @ np.asarray(head.weight, float) + np.asarray(head.bias, float)
    log_joint = x.astype(float) @ logits.T - np.logaddexp(0, logits).sum(1) + np.sum(u - np.exp(u), axis=1)
    return logsumexp(log_joint, axis=1) + 2 * np.log(line[1] - line[0])
