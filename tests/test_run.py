import dataclasses
import json

import jax
import numpy as np
import pytest

from aevb import run as runs
from aevb.errors import NonFiniteBoundError, RunFolderError
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
    best = max(run.state.progress.history, key=lambda record: record["validation_elbo"])
    summary = json.loads(run.folder.summary.read_text())
    assert summary["epoch"] == best["epoch"]
    assert summary["validation_cross_entropy_bound"] == best["validation_elbo"]


def test_the_saved_model_is_the_run_s(straight):
    x = straight.dataset.x_test
    loaded = TrainedModel.load(straight.folder.model)
    assert np.array_equal(loaded.encode(x), straight.trained.encode(x))
    bounds, reported = loaded.bounds(x)["bound"], records(straight.folder.path)[-1]["test_elbo"]
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
    import shutil

    folder = runs.RunFolder(tmp_path / "run")
    shutil.copytree(straight.folder.path, folder.path)
    (folder.path / "notes.txt").write_text("mine")
    assert folder.holds_run
    folder.clear()
    assert [path.name for path in folder.path.iterdir()] == ["notes.txt"]
    with pytest.raises(RunFolderError, match="stays as it is"):
        runs.start(SETTINGS, folder.path, overwrite=True)


def test_keys_say_what_the_bound_is(straight):
    assert runs.bound_key("evidence lower bound") == "elbo"
    assert runs.bound_key("cross-entropy bound") == "cross_entropy_bound"
    assert runs.bound_key("importance-weighted bound (K = 5)") == "importance_weighted_bound"
    assert runs.bound_key("Rényi bound (alpha = 0.5, K = 5)") == "renyi_bound"
    elbo = dataclasses.replace(straight, assembly=dataclasses.replace(straight.assembly, is_normalized=True))
    assert "test_elbo" in runs.summary(elbo)
    assert "test_cross_entropy_bound" in runs.summary(straight)
