"""Monte Carlo EM: Hamiltonian transitions of ten leapfrog steps a second, against their bare matrix products.

`python -m benchmarks.monte_carlo_em [--rounds R]`
"""

import argparse
import sys
from collections.abc import Callable
from statistics import median
from typing import Any

from . import machine, ratios, results
from .marginal import seconds

LATENTS, HIDDEN, PIXELS, ROWS = 3, 100, 784, 1000  # the network and the training rows of the paper's figure 3
LEAPFROG, UPDATES, SWEEPS, ROUNDS = 10, 5, 20, 9


def contestants() -> dict[str, Callable[[], None]]:
    """Each moves the chains of all rows `SWEEPS` times; `aevb with updates` also takes the weights' steps."""
    import jax
    import jax.numpy as jnp

    from aevb.assembly import assemble
    from aevb.batch import Batch
    from aevb.datasets import Dataset, load
    from aevb.recipe import Recipe
    from aevb.training import TrainingData, train

    x = load("mnist").x_train[:ROWS]
    settings = {"latents": LATENTS, "hidden": (HIDDEN,), "activation": "tanh", "objective": "mcem"}
    recipe = Recipe.parse({**settings, "optimizer": "adagrad", "batch_size": ROWS, "steps": SWEEPS})
    assembly = assemble(recipe, Dataset("mnist", x, image_shape=(28, 28)))
    model, objective = assembly.autoencoder.model, assembly.start.objective
    batch = Batch(jnp.asarray(x), index=jnp.arange(ROWS))
    data = TrainingData(assembly.data.train)

    def trained() -> None:
        for _ in train(assembly.start, assembly.plan, data):
            pass

    sweeps, products = _sweeps(), _products()
    z = jax.random.normal(jax.random.key(0), (ROWS, LATENTS))
    weights = model.decoder.network.layers[0].weight, model.decoder.heads["logits"].weight
    return {
        "aevb": lambda: jax.block_until_ready(sweeps(objective, model, batch)),
        "aevb with updates": trained,
        "products": lambda: products(z, *weights).block_until_ready(),
    }


def _sweeps() -> Callable[..., Any]:
    """Transitions of all chains, without updates of the weights."""
    import equinox as eqx
    import jax

    @eqx.filter_jit
    def sweeps(objective: Any, model: Any, batch: Any) -> Any:
        arrays, static = eqx.partition(objective, eqx.is_array)

        def once(i: Any, arrays: Any) -> Any:
            key = jax.random.fold_in(jax.random.key(0), i)
            moved = eqx.combine(arrays, static).prepared(key, model, batch)
            return eqx.partition(moved, eqx.is_array)[0]

        return jax.lax.fori_loop(0, SWEEPS, once, arrays)

    return sweeps


def _products() -> Callable[..., Any]:
    """The matrix products of as many transitions.

    A transition evaluates the gradient of log p(x, z) in z where it starts and after every leapfrog step: two products
    forward, two back.
    """
    import jax

    @jax.jit
    def products(z: Any, first: Any, second: Any) -> Any:
        def once(i: Any, z: Any) -> Any:
            return z + 1e-20 * (z @ first @ second @ second.T @ first.T)

        return jax.lax.fori_loop(0, SWEEPS * (LEAPFROG + 1), once, z)

    return products


def main() -> int:
    """Take turns, compare, and write the section "monte_carlo_em"."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.monte_carlo_em", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"rounds (default {ROUNDS})")
    options = parser.parse_args()
    machine.use_cores()
    about = machine.describe()
    functions = contestants()
    for function in functions.values():
        function()  # compiles
    taken: dict[str, list[float]] = {name: [] for name in functions}
    for i in range(options.rounds):
        for name in list(functions) if i % 2 else list(functions)[::-1]:
            taken[name].append(seconds(functions[name]))
    section = {
        "machine": about,
        "rows": ROWS,
        "sweeps": SWEEPS,
        "leapfrog": LEAPFROG,
        "updates": UPDATES,
        "rates": {name: ROWS * SWEEPS / median(times) for name, times in taken.items()},
        "seconds": taken,
        "ratio": ratios.compare(taken["aevb"], taken["products"], None),
    }
    results.update("monte_carlo_em", section)
    print(section["rates"], section["ratio"], f"wrote {results.JSON} and {results.MARKDOWN}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
