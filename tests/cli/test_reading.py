"""How a file is read is said, stored with the run, and used again where the model is applied."""

import numpy as np
import pytest

from aevb.cli.common import load_run, rows_for
from aevb.errors import InvalidDataError
from aevb.recipe import Recipe, read_settings
from command_line import aevb, compilation_cache, must, quick_compilation  # noqa: F401

X = np.random.default_rng(0).normal(size=(40, 3)) + 0.001
X[::9, 1] = -999


def table(x, names="400;402;404"):
    rows = [[f"{v:.3f}".replace(".", ",") for v in row] for row in x]
    return "\n".join([names, *(";".join(row) for row in rows)]) + "\n"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a run on a table of decimal commas, a header of numbers, and -999 for what is missing."""
    folder = tmp_path_factory.mktemp("place")
    (folder / "t.csv").write_text(table(X))
    return folder


@pytest.fixture(scope="module")
def said(place):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("aevb.report.draw_figures", lambda *about: [])
        options = ("--decimal", "comma", "--missing", "nan", "--missing-values", "-999,-998")
        small = ("--latents", 1, "--hidden", 2, "--epochs", 1, "--test", 0)
        return must("train", place / "t.csv", "--out", place / "run", *options, *small)


def test_what_was_taken_for_what_is_said(said, place):
    assert "the first row (400, 402, 404) is taken for a header. If it is data, say --header no." in said
    assert "40 training rows, no test rows of 3 features" in said
    stored = Recipe.parse(read_settings(str(place / "run" / "recipe.toml")))
    assert (stored.decimal, stored.missing_values, stored.header) == ("comma", ("-999", "-998"), "auto")


def test_rows_are_read_as_the_training_rows_were(said, place):
    cells = [line.split(";") for line in table(X[:5]).splitlines()[1:]]
    (place / "new.csv").write_text(
        "id;404;400;402\n" + "".join(f"row {i};{c[2]};{c[0]};{c[1]}\n" for i, c in enumerate(cells))
    )
    outcome = aevb("encode", place / "run", place / "new.csv", "--out", place / "new.npy")
    assert outcome.code == 0, outcome.err
    assert "the model does not know 'id', which is left out." in outcome.err
    must("encode", place / "run", place / "t.csv", "--out", place / "z.npy")
    np.testing.assert_array_equal(np.load(place / "new.npy"), np.load(place / "z.npy")[:5])


def test_an_option_replaces_the_one_of_the_run(said, place):
    (place / "points.csv").write_text(table(X[:5]).replace(",", ".").replace(";", ","))
    model = load_run(place / "run")
    with pytest.raises(InvalidDataError, match=r"columns hold text.*`decimal='point'` reads it as"):
        rows_for(model, str(place / "points.csv"), None)
    x = rows_for(model, str(place / "points.csv"), None, reading={"decimal": "point"}).x
    assert x[1].tolist() == [round(float(v), 3) for v in X[1]]
    assert np.isnan(x[0, 1])
