"""The test bound of the tutorial network at epochs 1 and 10, mean of five seeds, against the published log.

`python -m benchmarks.tutorial`: 784-400-20-400-784, ReLU, Adam 1e-3, minibatches of 128, grey MNIST under a
Bernoulli, one sample: the defaults of `aevb train mnist`.
"""

import sys
from collections import deque
from statistics import mean, stdev

from . import machine, results

SEEDS = range(5)
# A widely used PyTorch tutorial's log, negated: epoch, published test bound, how far below it we may end.
PUBLISHED = ((1, -127.30, 1.5), (10, -105.56, 0.5))


def test_bounds(seed: int) -> list[float]:
    """Train with one seed; return the test bound after each epoch."""
    from aevb.assembly import assemble
    from aevb.datasets import load
    from aevb.recipe import Recipe
    from aevb.training import train

    assembly = assemble(Recipe(seed=seed), load("mnist"))
    states = train(assembly.start, assembly.plan, assembly.data)
    return [record["test_bound"] for record in deque(states, maxlen=1).pop().progress.history]


def main() -> int:
    """Train with every seed and write the section "tutorial"."""
    machine.use_cores()
    about = machine.describe()
    runs = {str(seed): test_bounds(seed) for seed in SEEDS}
    rows = []
    for epoch, published, allowed in PUBLISHED:
        bounds = [run[epoch - 1] for run in runs.values()]
        error = stdev(bounds) / len(bounds) ** 0.5
        bar = published - allowed
        verdict = "met" if mean(bounds) >= bar else "missed"
        row = {"epoch": epoch, "published": published, "mean": mean(bounds), "standard_error": error}
        rows.append(row | {"bar": bar, "verdict": verdict})
        print(rows[-1])
    results.update("tutorial", {"machine": about, "runs": runs, "rows": rows})
    return 0


if __name__ == "__main__":
    sys.exit(main())
