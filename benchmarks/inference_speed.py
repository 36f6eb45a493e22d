"""Rows a second of scores and imputations of a table, and the memory that they take.

`python -m benchmarks.inference_speed [--rows N] [--columns D] [--hidden H] [--samples K]`; prints one JSON object. The
model has its initial weights, and rows are random: what they are matters for imputations only, by how many codes a row
needs.
"""

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

from . import machine

ROWS, COLUMNS, HIDDEN, LATENTS, SAMPLES = 9430, 14, 400, 5, 100
MISSING = 0.1


def model(columns: int, hidden: int) -> Any:
    """A network of the tutorial's width for a table of this width, with its initial weights."""
    import jax.numpy as jnp

    from aevb.assembly import build_autoencoder
    from aevb.recipe import Recipe

    recipe = Recipe.parse({"latents": LATENTS, "hidden": (hidden,), "data": "table"}, source="benchmark")
    return build_autoencoder(recipe, "gaussian-diagonal", jnp.zeros(columns), (None, None))


def rate(work: Callable[[Any], Any], x: Any) -> dict[str, float]:
    """Rows a second, once compiled, the seconds of the compilation, and the seconds of CPU per thousand rows."""
    start = time.perf_counter()
    work(x[:8])
    compiled = time.perf_counter() - start
    start, cpu = time.perf_counter(), time.process_time()
    work(x)
    taken, used = time.perf_counter() - start, time.process_time() - cpu
    return {
        "rows_per_second": len(x) / taken,
        "first_call_seconds": compiled,
        "cpu_seconds_per_1000_rows": 1000 * used / len(x),
    }


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.inference_speed", description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--columns", type=int, default=COLUMNS)
    parser.add_argument("--hidden", type=int, default=HIDDEN)
    parser.add_argument("--samples", type=int, default=SAMPLES)
    parser.add_argument("--only", choices=("score", "impute"), help="one of the two")
    options = parser.parse_args()
    machine.use_cores()
    import jax
    import numpy as np

    from aevb import inference

    autoencoder, key = model(options.columns, options.hidden), jax.random.key(0)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(options.rows, options.columns)).astype(np.float32)
    holes = np.where(rng.random(x.shape) < MISSING, np.nan, x).astype(np.float32)
    holes[:, 0] = np.nan  # every row has work
    method = inference.Importance(options.samples, "widened")
    refined = inference.Refined(autoencoder, key, 100, 0.1, 4, 1)
    tasks: dict[str, tuple[Callable[[Any], Any], Any]] = {
        "score": (
            lambda rows: inference.log_marginal(autoencoder.model, autoencoder.posterior, rows, key, method),
            x,
        ),
        "impute": (
            lambda rows: inference.impute(
                autoencoder.model, refined, rows, key, inference.ImportanceImputation()
            ),
            holes,
        ),
    }
    chosen = [options.only] if options.only else list(tasks)
    found: dict[str, Any] = {name: rate(*tasks[name]) for name in chosen}
    found["peak_gb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    print(json.dumps({**vars(options), **found}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
