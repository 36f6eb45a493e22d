"""A run that is stopped by the world, and what `--resume` makes of it."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import safetensors
import safetensors.numpy

from command_line import aevb, must, records, without_clock

pytestmark = pytest.mark.usefixtures("without_figures")

OPTIONS = ("--latents", 2, "--hidden", 8, "--validation", 0.2, "--epochs", 300)
# A checkpoint so often that one is soon there, and so seldom that lines are written after it.
CHILD = "import aevb.run; aevb.run.CHECKPOINT_SECONDS = 0.4; from aevb.cli import main; main()"


def start_child(out, cache, n_lines):
    """A run in a process of its own, once it has a checkpoint and so many lines of records."""
    arguments = ["train", "digits", "--out", str(out), "--quiet", *map(str, OPTIONS)]
    environment = {**os.environ, "JAX_COMPILATION_CACHE_DIR": str(cache)}
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, *arguments], env=environment, stderr=subprocess.PIPE
    )
    metrics, checkpoint = out / "metrics.jsonl", out / "checkpoint" / "state.safetensors"
    deadline = time.monotonic() + 120
    while not (checkpoint.exists() and metrics.read_bytes().count(b"\n") >= n_lines):
        assert time.monotonic() < deadline
        assert child.poll() is None, child.stderr.read().decode()
        time.sleep(0.005)
    return child


def content(run):
    """The arrays of a run's checkpoint, and its numbers without the clock's."""
    path = run / "checkpoint" / "state.safetensors"
    with safetensors.safe_open(path, framework="numpy") as file:
        numbers = without_clock(json.loads(file.metadata()["progress"]))
    return safetensors.numpy.load_file(path), numbers


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    out = tmp_path_factory.mktemp("uninterrupted") / "run"
    must("train", "digits", "--out", out, "--quiet", *OPTIONS)
    return out


def assert_same(run, uninterrupted):
    (arrays, numbers), (expected_arrays, expected_numbers) = content(run), content(uninterrupted)
    assert list(arrays) == list(expected_arrays)
    for name, array in arrays.items():
        assert array.dtype == expected_arrays[name].dtype
        assert np.array_equal(array, expected_arrays[name])
    assert numbers == expected_numbers
    assert without_clock(records(run)) == without_clock(records(uninterrupted))
    assert [record["epoch"] for record in records(run)] == list(range(1, 301))
    for name in ("weights.safetensors", "model.json"):
        assert (run / "model" / name).read_bytes() == (uninterrupted / "model" / name).read_bytes()


@pytest.mark.long
def test_kill_9_and_resume_end_as_the_run_that_was_not_stopped(tmp_path, compilation_cache, uninterrupted):
    run = tmp_path / "run"
    child = start_child(run, compilation_cache, n_lines=10)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    child.stderr.close()
    at_kill = (run / "metrics.jsonl").read_bytes().count(b"\n")
    assert 10 <= at_kill < 300
    # As if it had been killed while it wrote a line.
    with (run / "metrics.jsonl").open("ab") as file:
        file.write(b'{"epoch": ')
    must("train", "--out", run, "--resume", "--quiet")
    assert_same(run, uninterrupted)


@pytest.fixture(scope="module")
def ended(tmp_path_factory, compilation_cache):
    """A run that SIGTERM ended, and what it said."""
    run = tmp_path_factory.mktemp("ended") / "run"
    child = start_child(run, compilation_cache, n_lines=1)
    child.send_signal(signal.SIGTERM)
    message = child.communicate()[1].decode()
    assert child.returncode == 128 + signal.SIGTERM
    return run, message


def test_sigterm_saves(ended):
    run, message = ended
    assert "--resume --out" in message
    assert json.loads((run / "summary.json").read_text())["status"] == "interrupted"
    assert (run / "model" / "model.json").exists()
    assert (run / "checkpoint" / "state.safetensors").exists()


@pytest.mark.long
def test_resume_after_sigterm_ends_the_same(ended, uninterrupted):
    run, _ = ended
    must("train", "--out", run, "--resume", "--quiet")
    assert_same(run, uninterrupted)


def test_ctrl_c_before_training_begins_breaks_nothing(tmp_path, monkeypatch):
    from aevb import run as runs

    load = runs.load_dataset

    def interrupted_load(*arguments):
        os.kill(os.getpid(), signal.SIGINT)
        return load(*arguments)

    handler = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(runs, "load_dataset", interrupted_load)
    stopped = aevb("train", "digits", "--out", tmp_path / "run", *OPTIONS)
    assert stopped.code == 130
    assert signal.getsignal(signal.SIGINT) is handler
    monkeypatch.undo()
    must("train", "--out", tmp_path / "run", "--resume", "--epochs", 2, "--quiet")
    assert [record["epoch"] for record in records(tmp_path / "run")] == [1, 2]


def test_a_second_ctrl_c_acts_at_once(tmp_path, monkeypatch):
    from aevb import run as runs

    def interrupted_twice(*_):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        raise AssertionError("not reached")

    monkeypatch.setattr(runs, "load_dataset", interrupted_twice)
    assert aevb("train", "digits", "--out", tmp_path / "run", *OPTIONS).code == 130
    assert not (tmp_path / "run").exists()


def test_a_signal_that_is_ignored_stays_ignored(tmp_path):
    from aevb.cli.train import _stop_on_signal

    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with _stop_on_signal() as received:
            os.kill(os.getpid(), signal.SIGINT)
            assert received == []
    finally:
        signal.signal(signal.SIGINT, before)
