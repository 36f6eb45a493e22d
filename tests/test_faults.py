"""A run that is killed, or whose disk fills up, before any one of its file operations: the next command works."""

import dataclasses
import json
import os
import shutil

import numpy as np
import pytest

from aevb import run as runs
from aevb.assembly import Assembly
from aevb.errors import RunFolderError
from command_line import quick_compilation, records, without_clock  # noqa: F401
from faults import Killed, Watch, full_from, killed_before, watched

SETTINGS = {"latents": 1, "hidden": (4,), "steps": 2}
OLD = "# of the run that is replaced\n"


def ignore(state):
    pass


def never():
    return False


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "table.csv"
    rows = np.random.default_rng(0).normal(size=(20, 3))
    np.savetxt(path, rows, delimiter=",", header="a,b,c", comments="")
    return path


@pytest.fixture(scope="module")
def uninterrupted(table, tmp_path_factory):
    settings = {**SETTINGS, "data": str(table)}
    return runs.execute(runs.start(settings, tmp_path_factory.mktemp("straight") / "run"), ignore, never)


@pytest.fixture
def trained_before(uninterrupted, monkeypatch):
    """Runs whose two steps have been computed: what they do with files is all that they do."""
    first = dataclasses.replace(
        uninterrupted.state,
        progress=dataclasses.replace(uninterrupted.state.progress, status="running", step=1),
    )

    def train(state, plan, data):
        yield from [first, uninterrupted.state][state.progress.step :]

    monkeypatch.setattr(runs, "load_dataset", lambda *about: uninterrupted.dataset)
    monkeypatch.setattr(runs, "assemble", lambda *about: uninterrupted.assembly)
    monkeypatch.setattr(Assembly, "start", uninterrupted.assembly.start)
    monkeypatch.setattr(runs, "train", train)
    monkeypatch.setattr(runs, "CHECKPOINT_SECONDS", -1.0)


def new_run(out, table, overwrite=False):
    settings = {**SETTINGS, "data": str(table)}
    return runs.execute(runs.start(settings, out, overwrite=overwrite), ignore, never)


def next_command(out, table):
    """What someone does who finds the folder: start, or if that is refused, what the message says."""
    if not runs.RunFolder(out).holds_run:
        return new_run(out, table)
    with pytest.raises(RunFolderError, match="continue it with --resume, replace it with --overwrite"):
        new_run(out, table)
    return runs.execute(runs.resume({}, out), ignore, never)


def assert_whole(run, uninterrupted):
    """The folder is that of a run that nothing happened to."""
    ours, theirs = run.folder, uninterrupted.folder
    assert sorted(os.listdir(ours.path)) == sorted(os.listdir(theirs.path))
    assert os.listdir(ours.checkpoint.parent) == os.listdir(theirs.checkpoint.parent)
    assert ours.recipe.read_bytes() == theirs.recipe.read_bytes()
    for path in theirs.model.iterdir():
        assert (ours.model / path.name).read_bytes() == path.read_bytes()
    for a, b in zip(run.state.arrays, uninterrupted.state.arrays, strict=True):
        assert np.array_equal(a, b)
    assert without_clock(records(ours.path)) == without_clock(records(theirs.path))
    summaries = [without_clock(json.loads(folder.summary.read_text())) for folder in (ours, theirs)]
    assert summaries[0] == summaries[1]


def operations(folder, act):
    """The file operations below the folder that `act` does: their names and paths."""
    with watched(Watch(folder)) as watch:
        act()
    return watch.operations


def test_killed_before_each_file_operation(tmp_path, table, uninterrupted, trained_before):
    """What follows is the command that the folder asks for, and, every other time, `--overwrite`."""
    n = len(operations(tmp_path / "run0", lambda: new_run(tmp_path / "run0", table)))
    assert n > 25
    for number in range(1, n + 1):
        out = tmp_path / f"run{number}"
        with watched(Watch(out, killed_before(number))), pytest.raises(Killed):
            new_run(out, table)
        run = next_command(out, table) if number % 2 else new_run(out, table, overwrite=True)
        assert_whole(run, uninterrupted)


def test_killed_before_each_file_operation_of_overwrite(tmp_path, table, uninterrupted, trained_before):
    """As far as it differs from a new run: until a recipe is there again."""

    def run_in(name):
        shutil.copytree(uninterrupted.folder.path, tmp_path / name)
        (tmp_path / name / "notes.txt").write_text("mine")
        with (tmp_path / name / "recipe.toml").open("a") as file:
            file.write(OLD)
        return tmp_path / name

    out = run_in("run0")
    done = operations(out, lambda: new_run(out, table, overwrite=True))
    written = [i for i, (name, path) in enumerate(done, 1) if name == "os.rename" and "recipe" in path]
    for number in range(1, written[0] + 2):
        out = run_in(f"run{number}")
        with watched(Watch(out, killed_before(number))), pytest.raises(Killed):
            new_run(out, table, overwrite=True)
        folder = runs.RunFolder(out)
        if folder.recipe.exists() and folder.recipe.read_text().endswith(OLD):  # then nothing of it is lost
            assert set(os.listdir(uninterrupted.folder.path)) <= set(os.listdir(out))
        run = next_command(out, table) if number % 2 else new_run(out, table, overwrite=True)
        assert (out / "notes.txt").read_text() == "mine"
        (out / "notes.txt").unlink()
        assert_whole(run, uninterrupted)


def test_a_disk_that_is_full_from_each_file_operation_on(tmp_path, table, uninterrupted, trained_before):
    done = operations(tmp_path / "run0", lambda: new_run(tmp_path / "run0", table))
    for number in (i for i, (name, _) in enumerate(done, 1) if name in ("fsync", "os.mkdir")):
        out = tmp_path / f"run{number}"
        with watched(Watch(out, full_from(number))), pytest.raises(OSError, match="No space left") as caught:
            new_run(out, table)
        assert str(out) in str(caught.value.filename)
        assert_whole(next_command(out, table), uninterrupted)
