"""NumPyro's VAE example with the PyTorch tutorial's network: the whole epoch in one jitted `fori_loop`.

It scores logits, which is faster here than the probabilities of NumPyro's own example.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from jax import Array, lax, random
from jax.example_libraries import stax
from numpyro.infer import SVI, Trace_ELBO
from numpyro.infer.svi import SVIState
from numpyro.optim import Adam
from worker import BATCH_SIZE, HIDDEN, LATENTS, LEARNING_RATE, PIXELS, serve

Networks = tuple[Callable, Callable]  # stax: (initialize, apply)


def encoder() -> Networks:
    """784-400 with ReLU, then the mean and the standard deviation."""
    scale = stax.serial(stax.Dense(LATENTS), stax.elementwise(lambda s: jnp.exp(0.5 * s)))
    return stax.serial(
        stax.Dense(HIDDEN), stax.Relu, stax.FanOut(2), stax.parallel(stax.Dense(LATENTS), scale)
    )


def decoder() -> Networks:
    """20-400-784 with ReLU, giving logits."""
    return stax.serial(stax.Dense(HIDDEN), stax.Relu, stax.Dense(PIXELS))


def model(x: Array) -> None:
    """p(z) p(x|z)."""
    decode = numpyro.module("decoder", decoder(), (len(x), LATENTS))
    with numpyro.plate("batch", len(x)):
        z = numpyro.sample("z", dist.Normal(0, 1).expand([LATENTS]).to_event(1))
        likelihood = dist.Bernoulli(logits=decode(z), validate_args=False)  # grey pixels, not {0, 1}
        numpyro.sample("obs", likelihood.to_event(1), obs=x)


def guide(x: Array) -> None:
    """q(z|x)."""
    encode = numpyro.module("encoder", encoder(), (len(x), PIXELS))
    loc, scale = encode(x)
    with numpyro.plate("batch", len(x)):
        numpyro.sample("z", dist.Normal(loc, scale).to_event(1))


def build(path: str) -> Callable[[], float]:
    """Return the function that trains one epoch."""
    x = jnp.asarray(np.load(path), jnp.float32) / 255
    n_full = len(x) // BATCH_SIZE
    svi = SVI(model, guide, Adam(LEARNING_RATE), Trace_ELBO())
    state = svi.init(random.key(0), x[:BATCH_SIZE])

    @jax.jit
    def epoch(state: SVIState, x: Array, order: Array) -> tuple[SVIState, Array]:
        def step(i: Array, carry: tuple[SVIState, Array]) -> tuple[SVIState, Array]:
            state, total = carry
            rows = lax.dynamic_slice_in_dim(order, i * BATCH_SIZE, BATCH_SIZE)
            state, loss = svi.update(state, x[rows])
            return state, total + loss

        state, total = lax.fori_loop(0, n_full, step, (state, jnp.zeros(())))
        state, loss = svi.update(state, x[order[n_full * BATCH_SIZE :]])  # the last, smaller minibatch
        return state, (total + loss) / len(x)

    shuffle = np.random.default_rng(0)

    def train_epoch() -> float:
        nonlocal state
        state, loss = epoch(state, x, shuffle.permutation(len(x)))
        return float(loss)

    return train_epoch


if __name__ == "__main__":
    serve(build, ["numpyro", "jax", "jaxlib", "numpy"])
