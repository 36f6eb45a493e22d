"""The folder that a training run leaves behind, and how a run is started, interrupted and resumed.

recipe.toml      the settings
metrics.jsonl    a line per evaluation
summary.json     what came out
rows.safetensors a digest of each row of a file, by split: which rows they were, whatever becomes of the file
model/           the model, as data
checkpoint/      the state to resume from
figures/         pictures
evaluation.json  how good it is, once `aevb evaluate` was asked
data.json        where the data were
.lock            what keeps other processes out while one writes, .holder.json which that is or was

A process may end at any moment. The recipe is the first file of a run to be written and the first to be deleted:
where it is, the run can be resumed, and where it is not, what is left of a run is in nobody's way.
"""

import dataclasses
import json
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax

from aevb.assembly import Assembly, assemble
from aevb.data_location import DataLocation
from aevb.datasets import NAMES, Dataset, RowDigests, load
from aevb.errors import (
    BlownUpError,
    InvalidModelFileError,
    InvalidRecipeError,
    NonFiniteBoundError,
    RunFolderError,
)
from aevb.folder_lock import FolderLock
from aevb.inference.for_use import for_use
from aevb.models import learned
from aevb.recipe import Recipe, read_settings
from aevb.specs import flattened
from aevb.storage import append_to_file, remove, sweep, write_file
from aevb.trained import TrainedModel
from aevb.training import Progress, TrainingState, load_checkpoint, save_checkpoint, train

CHECKPOINT_SECONDS = 20.0
# Commands that look at a run draw and note what they find, without its lock. None takes so long for a file.
LONGEST_WRITE_SECONDS = 3600.0
BUDGETS = ("epochs", "steps", "minutes")


class RunFolder:
    """The paths in a run's folder."""

    def __init__(self, path: Path):
        self.path = path
        self.recipe = path / "recipe.toml"
        self.metrics = path / "metrics.jsonl"
        self.summary = path / "summary.json"
        self.model = path / "model"
        self.checkpoint = path / "checkpoint" / "state.safetensors"
        self.figures = path / "figures"
        self.rows = path / "rows.safetensors"
        self.evaluation = path / "evaluation.json"
        self.location = path / "data.json"
        self.lock = FolderLock(path)

    @property
    def holds_run(self) -> bool:
        """Whether a run was started here; a recipe alone may be anyone's."""
        begun = self.lock.was_held or self.metrics.is_file() or self.checkpoint.parent.is_dir()
        return self.recipe.is_file() and begun

    @property
    def is_free(self) -> bool:
        """Whether there is nothing in it that is not ours to replace: at most what is left of a run."""
        if not self.path.exists() or not any(not self.lock.is_own(path) for path in self.path.iterdir()):
            return True
        return self.lock.was_held and not self.recipe.is_file()

    @property
    def _written(self) -> tuple[Path, ...]:
        """What is written under the lock; the recipe is the first."""
        records = (self.summary, self.metrics, self.rows, self.location)
        return (self.recipe, self.checkpoint.parent, self.model, *records)

    def clear(self) -> None:
        """Delete the run, and nothing else that somebody may have put beside it."""
        for path in (*self._written, *self.path.glob("evaluation*.json"), self.figures):
            remove(path)

    def sweep(self) -> None:
        """Delete what killed processes left half written."""
        for path in (*self._written, self.checkpoint):
            sweep(path.parent, path.name)
        for folder in (self.path, self.figures):
            sweep(folder, seconds=LONGEST_WRITE_SECONDS)


@dataclasses.dataclass(frozen=True)
class Run:
    """A run that is ready to go on, from its start or from its last checkpoint.

    Its folder is locked for as long as this object, or one that was made from it, is there.

    Args:
        folder: where it writes.
        recipe: its settings.
        dataset: its data.
        assembly: what it trains.
        state: where it is.
    """

    folder: RunFolder
    recipe: Recipe
    dataset: Dataset
    assembly: Assembly
    state: TrainingState

    @property
    def trained(self) -> TrainedModel:
        """The model that the run stands for at this point."""
        return trained_model(self.state, self.recipe, self.dataset, self.assembly)

    @property
    def is_complete(self) -> bool:
        """Whether its budget is used up, or it stopped early: there is nothing left to train."""
        return self.state.progress.status in ("finished", "stopped early")


def trained_model(state: TrainingState, recipe: Recipe, dataset: Dataset, assembly: Assembly) -> TrainedModel:
    """What a training state has learned, with what is needed to use it."""
    return TrainedModel(
        for_use(state.chosen, recipe.seed),
        assembly.preparation,
        recipe,
        assembly.is_normalized,
        dataset.feature_names,
        dataset.image_shape,
    )


