"""The folder of an experiment: jobs done one after the other, each result kept, and what the results say.

results.json  the settings, the versions, and the result and the seconds of every job that is done
REPORT.md     verdicts, tables and notes
figures/      pictures
jobs/         what a job that was interrupted goes on from
.lock         what keeps processes from writing at once, .holder.json which wrote last

Several processes may do different jobs in one folder; each job's folder has a lock of its own.
"""

import contextlib
import dataclasses
import json
import platform
import shutil
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax

from aevb.datasets import describe, load
from aevb.errors import InvalidRecipeError, NonFiniteBoundError, RunFolderError
from aevb.experiments.reproduce.experiment import Experiment, Job, Setting, Size
from aevb.experiments.reproduce.written import minutes, write_report
from aevb.folder_lock import FolderLock
from aevb.storage import remove, sweep, write_file

KEEP_SECONDS = 20.0
# How long to wait for another process that writes a result or the report.
WRITING_SECONDS = 120.0

Show = Callable[[float], None]
Say = Callable[[str], None]


class ReproductionFolder:
    """The paths in an experiment's folder."""

    def __init__(self, path: Path):
        self.path = path
        self.results = path / "results.json"
        self.report = path / "REPORT.md"
        self.figures = path / "figures"
        self.jobs = path / "jobs"
        self.lock = FolderLock(path)

    def clear(self) -> None:
        """Delete the experiment's results, and nothing else that somebody may have put beside them.

        Raises:
            RunFolderError: another process is doing one of its jobs.
        """
        for job in self.jobs.glob("*"):
            FolderLock(job).refuse_others()
        for path in (self.jobs, self.figures, self.report, self.results):
            remove(path)


@dataclasses.dataclass(frozen=True)
class Request:
    """What is to be done.

    Args:
        experiment: which.
        size: how much of it.
        out: the folder.
        data_dir: where to look for data sets that are not bundled.
        only: parts of the experiment, for those that have parts; all if empty.
        overwrite: delete other results in the folder.
    """

    experiment: Experiment
    size: Size
    out: Path
    data_dir: Path | None = None
    only: tuple[str, ...] = ()
    overwrite: bool = False


def reproduce(request: Request, show: Show = lambda share: None, say: Say = lambda line: None) -> Path:
    """Do all jobs that are not done yet, then write the report and the figures.

    Args:
        request: what to do.
        show: called with the share of all the work that is done.
        say: called with a line for every job that comes to its end.

    Returns:
        The path of the report.

    Raises:
        RunFolderError: the folder holds results of other settings, damaged ones, or something else; or another process
            is doing the same job there.
        InvalidRecipeError: a part that the experiment has not.
        NonFiniteBoundError: training diverged where the experiment needs its end, or a number is not finite.
    """
    folder, experiment = ReproductionFolder(request.out), request.experiment
    _look_at_data(request)
    jobs = _chosen(experiment, request)
    _refuse_other_folders(folder)
    with folder.lock.held(WRITING_SECONDS):
        record = _open(folder, request)
    total, done = sum(job.cost for job in jobs), 0.0
    for job in jobs:

        def show_job(share: float, done: float = done, cost: float = job.cost) -> None:
            show((done + share * cost) / total)

        if job.key not in record["jobs"] and _do_alone(job, request, show_job, record, folder):
            say(f"{job.key}: done in {record['jobs'][job.key]['seconds']:.0f} s")
        done += job.cost
        show(done / total)
    with folder.lock.held(WRITING_SECONDS):
        _tidy(folder, record)
        write_report(experiment, request.size, record, folder.report, folder.figures, request.data_dir)
    return folder.report


def _look_at_data(request: Request) -> None:
    """Refuse data that are not there, or that the experiment cannot do, before anything is written or deleted."""
    name, experiment = request.size.data, request.experiment
    if name is None:
        return
    if not experiment.takes_other_data:
        raise InvalidRecipeError(f"{experiment.name} makes a point on its own data: leave --data out")
    if name not in {info.name for info in describe(request.data_dir)}:
        raise InvalidRecipeError(f"{name!r} is no named data set, as `aevb datasets` lists them")
    dataset = load(name, data_dir=request.data_dir)
    if dataset.x_test is None or dataset.image_shape is None:
        raise InvalidRecipeError(f"{name!r} must be images with test rows, such as digits or mnist")


