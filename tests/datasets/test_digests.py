"""Rows known again by their digests, and columns whose values repeat."""

import numpy as np
import pytest

from aevb.datasets import Dataset, RowDigests, repeated_columns, row_digests
from aevb.errors import InvalidModelFileError


def test_equal_numbers_have_equal_digests_whatever_their_type():
    x = np.array([[0, 1, 200], [3, 0, 7]], np.uint8)
    expected = row_digests(x)
    for dtype in (np.int64, np.float32, np.float64):
        np.testing.assert_array_equal(row_digests(x.astype(dtype)), expected)
    np.testing.assert_array_equal(row_digests(np.asfortranarray(x)), expected)
    np.testing.assert_array_equal(row_digests(np.where(x == 0, -0.0, x)), expected)
    missing = np.array([[np.nan, 1.0], [-np.nan, 1.0]])
    assert len(set(row_digests(missing))) == 1
    assert len(set(row_digests(np.array([[1.0, 2.0], [2.0, 1.0], [1.0, 2.0 + 1e-15]])))) == 3


def test_digests_of_many_rows_are_those_of_each():
    x = np.random.default_rng(0).normal(size=(10_000, 3))
    found = row_digests(x)
    assert len(set(found)) == 10_000
    np.testing.assert_array_equal(row_digests(x[9_000:9_100]), found[9_000:9_100])


def test_the_rows_of_a_split_are_found_in_another_order_among_others():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(100, 4))
    kept = RowDigests.of(Dataset("x", x[:80], x_test=x[80:90]), 0.25, 7)
    assert [len(getattr(kept, name)) for name in ("train", "validation", "test")] == [60, 20, 10]
    order = rng.permutation(100)
    now = row_digests(x[order])
    np.testing.assert_array_equal(x[order][kept.find(now, "test")], x[80:90])
    splits = kept.splits(now)
    counts = {"train": 60, "validation": 20, "test": 10, "new": 10}
    assert {name: int(rows.sum()) for name, rows in splits.items()} == counts
    assert np.all(sum(rows.astype(int) for rows in splits.values()) == 1)
    np.testing.assert_array_equal(np.sort(order[splits["new"]]), np.arange(90, 100))
    few = row_digests(x[82:85])
    np.testing.assert_array_equal(kept.find(few, "test"), [0, 1, 2])
    assert len(kept.find(few, "train")) == 0


def test_a_row_equal_to_a_training_row_is_one():
    x = np.arange(12.0).reshape(6, 2)
    kept = RowDigests.of(Dataset("x", x, x_test=x[:2]), 0.0, 0)
    assert kept.splits(row_digests(x[:2]))["train"].all()


def test_digests_are_read_back_and_nothing_else_is():
    kept = RowDigests.of(Dataset("x", np.arange(12.0).reshape(6, 2)), 0.0, 0)
    read = RowDigests.from_bytes(kept.to_bytes(), "rows")
    np.testing.assert_array_equal(read.train, kept.train)
    assert len(read.test) == 0
    for content in (b"", b"nonsense", kept.to_bytes()[:-1]):
        with pytest.raises(InvalidModelFileError, match="rows does not hold the digests"):
            RowDigests.from_bytes(content, "rows")


def test_columns_whose_values_repeat():
    """Also where a value is missing. Measurements to one decimal, as those of irises, are none; nor are few rows."""
    rng = np.random.default_rng(0)
    n = 300
    columns = {
        "normal": rng.normal(size=n),
        "coin": rng.integers(0, 2, n),
        "grade": np.where(rng.uniform(size=n) < 0.1, np.nan, rng.integers(1, 6, n)),
        "age": rng.integers(20, 60, n),
        "id": np.arange(n),
        "rounded": np.round(rng.normal(3, 1.8, n), 1),
        "rain": np.where(rng.uniform(size=n) < 0.5, 0.0, rng.exponential(size=n)),
        "constant": np.ones(n),
        "missing": np.full(n, np.nan),
    }
    x, names = np.stack(list(columns.values()), axis=1), tuple(columns)
    found = {column.name.strip("'"): column for column in repeated_columns(x, names)}
    assert list(found) == ["coin", "grade", "age", "rain", "constant"]
    assert str(found["coin"]) == "'coin' (2 values)"
    assert str(found["constant"]) == "'constant' (one value)"
    assert (found["rain"].spike, found["rain"].share) == (0.0, pytest.approx(0.5, abs=0.1))
    assert repeated_columns(x[:15], names) == ()
    assert repeated_columns(x)[0].name == "column 1"
