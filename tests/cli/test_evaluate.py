import json
import shutil

import numpy as np
import pytest

import aevb as library
from aevb.run import RunFolder
from command_line import aevb, is_png, must, write_table

FEW = ("--samples", 20)


@pytest.fixture(scope="module")
def grey(digits_run, tmp_path_factory):
    """A copy of the run, evaluated: what was printed, and the folder."""
    run = tmp_path_factory.mktemp("evaluated") / "run"
    shutil.copytree(digits_run, run)
    return must("evaluate", run, *FEW), run


@pytest.fixture(scope="module")
def table(table_run, tmp_path_factory):
    run = tmp_path_factory.mktemp("evaluated") / "run"
    shutil.copytree(table_run, run)
    data = table_run.parent / "table.csv"
    return json.loads(must("evaluate", run, data, "--json", "--importance-samples", 50)), run, data


def test_reports_the_bound_of_the_run(grey):
    _, run = grey
    results = json.loads((run / "evaluation.json").read_text())
    summary = json.loads((run / "summary.json").read_text())
    assert results["rows"] == 300
    assert results["data"] == "digits, test rows"
    assert results["cross_entropy_bound"] == pytest.approx(summary["test_cross_entropy_bound"], abs=1e-4)
    assert results["importance_weighted_cross_entropy"] > results["cross_entropy_bound"]
    assert not {"elbo", "log_p"} & set(results)
    assert results["bits"] is None
    assert [finding["kind"] for finding in results["findings"]][-1] == "improper likelihood"
    assert results["training"]["n_rows"] == 1497


def test_prints_what_a_person_reads(grey):
    printed, run = grey
    for words in (
        "cross-entropy bound",
        "importance weighted, K = 20",
        "Monte Carlo error",
        "sampling error",
        "amortization gap",
        "bits per dimension",
        "Improper likelihood.",
        "Try: Train with --likelihood continuous-bernoulli",
        f"{run / 'evaluation.json'}",
    ):
        assert words in printed or words == "bits per dimension"
    assert "log p(x)" not in printed
    assert "bits per dimension" not in printed


def test_draws_its_figures(grey):
    _, run = grey
    names = ("latents", "gaps", "iwae_curve")
    assert all(is_png(run / "figures" / f"{name}.png") for name in names)


def test_keeps_the_two_errors_apart(table):
    results, run, _ = table
    assert results["rows"] == 60
    assert results["log_p"] > results["elbo"] - 3 * results["log_p_monte_carlo_error"]
    assert 0 < results["log_p_monte_carlo_error"] < results["log_p_sampling_error"]
    assert 1 <= results["effective_samples_median"] <= 50
    assert results["marginals"][0]["curve_sizes"] == [1, 10, 50]
    assert json.loads((run / "evaluation.json").read_text()) == results


def test_a_model_without_its_run_is_only_printed(table, tmp_path):
    _, run, data = table
    folder = tmp_path / "model"
    library.load(run).save(folder)
    before = sorted(path.name for path in folder.iterdir())
    printed = must("evaluate", folder, data, "--importance-samples", 50, "--rows", 30)
    assert "30 of 60 at random" in printed
    assert "log p(x), K = 50" in printed
    assert "Not checked: overfitting" in printed
    assert sorted(path.name for path in folder.iterdir()) == before
    refused = aevb("evaluate", folder)
    assert refused.code == 2
    assert "name the data" in refused.err


def test_one_sample_has_no_monte_carlo_error(table):
    _, run, data = table
    results = json.loads(must("evaluate", run, data, "--json", "--samples", 1))
    assert results["log_p_monte_carlo_error"] is None
    assert results["marginals"][0]["share_k_hat_high"] is None


def test_training_rows_that_are_gone_are_no_obstacle(table, tmp_path):
    _, run, data = table
    copied = tmp_path / "run"
    shutil.copytree(run, copied)
    recipe = copied / "model" / "model.json"
    assert recipe.exists()
    kept = tmp_path / "rows.csv"
    shutil.copy(data, kept)
    moved = data.rename(data.with_suffix(".moved"))
    try:
        found = aevb("evaluate", copied, kept, "--json", "--importance-samples", 50)
    finally:
        moved.rename(data)
    assert found.code == 0
    assert "without the training rows" in found.err
    assert json.loads(found.out)["training"] is None


def test_an_evaluation_belongs_to_its_run(table, tmp_path):
    _, run, _ = table
    copied = tmp_path / "run"
    shutil.copytree(run, copied)
    assert (copied / "evaluation.json").exists()
    RunFolder(copied).clear()
    assert not (copied / "evaluation.json").exists()


@pytest.mark.parametrize(
    ("options", "code", "fragment"),
    [
        (("--method", "exact"), 1, "called 'exact': choose of importance, annealed"),
        (("--method", ","), 1, "needs a method"),
        (("--samples", 0), 2, "--samples"),
        (("--rows", 0), 2, "--rows"),
        (("--slow-rows", 0), 2, "--slow-rows"),
    ],
)
def test_wrong_options(table, options, code, fragment):
    _, run, data = table
    failed = aevb("evaluate", run, data, *options)
    assert failed.code == code
    assert fragment in " ".join(failed.err.replace("│", " ").split())
    assert failed.out == ""


def test_an_interruption_writes_nothing(table, tmp_path, monkeypatch):
    _, run, data = table
    copied = tmp_path / "run"
    shutil.copytree(run, copied)
    (copied / "evaluation.json").unlink()

    def interrupted(*given, **about):
        raise KeyboardInterrupt

    monkeypatch.setattr("aevb.evaluation.measure.latent_diagnostics", interrupted)
    stopped = aevb("evaluate", copied, data, "--importance-samples", 50)
    assert stopped.code == 130
    assert stopped.out == stopped.err == ""
    assert not (copied / "evaluation.json").exists()


def test_rows_in_json_are_numbers(table):
    results, _, _ = table
    assert np.isfinite([results["elbo"], results["log_p"], results["kl"]]).all()


@pytest.mark.parametrize("settings", [("--objective", "mcem"), ("--recognition", "per-row")])
def test_a_model_without_an_encoder_has_no_amortization_gap(tmp_path, settings):
    write_table(tmp_path / "table.csv", label=False)
    small = ("--latents", 1, "--hidden", 2, "--epochs", 1, "--test", 0)
    run = tmp_path / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("aevb.figures.draw_figures", lambda *about: [])
        must("train", tmp_path / "table.csv", "--out", run, "--quiet", *settings, *small)
    printed = must("evaluate", run, *FEW, "--rows", 20)
    assert "bound at searched posteriors" in printed
    assert "approximation gap" in printed
    assert not any(words in printed for words in ("amortization gap", "encoder", "refined"))
    assert json.loads((run / "evaluation.json").read_text())["gaps"]["amortization"] is None
    assert is_png(run / "figures" / "gaps.png")
