import json
import tomllib

import pytest

from command_line import SMALL, aevb, is_png, must, records, without_clock, write_table

FIGURES = {"codes", "kl_per_latent", "learning_curve", "manifold", "reconstructions", "samples"}
TERMS = {f"{split}_{term}" for split in ("train", "test") for term in ("bound", "reconstruction", "kl")}


def test_a_run_leaves_its_folder(digits_run):
    names = {path.name for path in digits_run.iterdir()}
    written = {"recipe.toml", "metrics.jsonl", "summary.json", "model", "checkpoint", "figures", "data.json"}
    assert names == written | {".lock", ".holder.json"}
    assert {path.name for path in (digits_run / "model").iterdir()} == {"model.json", "weights.safetensors"}
    figures = {path.stem: path for path in (digits_run / "figures").iterdir()}
    assert set(figures) == FIGURES
    for path in figures.values():
        assert path.stat().st_size < 200_000
        assert is_png(path)


def test_records_have_the_schema_and_say_what_the_bound_is(digits_run):
    lines = records(digits_run)
    assert [line["epoch"] for line in lines] == [1, 2]
    clock = {"seconds", "examples_per_second"}
    assert set(lines[0]) == {"epoch", "step", "samples_seen", "bound_name"} | clock | TERMS
    assert lines[1]["samples_seen"] == 2 * 1497
    assert lines[1]["bound_name"] == "cross-entropy bound"
    assert lines[1]["test_bound"] == pytest.approx(
        lines[1]["test_reconstruction"] - lines[1]["test_kl"], abs=1e-4
    )


def test_the_summary_calls_a_cross_entropy_one(digits_run):
    summary = json.loads((digits_run / "summary.json").read_text())
    assert summary["status"] == "finished"
    assert summary["bound_name"] == "cross-entropy bound"
    assert summary["test_bound"] == records(digits_run)[-1]["test_bound"]


def test_the_summary_calls_an_elbo_one(table_run):
    summary = json.loads((table_run / "summary.json").read_text())
    assert summary["bound_name"] == "evidence lower bound"
    assert {"train_bound", "test_bound", "n_parameters", "versions", "devices"} <= set(summary)


@pytest.mark.usefixtures("without_figures")
def test_lines_are_whole_where_there_is_no_terminal(tmp_path):
    lines = must("train", "digits", "--out", tmp_path / "run", *SMALL).splitlines()
    assert sum(line.startswith("epoch") for line in lines) in (1, 2)
    last = next(line for line in reversed(lines) if line.startswith("epoch"))
    assert last.startswith("epoch 2")
    assert last.endswith(" s")
    assert any(
        "a cross-entropy bound, and log p(x|z) in it is no log density. --likel" in line for line in lines
    )


@pytest.mark.usefixtures("without_figures")
def test_quiet_is_quiet(tmp_path):
    assert aevb("train", "digits", "--out", tmp_path / "run", "--quiet", *SMALL).out == ""


@pytest.mark.usefixtures("without_figures")
def test_a_recipe_file_and_options_over_it(tmp_path):
    (tmp_path / "mine.toml").write_text('data = "digits"\nlatents = 2\nepochs = 7\n[network]\nhidden = [8]\n')
    must("train", "--config", tmp_path / "mine.toml", "--epochs", 1, "--out", tmp_path / "run", "-q")
    recipe = tomllib.loads((tmp_path / "run" / "recipe.toml").read_text())
    assert (recipe["latents"], recipe["hidden"], recipe["epochs"]) == (2, [8], 1)


@pytest.mark.usefixtures("without_figures")
def test_default_folder_is_named_after_the_data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_table("some.csv", label=False)
    must("train", "some.csv", "-q", *SMALL)
    assert (tmp_path / "runs" / "some" / "summary.json").exists()


@pytest.mark.usefixtures("without_figures")
def test_a_run_is_replaced_only_when_asked_and_nothing_else_is(tmp_path):
    out = tmp_path / "run"
    must("train", "digits", "--out", out, "-q", *SMALL)
    (out / "notes.txt").write_text("mine")
    before = (out / "summary.json").read_bytes()
    refused = aevb("train", "digits", "--out", out, *SMALL)
    assert refused.code == 1
    assert "--resume" in refused.err
    assert "--overwrite" in refused.err
    assert (out / "summary.json").read_bytes() == before
    must("train", "digits", "--out", out, "--overwrite", "-q", *SMALL)
    assert (out / "summary.json").read_bytes() != before
    assert (out / "notes.txt").read_text() == "mine"


def test_a_folder_with_a_mere_recipe_is_no_run(tmp_path):
    (tmp_path / "recipe.toml").write_text('data = "digits"\n')
    (tmp_path / "data.csv").write_text("precious")
    refused = aevb("train", "digits", "--out", tmp_path, "--overwrite", *SMALL)
    assert refused.code == 1
    assert "stays as it is" in refused.err
    assert (tmp_path / "data.csv").read_text() == "precious"


