"""Rows a second of scores and imputations of a table, and the memory that they take.

`python -m benchmarks.inference_speed [--rows N] [--columns D] [--hidden H] [--samples K] [--model MODEL --data ROWS]`
prints one JSON object. With MODEL, a saved one, and ROWS, an .npy file in the user's units, rates are those of a
trained model, which are the ones to go by. Without, the model has its initial weights, and rows are random.

Stated errors are the root of their mean square over rows; of imputations, over missing cells, as shares of the standard
deviation. Two versions are compared by rows a second divided by the square of the error.
"""

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import machine

ROWS, COLUMNS, HIDDEN, LATENTS, SAMPLES = 9430, 14, 400, 5, 100
MISSING = 0.1


def model(columns: int, hidden: int) -> Any:
    """A network of the tutorial's width for a table of this width, with its initial weights."""
    import jax.numpy as jnp

    from aevb.assembly import build_autoencoder
    from aevb.models import LIKELIHOODS
    from aevb.parts import Parts
    from aevb.recipe import Recipe

    recipe = Recipe.parse({"latents": LATENTS, "hidden": (hidden,), "data": "table"}, source="benchmark")
    return build_autoencoder(recipe, LIKELIHOODS["gaussian-diagonal"], jnp.zeros(columns), Parts())


def stated_error(found: Any, x: Any) -> float:
    """The root mean square of what estimates state, of imputations as a share of their standard deviations."""
    import numpy as np

    errors = found.monte_carlo_error
    if errors.ndim == 2:
        missing = np.isnan(x)
        errors = errors[missing] / found.sd[missing]
    return float(np.sqrt(np.nanmean(np.square(errors, dtype=np.float64))))


def rate(work: Callable[[Any], Any], x: Any) -> dict[str, float]:
    """Rows a second, once compiled, the seconds of the compilation, and the seconds of CPU per thousand rows."""
    start = time.perf_counter()
    work(x[:8])
    compiled = time.perf_counter() - start
    start, cpu = time.perf_counter(), time.process_time()
    found = work(x)
    taken, used = time.perf_counter() - start, time.process_time() - cpu
    return {
        "rows_per_second": len(x) / taken,
        "first_call_seconds": compiled,
        "cpu_seconds_per_1000_rows": 1000 * used / len(x),
        "stated_error": stated_error(found, x),
    }


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.inference_speed", description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--columns", type=int, default=COLUMNS)
    parser.add_argument("--hidden", type=int, default=HIDDEN)
    parser.add_argument("--samples", type=int, default=SAMPLES)
    parser.add_argument("--only", choices=("score", "impute"), help="one of the two")
    parser.add_argument("--model", type=Path, help="a saved model, instead of one with its initial weights")
    parser.add_argument(
        "--data", type=Path, help="its rows, an .npy file; taken again from the start where few"
    )
    options = parser.parse_args()
    if (options.model is None) != (options.data is None):
        parser.error("--model and --data go together")
    machine.use_cores()
    tasks = _tasks(options)
    chosen = [options.only] if options.only else list(tasks)
    found: dict[str, Any] = {name: rate(*tasks[name]) for name in chosen}
    found["peak_gb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    print(json.dumps({**{name: str(value) for name, value in vars(options).items()}, **found}, indent=1))
    return 0


def _tasks(options: argparse.Namespace) -> dict[str, tuple[Callable[[Any], Any], Any]]:
    """What is measured, by name, and the rows that it is given."""
    import jax
    import numpy as np

    from aevb import inference
    from aevb.models import AutoEncoder
    from aevb.trained import TrainedModel

    key, rng = jax.random.key(0), np.random.default_rng(0)
    if options.model is None:
        autoencoder: AutoEncoder = model(options.columns, options.hidden)
        x = rng.normal(size=(options.rows, options.columns)).astype(np.float32)
    else:
        trained = TrainedModel.load(options.model)
        autoencoder, rows = trained.autoencoder, trained.prepare(np.load(options.data))
        x = np.resize(rows, (options.rows, rows.shape[1]))
    holes = np.where(rng.random(x.shape) < MISSING, np.nan, x).astype(np.float32)
    holes[:, 0] = np.nan  # every row has work
    method, laplace = inference.Importance(options.samples, "widened"), inference.Laplace(autoencoder, key)
    generative, recognition = autoencoder.model, autoencoder.posterior
    filling = inference.ImportanceImputation()
    return {
        "score": (lambda rows: inference.log_marginal(generative, recognition, rows, key, method), x),
        "impute": (lambda rows: inference.impute(generative, laplace, rows, key, filling), holes),
    }


if __name__ == "__main__":
    sys.exit(main())
