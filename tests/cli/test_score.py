from inspect import signature

import numpy as np
import pytest

import aevb as library
from aevb.cli.score import score
from aevb.inference.importance import DEFAULT_SAMPLES
from command_line import SMALL, aevb, must


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
    assert "new rows look odder than they are; --reference held-out takes the 6 that were held out" in said
    assert "Of 60 rows 54 were trained on, 6 were held out for testing" in said
    ranked = must("score", table_run, data, "--out", out, "--samples", 50, "--reference", "held-out")
    assert "among 6 rows that the run held out" in ranked
    assert "odder" not in ranked
    other = must("score", table_run, data, "--out", out, "--samples", 50, "--reference", data)
    assert f"among 60 rows of {data}" in other


def test_draws_where_none_are_asked_for_are_those_of_python():
    """The command's own default is written out there, as help must not wait for JAX."""
    default = signature(score).parameters["samples"].default
    assert default == DEFAULT_SAMPLES == library.VAE().n_importance_samples


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
    said = must("score", digits_run, "digits", "--out", out, "--samples", 20, "--reference", "none")
    assert "importance_weighted_cross_entropy" in np.load(out)
    assert "not log p(x)" in said
    assert "none were asked for" in said


def test_percentiles_are_among_held_out_rows_where_there_are_enough(digits_run, tmp_path):
    """1,497 rows were trained on, 300 not; the test rows of this set are scored among themselves."""
    out = tmp_path / "scores.npz"
    said = must("score", digits_run, "digits", "--out", out, "--samples", 20, "--reference-rows", 150)
    assert "among 150 rows that the run held out" in said
    assert abs(np.load(out)["percentile"].mean() - 50) < 10
    assert "Of 300 rows 300 were held out for testing" in said


@pytest.mark.long
def test_the_methods_of_evaluate(table_run, tmp_path):
    data, out = table_run.parent / "table.csv", tmp_path / "scores.npz"
    must("score", table_run, data, "--out", out, "--method", "quadrature", "--reference", "none")
    exact = np.load(out)["log_p"]
    must("score", table_run, data, "--out", out, "--samples", 2000, "--reference", "none")
    np.testing.assert_allclose(np.load(out)["log_p"], exact, atol=0.05)


@pytest.fixture(scope="module")
def smokers(tmp_path_factory):
    """Three normal columns a thousandth wide, which have 21 nats more than wide ones, and one of yes and no; a run."""
    folder = tmp_path_factory.mktemp("smokers")
    rng = np.random.default_rng(0)
    x = np.c_[0.001 * rng.normal(size=(60, 3)) + 5, rng.uniform(size=60) < 0.5]
    np.savetxt(folder / "x.csv", x, delimiter=",", header="a,b,c,smokes", comments="", fmt="%.6f")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("aevb.report.draw_figures", lambda *about: [])
        return folder, must("train", folder / "x.csv", "--out", folder / "run", *SMALL)


def test_columns_of_yes_and_no_and_positive_densities_are_explained(smokers):
    folder, said = smokers
    assert "Values repeat in 'smokes' (2 values)" in said
    said = must("score", folder / "run", folder / "x.csv", "--out", folder / "s.csv", "--samples", 50)
    assert "Values repeat in 'smokes' (2 values)" in said
    assert "Above 0 is no mistake" in said


@pytest.mark.long
def test_an_evaluation_explains_them_too(smokers):
    folder, _ = smokers
    said = must("evaluate", folder / "run", folder / "x.csv", "--samples", 50)
    assert "Repeated values. Columns whose values repeat have a density: 'smokes' (2 values)" in " ".join(
        said.split()
    )
    assert "Above 0 is no mistake" in said


@pytest.mark.parametrize(
    ("arguments", "code", "fragment"),
    [
        (("table.csv", "--out", "x.png"), 2, "must end in"),
        (("table.csv", "--out", "absent/x.csv"), 2, "make it first"),
        (("absent.csv", "--out", "x.csv"), 1, "no file"),
        (("table.csv", "--out", "x.csv", "--samples", "0"), 2, "--samples"),
        (("table.csv", "--out", "x.csv", "--method", "exact"), 1, "called 'exact': choose of importance"),
        (("table.csv",), 2, "--out"),
    ],
)
def test_wrong_use(table_run, monkeypatch, arguments, code, fragment):
    monkeypatch.chdir(table_run.parent)
    failed = aevb("score", "run", *arguments)
    assert failed.code == code
    assert fragment in " ".join(failed.err.replace("│", " ").split())
    assert not list(table_run.parent.glob("x.*"))
