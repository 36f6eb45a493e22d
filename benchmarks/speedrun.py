"""Wall-clock time from a cold start until the test bound of a VAE on MNIST passes the 2014 paper's best.

`python -m benchmarks.speedrun [--repeats 5] [COMMAND ...]`, where `{out}` in COMMAND stands for the run
folder and `{seed}` for the repeat's seed.
"""

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from . import machine, results

BOUND = -99.3
BAR_SECONDS = 40.0
POLL_SECONDS = 0.02
ARGUMENTS = ["train", "mnist", "--config", "mnist-fast", "--seed", "{seed}", "--out", "{out}"]


@dataclass(frozen=True)
class Run:
    """When the bound was passed (None: never), at which epoch, and when the process ended."""

    seed: int
    seconds: float | None
    epoch: float | None
    test_bound: float | None
    total_seconds: float


def first_passing(metrics: Path, bound: float) -> dict[str, float] | None:
    """Return the first whole line of a metrics file whose `test_bound` lies above the bound."""
    if not metrics.exists():
        return None
    for line in metrics.read_text().splitlines(keepends=True):
        if line.endswith("\n"):  # the rest is being written
            record = json.loads(line)
            if (record.get("test_bound") or -math.inf) > bound:
                return record
    return None


def time_to_bound(command: list[str], seed: int, folder: Path, bound: float = BOUND) -> Run:
    """Start the command and watch its metrics; raise if it fails."""
    out, log = folder / "run", folder / "log.txt"
    words = [word.replace("{out}", str(out)).replace("{seed}", str(seed)) for word in command]
    start = time.monotonic()
    with log.open("w") as said:
        process = subprocess.Popen(words, stdout=said, stderr=said, env=machine.cold_environment(folder))
    try:
        while True:
            ended = process.poll() is not None  # asked first, so that the last line is still read
            passed = first_passing(out / "metrics.jsonl", bound)
            seconds = time.monotonic() - start
            if ended or passed is not None:
                break
            time.sleep(POLL_SECONDS)
        status = process.wait()
    except BaseException:
        process.kill()
        raise
    total = time.monotonic() - start
    if status != 0:
        raise RuntimeError(f"{' '.join(words)} ended with status {status}:\n{log.read_text()[-2000:]}")
    if passed is None:
        return Run(seed, None, None, None, total)
    return Run(seed, seconds, passed["epoch"], passed["test_bound"], total)


def summary(runs: list[Run]) -> dict[str, float | str | None]:
    """Return the median time and the verdict; a run that never passed counts as infinitely slow."""
    middle = median(math.inf if run.seconds is None else run.seconds for run in runs)
    return {
        "median_seconds": middle if math.isfinite(middle) else None,
        "bar": BAR_SECONDS,
        "verdict": "met" if middle <= BAR_SECONDS else "missed",
    }


def main() -> int:
    """Repeat the run from scratch and write the section."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speedrun", description="Time to the bound.")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("command", nargs=argparse.REMAINDER, help="in place of `aevb train mnist ...`")
    options = parser.parse_args()
    machine.use_cores()
    about = machine.describe()
    command = options.command or [sys.executable, "-m", "aevb", *ARGUMENTS]
    runs = []
    for seed in range(options.repeats):
        with tempfile.TemporaryDirectory(prefix="aevb-speedrun-") as folder:
            runs.append(time_to_bound(command, seed, Path(folder)))
        print(runs[-1], flush=True)
    shown = (
        " ".join(options.command or ["aevb", *ARGUMENTS]).replace("{out}", "OUT").replace("{seed}", "SEED")
    )
    section = {"machine": about, "command": shown, "bound": BOUND, "runs": [asdict(run) for run in runs]}
    results.update("speedrun", section | summary(runs))
    return 0


if __name__ == "__main__":
    sys.exit(main())