def start(
    settings: Mapping[str, Any], out: Path, *, overwrite: bool = False, data_dir: Path | None = None
) -> Run:
    """A new run in a new folder.

    Args:
        settings: of the recipe, by name; the others are at their defaults.
        out: the folder. One that is there and not empty is refused, unless `overwrite` and it is a run's.
        overwrite: delete the run that is in the folder.
        data_dir: where to look for named data sets.

    Raises:
        AevbError: settings, data or folder cannot be used, or another process is using the folder; nothing has been
            deleted or written then.
    """
    recipe = Recipe.parse(dict(settings))
    folder = RunFolder(out)
    _check_free(folder, overwrite)
    dataset = load_dataset(recipe, data_dir)
    assembly = assemble(recipe, dataset)
    with folder.lock.unless_it_fails():
        _check_free(folder, overwrite)  # another process may have been faster
        folder.clear()
        recipe = assembly.recipe
        write_file(folder.recipe, recipe.to_toml().encode())
        DataLocation(recipe.data, data_dir).write(folder.location)
        _write_rows(folder, recipe, dataset)
        folder.checkpoint.parent.mkdir()
        write_file(folder.metrics, b"")
    return Run(folder, recipe, dataset, assembly, assembly.start)


def resume(
    settings: Mapping[str, Any],
    out: Path,
    *,
    data_dir: Path | None = None,
    names: Mapping[str, str] | None = None,
) -> Run:
    """The run in a folder, at its last checkpoint.

    Args:
        settings: what was asked for this time. They must be the run's own, except that a budget may be extended.
        out: the folder.
        data_dir: where to look for named data sets.
        names: what the user calls a setting, if that is not its flat name.

    Raises:
        AevbError: there is no run, another process is using it, it was made with other settings or other data, or its
            checkpoint is damaged.
    """
    folder = RunFolder(out)
    if not folder.holds_run:
        what = "it is no run's folder" if out.exists() else "there is no such folder"
        raise RunFolderError(f"no run to resume in {out}: {what}. Leave --resume out to start one.")
    with folder.lock.unless_it_fails():
        folder.sweep()
        stored = read_settings(str(folder.recipe))
        wanted = _same_recipe(stored, settings, folder, names)
        return _resumed(folder, wanted, wanted != Recipe.parse(stored), data_dir)


def _resumed(folder: RunFolder, recipe: Recipe, extended: bool, data_dir: Path | None) -> Run:
    dataset = load_dataset(recipe, data_dir, folder)
    assembly = assemble(recipe, dataset)
    recipe, state = assembly.recipe, assembly.start
    if folder.checkpoint.exists():
        state = load_checkpoint(folder.checkpoint, state, assembly.data.digest)
    _check_budget(state, recipe, folder)
    if state.progress.status == "interrupted" or (state.progress.status == "finished" and extended):
        state = dataclasses.replace(state, progress=dataclasses.replace(state.progress, status="running"))
    folder.checkpoint.parent.mkdir(exist_ok=True)
    write_file(folder.recipe, recipe.to_toml().encode())
    DataLocation(recipe.data, data_dir).found(folder.location).write(folder.location)
    if not folder.rows.is_file():  # the run was killed before it could say
        _write_rows(folder, recipe, dataset)
    # Lines written after the checkpoint are of steps that are about to be taken again.
    write_file(folder.metrics, _lines(state.progress.history, assembly.bound))
    return Run(folder, recipe, dataset, assembly, state)


def _write_rows(folder: RunFolder, recipe: Recipe, dataset: Dataset) -> None:
    """Say which rows the run has; those of a named set are the published ones, or refused."""
    if recipe.data not in NAMES:
        digests = RowDigests.of(dataset, recipe.validation or 0.0, recipe.seed)
        write_file(folder.rows, digests.to_bytes())


def execute(run: Run, show: Callable[[TrainingState], None], stop_requested: Callable[[], bool]) -> Run:
    """Train until the run's budget is used up or a stop is requested, keeping its folder up to date.

    Args:
        run: from `start` or `resume`.
        show: called with the state after every chunk of steps.
        stop_requested: asked after every chunk; True ends the run as "interrupted", to be resumed.

    Returns:
        The run in its last state.

    Raises:
        NonFiniteBoundError: the bound is not finite any more; the best model has been saved.
        BlownUpError: the bound is finite, but far below that of independent columns; likewise.
    """
    folder, state = run.folder, run.state
    saved_at = time.monotonic()
    written = len(state.progress.history)
    for state in train(run.state, run.assembly.plan, run.assembly.data):
        append_to_file(folder.metrics, _lines(state.progress.history[written:], run.assembly.bound))
        written = len(state.progress.history)
        show(state)
        if state.progress.status == "running" and stop_requested():
            state = dataclasses.replace(
                state, progress=dataclasses.replace(state.progress, status="interrupted")
            )
            break
        if time.monotonic() - saved_at > CHECKPOINT_SECONDS:
            save_checkpoint(folder.checkpoint, state, run.assembly.data.digest)
            saved_at = time.monotonic()
    run = dataclasses.replace(run, state=state)
    save_checkpoint(folder.checkpoint, state, run.assembly.data.digest)
    run.trained.save(folder.model)
    write_file(folder.summary, json.dumps(summary(run), indent=1).encode())
    error = {"diverged": NonFiniteBoundError, "blown up": BlownUpError}.get(state.progress.status)
    if error is not None:
        raise error(
            f"training stopped: at {state.progress.message}. {_what_is_kept(state.progress)} is in {folder.model}. "
            f"Try a smaller --learning-rate than {run.recipe.optimizer.learning_rate:g}, gradient clipping "
            "(--clip-norm 1), or another --scale if some values are extreme."
        )
    return run


