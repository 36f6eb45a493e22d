"""How closely annealed importance sampling bounds log p(x) from both sides, on rows simulated from an MNIST VAE.

`python -m benchmarks.sandwich [--rows N] [--temperatures T] [--chains C] [--epochs N] [--run FOLDER]`; the model is
trained in the folder, or read from it.
"""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from . import machine, results
from .importance_weighted import trained

NETWORK = {"data": "mnist", "latents": 20}  # the defaults of `aevb train mnist`: 784-400-20-400-784
N_ROWS = 100
WIDTH_BAR, MINUTES_BAR = 0.5, 10.0


def verdict(width: float, error: float, seconds: float) -> str:
    """Return `met` where the width is below its bar by two standard errors, in time; `missed` where it is above."""
    if seconds > 60 * MINUTES_BAR or width - 2 * error > WIDTH_BAR:
        return "missed"
    return "met" if width + 2 * error <= WIDTH_BAR else "undecided"


def measure(found: Any, seconds: float) -> dict[str, Any]:
    """Return the numbers of a sandwich."""
    sides = {
        name: {
            "mean": estimate.mean,
            "monte_carlo_error": estimate.mean_monte_carlo_error,
            "effective_chains": float(estimate.diagnostics["effective_chains"].mean()),
            "acceptance": float(estimate.diagnostics["acceptance"].mean()),
            "reliable": float(estimate.reliable.mean()),
        }
        for name, estimate in (("lower", found.lower), ("upper", found.upper))
    }
    return {
        "width": found.width,
        "width_error": found.width_error,
        "seconds": seconds,
        "sides": sides,
        "verdict": verdict(found.width, found.width_error, seconds),
    }


def main() -> int:
    """Train or read the model, take the sandwich, write the section "sandwich"."""
    import jax

    from aevb.inference import Annealed, sandwich

    default = Annealed()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sandwich", description=__doc__)
    parser.add_argument("--rows", type=int, default=N_ROWS, help=f"simulated rows (default {N_ROWS})")
    parser.add_argument("--temperatures", type=int, default=default.n_temperatures)
    parser.add_argument("--chains", type=int, default=default.n_chains)
    parser.add_argument("--start", default=default.start, choices=("posterior", "prior"))
    parser.add_argument("--epochs", type=int, default=10, help="passes over the training rows (default 10)")
    parser.add_argument("--run", type=Path, default=Path("runs/sandwich"), help="the model's folder")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    machine.use_cores()
    about = machine.describe()
    autoencoder = trained({**NETWORK, "epochs": options.epochs}, options.run).trained.autoencoder
    method = Annealed(options.temperatures, options.chains, start=options.start)
    began, others = time.perf_counter(), machine.Others([])
    found = sandwich(
        autoencoder.model, autoencoder.posterior, options.rows, jax.random.key(options.seed), method, _show
    )
    measured = measure(found, time.perf_counter() - began)
    about["others_share"] = others.share()
    print(measured)
    section = {
        "machine": about,
        "epochs": options.epochs,
        "n_rows": options.rows,
        "n_temperatures": method.n_temperatures,
        "n_chains": method.n_chains,
        "n_leapfrog": method.n_leapfrog,
        "start": method.start,
        "width_bar": WIDTH_BAR,
        "minutes_bar": MINUTES_BAR,
        "command": f"python -m benchmarks.sandwich --rows {options.rows} --temperatures {options.temperatures} "
        f"--chains {options.chains} --start {options.start} --epochs {options.epochs} --seed {options.seed}",
    }
    results.update("sandwich", {**section, **measured})
    print(f"wrote {results.JSON} and {results.MARKDOWN}")
    return 0


def _show(share_done: float) -> None:
    print(f"\r{share_done:.0%}", end="" if share_done < 1 else "\n", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
