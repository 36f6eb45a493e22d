"""Checkpoints: what is written is what is read, and what was not written is refused by name."""

import dataclasses
import json

import numpy as np
import pytest
import safetensors
import safetensors.numpy

from aevb.errors import InvalidDataError, InvalidModelFileError
from aevb.objectives import SGVBB
from aevb.training import Optimizer, TrainingData, TrainingState, load_checkpoint, save_checkpoint
from aevb.training.checkpoint import _digest
from oracles import same_bits, tiny
from training_runs import DATA, PLAN, run


@pytest.fixture(scope="module")
def state():
    return run(epochs=1)[-1]


@pytest.fixture
def path(state, tmp_path):
    path = tmp_path / "state.safetensors"
    save_checkpoint(path, state, DATA.digest)
    return path


def start(optimizer=PLAN.optimizer, **model):
    return TrainingState.start(tiny(**model), SGVBB(), optimizer)


def test_reads_what_was_written(state, path):
    assert state.best_autoencoder is not None
    loaded = load_checkpoint(path, start(seed=5), DATA.digest)
    assert loaded.progress == state.progress
    for name in ("autoencoder", "optimizer_state", "best_autoencoder"):
        assert same_bits(getattr(loaded, name), getattr(state, name))


def test_a_state_before_the_first_step_or_with_numbers_that_are_not_finite(tmp_path):
    first = start()
    odd = dataclasses.replace(
        first, progress=dataclasses.replace(first.progress, sums={"bound": -np.inf}, message="ä")
    )
    for state in (first, odd):
        save_checkpoint(tmp_path / "state", state, "data")
        loaded = load_checkpoint(tmp_path / "state", start(seed=5), "data")
        assert loaded.progress == state.progress
        assert loaded.best_autoencoder is None
        assert same_bits(loaded.autoencoder, state.autoencoder)


def test_replaces_the_file_and_leaves_no_other(path, tmp_path):
    save_checkpoint(path, start(), DATA.digest)
    assert load_checkpoint(path, start(), DATA.digest).progress.step == 0
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("keep", [0, 4, 100, -1, -200])
def test_a_truncated_file_is_refused(path, keep):
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InvalidModelFileError, match=path.name):
        load_checkpoint(path, start(), DATA.digest)


@pytest.mark.parametrize("position", [0.3, 0.5, 0.7, 0.9, 0.999])
def test_a_changed_byte_is_refused(path, position):
    content = bytearray(path.read_bytes())
    content[int(len(content) * position)] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(InvalidModelFileError, match=path.name):
        load_checkpoint(path, start(), DATA.digest)


def rewrite(path, change):
    """Change the arrays or the header, with a checksum that is right again."""
    arrays = safetensors.numpy.load_file(path)
    with safetensors.safe_open(path, framework="numpy") as file:
        metadata = dict(file.metadata())
    change(arrays, metadata)
    if {"sha256", "progress"} <= set(metadata):
        metadata["sha256"] = _digest(arrays, metadata["progress"])
    safetensors.numpy.save_file(arrays, path, metadata)


def with_progress(**changes):
    def change(arrays, metadata):
        fields = json.loads(metadata["progress"]) | changes
        metadata["progress"] = json.dumps({name: value for name, value in fields.items() if value != "drop"})

    return change


@pytest.mark.parametrize(
    "change",
    [
        lambda arrays, metadata: metadata.clear(),
        lambda arrays, metadata: metadata.update(format="aevb-checkpoint-0"),
        lambda arrays, metadata: metadata.pop("progress"),
        lambda arrays, metadata: metadata.pop("sha256"),
        lambda arrays, metadata: metadata.update(progress="{"),
        lambda arrays, metadata: metadata.update(progress="[]"),
        lambda arrays, metadata: arrays.pop("0003"),
        lambda arrays, metadata: arrays.update({"0003": arrays["0003"].astype(np.float64)}),
        with_progress(unknown=1),
        with_progress(history="drop"),
    ],
    ids=[
        "bare",
        "version",
        "no progress",
        "no sum",
        "no JSON",
        "list",
        "fewer",
        "dtype",
        "unknown",
        "no history",
    ],
)
def test_a_file_that_someone_else_wrote_is_refused(path, change):
    rewrite(path, change)
    with pytest.raises(InvalidModelFileError, match=path.name):
        load_checkpoint(path, start(), DATA.digest)


@pytest.mark.parametrize(
    "other",
    [
        {"hidden": (5,)},
        {"k": 3},
        {"hidden": (4, 4)},
        {"likelihood": "bernoulli"},
        {"optimizer": Optimizer("sgd")},
    ],
    ids=str,
)
def test_another_model_or_optimizer_is_refused(path, other):
    with pytest.raises(InvalidModelFileError, match=f"{path.name}.*another model or optimizer"):
        load_checkpoint(path, start(**other), DATA.digest)


def test_other_data_are_refused(path):
    x = DATA.train.copy()
    x[3, 2] += 1
    others = [
        TrainingData(x, DATA.validation, DATA.test),
        TrainingData(DATA.train, DATA.validation),
        TrainingData(DATA.train, DATA.test, DATA.validation),
        TrainingData(DATA.train[::-1], DATA.validation, DATA.test),
    ]
    assert len({data.digest for data in (DATA, *others)}) == 5
    with pytest.raises(InvalidDataError, match="data have changed"):
        load_checkpoint(path, start(), others[0].digest)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises((InvalidModelFileError, OSError), match="nowhere"):
        load_checkpoint(tmp_path / "nowhere", start(), DATA.digest)


def test_the_digest_tells_which_rows_are_held_out():
    """The same rows, split at another place between validation and test."""
    x = DATA.train
    assert TrainingData(x, x[:3], None).digest != TrainingData(x, None, x[:3]).digest
    assert TrainingData(x.reshape(-1, 1)).digest != TrainingData(x).digest
