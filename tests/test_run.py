import dataclasses
import json
import os
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest

from aevb import run as runs
from aevb.errors import AevbError, DatasetUnavailableError, NonFiniteBoundError, RunFolderError
from aevb.models import learned
from aevb.trained import TrainedModel
from command_line import quick_compilation, records, without_clock  # noqa: F401

SETTINGS = {"data": "digits", "latents": 2, "hidden": (4,), "epochs": 4}


def never():
    return False


def ignore(state):
    pass


def stop_after(n):
    """Asks for a stop when it is asked itself for the n-th time."""
    calls = []
    return lambda: calls.append(0) or len(calls) >= n


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    return runs.execute(runs.start(SETTINGS, tmp_path_factory.mktemp("straight") / "run"), ignore, never)


@pytest.mark.parametrize("chunks", [(1,), (2, 1)])
def test_a_stopped_run_goes_on_to_the_same_end(tmp_path, straight, chunks):
    out = tmp_path / "run"
    run = runs.start(SETTINGS, out)
    for n in chunks:
        run = runs.execute(run, ignore, stop_after(n))
        assert run.state.progress.status == "interrupted"
        assert json.loads((out / "summary.json").read_text())["status"] == "interrupted"
        run = runs.resume({}, out)
    run = runs.execute(run, ignore, never)
    assert run.state.progress.status == "finished"
    for ours, theirs in zip(run.state.arrays, straight.state.arrays, strict=True):
        assert np.array_equal(ours, theirs)
    assert without_clock(records(out)) == without_clock(records(straight.folder.path))


def test_a_stop_request_after_the_last_step_changes_nothing(tmp_path):
    run = runs.start({**SETTINGS, "epochs": 1, "steps": 1}, tmp_path / "run")
    assert runs.execute(run, ignore, lambda: True).state.progress.status == "finished"


def test_resuming_a_complete_run_takes_no_step(straight):
    again = runs.resume(SETTINGS, straight.folder.path)
    assert again.is_complete
    done = runs.execute(again, pytest.fail, never)
    assert done.state.progress.step == straight.state.progress.step


def test_no_step_is_shown_twice_and_records_grow_with_the_run(tmp_path):
    run = runs.start(SETTINGS, tmp_path / "run")
    steps, lines = [], []

    def show(state):
        steps.append(state.progress.step)
        lines.append(len(records(run.folder.path)) - len(state.progress.history))

    runs.execute(run, show, never)
    assert steps == sorted(set(steps))
    assert set(lines) == {0}


def test_the_best_model_is_kept_where_validation_rows_choose(tmp_path):
    settings = {**SETTINGS, "validation": 0.3, "learning_rate": 0.3, "optimizer": "sgd", "epochs": 3}
    run = runs.execute(runs.start(settings, tmp_path / "run"), ignore, never)
    best = max(run.state.progress.history, key=lambda record: record["validation_bound"])
    summary = json.loads(run.folder.summary.read_text())
    assert summary["epoch"] == best["epoch"]
    assert summary["validation_bound"] == best["validation_bound"]


def test_the_saved_model_is_the_run_s(straight):
    x = straight.dataset.x_test
    loaded = TrainedModel.load(straight.folder.model)
    assert np.array_equal(loaded.encode(x), straight.trained.encode(x))
    bounds, reported = loaded.bounds(x)["bound"], records(straight.folder.path)[-1]["test_bound"]
    assert np.mean(bounds, dtype=np.float64) == pytest.approx(reported, rel=0.02)  # one draw each


