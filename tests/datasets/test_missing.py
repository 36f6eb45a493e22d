"""Missing values on their way in: let through where they are wanted, refused where they are not."""

import re

import numpy as np
import pandas as pd
import pytest

from aevb.assembly import assemble, choose_likelihood
from aevb.datasets import (
    Dataset,
    Scaling,
    Support,
    check_observed,
    check_rows,
    check_support,
    from_frame,
    load,
    load_rows,
)
from aevb.errors import InvalidDataError, InvalidRecipeError
from aevb.preparation import EXTREME, Preparation
from aevb.recipe import Recipe

NAN, INF = float("nan"), float("inf")
ROWS = np.array([[0.0, NAN, 1.0], [NAN, 1.0, 1.0], [0.5, 0.25, NAN], [NAN, NAN, NAN]])
TEXT = "a,b,c\n" + "\n".join(",".join("" if np.isnan(v) else str(v) for v in row) for row in ROWS) + "\n"


def test_nan_passes_where_it_is_allowed_and_infinity_never():
    assert check_rows(ROWS, allow_missing=True) is ROWS
    broken = ROWS.copy()
    broken[2, 1] = -INF
    words = "infinite value (inf) at row 2, column 'b', and 1 infinite cell in all"
    with pytest.raises(InvalidDataError, match=re.escape(words)):
        check_rows(broken, feature_names="abc", allow_missing=True)


def test_the_error_says_how_to_have_missing_values():
    with pytest.raises(InvalidDataError, match=r"`missing='nan'`"):
        check_rows(ROWS)
    with pytest.raises(InvalidDataError) as caught:
        check_rows([[INF, NAN]])
    assert "missing=" not in str(caught.value)


def test_support_is_asked_of_observed_values():
    check_support(ROWS, "bernoulli", Support(0.0, 1.0))
    outside = np.where(np.isnan(ROWS), ROWS, ROWS + 0.5)
    with pytest.raises(InvalidDataError, match=r"1\.5 at row 0, column 2, and 3 cells outside"):
        check_support(outside, "bernoulli", Support(0.0, 1.0))


def test_columns_without_a_value_are_named():
    check_observed(ROWS)
    check_observed(np.ones((2, 2), np.uint8))
    empty = np.where(np.arange(3) > 0, NAN, ROWS)
    with pytest.raises(
        InvalidDataError, match=re.escape("2 columns of which none of the 4 training rows has")
    ):
        check_observed(empty)
    with pytest.raises(InvalidDataError, match=re.escape("a value: 'b', 'c'. Leave") + ".*drop="):
        check_observed(empty, ("a", "b", "c"))


@pytest.mark.parametrize("kind", ["csv", "npy", "npz", "images.npy"])
def test_files_with_missing_values(tmp_path, kind):
    path = tmp_path / f"x.{kind}"
    if kind == "csv":
        path.write_text(TEXT)
    elif kind == "npz":
        np.savez(path, x_train=ROWS, x_test=ROWS[::-1])
    else:
        np.save(path, ROWS[..., None] if kind == "images.npy" else ROWS)
    dataset = load(path, test=0.0, allow_missing=True)
    np.testing.assert_array_equal(dataset.x_train, ROWS)
    expected = ROWS[::-1] if kind == "npz" else ROWS
    np.testing.assert_array_equal(load_rows(path, n_features=3, allow_missing=True).x, expected)
    for read in (load, load_rows):
        with pytest.raises(InvalidDataError, match="missing value"):
            read(path)


@pytest.mark.parametrize(
    "word", ["NA", "na", "N/A", "#N/A", "<NA>", "NULL", "None", "?", ".", "-", "nan", " ", ""]
)
def test_what_programs_write_for_no_value_is_a_missing_value(tmp_path, word):
    (tmp_path / "x.csv").write_text(f"a,b\n1,{word}\n2,3\n")
    assert load_rows(tmp_path / "x.csv", allow_missing=True).x.tolist()[1] == [2, 3]
    assert np.isnan(load_rows(tmp_path / "x.csv", allow_missing=True).x[0, 1])
    with pytest.raises(
        InvalidDataError, match=r"missing value \(NaN\) at line 2 \(row 0\), column 'b'.*missing='nan'"
    ):
        load(tmp_path / "x.csv")


def test_frames_with_missing_values():
    frame = pd.DataFrame({"n": pd.array([1, None], dtype="Int64"), "r": [NAN, 2.5]})
    np.testing.assert_array_equal(check_rows(from_frame(frame).x, allow_missing=True), [[1, NAN], [NAN, 2.5]])


@pytest.mark.parametrize("method", ["standard", "minmax"])
def test_scaling_is_fitted_to_observed_values(method):
    x = np.random.default_rng(0).normal(size=(50, 2)) * [3, 7] + [1, 100]
    holes = x.copy()
    holes[::3, 0] = NAN
    fitted = Scaling.fit(holes, method)
    assert fitted.loc[0] == pytest.approx(Scaling.fit(x[np.arange(50) % 3 > 0], method).loc[0])
    assert fitted.scale[0] == pytest.approx(Scaling.fit(x[np.arange(50) % 3 > 0], method).scale[0])
    assert fitted.loc[1] == Scaling.fit(x, method).loc[1]


def test_what_rows_are_is_judged_by_their_observed_values():
    binary = np.array([[0.0, NAN], [1.0, 1.0]], np.float32)
    assert Support(0.0, 1.0, is_whole=True).holds_all(binary)
    assert not Support(0.0, 1.0, is_whole=True).holds_all(np.array([[0.5, NAN]], np.float32))

    def chosen(x, image_shape=None, **settings):
        return choose_likelihood(Recipe(**settings), Dataset("x", x, image_shape=image_shape)).name

    image = (1, ROWS.shape[1])
    assert chosen(binary) == "bernoulli"
    assert chosen(ROWS, image) == "bernoulli"
    assert chosen(ROWS) == "gaussian"
    assert chosen(2 * ROWS, image) == "gaussian"
    assert chosen(np.full((2, 3), 200, np.uint8), image) == "bernoulli"
    assert chosen(np.full((2, 3), 200, np.uint8), image, scale="none") == "gaussian"
    assert chosen(ROWS, likelihood="poisson") == "poisson"
    assert chosen(binary, scale="standard") == "gaussian"
    assert chosen(ROWS, image, scale="standard") == "gaussian"
    assert chosen(255 * ROWS, scale="minmax", binarize="static") == "bernoulli"
    with pytest.raises(InvalidRecipeError, match="an object of your own"):
        assemble(Recipe(likelihood="custom"), Dataset("x", ROWS))


@pytest.mark.parametrize("binarize", ["none", "static", "dynamic"])
def test_prepared_rows_keep_their_missing_values(binarize):
    prepared = Preparation(Scaling.identity(3), binarize, seed=0)(ROWS)
    np.testing.assert_array_equal(np.isnan(prepared), np.isnan(ROWS))
    if binarize == "static":
        np.testing.assert_array_equal(prepared[2], [1, 0, NAN])
    if binarize == "dynamic":
        assert Support(0.0, 1.0, is_whole=True).holds_all(prepared)


def test_a_value_too_far_out_is_found_among_missing_ones():
    far = ROWS.copy()
    far[2, 0] = -10 * EXTREME
    with pytest.raises(InvalidDataError, match="row 2, column 0 lies"):
        Preparation(Scaling.identity(3), "none", seed=0)(far)