def _chosen(experiment: Experiment, request: Request) -> Sequence[Job]:
    """The experiment's jobs, or those of the parts that are asked for."""
    unknown = [part for part in request.only if part not in experiment.parts]
    if unknown:
        parts = (
            f"its parts are {', '.join(experiment.parts)}" if experiment.parts else "it is done as a whole"
        )
        raise InvalidRecipeError(f"{experiment.name} has no part {unknown[0]!r}: {parts}")
    jobs = _of_parts(request, request.size)
    if not jobs:
        asked = " ".join((experiment.name, *(f"--only {part}" for part in request.only)))
        if _of_parts(request, dataclasses.replace(request.size, share=1.0)):
            reason = f"a budget of {minutes(experiment, request.size)} is too small for it"
        elif request.size.data and request.only:
            reason = f"--data {request.size.data} stands in for its data: leave --only or --data out"
        else:
            reason = "its data are not here; `aevb datasets` says where they are looked for"
        raise InvalidRecipeError(f"nothing to do for {asked}: {reason}")
    return jobs


def _of_parts(request: Request, size: Size) -> Sequence[Job]:
    whole, begun = set(request.only), tuple(f"{part}-" for part in request.only)
    jobs = request.experiment.jobs(size, request.data_dir)
    return [job for job in jobs if not whole or job.key in whole or job.key.startswith(begun)]


def _refuse_other_folders(folder: ReproductionFolder) -> None:
    """Refuse to write where there is something that no experiment has put there."""
    path = folder.path
    if path.exists() and not path.is_dir():
        raise RunFolderError(f"{path} is a file: choose another --out")
    if folder.results.is_file() or folder.lock.was_held or not path.exists():
        return
    if any(not folder.lock.is_own(found) for found in path.iterdir()):
        raise RunFolderError(f"{path} is not empty and has no results.json: choose another --out")


def _open(folder: ReproductionFolder, request: Request) -> dict[str, Any]:
    """The record of the folder, which is new unless results of the same settings are there."""
    settings, experiment = _settings(request), request.experiment
    holds_results = folder.results.is_file()
    if holds_results and request.overwrite:
        folder.clear()
    elif holds_results:
        record = read_results(folder.results)
        if record["settings"] != settings:
            raise RunFolderError(
                f"{folder.path} holds results of {_told(record['settings'], experiment)}, not of "
                f"{_told(settings, experiment)}: go on with the same, choose another --out, or replace them with "
                "--overwrite"
            )
        theirs = record["versions"].get("aevb")
        if theirs != version("aevb"):
            raise RunFolderError(
                f"{folder.path} holds results of aevb {theirs}, which another version must not be mixed with: choose "
                "another --out, or replace them with --overwrite"
            )
        return record | {"only": _together(record["only"], request.only)}
    versions = {"aevb": version("aevb"), "jax": jax.__version__, "python": platform.python_version()}
    record = {"settings": settings, "only": list(request.only), "versions": versions, "begun": {}, "jobs": {}}
    _write(folder.results, record)
    return record


def _together(asked: Sequence[str], also: Sequence[str]) -> list[str]:
    """The parts of two requests; none stands for the whole."""
    return list(dict.fromkeys([*asked, *also])) if asked and also else []


def _settings(request: Request) -> dict[str, Any]:
    size = request.size
    return {"experiment": request.experiment.name, "share": size.share, "data": size.data}


def _told(settings: dict[str, Any], experiment: Experiment) -> str:
    """Settings in words; of another experiment its name, which is enough to tell it."""
    if settings["experiment"] != experiment.name:
        return str(settings["experiment"])
    size = Size(settings["share"], settings["data"])
    data = f" on {size.data}" if size.data else ""
    length = "at full length" if size.share >= 1 else f"on a budget of {minutes(experiment, size)}"
    return f"{experiment.name}{data} {length}"


