"""What the defaults make of ordinary numeric tables: the test bound, correlations of samples, and missing values.

`python -m benchmarks.tables FOLDER ... [--only NAME ...] [--seeds 0 1 2] [--out FILE]`: for each `.csv.gz` (its columns
of numbers), `.npz` (its array X) and `data.txt.gz` below the folders, whose names must differ. Per table and seed a
tenth of the rows is held out; `VAE` with no argument but the seed is fitted to the others.

- The bound on the held-out rows is set against the log-likelihood of independent columns.
- Correlations (Pearson's) are those of as many samples as the table has rows, at least 5,000, with both the samples and
  the table clipped at the table's 1st and 99th percentile of each column: without that a few rows of a heavy-tailed
  column decide. Beside the largest difference stands the largest between two random halves of the table, which is what
  the number of rows leaves open.
- Of all known values 20% are hidden at random; a model is fitted to what is left of all rows, and fills them in. Errors
  are in standard deviations of a column, beside those of scikit-learn's KNNImputer (5 neighbours) on the standardized
  columns. Of a large table 1,000 rows are filled in, by neighbours among 10,000.
"""

import argparse
import json
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from .imputation import with_holes

HELD_OUT, HIDDEN, TOLERANCE = 0.1, 0.2, 0.1
SAMPLES, FILLED, NEIGHBOURHOOD = 5000, 1000, 10_000
INDEX = "rownames"


def tables(folder: Path) -> Iterator[tuple[str, np.ndarray]]:
    """The numeric tables below a folder, by name."""
    import pandas as pd

    for path in sorted(folder.rglob("*.csv.gz")):
        frame = pd.read_csv(path).select_dtypes("number").drop(columns=INDEX, errors="ignore")
        yield path.name.removesuffix(".csv.gz"), frame.to_numpy(float)
    for path in sorted(folder.rglob("*.npz")):
        yield path.stem, np.load(path)["X"].astype(float)
    for path in sorted(folder.rglob("data.txt.gz")):
        yield path.parent.name, np.loadtxt(path)


def correlations(rows: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Of clipped columns, over the rows that have both of a pair."""
    import pandas as pd

    low, high = np.nanquantile(table, [0.01, 0.99], axis=0)
    return pd.DataFrame(np.clip(rows, low, high)).corr().to_numpy()


def largest(difference: np.ndarray) -> float:
    """The largest absolute value; columns that never change have no correlation."""
    return float(np.nanmax(np.abs(difference), initial=0.0))


def halves(table: np.ndarray, seed: int) -> float:
    """The largest difference of a correlation between two random halves of the table."""
    order = np.random.default_rng(seed).permutation(len(table))
    first, second = np.array_split(order, 2)
    return largest(correlations(table[first], table) - correlations(table[second], table))


def fitted(x: np.ndarray, seed: int) -> tuple[Any, float, bool]:
    """The default model, the seconds that it took, and whether it warned."""
    from aevb import VAE

    started = time.perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        vae = VAE(missing="nan" if np.isnan(x).any() else "error", random_state=seed).fit(x)
    return vae, time.perf_counter() - started, bool(caught)


def independent(vae: Any, rows: np.ndarray, train: np.ndarray) -> float:
    """The mean log-likelihood of independent columns, in the user's units as the bound is."""
    model = vae.model_
    cells = model.likelihood.independent(*(model.prepare(part).astype(float) for part in (rows, train)))
    log_scale = model.preparation.scaling.log_scale * model.likelihood.is_density
    return float(np.mean(np.nansum(cells - log_scale, axis=1)))


def filled_in(x: np.ndarray, seed: int) -> tuple[float, float]:
    """The errors of our model and of nearest neighbours, in standard deviations."""
    from sklearn.impute import KNNImputer

    spread = np.nanstd(x, axis=0)
    standard = ((x - np.nanmean(x, axis=0)) / np.where(spread > 0, spread, 1))[:, spread > 0]
    holes = with_holes(standard, HIDDEN, seed).astype(float)
    some = np.random.default_rng(seed).permutation(len(x))[:FILLED]
    near = np.random.default_rng(seed + 1).permutation(len(x))[:NEIGHBOURHOOD]
    vae, _, _ = fitted(holes, seed)
    wanted = np.isnan(holes[some]) & ~np.isnan(standard[some])
    theirs = KNNImputer(keep_empty_features=True).fit(holes[near]).transform(holes[some])
    errors = [
        ((filled - standard[some])[wanted] ** 2).mean() ** 0.5 for filled in (vae.impute(holes[some]), theirs)
    ]
    return float(errors[0]), float(errors[1])


def measure(x: np.ndarray, seed: int) -> dict[str, Any]:
    """All three, of one table and seed."""
    from aevb.datasets import split_rows

    kept, held_out = split_rows(len(x), HELD_OUT, seed)
    vae, seconds, warned = fitted(x[kept], seed)
    samples = vae.sample(max(SAMPLES, len(x)), random_state=seed)
    ours, theirs = filled_in(x, seed)
    return {
        "rows": len(x),
        "columns": x.shape[1],
        "steps": vae.history_[-1]["step"],
        "seconds": seconds,
        "warned": warned,
        "train": vae.history_[-1]["train_bound"],
        "bound": float(np.mean(vae.elbo(x[held_out]), dtype=float)),
        "independent": independent(vae, x[held_out], x[kept]),
        "correlation": largest(correlations(samples, x) - correlations(x, x)),
        "halves": halves(x, seed),
        "filled": ours,
        "neighbours": theirs,
    }


def misses(found: dict[str, Any]) -> list[str]:
    """The bars that were not reached."""
    reached = {
        "bound": found["bound"] >= found["independent"] and not found["warned"],
        "correlation": found["correlation"] <= max(TOLERANCE, found["halves"]),
        "imputation": found["filled"] <= found["neighbours"],
    }
    return [name for name, yes in reached.items() if not yes]


def main() -> int:
    """Measure, print a line each, and write all as JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tables", description=__doc__.split("\n")[0])
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--only", nargs="*", help="names of tables")
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    results: dict[str, list[dict[str, Any]]] = {}
    for name, x in (table for folder in asked.folders for table in tables(folder)):
        if asked.only and name not in asked.only:
            continue
        for seed in asked.seeds:
            found = measure(x, seed)
            results.setdefault(name, []).append(found)
            numbers = "  ".join(f"{key} {value:.4g}" for key, value in found.items() if key != "warned")
            print(f"{name}  seed {seed}  {numbers}  misses: {', '.join(misses(found)) or 'none'}", flush=True)
            if asked.out:
                asked.out.write_text(json.dumps(results, indent=1))
    rows = [found for each in results.values() for found in each]
    gain = np.mean([found["neighbours"] - found["filled"] for found in rows])
    print(f"imputation better than nearest neighbours by {gain:.4f} on the average of {len(rows)} fits")
    return int(any(misses(found) for found in rows))


if __name__ == "__main__":
    sys.exit(main())
