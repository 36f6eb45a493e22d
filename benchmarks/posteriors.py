"""Seconds per epoch with one posterior or another, relative to a Gaussian one, and to aevb before families came.

`python -m benchmarks.posteriors [--rounds N] [--seed N]`; the race is that of `benchmarks.harness`. The older aevb is
taken from the repository's history.
"""

import argparse
import subprocess
import sys
import tarfile
import tempfile
from io import BytesIO
from pathlib import Path
from statistics import median
from typing import Any

from . import machine, ratios, results
from .environments import HERE
from .harness import Contestant, Record, race, running, write_pixels

BEFORE = "140ab31"  # the last commit with Gaussian posteriors only
REFERENCE = "gaussian"
# For each contestant the bar for it / the Gaussian posterior; for the older aevb that of the Gaussian one / it.
BARS = {"gamma": 2.0, "dirichlet": 2.0, "beta": 3.0}
BEFORE_BAR = 1.0


def contestants(older: Path) -> dict[str, Contestant]:
    """The older aevb, whose tree is in the folder, the Gaussian posterior and the others."""
    now = {name: Contestant("aevb_epoch.py", None, None, arguments=(name,)) for name in (REFERENCE, *BARS)}
    return {"before": Contestant("aevb_epoch.py", None, None, root=older), **now}


def extract(revision: str, folder: Path) -> None:
    """Put the sources and the workers of a revision into a folder."""
    command = ["git", "-C", str(HERE.parent), "archive", revision, "src", "benchmarks/peers"]
    archive = subprocess.run(command, check=True, capture_output=True).stdout
    with tarfile.open(fileobj=BytesIO(archive)) as tar:
        tar.extractall(folder, filter="data")


def section(records: dict[str, Record], seed: int, about: dict[str, Any]) -> dict[str, Any]:
    """Return the section "posteriors" of results.json: raw timings, medians and ratios."""
    gaussian = records[REFERENCE].seconds
    compared = {name: ratios.compare(records[name].seconds, gaussian, bar) for name, bar in BARS.items()}
    compared["before"] = ratios.compare(gaussian, records["before"].seconds, BEFORE_BAR)
    return {
        "machine": about,
        "seed": seed,
        "before": BEFORE,
        "contestants": {
            name: {
                **vars(record),
                "median_seconds": median(record.seconds),
                **({"ratio": compared[name]} if name in compared else {}),
            }
            for name, record in records.items()
        },
    }


def main() -> int:
    """Run the race and write its results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.posteriors", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="epochs timed per contestant (default 15)")
    parser.add_argument("--seed", type=int, default=0, help="of the order within each round")
    options = parser.parse_args()
    machine.use_cores()
    about = machine.describe()
    with tempfile.TemporaryDirectory(prefix="aevb-bench-") as name:
        folder = Path(name)
        write_pixels(folder / "mnist.npy")
        extract(BEFORE, folder / "before")
        with running(contestants(folder / "before"), folder / "mnist.npy", folder) as workers:
            records, about["others_share"] = race(workers, options.rounds, options.seed)
    results.update("posteriors", section(records, options.seed, about))
    print(f"wrote {results.JSON} and {results.MARKDOWN}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
