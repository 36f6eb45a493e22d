"""`aevb impute` and `aevb complete`: what they write, what they say, and what they refuse."""

import numpy as np
import pytest

import aevb as library
from command_line import aevb, is_png, must

SMALL = ("--samples", 30)


@pytest.fixture(scope="module")
def holes(table_run, tmp_path_factory):
    """The table of the run with every seventh cell empty and the first row without any number."""
    lines = (table_run.parent / "table.csv").read_text().splitlines()
    cells = [line.rsplit(",", 3) for line in lines[1:]]
    for i in range(len(cells) * 3):
        if i % 7 == 3 or i < 3:
            cells[i // 3][i % 3] = ""
    path = tmp_path_factory.mktemp("holes") / "holes.csv"
    path.write_text("\n".join([lines[0], *(",".join(row) for row in cells)]) + "\n")
    x = np.array([[float(cell or "nan") for cell in row[:3]] for row in cells])
    return path, x


def read(path):
    return np.loadtxt(path, delimiter=",", skiprows=1, usecols=(0, 1, 2))


def test_a_table_is_filled_in_and_what_was_there_stays(table_run, holes, tmp_path):
    source, x = holes
    out = tmp_path / "filled.csv"
    said = must("impute", table_run, source, "--out", out, "--draws", 2, *SMALL)
    missing = np.isnan(x)
    names = ["filled.csv", "filled-sd.csv", "filled-draw1.csv", "filled-draw2.csv"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
    mean, sd, *draws = (read(tmp_path / name) for name in names)
    for rows in (mean, *draws):
        assert rows[~missing].tobytes() == x[~missing].tobytes()
        assert np.isfinite(rows).all()
    assert ((sd > 0) == missing).all()
    assert not np.any((draws[0] == draws[1]) & missing)
    assert 60 < mean[missing[:, 1], 1].mean() < 140  # in the table's units
    assert 3 < sd[missing[:, 1], 1].mean() < 30
    headers = [(tmp_path / name).read_text().splitlines()[0] for name in names]
    assert headers[1] == 'height,weight,"age, years"'
    assert {headers[0], *headers[2:]} == {f"{headers[1]},kind"}
    for words in (
        f"{missing.sum()} of 180 values",
        f"{missing.any(1).sum()} of 60 rows",
        "missing at random",
        "Rows without any value: 1.",
        "filled-sd.csv",
        "filled-draw1.csv to filled-draw2.csv",
    ):
        assert words in said


def test_arrays_come_with_everything(table_run, holes, tmp_path):
    source, x = holes
    said = must("impute", table_run, source, "--out", tmp_path / "x.npz", "--draws", 2, *SMALL)
    found = np.load(tmp_path / "x.npz")
    assert set(found) == {"x", "sd", "mean_error", "sd_error", "draws", "reliable", "label"}
    assert found["draws"].shape == (2, 60, 3)
    assert set(found["label"]) == {"cat", "dog"}
    assert "sd.npz" not in said
    from aevb.inference import ImportanceImputation

    expected = library.load(table_run).model_.impute(x, ImportanceImputation(30), 2, 0)
    np.testing.assert_array_equal(found["x"], expected.mean)
    must("impute", table_run, source, "--out", tmp_path / "x.npy", "--draws", 2, *SMALL)
    names = {"x.npy", "x-sd.npy", "x-draw1.npy", "x-draw2.npy"}
    assert {path.name for path in tmp_path.glob("*.npy")} == names
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), found["x"])


@pytest.mark.long
@pytest.mark.parametrize("method", ["metropolis"])
def test_chains_fill_in_too(table_run, holes, tmp_path, method):
    must("impute", table_run, holes[0], "--out", tmp_path / "x.npz", "--method", method, *SMALL)
    assert np.isfinite(np.load(tmp_path / "x.npz")["x"]).all()


def test_rows_that_lack_nothing_come_back(table_run, tmp_path):
    source = table_run.parent / "table.csv"
    said = must("impute", table_run, source, "--out", tmp_path / "x.npy")
    assert "No value is missing in these 60 rows" in said
    x = np.loadtxt(source, delimiter=",", skiprows=1, usecols=(0, 1, 2))
    assert np.load(tmp_path / "x.npy").tobytes() == x.tobytes()


def test_unreliable_rows_are_counted(table_run, holes, tmp_path):
    said = must("impute", table_run, holes[0], "--out", tmp_path / "x.npy", "--samples", 5, "--draws", 2)
    assert (
        "as the Monte Carlo error of a value or its standard deviation is above 10% of the latter (row 0, "
        in said
    )


def test_an_interruption_leaves_no_file(table_run, holes, tmp_path, monkeypatch):
    def interrupted(*about):
        raise KeyboardInterrupt

    monkeypatch.setattr("aevb.inference.impute", interrupted)
    outcome = aevb("impute", table_run, holes[0], "--out", tmp_path / "x.csv")
    assert outcome.code == 130
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--draws", -1), 2, "--draws"),
        (("--samples", 0), 2, "--samples"),
        (("--method", "guess"), 2, "--method"),
        (("--out", "x.png"), 2, "no pictures"),
        (("--out", "nowhere/x.csv"), 2, "no folder"),
    ],
)
def test_impute_refuses(table_run, holes, tmp_path, monkeypatch, arguments, code, message):
    monkeypatch.chdir(tmp_path)
    outcome = aevb("impute", table_run, holes[0], "--out", "x.npy", *arguments)
    assert outcome.code == code
    assert message in outcome.err
    assert not list(tmp_path.iterdir())


