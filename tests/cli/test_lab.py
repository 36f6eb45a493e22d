"""`aevb lab gradients` on its quickest problem."""

import json

import pytest

from aevb.cli.lab import NAMES
from aevb.experiments.gradients import PROBLEMS, toy
from aevb.experiments.gradients.estimators import score_functions
from command_line import aevb, is_png, must, quick_compilation  # noqa: F401

QUICK = ("lab", "gradients", "--problem", "toy", "--draws", 2000)


@pytest.fixture(scope="module", autouse=True)
def few_estimators():
    """Of those that a moment is enough for."""
    with pytest.MonkeyPatch.context() as patch:
        settles = ("score, moving average", "score, learned")
        patch.setattr(
            toy,
            "score_functions",
            lambda *given: [e for e in score_functions(*given) if e.name not in settles],
        )
        yield


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The table that is printed, what goes to standard error, and the folder."""
    folder = tmp_path_factory.mktemp("lab") / "new" / "gradients"
    outcome = aevb(*QUICK, "--out", folder)
    assert outcome.code == 0, outcome.err
    return outcome, folder


def test_a_table_for_each_derivative(written):
    printed = written[0].out
    for words in ("E[z²]", "d/dμ", "d/ds", "score, leave one out", "sgvb-a", "stl", "variance", "var×µs"):
        assert words in printed
    for words in ("from 2,000 gradients each", "at most 1% of all runs", "closed form"):
        assert words in printed
    table = [line for line in printed.splitlines() if line.startswith((" sgvb", " score", " stl"))]
    assert len(table) == 14
    assert "…" not in printed, "columns fit into 80 characters"


def test_progress_goes_to_standard_error(written):
    outcome, folder = written
    assert outcome.err.splitlines()[0] == "toy: 2,000 gradients of each of 7 estimators"
    assert "toy: done in" in outcome.err
    assert f"gradients.json and gradients.png are in {folder}" in outcome.err
    assert "toy:" not in outcome.out


def test_the_folder_has_numbers_and_a_picture(written):
    folder = written[1]
    assert sorted(path.name for path in folder.iterdir()) == ["gradients.json", "gradients.png"]
    assert is_png(folder / "gradients.png")
    record = json.loads((folder / "gradients.json").read_text())
    assert record["seed"] == 0
    (problem,) = record["problems"]
    assert problem["name"] == "toy"
    row = next(r for r in problem["tables"][0]["rows"] if (r["estimator"], r["samples"]) == ("score", 1))
    assert row["closed_variance"] == 123.75
    assert row["draws"] == 2000
    assert row["variance_times_milliseconds"] == pytest.approx(row["mean_variance"] * row["milliseconds"])
    assert len(row["coordinates"]["variance"]) == 1


def test_json_is_all_that_is_printed_and_the_seed_decides_it(written):
    printed = json.loads(must(*QUICK, "--json"))
    record = json.loads((written[1] / "gradients.json").read_text())

    def numbers(record):
        return [
            (row["estimator"], row["bias"], row["mean_variance"])
            for table in record["problems"][0]["tables"]
            for row in table["rows"]
        ]

    assert numbers(printed) == numbers(record)
    assert numbers(json.loads(must(*QUICK, "--json", "--seed", 1))) != numbers(record)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--problem", "mnits"), "toy, linear-gaussian, discrete, mnist"),
        (("--problem", "toy", "--draws", 999), "at least 1,000"),
        (("--problem", "toy", "--seed", -1), "seed"),
    ],
)
def test_wrong_usage_is_told_before_anything_is_computed(arguments, message):
    outcome = aevb("lab", "gradients", *arguments)
    assert outcome.code == 2
    assert message in " ".join(outcome.err.replace("│", " ").split())


def test_out_must_not_be_a_file(tmp_path):
    (tmp_path / "file").write_text("mine")
    outcome = aevb(*QUICK, "--out", tmp_path / "file")
    assert outcome.code == 2
    assert "is a file" in " ".join(outcome.err.replace("│", " ").split())
    assert (tmp_path / "file").read_text() == "mine"


def test_the_command_knows_every_problem():
    assert tuple(PROBLEMS) == NAMES


def test_help_explains_the_laboratory():
    assert "gradients" in must("lab", "--help")
    listed = must("lab", "gradients", "--help")
    for option in ("--problem", "--draws", "--out", "--json", "--seed", "--data-dir"):
        assert option in listed