def read_results(path: Path) -> dict[str, Any]:
    """The content of a `results.json`.

    Raises:
        RunFolderError: it is not what `reproduce` writes.
    """
    try:
        record = json.loads(path.read_text())
        settings = record["settings"]
        whole = (
            {"experiment", "share", "data"} == set(settings)
            and isinstance(settings["share"], float | int)
            and isinstance(record["only"], list)
            and isinstance(record["versions"], dict)
            and isinstance(record["begun"], dict)
            and all({"seconds", "result"} == set(job) for job in record["jobs"].values())
        )
    except (ValueError, LookupError, TypeError, AttributeError):
        whole, record = False, {}
    if not whole:
        raise RunFolderError(f"{path} is damaged: restore it, or start anew with --overwrite")
    return record


def _tidy(folder: ReproductionFolder, record: dict[str, Any]) -> None:
    """Delete what processes that were killed have left of jobs that are done, and of files that are whole."""
    for key in record["jobs"]:
        shutil.rmtree(folder.jobs / key, ignore_errors=True)
    with contextlib.suppress(OSError):  # it is not empty where jobs of other parts are not done
        folder.jobs.rmdir()
    for written in (folder.path, folder.figures):
        sweep(written)


def _do_alone(
    job: Job, request: Request, show: Show, record: dict[str, Any], folder: ReproductionFolder
) -> bool:
    """Do a job, unless another process has done it meanwhile; whether it was done here."""
    own = folder.jobs / job.key
    with FolderLock(own).held():
        _add_others(record, folder)
        is_new = job.key not in record["jobs"]
        if is_new:
            _do(job, Setting(request.size, request.data_dir, own, show), record, folder)
        shutil.rmtree(own, ignore_errors=True)
    return is_new


def _do(job: Job, setting: Setting, record: dict[str, Any], folder: ReproductionFolder) -> None:
    """Do a job and keep its result. The time that it has taken is kept while it runs, so that no kill loses it."""
    started = time.perf_counter() - record["begun"].get(job.key, 0.0)
    kept = time.perf_counter()

    def keep() -> None:
        nonlocal kept
        kept = time.perf_counter()
        record["begun"][job.key] = kept - started
        _save(record, folder)

    def show(share: float) -> None:
        if time.perf_counter() - kept > KEEP_SECONDS:
            keep()
        setting.show(share)

    given = {key: record["jobs"][key]["result"] for key in job.needs}
    try:
        result = _finite(job, job.run(dataclasses.replace(setting, show=show), given))
    except BaseException:
        keep()
        raise
    record["jobs"][job.key] = {"seconds": time.perf_counter() - started, "result": result}
    _save(record, folder)


def _save(record: dict[str, Any], folder: ReproductionFolder) -> None:
    """Write the record, with what another process may have done of other parts meanwhile."""
    with folder.lock.held(WRITING_SECONDS):
        _add_others(record, folder)
        record["begun"] = {key: taken for key, taken in record["begun"].items() if key not in record["jobs"]}
        _write(folder.results, record)


def _add_others(record: dict[str, Any], folder: ReproductionFolder) -> None:
    """Add to a record what another process has put into the file."""
    if folder.results.exists():
        other = read_results(folder.results)
        record["jobs"] = other["jobs"] | record["jobs"]
        record["begun"] = other["begun"] | record["begun"]
        record["only"] = _together(other["only"], record["only"])


def _finite(job: Job, result: Any) -> Any:
    """The result, unless it holds a number that JSON has no word for."""
    try:
        json.dumps(result, allow_nan=False)
    except ValueError as error:
        raise NonFiniteBoundError(f"{job.key}: a number of its result is infinite or NaN") from error
    return result


def _write(path: Path, record: dict[str, Any]) -> None:
    write_file(path, (json.dumps(record, indent=1, allow_nan=False) + "\n").encode())
