"""The tutorial's variational auto-encoder from the library's pieces, in plain sight: train, evaluate, draw.

python examples/from_scratch.py
"""

from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

from aevb import inference, plots
from aevb.batch import Batch
from aevb.datasets import load
from aevb.models import LIKELIHOODS, AutoEncoder, Constant, Decoder, Encoder, LatentVariableModel, Prior
from aevb.networks import MLP
from aevb.objectives import SGVBB

PIXELS, LATENTS, HIDDEN, BATCH = 784, 20, (400,), 128


def build(key):
    """p(z) = N(0, I), p(x|z) Bernoulli, q(z|x) = N(mu(x), diag(sigma^2(x))), each of one hidden layer."""
    a, b, c, d = jax.random.split(key, 4)
    decoder = Decoder(LIKELIHOODS["bernoulli"], MLP(LATENTS, HIDDEN, key=a), LATENTS, PIXELS, key=b)
    model = LatentVariableModel(Prior("gaussian", LATENTS), decoder, Constant(jnp.zeros(PIXELS)))
    return AutoEncoder(model, Encoder(MLP(PIXELS, HIDDEN, key=c), PIXELS, LATENTS, key=d))


def negative_bound(autoencoder, x, key):
    """-1/M sum_i [log p(x_i|z_i) - KL(q(z|x_i) || p(z))], z_i ~ q(z|x_i) (Kingma & Welling 2014, equation 7)."""
    batch = Batch(jnp.asarray(x))
    return -batch.mean(SGVBB()(key, autoencoder.model, autoencoder.posterior(batch), batch).surrogate)


def main(epochs=10, n_rows=60_000, folder=Path("from_scratch")):
    """Train, print the test bound and log p(x), and draw samples into `folder`."""
    dataset = load("mnist")
    x, x_test = (rows[:n] for rows, n in ((dataset.x_train, n_rows), (dataset.x_test, 500)))
    autoencoder, optimizer = build(jax.random.key(0)), optax.adam(1e-3)
    state = optimizer.init(eqx.filter(autoencoder, eqx.is_inexact_array))

    @eqx.filter_jit
    def step(autoencoder, state, x, key):
        gradient = eqx.filter_grad(negative_bound)(autoencoder, x, key)
        updates, state = optimizer.update(gradient, state)
        return eqx.apply_updates(autoencoder, updates), state

    for epoch in range(epochs):
        order = np.random.default_rng(epoch).permutation(len(x))
        for i in range(0, len(x) - BATCH + 1, BATCH):
            key = jax.random.fold_in(jax.random.key(epoch), i)
            autoencoder, state = step(autoencoder, state, x[order[i : i + BATCH]], key)
        print(
            f"epoch {epoch + 1}  test bound {-negative_bound(autoencoder, x_test, jax.random.key(1)):.2f} nats"
        )

    found = inference.log_marginal(
        autoencoder.model, autoencoder.posterior, x_test[:100], jax.random.key(2), inference.Importance(1000)
    )
    print(
        f"log p(x) of 100 test rows {found.mean:.2f} +- {found.mean_monte_carlo_error:.2f} (cross-entropies, K = 1000)"
    )
    _, means = inference.sample(autoencoder, 100, jax.random.key(3))
    folder.mkdir(exist_ok=True)
    plots.save_figure(plots.image_grid(means, (28, 28), "Means of p(x|z), z ~ p(z)"), folder / "samples.png")


if __name__ == "__main__":
    main()
