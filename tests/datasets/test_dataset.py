import re

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array

from aevb.datasets import Support, check_rows, check_support, from_frame, split_rows
from aevb.errors import InvalidDataError, InvalidRecipeError

NAN, INF = float("nan"), float("inf")

REFUSED = {
    "missing": (
        [[0, 1, 2], [3, 4, NAN], [NAN, 0, INF]],
        "(NaN) at row 1, column 'c', and 3 NaN or infinite",
    ),
    "infinite": (
        [[0, 1, 2], [3, -INF, 5]],
        "infinite value (inf) at row 1, column 'b', and 1 NaN or infinite",
    ),
    "too few features": ([[0, 1]], "x has 2 features, but 3 are expected"),
    "no rows": (np.zeros((0, 3)), "x is empty: it has 0 rows (shape=(0, 3))"),
    "no columns": (np.zeros((4, 0)), "0 feature(s) (shape=(4, 0)) while a minimum of 1 is required"),
    "one dimension": ([1.0, 2.0, 3.0], "Reshape your data: x.reshape(1, -1) if it is one row"),
    "three dimensions": (np.zeros((2, 3, 4)), "x.reshape(len(x), -1)"),
    "text": ([["1", "2", "three"]], "must hold numbers, but its dtype is <U5"),
    "objects": ([[1, 2.0, None]], "x must hold numbers, but has None at row 0, column 'c'"),
    "complex": (np.zeros((2, 3), complex), "Complex data not supported"),
    "sparse": (csr_array(np.eye(3)), "x is a sparse matrix, and aevb needs dense rows: pass x.toarray()"),
    "dates": (np.zeros((2, 3), "M8[s]"), "dtype is datetime64[s]"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_rows_are_named(case):
    x, words = REFUSED[case]
    with pytest.raises(InvalidDataError, match=re.escape(words)):
        check_rows(x, n_features=3, feature_names=("a", "b", "c"))


def test_one_row_is_refused_where_more_are_needed():
    with pytest.raises(InvalidDataError, match=r"rows has only 1 row \(n_samples = 1\), but needs 2"):
        check_rows([[1.0]], name="rows", min_rows=2)


@pytest.mark.parametrize("dtypes", ["u1 u1", "i8 i8", "f4 f4", "f8 f8", "? f4", "f2 f4", "g f8", "O f8"])
def test_dtypes(dtypes):
    given, kept = dtypes.split()
    x = check_rows(np.array([[0, 1], [1, 0]]).astype(given))
    assert x.dtype == np.dtype(kept)
    assert x.tolist() == [[0, 1], [1, 0]]


def test_clean_rows_are_not_copied():
    x = np.ones((3, 2), np.float32)
    assert check_rows(x) is x


def test_first_value_outside_the_support():
    x = np.array([[0, 1, 0.5], [1, -0.25, 3], [0, 0, 7]])
    words = "[0, 1], but x has -0.25 at row 1, column 'b', and 3 cells outside in all. Try the gaussian"
    with pytest.raises(InvalidDataError, match=re.escape(words)):
        check_support(
            x, "bernoulli", Support(0.0, 1.0), feature_names=("a", "b", "c"), advice="Try the gaussian."
        )
    check_support(x, "gaussian", Support())
    check_support(x[:1], "bernoulli", Support(0.0, 1.0))


def test_split_is_seeded_and_complete():
    kept, held_out = split_rows(100, 0.25, seed=7)
    assert (len(kept), len(held_out)) == (75, 25)
    assert sorted([*kept, *held_out]) == list(range(100))
    assert np.all(np.diff(kept) > 0)
    assert np.all(np.diff(held_out) > 0)
    assert np.array_equal(held_out, split_rows(100, 0.25, seed=7)[1])
    assert not np.array_equal(held_out, split_rows(100, 0.25, seed=8)[1])


def test_split_of_few_rows():
    assert [len(rows) for rows in split_rows(3, 0.1, seed=0)] == [2, 1]
    assert [len(rows) for rows in split_rows(3, 0.0, seed=0)] == [3, 0]
    with pytest.raises(InvalidDataError, match="leaves none to train on: there are 1"):
        split_rows(1, 0.1, seed=0)


@pytest.mark.parametrize("fraction", [-0.1, 1.0, NAN])
def test_fraction_outside(fraction):
    with pytest.raises(InvalidRecipeError, match=f"at least 0 and below 1, got {fraction}"):
        split_rows(10, fraction, seed=0)


def test_frame_keeps_its_names():
    frame = pd.DataFrame({"age": [1, 2], "height": [1.5, 2.5], "kind": ["a", "b"], "id": [7, 8]})
    table = from_frame(frame, label="kind", drop=["id"])
    assert table.feature_names == ("age", "height")
    assert table.x.tolist() == [[1, 1.5], [2, 2.5]]
    assert table.y.tolist() == ["a", "b"]


def test_frame_with_nullable_and_bool_columns():
    frame = pd.DataFrame({"n": pd.array([1, None], dtype="Int64"), "b": [True, False]})
    x = from_frame(frame).x
    assert x[0].tolist() == [1, 1]
    with pytest.raises(InvalidDataError, match=r"row 1, column 'n'"):
        check_rows(x, feature_names=("n", "b"))


def test_frame_of_bytes_stays_bytes():
    assert from_frame(pd.DataFrame(np.eye(3, dtype=np.uint8))).x.dtype == np.uint8


def test_frame_with_text_columns_names_them_all():
    frame = pd.DataFrame({"a": [1], "city": ["Bern"], "when": pd.to_datetime(["2020-01-01"])})
    with pytest.raises(
        InvalidDataError, match=r"columns do not: 'city' \(.*\), 'when' \(datetime64.*drop\(columns="
    ):
        from_frame(frame)
    with pytest.raises(InvalidDataError, match=r"frame has no column 'citi'\. Did you mean 'city'\?"):
        from_frame(frame, drop=["citi"], name="frame")
