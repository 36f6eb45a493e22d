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
    return must("evaluate", run, *FEW, "--method", "iwae"), run


@pytest.fixture(scope="module")
def table(table_run, tmp_path_factory):
    run = tmp_path_factory.mktemp("evaluated") / "run"
    shutil.copytree(table_run, run)
    data = table_run.parent / "table.csv"
    settings = ("--importance-samples", 50)
    return json.loads(must("evaluate", run, data, "--json", *settings)), run, data


def test_reports_the_bound_of_the_run(grey):
    _, run = grey
    results = json.loads((run / "evaluation.json").read_text())
    summary = json.loads((run / "summary.json").read_text())
    assert results["rows"] == 300
    assert results["data"] == "digits, test rows"
    assert results["bound"] == pytest.approx(summary["test_bound"], abs=5 * results["bound_sampling_error"])
    assert 0 < results["bound_monte_carlo_error"] < results["bound_sampling_error"] / 5
    assert results["importance_weighted_cross_entropy"] > results["bound"]
    assert results["bound_name"] == "cross-entropy bound"
    assert "log_p" not in results
    assert results["bits"] is None
    assert "improper likelihood" in [finding["kind"] for finding in results["findings"]]
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
    assert results["log_p"] > results["bound"] - 3 * results["log_p_monte_carlo_error"]
    assert 0 < results["log_p_monte_carlo_error"] < results["log_p_sampling_error"]
    assert 1 <= results["effective_samples_median"] <= 50
    assert results["bound_monte_carlo_error"] < 0.2 * results["bound_sampling_error"]
    assert json.loads((run / "evaluation-table.json").read_text()) == results


def test_other_rows_leave_the_evaluation_of_the_run_alone(grey):
    """Its own file and its own pictures; and the run's go with the run."""
    _, run = grey
    before = (run / "evaluation.json").read_bytes(), (run / "figures" / "latents.png").read_bytes()
    must("evaluate", run, "digits", *FEW, "--rows", 40, "--method", "iwae")
    assert ((run / "evaluation.json").read_bytes(), (run / "figures" / "latents.png").read_bytes()) == before
    assert json.loads((run / "evaluation-digits.json").read_text())["rows"] == 40
    assert is_png(run / "figures" / "digits" / "latents.png")


@pytest.fixture
def grown(table_run, tmp_path, monkeypatch):
    """A run whose file has new rows in front, of which a split made anew would take other rows for test rows."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(table_run, tmp_path / "run")
    data = table_run.parent / "table.csv"
    before = data.read_text()
    header, *rows = before.splitlines()
    new = [f"{i / 7:.4f},{100 + i / 3:.4f},{5 + i / 300:.4f},cat" for i in range(1, 31)]
    yield tmp_path / "run", data, header, rows, new
    data.write_text(before)


def test_the_test_rows_of_a_file_that_grew_are_those_of_the_run(grown):
    run, data, header, rows, new = grown
    own = json.loads(must("evaluate", run, "--json", *FEW))
    data.write_text("\n".join([header, *new, *rows]) + "\n")
    found = json.loads(must("evaluate", run, "--json", *FEW))
    assert own["rows"] == found["rows"] == 6
    assert found["log_p"] == own["log_p"]
    assert found["training"]["n_rows"] == 54
    assert found["training"]["n_shared"] == 0
    assert own["rows_of_the_run"] == []
    assert (
        "54 were trained on, 6 were held out for testing, 30 are new to the run"
        in found["rows_of_the_run"][0]
    )
    assert "0 of the run's rows are gone" in found["rows_of_the_run"][0]
    given = json.loads(must("evaluate", run, data, "--json", *FEW))
    assert "Of 90 rows 54 were trained on" in given["rows_of_the_run"][0]
    assert [f["kind"] for f in given["findings"] if f["kind"] == "training rows"] == ["training rows"]


def test_no_rows_are_called_test_rows_where_the_run_s_own_are_gone(grown):
    run, data, header, _, new = grown
    data.write_text("\n".join([header, *new]) + "\n")
    failed = aevb("evaluate", run, *FEW)
    assert failed.code == 1
    assert "none of the 6 test rows of this run are in" in failed.err
    given = json.loads(must("evaluate", run, data, "--json", *FEW))
    assert given["rows_of_the_run"] == ["Of 30 rows 30 are new to the run."]
    assert given["training"] is None
    (run / "rows.safetensors").unlink()
    assert "without it none can be called test rows" in aevb("evaluate", run, *FEW).err
    (run / "rows.safetensors").write_bytes(b"nonsense")
    assert "does not hold the digests of rows" in aevb("evaluate", run, *FEW).err


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


@pytest.mark.long
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
    assert (copied / "evaluation-table.json").exists()
    RunFolder(copied).clear()
    assert not list(copied.glob("evaluation*"))
    assert not (copied / "rows.safetensors").exists()


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
    for written in copied.glob("evaluation*"):
        written.unlink()

    def interrupted(*given, **about):
        raise KeyboardInterrupt

    monkeypatch.setattr("aevb.evaluation.measure.latent_diagnostics", interrupted)
    stopped = aevb("evaluate", copied, data, "--importance-samples", 50)
    assert stopped.code == 130
    assert stopped.out == stopped.err == ""
    assert not list(copied.glob("evaluation*"))


def test_rows_in_json_are_numbers(table):
    results, _, _ = table
    assert np.isfinite([results["bound"], results["log_p"], results["kl"]]).all()


@pytest.mark.long
@pytest.mark.parametrize("settings", [("--objective", "mcem"), ("--recognition", "per-row")])
def test_a_model_without_an_encoder_has_no_amortization_gap(tmp_path, settings):
    write_table(tmp_path / "table.csv", label=False)
    small = ("--latents", 1, "--hidden", 2, "--epochs", 1, "--test", 0)
    run = tmp_path / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("aevb.report.draw_figures", lambda *about: [])
        must("train", tmp_path / "table.csv", "--out", run, "--quiet", *settings, *small)
    printed = must("evaluate", run, *FEW, "--rows", 20)
    assert "bound at searched posteriors" in printed
    assert "approximation gap" in printed
    assert not any(words in printed for words in ("amortization gap", "encoder", "refined"))
    assert json.loads((run / "evaluation.json").read_text())["gaps"]["amortization"] is None
    assert is_png(run / "figures" / "gaps.png")
