"""Peak memory of `aevb train mnist`, and wall-clock time of the command that `make demo` runs.

`python -m benchmarks.memory_and_demo [COMMAND ...]`: COMMAND is the demo's, `{out}` in it stands for the run
folder; without it, the demo is `aevb train mnist --out {out}`, run once for both numbers.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from . import machine, results

BAR_GB = 1.5
BAR_SECONDS = 180.0
TRAIN = ["train", "mnist", "--out", "{out}"]


def measure(command: list[str]) -> tuple[float, float]:
    """Run a command with empty caches; return its seconds and its peak resident memory in GB."""
    with tempfile.TemporaryDirectory(prefix="aevb-bench-") as name:
        folder = Path(name)
        words = [word.replace("{out}", str(folder / "run")) for word in command]
        start = time.monotonic()
        process = subprocess.Popen(words, env=machine.cold_environment(folder))
        _, status, usage = os.wait4(process.pid, 0)  # of this child and of what it waited for, not of others
        seconds = time.monotonic() - start
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(words)} ended with status {process.returncode}")
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, kibibytes on Linux
    return seconds, usage.ru_maxrss * unit / 1e9


def section(value: float, bar: float, command: list[str], about: dict[str, Any]) -> dict[str, Any]:
    """Return a section of results.json for one number and its bar."""
    shown = " ".join(command).replace("{out}", "OUT")
    said = "met" if value <= bar else "missed"
    return {"machine": about, "command": shown, "value": value, "bar": bar, "verdict": said}


def main() -> int:
    """Measure both and write the sections "memory" and "demo"."""
    machine.use_cores()
    about = machine.describe()
    demo = sys.argv[1:]
    seconds, peak = measure([sys.executable, "-m", "aevb", *TRAIN])
    if demo:
        seconds, _ = measure(demo)
    train = ["aevb", *TRAIN]
    results.update("memory", section(peak, BAR_GB, train, about))
    results.update("demo", section(seconds, BAR_SECONDS, demo or train, about))
    print(f"peak memory {peak:.2f} GB, demo {seconds:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
