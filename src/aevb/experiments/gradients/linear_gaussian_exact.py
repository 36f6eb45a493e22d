"""Exact gradients for a linear-Gaussian VAE, in formulas of its own: no density, draw or objective of the library.

With q(z|x) = N(m, diag(S)), m and log S linear in x, p(x|z) = N(W z + b, diag(exp(v))) and v linear in z with slope U,
all quantities are differentiated at U = 0 in double precision.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float
from scipy.stats import norm, qmc

from aevb.models import (
    LIKELIHOODS,
    AutoEncoder,
    Constant,
    Decoder,
    Encoder,
    LatentVariableModel,
    Prior,
    split_learned,
)
from aevb.networks import MLP
from aevb.typing import Scalar, Tree

LIMIT = 12.0  # log-variances are held inside (-LIMIT, LIMIT), as aevb.models.conditional says
REPLICATES, POINTS = 16, 4096

# A, c, G, g and W, b, v.
EncoderArrays = tuple[
    Float[np.ndarray, "latents features"],
    Float[np.ndarray, " latents"],
    Float[np.ndarray, "latents features"],
    Float[np.ndarray, " latents"],
]
DecoderArrays = tuple[
    Float[np.ndarray, "features latents"], Float[np.ndarray, " features"], Float[np.ndarray, " features"]
]
Gradients = dict[str, Float[np.ndarray, " _"]]


def held(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """`x` held smoothly inside the limits."""
    x = LIMIT - jnp.logaddexp(0.0, LIMIT - x)
    return jnp.logaddexp(0.0, x + LIMIT) - LIMIT


def unheld(y: Float[np.ndarray, " _"]) -> Float[np.ndarray, " _"]:
    """The value that `held` maps to `y`."""
    below = np.log(np.expm1(y + LIMIT)) - LIMIT
    return LIMIT - np.log(np.expm1(LIMIT - below))


def autoencoder(encoder: EncoderArrays, decoder: DecoderArrays) -> AutoEncoder:
    """A linear-Gaussian VAE in the library's classes.

    Args:
        encoder: A, c, G, g with m = A x + c and log S = G x + g.
        decoder: W, b, v; U is 0.
    """
    (a, c, g_slope, g), (w, b, v), key = encoder, decoder, jax.random.key(0)
    (d, k), zeros = w.shape, np.zeros_like(w)
    p = Decoder(LIKELIHOODS["gaussian"], MLP(k, (), key=key), k, d, key=key)
    q = Encoder(MLP(d, (), key=key), d, k, key=key)
    model = LatentVariableModel(Prior("gaussian", k), p, Constant(jnp.zeros(d)))
    values = (a.T, c, g_slope.T, unheld(g), w.T, b, zeros.T, unheld(v))
    return eqx.tree_at(_arrays, AutoEncoder(model, q), tuple(jnp.asarray(x, jnp.float32) for x in values))


def _arrays(autoencoder: AutoEncoder) -> tuple[Any, ...]:
    """A', c, G', g, W', b, U', v."""
    q, model = autoencoder.encoder, autoencoder.model
    assert isinstance(model, LatentVariableModel)
    p = model.decoder
    assert isinstance(q, Encoder)
    assert isinstance(p, Decoder)
    layers = (q.heads["loc"], q.heads["log_variance"], p.heads["loc"], p.heads["log_variance"])
    return tuple(array for layer in layers for array in (layer.weight, layer.bias))


def exact_bound(autoencoder: AutoEncoder, x: Float[Array, "batch features"]) -> Scalar:
    """The evidence lower bound, mean over rows, nats; right to first order in U around 0.

    Per feature, with r = x - b - W m, M = r^2 + W S W', a = U m and to first order in U,
    E[log p] = -1/2 (log 2 pi + v + a + exp(-v) (M (1 - a) + 2 r (W S U'))).
    """
    a, c, g_slope, g, w, b, u, v = _arrays(autoencoder)
    m, log_s = x @ a + c, held(x @ g_slope + g)
    s, v, u = jnp.exp(log_s), held(v), u * jax.grad(lambda v: jnp.sum(held(v)))(v)
    r, shift = x - b - m @ w, m @ u
    square = r**2 + s @ w**2
    misfit = square * (1 - shift) + 2 * r * (s @ (w * u))
    fit = -0.5 * jnp.sum(jnp.log(2 * jnp.pi) + v + shift + jnp.exp(-v) * misfit, axis=1)
    kl = 0.5 * jnp.sum(s + m**2 - 1 - log_s, axis=1)
    return jnp.mean(fit - kl)


def exact_gradient(autoencoder: AutoEncoder, x: Float[np.ndarray, "batch features"]) -> Gradients:
    """The gradient of the bound with respect to encoder and model, in the library's order of coordinates."""
    with jax.enable_x64(True):
        learned, rest = split_learned(_double(autoencoder))
        gradient = jax.grad(lambda w: exact_bound(eqx.combine(w, rest), jnp.asarray(x, float)))(learned)
        return _flat(gradient)


def power_mean_gradients(
    autoencoder: AutoEncoder, x: Float[np.ndarray, "batch features"], order: float, n_samples: int, seed: int
) -> dict[str, Float[np.ndarray, "replicates _"]]:
    """Gradients of E[1/order log 1/K sum_k w_k^order] by randomized quasi-Monte Carlo, one for each replicate.

    The mean over the normal noise of all K draws of a row is taken over scrambled Sobol' points (Owen 1998) put
    through the inverse normal CDF; replicates are scrambled anew.
    """
    k = autoencoder.model.space.width
    with jax.enable_x64(True):
        learned, rest = split_learned(_double(autoencoder))
        rows = jnp.asarray(x, float)

        @jax.jit
        def gradient(noise: Float[Array, "points draws 1 latents"]) -> Tree:
            def value(learned: Tree) -> Scalar:
                return jnp.mean(_power_mean(eqx.combine(learned, rest), rows, noise, order))

            return jax.grad(value)(learned)

        flat = []
        for replicate in range(REPLICATES):
            rng = np.random.default_rng([seed, replicate])
            points = qmc.Sobol(n_samples * k, seed=rng).random(POINTS)  # pyright: ignore[reportCallIssue]
            noise = norm.ppf(points).reshape(POINTS, n_samples, 1, k)
            flat.append(_flat(gradient(jnp.asarray(noise))))
    return {part: np.stack([gradients[part] for gradients in flat]) for part in flat[0]}


def _power_mean(
    autoencoder: AutoEncoder,
    x: Float[Array, "batch features"],
    noise: Float[Array, "points draws 1 latents"],
    order: float,
) -> Float[Array, "points batch"]:
    a, c, g_slope, g, w, b, u, v = _arrays(autoencoder)
    m, log_s = x @ a + c, held(x @ g_slope + g)
    z = m + jnp.exp(log_s / 2) * noise
    log_v = held(z @ u + v)
    log_p = -0.5 * jnp.sum((x - z @ w - b) ** 2 * jnp.exp(-log_v) + log_v, axis=-1)
    log_prior_over_q = 0.5 * jnp.sum(noise**2 + log_s - z**2, axis=-1)
    log_w = log_p + log_prior_over_q  # but for a constant
    return jax.scipy.special.logsumexp(order * log_w, axis=1) / order


def _double(autoencoder: AutoEncoder) -> AutoEncoder:
    return jax.tree.map(
        lambda w: jnp.asarray(np.asarray(w, float)) if eqx.is_inexact_array(w) else w, autoencoder
    )


def _flat(gradient: AutoEncoder) -> Gradients:
    return {
        part: np.asarray(ravel_pytree(getattr(gradient, part))[0], float) for part in ("encoder", "model")
    }
