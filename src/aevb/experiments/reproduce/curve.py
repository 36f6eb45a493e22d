"""A training curve: the bound after given numbers of training samples, from a run that can be resumed."""

import dataclasses
import functools
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from aevb.datasets import Dataset, describe, load
from aevb.errors import NonFiniteBoundError
from aevb.experiments.reproduce.experiment import Setting
from aevb.experiments.reproduce.training_jobs import measured
from aevb.trained import TrainedModel

TRAIN_ROWS = 10_000  # on which the training bound is measured, as many as MNIST has test rows
FIRST_POINT = 100_000
POINTS_PER_DECADE = 8

Record = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Curve:
    """What a run went through.

    Args:
        records: at each point `samples_seen`, and `train_bound` and `test_bound` in nats per data point. The first is
            that of the first `TRAIN_ROWS` training rows at the weights of that moment, not of rows as they were
            trained on.
        message: why the run ended early, as its bound was not finite any more; empty if it did not.
    """

    records: list[Record]
    message: str = ""

    @property
    def result(self) -> dict[str, Any]:
        """The numbers, as a job returns them."""
        return dataclasses.asdict(self)


@functools.lru_cache(maxsize=2)
def dataset_for(name: str, data_dir: Path | None) -> Dataset:
    """A named data set, loaded once."""
    return load(name, data_dir=data_dir)


def is_here(name: str, data_dir: Path | None) -> bool:
    """Whether a named data set can be loaded without a download."""
    return any(info.name == name and info.present for info in describe(data_dir))


def sample_points(total: int, batch_size: int) -> list[int]:
    """Up to `total`, evenly on a logarithmic scale and in whole minibatches, powers of ten among them.

    Example:
        >>> sample_points(1_000_000, 100)[:2], sample_points(1_000_000, 100)[-1], len(sample_points(10**7, 100))
        ([10000, 13300], 1000000, 17)
    """
    first = min(FIRST_POINT, total / 100)
    exponents = range(
        math.ceil(POINTS_PER_DECADE * math.log10(first)),
        math.floor(POINTS_PER_DECADE * math.log10(total)) + 1,
    )
    wanted = [*(10 ** (k / POINTS_PER_DECADE) for k in exponents), total]
    return sorted({batch_size * max(1, round(n / batch_size)) for n in wanted})


def train_curve(settings: Mapping[str, Any], samples: Sequence[int], setting: Setting) -> Curve:
    """Train with the settings of a recipe, and measure the bound after these numbers of samples.

    Args:
        settings: of the recipe, by name. Its `steps` are those to the last point.
        samples: numbers of training samples seen, increasing; each is passed by less than a minibatch.
        setting: the job's, or that of one of its parts; its folder keeps what the run is resumed from.
    """
    dataset = dataset_for(settings["data"], setting.data_dir)
    n_rows, batch_size = len(dataset.x_train), settings["batch_size"]
    steps = [steps_to(n, n_rows, batch_size) for n in samples]

    def measure(model: TrainedModel, step: int) -> Record:
        seen = samples_after(step, n_rows, batch_size)
        return {"samples_seen": seen, **mean_bounds(model, dataset)}

    try:
        return Curve(measured(settings, dataset, setting, steps, measure))
    except NonFiniteBoundError as error:
        found = setting.folder / "found.json"  # what `measured` keeps of the points before
        return Curve(json.loads(found.read_text()) if found.exists() else [], str(error))


def steps_to(samples: int, n_rows: int, batch_size: int) -> int:
    """Minibatches after which so many training samples have been seen, or a few more.

    Example:
        >>> steps_to(60_000, 60_000, 100), steps_to(350, 250, 100), steps_to(300, 250, 100)
        (600, 4, 4)
    """
    epochs, rest = divmod(samples, n_rows)
    return epochs * math.ceil(n_rows / batch_size) + math.ceil(rest / batch_size)


def samples_after(step: int, n_rows: int, batch_size: int) -> int:
    """Training samples seen after so many minibatches, of which the last one of an epoch may be smaller.

    Example:
        >>> samples_after(600, 60_000, 100), samples_after(4, 250, 100)
        (60000, 350)
    """
    epochs, rest = divmod(step, math.ceil(n_rows / batch_size))
    return epochs * n_rows + rest * batch_size


def mean_bounds(model: TrainedModel, dataset: Dataset) -> Record:
    """The mean bound of the first `TRAIN_ROWS` training rows and of all test rows, in the same noise every time."""
    rows = {"train_bound": dataset.x_train[:TRAIN_ROWS], "test_bound": dataset.x_test}
    return {
        name: float(np.mean(model.bounds(x)["bound"], dtype=np.float64))
        for name, x in rows.items()
        if x is not None
    }
