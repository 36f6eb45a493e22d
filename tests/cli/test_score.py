import numpy as np
import pytest

import aevb as library
from command_line import aevb, must


def test_every_row_gets_a_score_and_a_percentile(table_run, tmp_path):
    data, out = table_run.parent / "table.csv", tmp_path / "scores.csv"
    said = must("score", table_run, data, "--out", out, "--samples", 50)
    assert out.read_text().splitlines()[0] == "log_p,monte_carlo_error,reliable,percentile"
    scores = np.loadtxt(out, delimiter=",", skiprows=1)
    assert scores.shape == (60, 4)
    assert set(scores[:, 2]) <= {0.0, 1.0}
    # Nearly all of the rows are training rows: their percentiles are even.
    assert abs(scores[:, 3].mean() - 50) < 10
    order = np.argsort(scores[:, 0])
    assert np.all(np.diff(scores[order, 3]) >= 0)
    assert "among 54 training rows" in said


def test_an_odd_row_is_at_the_bottom(table_run, tmp_path):
    odd, out = tmp_path / "odd.csv", tmp_path / "scores.npz"
    odd.write_text('height,weight,"age, years"\n0,100,5\n9,190,3\n')
    must("score", table_run, odd, "--out", out, "--samples", 50)
    scores = np.load(out)
    assert scores["percentile"][1] == 0
    assert scores["percentile"][0] > 20
    assert scores["log_p"][1] < scores["log_p"][0] - 10
    assert set(scores) >= {"log_p", "monte_carlo_error", "reliable", "percentile"}


def test_a_model_without_its_run_gives_no_percentile_and_says_so(table_run, tmp_path):
    library.load(table_run).save(tmp_path / "model")
    out = tmp_path / "scores.csv"
    said = must("score", tmp_path / "model", table_run.parent / "table.csv", "--out", out, "--samples", 50)
    assert out.read_text().splitlines()[0] == "log_p,monte_carlo_error,reliable"
    assert "No percentiles:" in said
    assert "without its run" in said


def test_grey_pixels_get_no_log_likelihood(digits_run, tmp_path):
    out = tmp_path / "scores.npz"
    said = must("score", digits_run, "digits", "--out", out, "--samples", 20, "--training-rows", 0)
    assert "importance_weighted_cross_entropy" in np.load(out)
    assert "not log p(x)" in said
    assert "none were asked for" in said


@pytest.mark.parametrize(
    ("arguments", "code", "fragment"),
    [
        (("table.csv", "--out", "x.png"), 2, "must end in"),
        (("table.csv", "--out", "absent/x.csv"), 2, "make it first"),
        (("absent.csv", "--out", "x.csv"), 1, "no file"),
        (("table.csv", "--out", "x.csv", "--samples", "0"), 2, "--samples"),
        (("table.csv",), 2, "--out"),
    ],
)
def test_wrong_use(table_run, monkeypatch, arguments, code, fragment):
    monkeypatch.chdir(table_run.parent)
    failed = aevb("score", "run", *arguments)
    assert failed.code == code
    assert fragment in " ".join(failed.err.replace("│", " ").split())
    assert not list(table_run.parent.glob("x.*"))
