"""Training inside a job: a model with the weights of given steps, from a run that can be resumed."""

import dataclasses
import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from aevb.assembly import Assembly, assemble
from aevb.datasets import Dataset
from aevb.errors import NonFiniteBoundError
from aevb.experiments.reproduce.experiment import Setting
from aevb.models import AutoEncoder
from aevb.recipe import Recipe
from aevb.run import trained_model
from aevb.storage import write_file
from aevb.trained import TrainedModel
from aevb.training import BAD_ENDS, TrainingData, load_checkpoint, save_checkpoint, train

CHECKPOINT_SECONDS = 20.0

Measure = Callable[[TrainedModel, int], Any]
Adapt = Callable[[AutoEncoder], AutoEncoder]


def only_training_rows(dataset: Dataset, n_rows: int | None = None) -> Dataset:
    """The first rows of a data set without its test rows, which training would evaluate at every epoch's end."""
    return dataclasses.replace(
        dataset, x_train=dataset.x_train[:n_rows], y_train=None, x_test=None, y_test=None
    )


def steps_of(samples: int, batch_size: int, n_rows: int) -> int:
    """Minibatches that see about so many training rows, at least one."""
    return max(1, round(samples / min(batch_size, n_rows)))


def trained(
    settings: Mapping[str, Any], dataset: Dataset, setting: Setting, adapt: Adapt = lambda model: model
) -> TrainedModel:
    """The model after training with the settings of a recipe.

    Args:
        settings: of the recipe, by name, `steps` among them.
        dataset: what to train on; test rows are left out.
        setting: the job's, whose folder keeps what the run is resumed from.
        adapt: changes the model before training.

    Raises:
        NonFiniteBoundError: training diverged.
    """
    run = _Run(settings, dataset, setting, adapt)
    return run.reach(settings["steps"])


def measured(
    settings: Mapping[str, Any],
    dataset: Dataset,
    setting: Setting,
    steps: Sequence[int],
    measure: Measure,
) -> list[Any]:
    """What `measure` finds of the model after each of these steps, as JSON.

    Args:
        settings: of the recipe, by name; `steps` is the last one's number.
        dataset: what to train on.
        setting: the job's, whose folder keeps what was found.
        steps: increasing.
        measure: from the model and its step to a result.

    Raises:
        NonFiniteBoundError: training diverged.
    """
    found_file = setting.folder / "found.json"
    found = json.loads(found_file.read_text()) if found_file.exists() else []
    run = _Run({**settings, "steps": steps[-1]}, dataset, setting)
    for step in steps[len(found) :]:
        found.append(measure(run.reach(step), step))
        write_file(found_file, json.dumps(found).encode())
    return found


class _Run:
    """A run that goes on from its last checkpoint."""

    def __init__(
        self,
        settings: Mapping[str, Any],
        dataset: Dataset,
        setting: Setting,
        adapt: Adapt = lambda model: model,
    ):
        self._dataset, self._show, self._steps = dataset, setting.show, settings["steps"]
        assembly: Assembly = assemble(Recipe.parse(dict(settings)), dataset)
        self._assembly = dataclasses.replace(assembly, autoencoder=adapt(assembly.autoencoder))
        self._data = TrainingData(assembly.data.train)
        self._checkpoint = setting.folder / "state.safetensors"
        self.state = self._assembly.start
        setting.folder.mkdir(parents=True, exist_ok=True)
        if self._checkpoint.exists():
            self.state = load_checkpoint(self._checkpoint, self.state, self._data.digest)

    def reach(self, step: int) -> TrainedModel:
        """The model after so many steps."""
        plan = dataclasses.replace(self._assembly.plan, steps=step, evaluate_every=step)
        saved_at = time.monotonic()
        if self.state.progress.step < step:
            progress = dataclasses.replace(self.state.progress, status="running")
            self.state = dataclasses.replace(self.state, progress=progress)
        try:
            for state in train(self.state, plan, self._data):
                self.state = state
                self._show(self.state.progress.step / self._steps)
                if time.monotonic() - saved_at > CHECKPOINT_SECONDS:
                    self._save()
                    saved_at = time.monotonic()
        finally:  # also of an interruption
            self._save()
        if self.state.progress.status in BAD_ENDS:
            raise NonFiniteBoundError(f"training diverged: {self.state.progress.message}")
        return trained_model(self.state, self._assembly.recipe, self._dataset, self._assembly)

    def _save(self) -> None:
        save_checkpoint(self._checkpoint, self.state, self._data.digest)
