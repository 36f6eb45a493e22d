import io

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
