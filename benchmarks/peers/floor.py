"""The floor: JAX doing only the matrix products of one epoch, forward and backward, and no training.

What stands between the products is the least that keeps them: the two heads are added, and a tiny multiple of
each gradient is added to its weights. That keeps every product alive without ever changing a weight of this
size in float32, so the values stay what they are over any number of epochs. (Carrying the bare gradients took
the same time: the sums cost nothing that could be seen.)
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax, random
from worker import BATCH_SIZE, HIDDEN, LATENTS, PIXELS, serve

Weights = tuple[Array, Array, Array, Array, Array]


def products(weights: Weights, x: Array) -> Weights:
    """The products of one minibatch: five forward, five for the weights' gradients, four for the inputs'."""
    w1, wm, wv, d1, d2 = weights
    h = x @ w1
    m, v = h @ wm, h @ wv
    z = m + v
    d = z @ d1
    out = d @ d2  # stands for the gradient at the output, too
    grad_d2, grad_d = d.T @ out, out @ d2.T
    grad_d1, grad_z = z.T @ grad_d, grad_d @ d1.T
    grad_wm, grad_wv = h.T @ grad_z, h.T @ m
    grad_h = grad_z @ wm.T + m @ wv.T
    return x.T @ grad_h, grad_wm, grad_wv, grad_d1, grad_d2


@jax.jit
def epoch(weights: Weights, batches: Array) -> tuple[Weights, Array]:
    """The products of every minibatch, and a number that depends on the weights."""

    def step(i: Array, weights: Weights) -> Weights:
        gradients = products(weights, batches[i])
        return jax.tree.map(lambda w, g: w + 1e-20 * g, weights, gradients)

    weights = lax.fori_loop(0, len(batches), step, weights)
    return weights, jnp.sum(weights[1])


def build(path: str) -> Callable[[], float]:
    """Return the function that runs one epoch's products; its "loss" means nothing."""
    x = np.load(path).astype(np.float32) / 255
    x = np.resize(x, (-(-len(x) // BATCH_SIZE) * BATCH_SIZE, PIXELS))  # whole minibatches: 469
    batches = jnp.asarray(x).reshape(-1, BATCH_SIZE, PIXELS)
    shapes = [(PIXELS, HIDDEN), (HIDDEN, LATENTS), (HIDDEN, LATENTS), (LATENTS, HIDDEN), (HIDDEN, PIXELS)]
    keys = random.split(random.key(0), len(shapes))
    weights = tuple(random.normal(k, s) / s[0] ** 0.5 for k, s in zip(keys, shapes, strict=True))

    def run_epoch() -> float:
        nonlocal weights
        weights, number = epoch(weights, batches)
        return float(number)

    return run_epoch


if __name__ == "__main__":
    serve(build, ["jax", "jaxlib", "numpy"])