def test_images_are_completed(digits_run, tmp_path):
    out = tmp_path / "x.png"
    said = must(
        "complete", digits_run, "digits", "--mask", "left", "--n", 3, "--draws", 2, "--out", out, *SMALL
    )
    assert is_png(out)
    assert "96 hidden" in said
    for words in ("the model", "column means", "RMSE", "log loss", "draws are 0 or 1"):
        assert words in said


def test_what_is_completed_is_written_as_numbers(digits_run, tmp_path):
    options = ("--n", 3, "--draws", 2, *SMALL)
    for mask, n_hidden in (("top", 32), ("right", 32), ("bottom", 32), ("grid:2", 48)):
        must("complete", digits_run, "digits", "--mask", mask, "--out", tmp_path / "x.npz", *options)
        found = np.load(tmp_path / "x.npz")
        assert set(found) == {"x", "sd", "draws", "input", "truth", "reliable"}
        hidden = np.isnan(found["input"])
        assert (hidden.sum(1) == n_hidden).all()
        np.testing.assert_array_equal(found["x"][~hidden], found["truth"][~hidden])
        images = hidden.reshape(3, 8, 8)
        if mask in ("top", "right", "bottom"):
            half = {"top": images[:, :4], "right": images[:, :, 4:], "bottom": images[:, 4:]}[mask]
            assert half.all()
        else:
            assert not images[:, ::2, ::2].any()


def test_a_mask_from_a_file(digits_run, tmp_path):
    mask = np.zeros((8, 8))
    mask[2:4] = 1
    np.save(tmp_path / "mask.npy", mask)
    options = ("--n", 2, "--draws", 2, "--out", tmp_path / "x.npz", *SMALL)
    must("complete", digits_run, "digits", "--mask", tmp_path / "mask.npy", *options)
    seen = np.load(tmp_path / "x.npz")["input"]
    assert (np.isnan(seen) == mask.ravel().astype(bool)).all()
    each = np.array([mask.ravel(), 1 - mask.ravel()])
    np.save(tmp_path / "each.npy", each)
    must("complete", digits_run, "digits", "--mask", tmp_path / "each.npy", *options)
    assert (np.isnan(np.load(tmp_path / "x.npz")["input"]) == each.astype(bool)).all()


@pytest.mark.long
def test_noise_is_taken_off_a_table(table_run, tmp_path):
    source, out = table_run.parent / "table.csv", tmp_path / "x.npz"
    options = ("--noise", "gaussian:2", "--mask", "random:0.3", "--n", 60, "--out", out, *SMALL)
    said = must("complete", table_run, source, *options)
    for words in ("hidden", "noisy", "the noisy value itself"):
        assert words in said
    assert "log loss" not in said
    found = np.load(out)
    added = (found["input"] - found["truth"])[~np.isnan(found["input"])]
    assert np.std(added) == pytest.approx(2, rel=0.3)  # in the table's units, of every column
    height = ~np.isnan(found["input"][:, 0])  # varies by 1, so that most of the noise can be told
    error = [np.sqrt(np.mean((found[name] - found["truth"])[height, 0] ** 2)) for name in ("x", "input")]
    assert error[0] < 0.7 * error[1]
    assert (found["sd"] > 0).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "name what to hide"),
        (("--mask", "middle"), "none of left, right, top, bottom"),
        (("--mask", "random:0"), "between 0 and 1"),
        (("--mask", "random:1"), "between 0 and 1"),
        (("--mask", "random:few"), "between 0 and 1"),
        (("--mask", "random:1e-9"), "hides no value"),
        (("--mask", "grid:1"), "whole number from 2 to 8"),
        (("--mask", "grid:9"), "whole number from 2 to 8"),
        (("--mask", "grid:2.5"), "whole number from 2 to 8"),
        (("--mask", "ones.npy"), "hides every value"),
        (("--mask", "wrong.npy"), "has the shape (3, 3)"),
        (("--mask", "grey.npy"), "must hold 0"),
        (("--mask", "left", "--out", "x.csv"), "must end in .png, for images, or in .npz"),
        (("--mask", "left", "--n", 0), "--n"),
        (("--noise", "gaussian:0.1"), "train with --likelihood gaussian"),
        (("--noise", "flip:0.1"), "trained on grey"),
        (("--noise", "flip:0.6"), "between 0 and 0.5"),
        (("--noise", "gaussian:-1"), "above 0"),
        (("--noise", "salt:1"), "none of gaussian:S and flip:P"),
    ],
)
def test_complete_refuses(digits_run, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    np.save("ones.npy", np.ones((1, 64)))
    np.save("wrong.npy", np.ones((3, 3)))
    np.save("grey.npy", np.full((1, 64), 0.5))
    outcome = aevb("complete", digits_run, "digits", "--out", "x.npz", *arguments)
    assert outcome.code in (1, 2)
    assert message in " ".join(outcome.err.replace("│", " ").split())
    assert not list(tmp_path.glob("x.*"))


def test_halves_are_of_images(table_run, tmp_path):
    source = table_run.parent / "table.csv"
    for mask in ("left", "grid:2"):
        outcome = aevb("complete", table_run, source, "--mask", mask, "--out", tmp_path / "x.npz")
        assert outcome.code == 2
        assert "is for images" in outcome.err
    outcome = aevb("complete", table_run, source, "--mask", "random:0.5", "--out", tmp_path / "x.png")
    assert outcome.code == 2
    assert "only images" in outcome.err