def test_a_diverged_run_stays_diverged(tmp_path):
    x = np.random.default_rng(0).normal(size=(40, 3))
    np.save(tmp_path / "x.npy", x)
    settings = {
        **SETTINGS,
        "data": str(tmp_path / "x.npy"),
        "optimizer": "sgd",
        "learning_rate": 1e30,
        "scale": "none",
    }
    run = runs.start(settings, tmp_path / "run")
    with pytest.raises(NonFiniteBoundError, match="step"):
        runs.execute(run, ignore, never)
    model = TrainedModel.load(run.folder.model)
    weights = jax.tree.leaves(learned(model.autoencoder))
    assert all(np.isfinite(weight).all() for weight in weights)
    with pytest.raises(NonFiniteBoundError, match="step"):
        runs.execute(runs.resume({}, run.folder.path), ignore, never)


def test_clearing_a_run_leaves_the_rest(tmp_path, straight):
    folder = runs.RunFolder(tmp_path / "run")
    shutil.copytree(straight.folder.path, folder.path)
    (folder.path / "notes.txt").write_text("mine")
    assert folder.holds_run
    folder.clear()
    assert [path.name for path in folder.path.glob("[!.]*")] == ["notes.txt"]
    assert folder.is_free
    for name in (".lock", ".holder.json"):  # without these it is anyone's folder
        (folder.path / name).unlink()
    with pytest.raises(RunFolderError, match="stays as it is"):
        runs.start(SETTINGS, folder.path, overwrite=True)


def test_a_recipe_alone_is_anyone_s(tmp_path):
    (tmp_path / "recipe.toml").write_text('data = "digits"')
    with pytest.raises(RunFolderError, match="stays as it is"):
        runs.start(SETTINGS, tmp_path, overwrite=True)
    with pytest.raises(RunFolderError, match="no run's folder"):
        runs.resume({}, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["recipe.toml"]


def test_settings_and_data_that_cannot_be_used_leave_nothing(tmp_path):
    for wrong in (
        {"data": str(tmp_path / "absent.csv")},
        {"latents": 0},
        {"likelihood": "bernoulli", "scale": "standard"},
    ):
        with pytest.raises(AevbError):
            runs.start({**SETTINGS, **wrong}, tmp_path / "runs" / "one")
        assert not os.listdir(tmp_path)


def test_a_run_is_resumed_from_another_folder_and_after_a_move(tmp_path, monkeypatch):
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    np.save("x.npy", np.random.default_rng(0).normal(size=(40, 3)))
    settings = {**SETTINGS, "data": "x.npy"}
    runs.start(settings, Path("run"))
    monkeypatch.chdir(tmp_path)
    shutil.move("project", "moved")
    with pytest.raises(DatasetUnavailableError, match=r"no file x\.npy"):
        runs.load_dataset(runs.Recipe.parse(settings), None)
    for folder, out in (("moved", "run"), (".", "moved/run"), ("/", tmp_path / "moved" / "run")):
        monkeypatch.chdir(tmp_path)
        monkeypatch.chdir(folder)
        assert runs.resume({}, Path(out)).recipe.data == "x.npy"


def test_half_written_files_are_swept_by_resume_but_those_of_commands_that_may_run(tmp_path, straight):
    folder = runs.RunFolder(tmp_path / "run")
    shutil.copytree(straight.folder.path, folder.path)
    for name in (
        ".model.01234567.part",
        "figures/.codes.png.01234567.part",
        ".evaluation.json.01234567.part",
    ):
        path = folder.path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("")
    runs.resume({}, folder.path)
    left = {path.name for path in folder.path.rglob("*.part")}
    assert left == {".codes.png.01234567.part", ".evaluation.json.01234567.part"}
    for name in left:
        for path in folder.path.rglob(name):
            os.utime(path, (0, 0))
    runs.resume({}, folder.path)
    assert not list(folder.path.rglob("*.part"))


def test_a_summary_says_what_its_bound_is(straight):
    elbo = dataclasses.replace(straight, assembly=dataclasses.replace(straight.assembly, is_normalized=True))
    for run, name in ((elbo, "evidence lower bound"), (straight, "cross-entropy bound")):
        assert runs.summary(run)["bound_name"] == name
        assert "test_bound" in runs.summary(run)
