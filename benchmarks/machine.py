"""The machine that a benchmark ran on, the cores it may use, and the environment of what it starts."""

import os
import platform
import time
from pathlib import Path
from typing import Any

CORES = 2


def use_cores(count: int = CORES) -> None:
    """Confine this process, and all that it starts, to `count` cores (Linux only)."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:count])


def environment(threads: int = CORES) -> dict[str, str]:
    """Return the environment of a worker: the CPU only, `threads` threads, output unbuffered.

    OMP_WAIT_POLICY stays as it is: `passive` made PyTorch's epochs half as long again, and idle workers burn
    no time under the default. The price: beside other busy processes an epoch of PyTorch can take many times
    longer, so run this on a quiet machine.
    """
    return os.environ | {
        "CUDA_VISIBLE_DEVICES": "",
        "JAX_PLATFORMS": "cpu",
        "MKL_NUM_THREADS": str(threads),
        "OMP_NUM_THREADS": str(threads),
        "PYTHONUNBUFFERED": "1",
    }


def cold_environment(folder: Path) -> dict[str, str]:
    """Return `environment()` with the caches of compiled programs, fonts and downloads empty, in `folder`."""
    caches = {"JAX_COMPILATION_CACHE_DIR": "jax", "MPLCONFIGDIR": "matplotlib", "XDG_CACHE_HOME": "cache"}
    return environment() | {name: str(folder / below) for name, below in caches.items()}


def describe() -> dict[str, Any]:
    """Return the CPU, the cores, the memory, the load before the run, and the date."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "cores_used": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "load_before": round(os.getloadavg()[0], 2),
        "system": platform.system(),
        "python": platform.python_version(),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
    }


class Others:
    """How much of our cores processes other than ours have used since this was made (Linux only)."""

    def __init__(self, ours: list[int]) -> None:
        self._ours = [os.getpid(), *ours]
        self._start = self._now()

    def share(self) -> float | None:
        """Return the others' busy time as a fraction of all our cores' time; None where it is not known."""
        now = self._now()
        if now is None or self._start is None:
            return None
        cores, others = (b - a for a, b in zip(self._start, now, strict=True))
        return max(0.0, others / cores)

    def _now(self) -> tuple[float, float] | None:
        """Return the time of our cores so far, and of that what was spent on neither idling nor us, in ticks."""
        if not Path("/proc/stat").exists():
            return None
        ours = {f"cpu{core}" for core in os.sched_getaffinity(0)}
        lines = [line.split() for line in Path("/proc/stat").read_text().splitlines()]
        # user, nice, system, idle, iowait, irq, softirq, steal
        cores = [[int(ticks) for ticks in line[1:9]] for line in lines if line[0] in ours]
        total = sum(sum(ticks) for ticks in cores)
        idle = sum(ticks[3] + ticks[4] for ticks in cores)
        return total, total - idle - sum(_ticks(pid) for pid in self._ours)


def _ticks(pid: int) -> int:
    """Return the processor time of a process, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def _cpu_model() -> str:
    """Return the processor's name as the system gives it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
