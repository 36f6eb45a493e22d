"""The ten-epoch training log of a widely used tutorial."""

import functools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from aevb.assembly import assemble
from aevb.experiments.reproduce.curve import dataset_for
from aevb.experiments.reproduce.experiment import Experiment, Job, Results, Setting, Size, Verdict
from aevb.experiments.reproduce.published import tutorial_log
from aevb.experiments.reproduce.written import nats, table
from aevb.plots import epoch_log
from aevb.recipe import Recipe
from aevb.training import train

EPOCHS = 10
SEEDS = 5
TOLERANCE = 0.5  # nats at the last epoch; after the first, where a step more or less shows, the triple
SPLITS = ("train", "test")
SETTINGS = {"latents": 20, "hidden": (400,), "activation": "relu", "learning_rate": 1e-3, "batch_size": 128}


class TutorialLog(Experiment):
    """The bound after each of ten epochs, over several seeds."""

    name: ClassVar[str] = "tutorial-log"
    title: ClassVar[str] = "The training log of a tutorial"
    source: ClassVar[str] = (
        "The log of a widely used PyTorch tutorial: 784-400-20-400-784, ReLU, Adam with step 1e-3, minibatches of 128, "
        "grey MNIST under a Bernoulli, one sample"
    )
    full_minutes: ClassVar[float] = 2.0

    def jobs(self, size: Size, data_dir: Path | None) -> Sequence[Job]:
        """A run for each seed; fewer of them at a small size, of fewer epochs where it is one."""
        budget = size.share * SEEDS * EPOCHS
        n_seeds = max(1, math.floor(budget / EPOCHS))
        epochs = min(EPOCHS, max(1, round(budget / n_seeds)))
        return [Job(f"seed-{seed}", functools.partial(_log, seed, epochs)) for seed in range(n_seeds)]

    def verdicts(self, results: Results, size: Size) -> Sequence[Verdict]:
        """Test bounds beside the published ones."""
        if size.data:
            return []
        bounds = _bounds(results, "test")
        n_epochs = bounds.shape[1]
        return [_verdict(epoch, bounds[:, epoch - 1]) for epoch in tutorial_log() if epoch <= n_epochs]

    def figures(self, results: Results, size: Size) -> Mapping[str, Figure]:
        """The mean over seeds with its range, and the published values."""
        ours = [(f"{split} rows", _bounds(results, split)) for split in SPLITS]
        epochs = list(range(1, ours[0][1].shape[1] + 1))
        log = {} if size.data else tutorial_log()
        published = [
            (f"{split} rows", np.array([(epoch, row[i]) for epoch, row in log.items()]).reshape(-1, 2))
            for i, split in enumerate(SPLITS)
        ]
        return {self.name: epoch_log(epochs, ours, published if log else [])}

    def tables(self, results: Results, size: Size) -> str:
        """Every epoch's bounds."""
        train, test = (_bounds(results, split) for split in SPLITS)
        log = {} if size.data else tutorial_log()
        rows = []
        for i in range(train.shape[1]):
            published = log.get(i + 1, (None, None))
            ours = (nats(values[:, i].mean(), 2) for values in (train, test))
            rows.append((str(i + 1), *ours, *(nats(value, 2) for value in published)))
        header = ("epoch", "train", "test", "published train", "published test")
        return (
            f"## Bounds, nats per data point, mean of {len(train)} seed{'s' * (len(train) > 1)}\n\n"
            + table(header, rows)
        )

    def notes(self, size: Size) -> str:
        """What the numbers are."""
        return (
            "- The training bound is the mean over an epoch of what training saw, so it lags behind the "
            "weights; the test bound is that of all test rows after the epoch.\n- Pixels are grey and the likelihood "
            "is Bernoulli, as in the tutorial: the bound is one on a cross-entropy, not on a log density.\n- Settings "
            "are the defaults of `aevb train mnist`."
        )


def _log(seed: int, epochs: int, setting: Setting, _: Results) -> dict[str, list[float]]:
    """The bounds of each epoch. A run takes well under a minute: it is not resumed but started again."""
    data = setting.size.data or "mnist"
    assembly = assemble(
        Recipe.parse({**SETTINGS, "data": data, "epochs": epochs, "seed": seed}),
        dataset_for(data, setting.data_dir),
    )
    state = assembly.start
    for state in train(assembly.start, assembly.plan, assembly.data):
        setting.show(state.progress.samples_seen / (epochs * len(assembly.data.train)))
    return {split: [record[f"{split}_bound"] for record in state.progress.history] for split in SPLITS}


def _bounds(results: Results, split: str) -> Float[np.ndarray, "seeds epochs"]:
    return np.array([result[split] for result in results.values()])


def _verdict(epoch: int, bounds: Float[np.ndarray, " seeds"]) -> Verdict:
    published = tutorial_log()[epoch][1]
    difference = float(bounds.mean()) - published
    error = f" ± {bounds.std(ddof=1) / math.sqrt(len(bounds)):.2f}" if len(bounds) > 1 else ""
    where = "ahead of" if difference >= 0 else "behind"
    allowed = TOLERANCE * (3 if epoch == 1 else 1)
    text = (
        f"After epoch {epoch} the test bound is {where} the published one by {abs(difference):.2f}{error} nats "
        f"({nats(bounds.mean(), 2)}, published {nats(published, 2)}); up to {allowed:g} behind counts as equal."
    )
    return Verdict(text, difference >= -allowed)
