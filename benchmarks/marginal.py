"""log p(x) of MNIST test images by importance sampling: codes a second, against the bare matrix products of a decoder.

`python -m benchmarks.marginal [--rows N] [--rounds R] [--samples K] [--all]`; with `--all` also all 10,000 images once,
with the peak memory of the process. The plain PyTorch loop runs where its environment is (see `benchmarks.harness`).
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

from . import machine, ratios, results
from .environments import HERE

LATENTS, HIDDEN, PIXELS = 20, 400, 784
ROWS, ROUNDS, SAMPLES, PEER_ROWS = 64, 7, 5000, 16
BAR, MEMORY_BAR_GB = 0.7, 2.0
PRODUCT_ROWS = 4000  # codes in one product of the floor, as many as `Importance` has at once


def model() -> Any:
    """A tutorial network, 784-400-20-400-784, with its initial weights; what they are costs nothing."""
    import jax.numpy as jnp

    from aevb.assembly import build_autoencoder
    from aevb.models import LIKELIHOODS
    from aevb.parts import Parts
    from aevb.recipe import Recipe

    recipe = Recipe(latents=LATENTS, hidden=(HIDDEN,))
    return build_autoencoder(recipe, LIKELIHOODS["bernoulli"], jnp.zeros(PIXELS), Parts())


def floor(autoencoder: Any, n_codes: int) -> Callable[[], None]:
    """The products of the decoder's two layers for so many codes, in one compiled loop, with no other arithmetic."""
    import jax
    import jax.numpy as jnp

    decoder = autoencoder.model.decoder
    weights = decoder.network.layers[0].weight, decoder.heads["logits"].weight

    @jax.jit
    def products(z: Any, first: Any, second: Any) -> Any:
        def once(i: Any, total: Any) -> Any:
            # What is multiplied must change, or the compiler takes the product out of the loop.
            outputs = (z + total * 1e-20) @ first @ second
            return total + outputs[0, 0]

        return jax.lax.fori_loop(0, n_codes // PRODUCT_ROWS, once, jnp.zeros(()))

    z = jax.random.normal(jax.random.key(0), (PRODUCT_ROWS, LATENTS))
    return lambda: products(z, *weights).block_until_ready()


def seconds(function: Callable[[], Any]) -> float:
    """Return how long a call takes."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def peer(samples: int) -> float | None:
    """Return the codes per second of the plain PyTorch loop; None without its environment."""
    python = HERE / ".venvs" / "pytorch" / "bin" / "python"
    if not python.exists():
        return None
    command = [str(python), str(HERE / "peers" / "pytorch_marginal.py"), str(PEER_ROWS), str(samples)]
    ran = subprocess.run(command, check=True, capture_output=True, text=True, env=machine.environment())
    return float(json.loads(ran.stdout)["codes_per_second"])


def main() -> int:
    """Take turns, compare, and write the section "marginal"."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.marginal", description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS, help=f"images a round (default {ROWS})")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"rounds (default {ROUNDS})")
    parser.add_argument("--samples", type=int, default=SAMPLES, help=f"K (default {SAMPLES})")
    parser.add_argument("--all", action="store_true", help="also all 10,000 images once")
    options = parser.parse_args()
    machine.use_cores()
    about = machine.describe()
    import jax
    import numpy as np

    from aevb.datasets import load
    from aevb.inference import Importance, log_marginal

    autoencoder = model()
    x = np.rint(load("mnist").x_test).astype(np.float32)  # black and white, of which there is a probability
    n_codes = options.rows * options.samples
    method, key = Importance(options.samples), jax.random.key(0)

    def ours(rows: Any = x[: options.rows]) -> None:
        log_marginal(autoencoder.model, autoencoder.posterior, rows, key, method)

    contestants = {"aevb": ours, "products": floor(autoencoder, n_codes)}
    for function in contestants.values():
        function()  # compiles
    taken: dict[str, list[float]] = {name: [] for name in contestants}
    for i in range(options.rounds):
        order = list(contestants) if i % 2 else list(contestants)[::-1]
        for name in order:
            taken[name].append(seconds(contestants[name]))
    # A bar on a rate, ours / that of the products, is one on their seconds / ours from below.
    compared = ratios.compare(taken["aevb"], taken["products"], 1 / BAR)
    section: dict[str, Any] = {
        "machine": about,
        "rows": options.rows,
        "samples": options.samples,
        "bar": BAR,
        "memory_bar_gb": MEMORY_BAR_GB,
        "rates": {name: n_codes / median(times) for name, times in taken.items()},
        "seconds": taken,
        "ratio": compared,
        "peer_rate": peer(options.samples),
        "peer_rows": PEER_ROWS,
    }
    if options.all:
        section["all_seconds"] = seconds(lambda: ours(x))
        section["all_rows"] = len(x)
    section["peak_gb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    results.update("marginal", section)
    print(
        f"rate / that of the products: {1 / compared['median']:.3f}; wrote {results.JSON} and {results.MARKDOWN}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
