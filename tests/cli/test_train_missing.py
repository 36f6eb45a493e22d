"""`aevb train` on files with missing values, and without a recognition network."""

import json

import numpy as np
import pytest

from aevb.cli.common import load_run
from aevb.run import load_dataset
from command_line import SMALL, aevb, must, quick_compilation, records, write_table  # noqa: F401


@pytest.mark.usefixtures("without_figures")
def test_a_run_on_rows_that_lack_values(tmp_path):
    """From a table with empty cells, and on from there."""
    path, run = tmp_path / "table.csv", tmp_path / "run"
    rows = write_table(path, label=False)
    holes = np.random.default_rng(0).uniform(size=rows.shape) < 0.3
    lines = path.read_text().splitlines()
    cells = [
        ["" if hole else cell for cell, hole in zip(line.split(","), gone, strict=True)]
        for line, gone in zip(lines[1:], holes, strict=True)
    ]
    path.write_text("\n".join([lines[0], *(",".join(row) for row in cells)]) + "\n")
    refused = aevb("train", path, "--out", run, *SMALL)
    assert refused.code == 1
    assert "--missing nan" in refused.err
    assert not run.exists()
    out = must("train", path, "--out", run, "--missing", "nan", *SMALL)
    assert "values are missing, at random" in out
    must("train", "--resume", "--out", run, "--epochs", 3, "--quiet")
    assert [record["epoch"] for record in records(run)] == [1, 2, 3]
    must("encode", run, path, "--out", tmp_path / "z.npy")
    assert np.isfinite(np.load(tmp_path / "z.npy")).all()


@pytest.mark.usefixtures("without_figures")
@pytest.mark.long
def test_a_run_without_an_encoder(tmp_path):
    path, run = tmp_path / "table.csv", tmp_path / "run"
    write_table(path, label=False)
    small = ("--latents", 1, "--hidden", 4, "--recognition", "per-row", "--evaluate-every", 2)
    out = must("train", path, "--out", run, "--epochs", 2, *small)
    assert "--evaluate-every" in out
    must("train", "--resume", "--out", run, "--epochs", 4, "--quiet")
    assert [record["epoch"] for record in records(run)] == [2, 4]
    assert json.loads((run / "summary.json").read_text())["recognition"] == "per-row"
    bound = load_run(run).bounds(load_dataset(load_run(run).recipe, None).x_test)["bound"]
    np.testing.assert_allclose(np.mean(bound), records(run)[-1]["test_bound"], rtol=0.1)  # one draw


@pytest.mark.long
def test_pictures_and_an_evaluation_without_an_encoder(tmp_path):
    small = ("--latents", 2, "--hidden", 4, "--recognition", "per-row", "--epochs", 2, "--evaluate-every", 2)
    must("train", "digits", "--out", tmp_path / "run", "--quiet", *small)
    assert len(list((tmp_path / "run" / "figures").iterdir())) == 6
    must("evaluate", tmp_path / "run", "digits")


@pytest.mark.long
@pytest.mark.parametrize("images", [True, False])
def test_pictures_of_rows_that_lack_values(tmp_path, images):
    rng = np.random.default_rng(0)
    x = rng.uniform(size=(60, 4, 3) if images else (60, 4)) * 3
    np.save(tmp_path / "x.npy", np.where(rng.uniform(size=x.shape) < 0.3, np.nan, x))
    must("train", tmp_path / "x.npy", "--missing", "nan", "--out", tmp_path / "run", "--quiet", *SMALL)
    names = {path.stem for path in (tmp_path / "run" / "figures").iterdir()}
    assert {"reconstructions", "samples", "codes", "kl_per_latent"} <= names
