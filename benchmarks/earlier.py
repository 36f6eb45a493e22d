"""This tree beside an earlier commit, in one run: seconds per epoch, and from a command to its first result.

`python -m benchmarks.earlier [--commit ae183ec] [--rounds N] [--repeats N]`

The epochs are those of `benchmarks.harness`, with the floor of matrix products beside both trees. The first result is
that of `aevb train digits --epochs 1`, from empty caches and then from the compilation cache that this filled, the two
trees one after the other in each repeat.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from . import machine, ratios, results
from .environments import HERE
from .harness import CONTESTANTS, Contestant, race, running, write_pixels

COMMIT = "ae183ec"
EPOCH_BAR, FIRST_RESULT_BAR, FLOOR_BAR = 1.02, 0.5, 1.3


@contextmanager
def checked_out(commit: str, folder: Path) -> Iterator[Path]:
    """A tree of the commit in `folder`, which goes away again."""
    git = ["git", "-C", str(HERE.parent), "worktree"]
    subprocess.run([*git, "add", "--quiet", "--detach", str(folder), commit], check=True)
    try:
        yield folder
    finally:
        subprocess.run([*git, "remove", "--force", str(folder)], check=True)


def seconds_to_result(root: Path, folder: Path, caches: Path) -> float:
    """From starting `aevb train digits --epochs 1` to its end."""
    environment = machine.cold_environment(caches) | {"PYTHONPATH": str(root / "src")}
    command = [
        "-m",
        "aevb",
        "train",
        "digits",
        "--epochs",
        "1",
        "--out",
        str(folder / "run"),
        "--overwrite",
        "--quiet",
    ]
    start = time.perf_counter()
    subprocess.run([sys.executable, *command], env=environment, cwd=folder, check=True, capture_output=True)
    return time.perf_counter() - start


def first_results(trees: dict[str, Path], repeats: int) -> dict[str, dict[str, list[float]]]:
    """Seconds from cold and warm caches, by tree, one for each repeat."""
    found: dict[str, dict[str, list[float]]] = {name: {"cold": [], "warm": []} for name in trees}
    for number in range(1, repeats + 1):
        for name, root in trees.items():
            with tempfile.TemporaryDirectory(prefix="aevb-first-") as folder:
                for state in ("cold", "warm"):
                    seconds = seconds_to_result(root, Path(folder), Path(folder) / "caches")
                    found[name][state].append(seconds)
        said = "  ".join(f"{name} {t['cold'][-1]:.1f}/{t['warm'][-1]:.1f}" for name, t in found.items())
        print(f"repeat {number}/{repeats}, cold/warm: {said}", flush=True)
    return found


def main() -> int:
    """Run both trees and keep the figures in results.json, section "earlier"."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.earlier", description="Beside an earlier commit."
    )
    parser.add_argument("--commit", default=COMMIT)
    parser.add_argument("--rounds", type=int, default=15, help="epochs timed per tree (default 15)")
    parser.add_argument("--repeats", type=int, default=3, help="first results timed per tree (default 3)")
    options = parser.parse_args()
    machine.use_cores()
    about = machine.describe()
    with tempfile.TemporaryDirectory(prefix="aevb-earlier-") as name:
        folder = Path(name)
        with checked_out(options.commit, folder / "tree") as tree:
            data = folder / "mnist.npy"
            write_pixels(data)
            chosen = {
                "aevb": CONTESTANTS["aevb"],
                "earlier": Contestant("aevb_epoch.py", None, EPOCH_BAR, root=tree),
                "floor": CONTESTANTS["floor"],
            }
            with running(chosen, data, folder) as workers:
                records, about["others_share"] = race(workers, options.rounds, seed=0)
            first = first_results({"aevb": HERE.parent, "earlier": tree}, options.repeats)
    ours = records["aevb"].seconds
    section: dict[str, Any] = {
        "machine": about,
        "commit": options.commit,
        "epoch_seconds": {name: median(record.seconds) for name, record in records.items()},
        "epoch": ratios.compare(ours, records["earlier"].seconds, EPOCH_BAR),
        "floor": ratios.compare(ours, records["floor"].seconds, FLOOR_BAR),
        "first_result_seconds": {k: {s: median(v) for s, v in t.items()} for k, t in first.items()},
        "first_result": {
            state: ratios.compare(first["aevb"][state], first["earlier"][state], FIRST_RESULT_BAR)
            for state in ("cold", "warm")
        },
    }
    results.update("earlier", section)
    print(f"wrote {results.JSON}\n{section}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