def _what_is_kept(progress: Progress) -> str:
    if not progress.chooses_best or progress.best is None:
        return "The model from before that step"
    return f"The best model, of epoch {progress.best['epoch']}"


def summary(run: Run) -> dict[str, Any]:
    """What came out of a run, for `summary.json`."""
    progress, autoencoder = run.state.progress, run.state.chosen
    reported = progress.chosen or {}
    n_parameters = sum(leaf.size for leaf in jax.tree.leaves(learned(autoencoder)))
    return {
        "status": progress.status,
        "data": run.recipe.data,
        "n_train": len(run.assembly.data.train),
        "n_test": 0 if run.assembly.data.test is None else len(run.assembly.data.test),
        "n_features": run.dataset.n_features,
        "likelihood": run.assembly.likelihood.name,
        "recognition": run.recipe.posterior.recognition if run.recipe.objective.has_encoder else "chains",
        "posterior": run.recipe.posterior.name,
        "prior": run.recipe.prior,
        "objective": run.recipe.objective.name,
        "bound_name": run.assembly.bound,
        "unit": "nats per data point",
        **reported,
        "seconds": progress.seconds,
        "n_parameters": n_parameters,
        "versions": {"aevb": version("aevb"), "jax": jax.__version__, "python": platform.python_version()},
        "devices": sorted({device.device_kind for device in jax.devices()}),
    }


def load_dataset(recipe: Recipe, data_dir: Path | None, folder: RunFolder | None = None) -> Dataset:
    """The data that a recipe names, as seen from here or else from where the run in `folder` was started."""
    location = DataLocation(recipe.data, data_dir)
    location = location if folder is None else location.found(folder.location)
    return load(
        location.source,
        data_dir=location.data_dir,
        test=recipe.test,
        seed=recipe.seed,
        allow_missing=recipe.missing == "nan",
        **recipe.reading,
    )


def read_records(folder: RunFolder) -> list[dict[str, Any]]:
    """The lines of `metrics.jsonl`.

    Raises:
        InvalidModelFileError: a line is not JSON.
    """
    content = folder.metrics.read_bytes()
    try:
        records = [json.loads(line) for line in content.splitlines()]
        if not all(isinstance(record, dict) for record in records):
            raise ValueError("a line is no record")
        return records
    except (ValueError, RecursionError) as error:
        raise InvalidModelFileError(
            f"{folder.metrics} is damaged: {error}. `aevb train --resume --out {folder.path}` writes it anew."
        ) from None


def _check_free(folder: RunFolder, overwrite: bool) -> None:
    out = folder.path
    if out.is_file():
        raise RunFolderError(f"cannot make the run folder {out}: there is a file of that name")
    if folder.lock.was_held:
        folder.lock.refuse_others()
    if folder.is_free:
        return
    if not folder.holds_run:
        raise RunFolderError(
            f"{out} is not empty and not a run's folder, and stays as it is: choose another --out"
        )
    if not overwrite:
        raise RunFolderError(
            f"there is a run in {out}: continue it with --resume, replace it with --overwrite"
        )


def _same_recipe(
    stored: dict[str, Any], asked: Mapping[str, Any], folder: RunFolder, names: Mapping[str, str] | None
) -> Recipe:
    """The run's recipe, with a longer budget if that was asked for."""
    recipe = Recipe.parse(stored, source=str(folder.recipe))
    wanted = Recipe.parse({**stored, **flattened(asked)}, names=names)
    was, now, schedule = recipe.model_dump(), wanted.model_dump(), recipe.optimizer.schedule
    changed = [name for name in was | now if was.get(name) != now.get(name)]
    fixed = [name for name in changed if name not in BUDGETS or schedule != "constant"]
    if fixed:
        was = ", ".join(f"{name} = {was.get(name)!r} (asked: {now.get(name)!r})" for name in fixed)
        why = "" if set(fixed) - set(BUDGETS) else f" The {schedule} schedule was laid out for that length."
        raise InvalidRecipeError(
            f"the run in {folder.path} was made with {was}.{why} Resume it as it is, or start another run."
        )
    return wanted


def _check_budget(state: TrainingState, recipe: Recipe, folder: RunFolder) -> None:
    """Refuse a budget that the run has already gone beyond: its recipe would not be what was done."""
    for name, limit, done in (
        ("epochs", recipe.epochs, state.progress.epoch),
        ("steps", recipe.steps, state.progress.step),
    ):
        if limit is not None and done > limit:
            raise InvalidRecipeError(
                f"the run in {folder.path} has already taken {done} {name}, more than {limit}"
            )


def _lines(records: Sequence[Mapping[str, Any]], bound: str) -> bytes:
    """Records as they stand in `metrics.jsonl`: the schema's names, and what the bound is."""
    return b"".join((json.dumps({**record, "bound_name": bound}) + "\n").encode() for record in records)
