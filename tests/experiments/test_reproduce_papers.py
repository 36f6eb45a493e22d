"""Every experiment that is reproduced, on digits and at almost no length; and what is made of full results."""

import json

import numpy as np
import pytest
from PIL import Image

from aevb.experiments.reproduce import EXPERIMENTS, Request, Size, experiment, reproduce
from aevb.experiments.reproduce.figure_2 import Figure2
from aevb.experiments.reproduce.figure_2_results import curves_of
from aevb.experiments.reproduce.networks import Panel
from aevb.experiments.reproduce.published import figure_2_curve
from aevb.experiments.reproduce.tutorial_log import TutorialLog
from command_line import quick_compilation  # noqa: F401

SHARE = 1e-4


# `aevb reproduce` runs the quickest one in every run of the tests; tables and verdicts are tried on results made up.
@pytest.mark.long
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_runs_and_writes_a_report(name, tmp_path):
    chosen = experiment(name)
    assert chosen.name == name
    shares = []
    size = Size(SHARE, "digits" if chosen.takes_other_data else None)
    report = reproduce(Request(chosen, size, tmp_path), shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1.0)
    text = report.read_text()
    assert text.startswith(f"# {chosen.title}\n")
    assert "not comparable" in text
    assert "nan" not in text.lower().split()
    figures = sorted((tmp_path / "figures").iterdir())
    assert figures
    for path in figures:
        assert f"](figures/{path.name})" in text
        assert path.stat().st_size < 200_000
        assert np.asarray(Image.open(path).convert("L")).std() > 1, "something is drawn"
    assert set(json.loads((tmp_path / "results.json").read_text())["jobs"])


def records(*points):
    return {
        "records": [
            {"samples_seen": n, "train_bound": bound + 1, "test_bound": bound} for n, bound in points
        ],
        "message": "",
    }


@pytest.fixture
def results():
    """Of one panel: AEVB one nat ahead of the paper, wake-sleep behind, ours ahead of all."""
    curve = figure_2_curve("mnist", 20, "aevb", "test")
    ahead = records(*((n, bound + 1.0) for n, bound in curve if n < 2e7))
    return {
        "mnist-20-aevb": ahead | {"learning_rate": 0.02},
        "mnist-20-aevb-seeds": {"samples_seen": 1_000_000, "test_bounds": [-122.5, -123.5]},
        "mnist-20-wake-sleep": records((1e5, -160.0), (1e7, -110.0)) | {"learning_rate": 0.1},
        "mnist-20-ours": records((1e5, -120.0), (1e7, -97.0)),
    }


def test_verdicts_of_figure_2_are_computed(results):
    said = {verdict.text: verdict.holds for verdict in Figure2().verdicts(results, Size())}
    (at_1e6,) = (text for text in said if "at 1e6 samples" in text)
    assert "ahead of the paper's at 1e6 samples by 1.0 ± " in at_1e6
    assert "within 2" in at_1e6
    (at_1e7,) = (text for text in said if "at 1e7 samples" in text)
    assert "by 1.0 nats" in at_1e7
    (rival,) = (text for text in said if "wake-sleep" in text)
    assert "at 10,000,000 samples AEVB is 6." in rival
    assert "(published: 3." in rival
    (best,) = (text for text in said if "best" in text)
    assert "2.3 nats ahead of" in best or "2.4 nats ahead of" in best
    assert all(said.values())
    assert len(said) == 5
    at_half_length = Figure2().verdicts(results, Size(0.5))
    assert [v.holds for v in at_half_length] == [True, True, None, None, None]


def test_what_is_behind_the_paper_does_not_hold(results):
    for record in results["mnist-20-aevb"]["records"]:
        record["test_bound"] -= 5.0
    said = [v for v in Figure2().verdicts(results, Size()) if "paper's at" in v.text]
    assert [verdict.holds for verdict in said] == [False, False]
    assert all("behind the paper's" in v.text and "not within 2" in v.text for v in said)


def test_the_table_has_the_published_values_in_parentheses(results):
    table = Figure2().tables(results, Size())
    assert "| MNIST, N_z = 20 | AEVB (estimator B) | 0.02 |" in table
    assert "(-124.2) |" in table
    assert "| MNIST, N_z = 20 | our recipe | falling |" in table


def test_a_panel_shows_ours_and_the_published_curves(results):
    drawn = curves_of(Panel("mnist", 20), results).curves
    assert [(c.method, c.split) for c in drawn if c.is_published] == [
        ("aevb", "test"),
        ("wake-sleep", "test"),
    ]
    assert len([c for c in drawn if not c.is_published]) == 6


def test_few_panels_at_a_small_budget_and_step_sizes_chosen_otherwise(tmp_path):
    few, full = (Figure2().jobs(Size(share), tmp_path) for share in (0.01, 1.0))
    assert {Panel.of(job.key) for job in few} == {Panel("mnist", 3), Panel("mnist", 20)}
    keys = [job.key for job in full]
    assert "mnist-200-wake-sleep-means-step" in keys
    assert not any(key.startswith("frey") for key in keys), "the file is not there"
    for job in full:
        assert all(keys.index(need) < keys.index(job.key) for need in job.needs)


def test_the_tutorial_is_held_against_its_log():
    rows = {"train": [-163.0, -121.0], "test": [-126.5, -115.0]}
    later = {"train": [-162.0, -121.0], "test": [-127.5, -117.0]}
    verdicts = TutorialLog().verdicts({"seed-0": rows, "seed-1": later}, Size())
    assert [verdict.holds for verdict in verdicts] == [True, True]
    assert "ahead of the published one by 0.30 ± 0.50 nats (-127.00, published -127.30)" in verdicts[0].text
    assert len(TutorialLog().jobs(Size(), None)) == 5
    assert len(TutorialLog().jobs(Size(0.25), None)) == 1
