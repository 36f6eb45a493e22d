"""Seconds per epoch of one and the same VAE on MNIST: `aevb`, its competitors, and a floor, side by side.

`python -m benchmarks.harness [--rounds N] [--seed N] [--only NAME ...] [--data FILE.npy]`

Every contestant is a process of its own that stays up for the whole run; in each round every one trains one
epoch while the others wait, in random order, so that what else the machine does falls on all of them alike.
A run of all contestants writes results.json and RESULTS.md; a run of some (`--only`) only prints.
"""

import argparse
import contextlib
import json
import math
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import Any, Self

from . import machine, ratios, results
from .environments import HERE, python_of

WARM_UP_EPOCHS = 2


@dataclass(frozen=True)
class Contestant:
    """A worker's script, its environment (None: the project's own) and the bar for aevb / it.

    `arguments` follow the data on the script's command line; `root` is the tree that holds the script and, in
    `src`, the aevb that it runs, where that is not this one.
    """

    script: str
    environment: str | None
    bar: float | None
    arguments: tuple[str, ...] = ()
    root: Path | None = None


CONTESTANTS = {
    "aevb": Contestant("aevb_epoch.py", None, None),
    "pytorch": Contestant("pytorch_script.py", "pytorch", 0.30),
    "pytorch-tensors": Contestant("pytorch_tensors.py", "pytorch", None),
    "pythae": Contestant("pythae_vae.py", "pythae", 0.40),
    "pyro": Contestant("pyro_svi.py", "pyro", 0.35),
    "numpyro": Contestant("numpyro_scan.py", "numpyro", 1.05),
    "floor": Contestant("floor.py", None, 1.5),
}


class WorkerError(RuntimeError):
    """A worker ended or answered something else than its protocol."""


class Worker:
    """A running contestant; see peers/worker.py for what is said over the pipes."""

    def __init__(self, name: str, contestant: Contestant, data: Path, folder: Path) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        python, root = python_of(contestant.environment), contestant.root or HERE.parent
        environment = machine.environment()
        if contestant.root is not None:
            environment["PYTHONPATH"] = str(contestant.root / "src")
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [python, root / "benchmarks" / "peers" / contestant.script, data, *contestant.arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment,
                cwd=folder,
                text=True,
            )
        self.versions: dict[str, str] = json.loads(self._answer().removeprefix("ready "))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._say("quit")
        else:
            self.process.kill()
        self.process.wait()

    def epoch(self) -> tuple[float, float]:
        """Have one epoch trained; return its seconds and its mean negative bound."""
        self._say("epoch")
        answer = json.loads(self._answer())
        if not math.isfinite(answer["loss"]):
            raise WorkerError(f"{self.name} diverged: its loss is {answer['loss']}")
        return answer["seconds"], answer["loss"]

    def _say(self, line: str) -> None:
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # a dead worker shows when its answer is read
            print(line, file=self.process.stdin, flush=True)

    def _answer(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline().strip()
        if not line:
            said = "\n".join(self.log.read_text().splitlines()[-20:])
            raise WorkerError(f"{self.name} ended without an answer; its last words:\n{said}")
        return line


@dataclass
class Record:
    """What a worker has done: its versions, and seconds and loss of each epoch."""

    versions: dict[str, str]
    warm_up_seconds: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)


@contextlib.contextmanager
def running(contestants: dict[str, Contestant], data: Path, folder: Path) -> Iterator[dict[str, Worker]]:
    """Start a worker for each contestant, one after the other, and end them all."""
    for contestant in contestants.values():
        python_of(contestant.environment)  # made now, not while others already run
    with contextlib.ExitStack() as stack:
        yield {
            name: stack.enter_context(Worker(name, contestant, data, folder))
            for name, contestant in contestants.items()
        }


def race(workers: dict[str, Worker], rounds: int, seed: int) -> tuple[dict[str, Record], float | None]:
    """Warm every worker up, then train an epoch of each per round, in random order.

    The second value is the share of the cores that others used while it was timed.
    """
    records = {name: Record(worker.versions) for name, worker in workers.items()}
    for name, worker in workers.items():
        records[name].warm_up_seconds = [worker.epoch()[0] for _ in range(WARM_UP_EPOCHS)]
    order = random.Random(seed)
    others = machine.Others([worker.process.pid for worker in workers.values()])
    for number in range(1, rounds + 1):
        for name in order.sample(list(workers), len(workers)):
            seconds, loss = workers[name].epoch()
            records[name].seconds.append(seconds)
            records[name].loss.append(loss)
        said = "  ".join(f"{name} {record.seconds[-1]:.2f}" for name, record in records.items())
        print(f"round {number}/{rounds}: {said}", flush=True)
    return records, others.share()


def section(records: dict[str, Record], seed: int, about: dict[str, Any]) -> dict[str, Any]:
    """Return the section "epoch" of results.json: raw timings, medians, and ratios where aevb took part."""
    contestants = {
        name: vars(record) | {"median_seconds": median(record.seconds)} for name, record in records.items()
    }
    if "aevb" in records:
        for name, record in records.items():
            if name != "aevb":
                comparison = ratios.compare(records["aevb"].seconds, record.seconds, CONTESTANTS[name].bar)
                contestants[name]["aevb_ratio"] = comparison
    return {"machine": about, "seed": seed, "warm_up_epochs": WARM_UP_EPOCHS, "contestants": contestants}


def write_pixels(path: Path) -> None:
    """Write the training pixels as uint8, for workers that do not have aevb."""
    import numpy as np

    from aevb.datasets import load

    np.save(path, np.rint(np.asarray(load("mnist").x_train) * 255).astype(np.uint8))


def main() -> int:
    """Run the race, then write or print its results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.harness", description="Seconds per epoch.")
    parser.add_argument("--rounds", type=int, default=15, help="epochs timed per contestant (default 15)")
    parser.add_argument("--seed", type=int, default=0, help="of the order within each round")
    parser.add_argument("--only", nargs="+", choices=CONTESTANTS, help="these only; nothing is written")
    parser.add_argument("--data", type=Path, help="uint8 pixels (60000, 784), .npy; default: aevb's MNIST")
    options = parser.parse_args()
    machine.use_cores()
    about = machine.describe()
    with tempfile.TemporaryDirectory(prefix="aevb-bench-") as name:
        folder = Path(name)
        data = options.data.resolve() if options.data else folder / "mnist.npy"
        if not options.data:
            write_pixels(data)
        chosen = {name: CONTESTANTS[name] for name in options.only or CONTESTANTS}
        with running(chosen, data, folder) as workers:
            records, about["others_share"] = race(workers, options.rounds, options.seed)
    epoch = section(records, options.seed, about)
    if options.only:
        print(results.render({"epoch": epoch}))
    else:
        results.update("epoch", epoch)
        print(f"wrote {results.JSON} and {results.MARKDOWN}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
