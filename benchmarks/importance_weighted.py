"""log p(x) of a VAE trained with five importance samples, plain and doubly reparameterized, against one.

`python -m benchmarks.importance_weighted [--epochs N] [--runs FOLDER]`; an interrupted run goes on where it was.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from . import machine, results

# One stochastic layer as in Burda et al. (2016), table 1, with a schedule for far fewer epochs than their 3280.
NETWORK = {"data": "mnist", "binarize": "dynamic", "latents": 50, "hidden": (200, 200), "activation": "tanh"}
SCHEDULE = {"initialization": "lecun", "learning_rate": 2e-3, "schedule": "cosine", "batch_size": 100}
OBJECTIVES = {"VAE, K = 1": {"objective": "sgvb-b"}} | {
    f"{name}, K = 5": {"objective": objective, "samples": 5}
    for name, objective in (("IWAE", "iwae"), ("DReG", "dreg"))
}
REFERENCE = "VAE, K = 1"
N_ROWS, N_SAMPLES = 2000, 5000
BAR = 1.0


def trained(settings: dict[str, Any], folder: Path) -> Any:
    """The model of a run, started, gone on with or only read, as the folder is."""
    from aevb import run

    start = run.resume if run.RunFolder(folder).holds_run else run.start
    return run.execute(start(settings, folder), lambda state: None, lambda: False)


def main() -> int:
    """Train, score the same test rows with each model, and write the section "importance_weighted"."""
    from aevb.inference import Importance

    parser = argparse.ArgumentParser(prog="python -m benchmarks.importance_weighted", description=__doc__)
    parser.add_argument("--epochs", type=int, default=100, help="passes over the training rows (default 100)")
    parser.add_argument(
        "--runs", type=Path, default=Path("runs/importance-weighted"), help="where runs are kept"
    )
    options = parser.parse_args()
    machine.use_cores()
    about = machine.describe()
    rows, scores = [], {}
    for name, objective in OBJECTIVES.items():
        settings = {**NETWORK, **SCHEDULE, **objective, "epochs": options.epochs, "evaluate_every": 10}
        run = trained(settings, options.runs / name.replace(", K = ", "-"))
        x = run.dataset.x_test[:N_ROWS]
        estimate = run.trained.log_marginal(x, Importance(N_SAMPLES), seed=0)
        scores[name] = estimate.log_p
        gain = (estimate.log_p - scores[REFERENCE]).astype(float)
        rows.append(
            {
                "name": name,
                "log_p": estimate.mean,
                "sampling_error": estimate.sampling_error,
                "gain": float(gain.mean()),
                "gain_error": float(gain.std(ddof=1) / len(gain) ** 0.5),
            }
        )
        print(rows[-1], flush=True)
    section = {
        "machine": about,
        "epochs": options.epochs,
        "n_rows": N_ROWS,
        "n_samples": N_SAMPLES,
        "bar": BAR,
    }
    results.update("importance_weighted", {**section, "rows": rows})
    print(f"wrote {results.JSON} and {results.MARKDOWN}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
