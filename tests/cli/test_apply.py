import numpy as np
import pytest

import aevb as library
from aevb import plots
from command_line import aevb, is_png, must, write_table


def read(path):
    if path.suffix == ".npy":
        return np.load(path)
    return (
        np.load(path)["x"] if path.suffix == ".npz" else np.loadtxt(path, delimiter=",", skiprows=1, ndmin=2)
    )


@pytest.mark.parametrize("ending", [".csv", ".npy", ".npz"])
def test_every_command_writes_every_kind_of_numbers(digits_run, tmp_path, ending):
    samples, codes, rows = (tmp_path / f"{name}{ending}" for name in ("samples", "codes", "rows"))
    must("sample", digits_run, "-n", 5, "--means", "--out", samples)
    assert read(samples).shape == (5, 64)
    must("encode", digits_run, samples, "--out", codes)
    assert read(codes).shape == (5, 2)
    must("decode", digits_run, codes, "--out", rows)
    decoded = read(rows)
    must("reconstruct", digits_run, samples, "--out", rows)
    np.testing.assert_allclose(read(rows), decoded, atol=1e-6)
    vae = library.load(digits_run)
    np.testing.assert_allclose(read(codes), vae.transform(read(samples)), atol=1e-6)


@pytest.mark.parametrize("name", ["picture.png", "PICTURE.PNG"])
def test_images_are_drawn(digits_run, tmp_path, name):
    codes, picture = tmp_path / "codes.npy", tmp_path / name
    np.save(codes, np.zeros((3, 2)))
    for arguments in (
        ("sample", digits_run),
        ("decode", digits_run, codes),
        ("reconstruct", digits_run, "digits"),
    ):
        must(*arguments, "--out", picture)
        assert is_png(picture)
        picture.unlink()


def test_pictures_say_what_they_show(digits_run, tmp_path, monkeypatch):
    drawn = []

    def image_grid(x, shape, title, *, captions=None, **about):
        drawn.append((title, captions))
        return plots.image_grid(x, shape, title, captions=captions, **about)

    monkeypatch.setattr("aevb.cli.output.image_grid", image_grid)
    assert "--means gives grey ones" in must("sample", digits_run, "-n", 4, "--out", tmp_path / "x.png")
    assert "--means" not in must("sample", digits_run, "-n", 4, "--means", "--out", tmp_path / "x.png")
    np.save(tmp_path / "codes.npy", np.zeros((3, 2)))
    must("decode", digits_run, tmp_path / "codes.npy", "--out", tmp_path / "x.png")
    titles, captions = zip(*drawn, strict=True)
    assert "each pixel 0 or 1" in titles[0]
    assert "by their row in codes.npy from 0" in titles[2]
    assert captions == (None, None, ["0", "1", "2"])


def test_samples_depend_on_the_seed_alone(digits_run, tmp_path):
    def draw(seed):
        must("sample", digits_run, "-n", 3, "--seed", seed, "--out", tmp_path / "x.npy")
        return np.load(tmp_path / "x.npy")

    assert np.array_equal(draw(0), draw(0))
    assert not np.array_equal(draw(0), draw(1))


def test_tables_come_out_under_their_names_and_in_their_units(table_run, tmp_path):
    out = tmp_path / "rows.csv"
    must("sample", table_run, "-n", 400, "--out", out)
    assert out.read_text().splitlines()[0] == 'height,weight,"age, years"'
    assert read(out)[:, 1].mean() == pytest.approx(100, abs=5)
    must("encode", table_run, out, "--out", tmp_path / "codes.csv")
    assert (tmp_path / "codes.csv").read_text().splitlines()[0] == "z1,z2"


def test_labels_come_along_where_there_are_any(table_run, tmp_path):
    must("encode", table_run, table_run.parent / "table.csv", "--out", tmp_path / "codes.npz")
    assert set(np.load(tmp_path / "codes.npz")["label"]) == {"cat", "dog"}
    write_table(tmp_path / "bare.csv", label=False)
    must("encode", table_run, tmp_path / "bare.csv", "--out", tmp_path / "codes.npz")
    assert "label" not in np.load(tmp_path / "codes.npz")


def test_plot_draws_all_pictures_again(table_run):
    pictures = {path: path.read_bytes() for path in (table_run / "figures").iterdir() if path.is_file()}
    for path in pictures:
        path.unlink()
    printed = must("plot", table_run).split()
    assert sorted(printed) == sorted(map(str, pictures))
    assert {path: path.read_bytes() for path in pictures} == pictures


def test_a_saved_model_is_used_like_a_run_but_has_no_data_of_its_own(digits_run, tmp_path):
    library.load(digits_run).save(tmp_path / "model")
    must("sample", tmp_path / "model", "-n", 2, "--out", tmp_path / "x.npy")
    assert "not a run's folder" in aevb("plot", tmp_path / "model").err


def test_datasets_lists_what_there_is():
    listed = must("datasets")
    for words in ("mnist", "60,000", "28 x 28", "CC BY-SA 3.0", "digits"):
        assert words in listed
    assert all(
        len(line) <= 80 for line in listed.splitlines() if "http" not in line and "downloaded" not in line
    )
