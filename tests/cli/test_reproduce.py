"""`aevb reproduce` from the command line."""

import json

import pytest

from aevb.experiments.reproduce import EXPERIMENTS
from command_line import aevb, is_png, must, quick_compilation  # noqa: F401

QUICK = ("reproduce", "tutorial-log", "--data", "digits", "--budget", 0.01)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    out = tmp_path_factory.mktemp("reproduce") / "tutorial"
    return aevb(*QUICK, "--out", out), out


@pytest.mark.parametrize("arguments", [(), ("--list",)])
def test_without_a_name_there_is_a_list(arguments):
    listed = must("reproduce", *arguments)
    for name in EXPERIMENTS:
        assert f"{name} " in listed
    assert "minutes" in listed


def test_a_small_budget_leaves_a_folder(written):
    outcome, out = written
    assert outcome.code == 0, outcome.err
    assert "seed-0: done in" in outcome.err
    assert f"the report is {out / 'REPORT.md'}" in outcome.err
    assert outcome.out.startswith("Done at")
    assert is_png(out / "figures" / "tutorial-log.png")
    assert "--budget 0.01 --data digits" in (out / "REPORT.md").read_text()


def test_the_same_again_does_nothing_and_other_settings_are_refused(written):
    out = written[1]
    before = (out / "results.json").read_text()
    assert "done in" not in aevb(*QUICK, "--out", out).err
    assert (out / "results.json").read_text() == before
    other = aevb("reproduce", "tutorial-log", "--out", out)
    assert other.code == 1
    assert "--overwrite" in other.err


def test_an_unknown_name_and_a_budget_of_nothing_are_refused(tmp_path):
    unknown = aevb("reproduce", "figure-9", "--out", tmp_path)
    assert unknown.code == 2
    assert "tutorial-log" in unknown.err
    assert aevb("reproduce", "tutorial-log", "--budget", 0).code == 2
    nameless = aevb("reproduce", "--budget", 5)
    assert nameless.code == 2
    assert "say what to reproduce" in nameless.err


def test_ctrl_c_says_how_to_go_on(tmp_path, monkeypatch):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("aevb.experiments.reproduce.tutorial_log.train", interrupted)
    stopped = aevb(*QUICK, "--out", tmp_path)
    assert stopped.code == 130
    assert "the same command goes on from there" in stopped.err
    assert json.loads((tmp_path / "results.json").read_text())["jobs"] == {}
    again = aevb(*QUICK, "--out", tmp_path, "--overwrite")
    assert "the same command without --overwrite goes on from there" in again.err
    monkeypatch.undo()
    assert "tutorial-log" in must(*QUICK, "--out", tmp_path) or (tmp_path / "REPORT.md").exists()
