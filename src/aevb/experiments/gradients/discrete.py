"""A VAE with Bernoulli codes, few enough that the bound is a sum over all of them."""

import itertools
import time

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from aevb.batch import Batch
from aevb.experiments.gradients.bias import FALSE_ALARM, POWER, exact_reference
from aevb.experiments.gradients.estimators import for_discrete_codes, repeated, settled
from aevb.experiments.gradients.measure import Study, measure, timing_note
from aevb.experiments.gradients.records import Problem, Say, silent
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
from aevb.objectives import ELBO
from aevb.typing import Scalar

N_FEATURES, N_LATENTS, N_ROWS = 8, 4, 8
DRAWS, BLOCK = 100_000, 2000
SCALE = 0.4  # of the weights; with greater ones codes get so rare that means of draws are far from normal
SETTLING_STEPS = 1000
PARTS = ("encoder", "model")
NOTES = (
    f"{N_ROWS} rows of {N_FEATURES} binary features, {N_LATENTS} latents; the gradient of the mean over rows.",
    f"Exact gradients: of the evidence lower bound as a sum over all {2**N_LATENTS} codes, in double precision. The "
    "concrete relaxation, whose own objective is another one, is held against it, too.",
    timing_note(BLOCK),
)


def run(seed: int = 0, n_draws: int = DRAWS, say: Say = silent) -> Problem:
    """Measure all estimators for discrete codes."""
    started = time.perf_counter()
    subject, x = linear_bernoulli(seed)
    baseline_key, settle_key, key = jax.random.split(jax.random.key(seed), 3)
    rows = repeated(jnp.asarray(x), SETTLING_STEPS)
    estimators = settled(for_discrete_codes(N_FEATURES, baseline_key), subject, rows, settle_key)
    exact = exact_gradient(subject, x)
    references = {part: {ELBO: exact_reference(exact[part], "sum over all codes")} for part in PARTS}
    study = Study(subject, Batch(jnp.asarray(x)), estimators, PARTS, references)
    say(f"{n_draws:,} gradients of each of {len(estimators)} estimators")
    tables = measure(study, n_draws, BLOCK, key)
    seconds = time.perf_counter() - started
    title = "A VAE with Bernoulli codes"
    return Problem("discrete", title, NOTES, FALSE_ALARM, POWER, seconds, tuple(tables))


def linear_bernoulli(seed: int) -> tuple[AutoEncoder, Float[np.ndarray, "rows features"]]:
    """Logits linear in x and in z, and rows to encode."""
    rng, key = np.random.default_rng(seed), jax.random.key(0)
    d, k = N_FEATURES, N_LATENTS
    decoder = Decoder(LIKELIHOODS["bernoulli"], MLP(k, (), key=key), k, d, key=key)
    encoder = Encoder(MLP(d, (), key=key), d, k, "bernoulli", key=key)
    model = LatentVariableModel(Prior("bernoulli", k), decoder, Constant(jnp.zeros(d)))
    learned, rest = split_learned(AutoEncoder(model, encoder))
    drawn = jax.tree.map(lambda w: jnp.asarray(SCALE * rng.normal(size=w.shape), w.dtype), learned)
    return eqx.combine(drawn, rest), (rng.random((N_ROWS, d)) < 0.5).astype(np.float32)


def exact_bound(autoencoder: AutoEncoder, x: Float[Array, "batch features"]) -> Scalar:
    """sum_z q(z|x) (log p(x|z) + log p(z) - log q(z|x)), mean over rows, in formulas of its own."""
    model, encoder = autoencoder.model, autoencoder.encoder
    assert isinstance(model, LatentVariableModel)
    decoder = model.decoder
    assert isinstance(encoder, Encoder)
    head = encoder.heads["logits"]
    assert isinstance(decoder, Decoder)
    z = jnp.asarray(list(itertools.product((0.0, 1.0), repeat=N_LATENTS)))
    h = (x @ head.weight + head.bias)[:, None]  # (batch, 1, latents)
    log_q = jnp.sum(z * h - jnp.logaddexp(0.0, h), axis=-1)  # (batch, codes)
    logits = z @ decoder.heads["logits"].weight + decoder.heads["logits"].bias
    log_p = x @ logits.T - jnp.sum(jnp.logaddexp(0.0, logits), axis=-1)
    return jnp.mean(jnp.sum(jnp.exp(log_q) * (log_p - N_LATENTS * jnp.log(2.0) - log_q), axis=1))


def exact_gradient(
    autoencoder: AutoEncoder, x: Float[np.ndarray, "batch features"]
) -> dict[str, Float[np.ndarray, " coordinates"]]:
    """The gradient of the bound with respect to encoder and model, in the library's order of coordinates."""
    with jax.enable_x64(True):
        double = jax.tree.map(
            lambda w: jnp.asarray(np.asarray(w, float)) if eqx.is_inexact_array(w) else w, autoencoder
        )
        learned, rest = split_learned(double)
        gradient = jax.grad(lambda w: exact_bound(eqx.combine(w, rest), jnp.asarray(x, float)))(learned)
        return {part: np.asarray(ravel_pytree(getattr(gradient, part))[0], float) for part in PARTS}
