import dataclasses
import io

import numpy as np
import pytest
from rich.console import Console

from aevb import run as runs
from aevb.cli import progress


@pytest.mark.parametrize(("width", "words"), [(80, "(rec -"), (120, "(reconstruction -")])
def test_the_bar_fits_the_terminal(tmp_path, width, words):
    console = Console(file=io.StringIO(), force_terminal=True, width=width, color_system=None)
    settings = {"data": "digits", "latents": 2, "hidden": (8,), "epochs": 2}
    run = runs.start(settings, tmp_path / "run")
    with progress.progress(console, run) as show:
        run = runs.execute(run, show, lambda: False)
    lines = console.file.getvalue().replace("\r", "\n").splitlines()
    bars = [line for line in lines if "epoch " in line]
    last = bars[-1]
    for shown in ("epoch 2/2", "bound -", words, "kl ", "/s", "left"):
        assert shown in last
    assert len(last.split("\x1b")[-1].lstrip("[0123456789Kh?l")) <= width
    assert "compiling" in bars[0]


def test_without_a_budget_of_epochs_the_bar_follows_the_others(tmp_path):
    settings = {"data": "digits", "latents": 2, "hidden": (8,), "steps": 4, "minutes": 60}
    run = runs.start(settings, tmp_path / "run")
    done = runs.execute(run, lambda state: None, lambda: False)
    assert progress._share_done(run, run.state) == 0
    assert progress._share_done(done, done.state) == 1
    assert progress._epoch(done, done.state) == "1"


def said(tmp_path, epochs=1, **settings):
    """What is printed before a run on grey pixels, and after it as if it had been trained."""
    np.savez(tmp_path / "data.npz", x=np.random.default_rng(0).random((20, 2, 2)))
    settings = {
        "data": str(tmp_path / "data.npz"),
        "latents": 1,
        "hidden": (2,),
        "image_shape": (2, 2),
    } | settings
    run = runs.start(settings, tmp_path / "run")
    terms = {"bound": -3.0, "reconstruction": -2.0, "kl": 1.0}
    record = {f"{split}_{name}": value for split in ("train", "test") for name, value in terms.items()}
    at = dataclasses.replace(
        run.state.progress,
        epoch=epochs,
        status="finished",
        history=({"epoch": epochs, "examples_per_second": 1.0, **record},),
    )
    run = dataclasses.replace(run, state=dataclasses.replace(run.state, progress=at))
    console = Console(file=io.StringIO(), width=200)
    progress.introduce(console, run)
    progress.conclude(console, run)
    printed = console.file.getvalue().replace(str(tmp_path), "")
    return printed, progress._latest(run.state, wide=False)[0]


@pytest.mark.parametrize(
    ("objective", "what", "heading"),
    [
        ("sgvb-b", "cross-entropy bound", "bound"),
        ("mcem", "cross-entropy complete-data log-likelihood", "value"),
        ("autoencoder", "cross-entropy reconstruction log-likelihood", "value"),
    ],
)
def test_only_a_bound_is_called_one(tmp_path, objective, what, heading):
    printed, terms = said(tmp_path, objective=objective)
    assert f"what is reported is a {what}, and log p(x|z)" in printed
    assert f"{what}, nats per data point" in " ".join(printed.split())
    assert ("bound" in printed) == (heading == "bound")
    assert heading in next(line for line in printed.splitlines() if "reconstruction" in line and "kl" in line)
    assert terms.startswith(f"{heading} -3.0")


@pytest.mark.parametrize(
    ("settings", "kept"),
    [
        ({"objective": "mcem"}, "a chain of draws of z"),
        ({"recognition": "per-row"}, "parameters of q(z)"),
        ({}, None),
    ],
)
def test_what_evaluations_cost_without_an_encoder_is_told(tmp_path, settings, kept):
    printed, _ = said(tmp_path, **settings)
    assert ("--evaluate-every" in printed) == (kept is not None)
    assert kept is None or f"Every training row has {kept} of its own." in printed


@pytest.mark.parametrize(("epochs", "words"), [(1, "and 1 epoch;"), (2, "and 2 epochs;")])
def test_one_epoch_is_no_epochs(tmp_path, epochs, words):
    assert words in said(tmp_path, epochs)[0]