def test_a_complete_run_is_resumed_without_work_and_extended_on_demand(tmp_path, monkeypatch):
    run, straight = tmp_path / "run", tmp_path / "straight"
    drawn = []
    monkeypatch.setattr("aevb.report.draw_figures", lambda *about: drawn.append(about))
    must("train", "digits", "--out", run, "-q", *SMALL)
    before = records(run)
    assert "complete: nothing is left to train" in must("train", "digits", "--out", run, "--resume", *SMALL)
    assert records(run) == before
    assert len(drawn) == 2
    must("train", "--out", run, "--resume", "--epochs", 4, "-q")
    must("train", "digits", "--out", straight, "-q", *SMALL[:-1], 4)
    assert without_clock(records(run)) == without_clock(records(straight))
    weights = "model/weights.safetensors"
    assert (run / weights).read_bytes() == (straight / weights).read_bytes()


def test_mistakes_are_named_as_options_or_as_in_the_file(tmp_path):
    mine = tmp_path / "mine.toml"
    mine.write_text('data = "digits"\nlatents = 0\n[objective]\nname = "renyi"\nalpha = 0.3\n')
    refused = aevb("train", "--config", mine, "--objective", "iwae", "--epochs", 0)
    assert refused.code == 1
    for said in ("mine.toml): latents = 0:", "alpha 0.3 has no use with --objective iwae", "--epochs 0:"):
        assert said in refused.err
    mine.write_text("[objective]\nalhpa = 0.3\n")
    assert "mine.toml: unknown setting 'alhpa' of objective" in aevb("train", "digits", "--config", mine).err


@pytest.mark.parametrize(
    ("options", "fragments"),
    [
        (("--latents", 5, "--seed", 3), ("latents = 2 (asked: 5)", "seed = 0 (asked: 3)")),
        (("--epochs", 1), ("already taken 2 epochs",)),
        (("--hidden", "8,x"), ("--hidden ", "integer")),
    ],
)
def test_a_run_is_not_resumed_with_other_settings(digits_run, options, fragments):
    refused = aevb("train", "--out", digits_run, "--resume", *options)
    assert refused.code == 1
    assert all(fragment in refused.err for fragment in fragments)


@pytest.mark.usefixtures("without_figures")
def test_the_length_of_a_cosine_schedule_stands(tmp_path):
    must("train", "digits", "--out", tmp_path / "run", "--schedule", "cosine", "-q", *SMALL)
    refused = aevb("train", "--out", tmp_path / "run", "--resume", "--epochs", 4)
    assert refused.code == 1
    assert "cosine schedule" in refused.err


@pytest.mark.usefixtures("without_figures")
def test_a_run_is_not_resumed_on_other_data(tmp_path):
    data, run = tmp_path / "table.csv", tmp_path / "run"
    write_table(data)
    must("train", data, "--label", "kind", "--out", run, "-q", *SMALL)
    write_table(data, n=50)
    refused = aevb("train", "--out", run, "--resume", "--epochs", 4)
    assert refused.code == 1
    assert "data have changed" in refused.err


def test_a_diverged_run_says_where_and_keeps_a_model(tmp_path):
    run = tmp_path / "run"
    data = tmp_path / "table.csv"
    write_table(data, label=False)
    options = ("--optimizer", "sgd", "--learning-rate", "1e30", "--scale", "none")
    failed = aevb("train", data, "--out", run, *options, *SMALL)
    assert failed.code == 1
    assert "step " in failed.err
    assert "--learning-rate" in failed.err
    assert json.loads((run / "summary.json").read_text())["status"] == "diverged"
    must("sample", run, "-n", 2, "--out", tmp_path / "x.npy")


def test_a_run_that_blew_up_ends_with_an_error_and_keeps_its_best_model(tmp_path):
    run, data = tmp_path / "run", tmp_path / "table.csv"
    write_table(data, label=False)
    options = ("--likelihood", "gaussian", "--learning-rate", 3, "--batch-size", 8)
    failed = aevb("train", data, "--out", run, *options, *SMALL)
    assert failed.code == 1
    for fragment in ("independent columns", "best model", "--learning-rate than 3", "--clip-norm"):
        assert fragment in failed.err
    assert json.loads((run / "summary.json").read_text())["status"] == "blown up"
    again = aevb("train", "--out", run, "--resume")
    assert again.code == 1
    assert "independent columns" in again.err


@pytest.mark.usefixtures("without_figures")
def test_a_table_without_a_budget_gets_one_and_its_recipe_says_which(tmp_path):
    write_table(tmp_path / "table.csv", label=False, n=60)
    out = must("train", tmp_path / "table.csv", "--out", tmp_path / "run", "--patience", 2, *SMALL[:-2])
    budget = next(line for line in out.splitlines() if line.startswith("budget: up to "))
    assert "10% validation rows" in budget
    assert "stops early" in budget
    recipe = tomllib.loads((tmp_path / "run" / "recipe.toml").read_text())
    assert recipe["epochs"] > 1000
    assert (recipe["validation"], recipe["schedule"], recipe["clip_norm"]) == (0.1, "cosine", 1.0)
    of_the_file = {"scale", "header", "encoding", "decimal"}
    assert "auto" not in [value for name, value in recipe.items() if name not in of_the_file]
