import pickle
import re

import numpy as np
import pytest

from aevb.datasets import Reading, load, load_rows, tables
from aevb.errors import DatasetUnavailableError, InvalidDataError, InvalidRecipeError

ROWS = [[1.0, 2.0, 3.0], [4.0, 5.5, 6.0], [7.0, 8.0, -9e-3]]
X = np.arange(40.0).reshape(10, 4)


def written(folder, text, name="t.csv", encoding="utf-8"):
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


# Each reads as ROWS; the second says whether there are names.
READ = {
    "plain": ("1,2,3\n4,5.5,6\n7,8,-9e-3\n", False),
    "header": ("a,b,c\n1,2,3\n4,5.5,6\n7,8,-9e-3", True),
    "semicolons": ("a;b;c\n1;2;3\n4;5.5;6\n7;8;-9e-3\n", True),
    "tabs": ("a\tb\tc\n1\t2\t3\n4\t5.5\t6\n7\t8\t-9e-3\n", True),
    "crlf": ("a,b,c\r\n1,2,3\r\n4,5.5,6\r\n7,8,-9e-3\r\n\r\n", True),
    "bom": ("\ufeffa,b,c\n1,2,3\n4,5.5,6\n7,8,-9e-3\n", True),
    "quotes": ('"a","b","c"\n"1",2,3\n4,"5.5",6\n7,8,-9e-3\n', True),
    "blank lines": ("\n\na,b,c\n1,2,3\n\n4,5.5,6\n7,8,-9e-3\n\n  \n\n", True),
    "spaces": (" a, b, c\n 1, 2, 3\n4 ,5.5 ,6\n7,8,-9e-3\n", True),
}


@pytest.mark.parametrize("case", READ)
def test_csv_is_read(case, tmp_path):
    text, named = READ[case]
    dataset = load(written(tmp_path, text), test=0)
    np.testing.assert_array_equal(dataset.x_train, ROWS)
    assert dataset.feature_names == (("a", "b", "c") if named else None)
    assert dataset.x_test is None


@pytest.mark.parametrize("case", READ)
def test_fast_and_slow_reading_agree(case, tmp_path, monkeypatch):
    path = written(tmp_path, READ[case][0])
    reading = Reading(label=1 if not READ[case][1] else "b")
    whole = tables.read_csv(path, reading)
    monkeypatch.setattr(tables, "_read_fast", lambda *_: None)
    slow = tables.read_csv(path, reading)
    np.testing.assert_array_equal(whole.x, slow.x)
    np.testing.assert_array_equal(whole.y, slow.y)
    np.testing.assert_array_equal(whole.lines, slow.lines)
    assert whole.y.dtype == slow.y.dtype


# What is wrong, and the words that name it.
REFUSED = {
    "text": (
        "a,b\n1,2\n3,oops\n",
        "t.csv, line 3 (row 1), column 'b': 'oops' is not a number. Leave the column out with `drop=`",
    ),
    "text without header": ("1,2\n3,oops\n", "line 2 (row 1), column 1: 'oops' is not a number"),
    "text in the first line": (
        "1,x\n3,y\n",
        "line 1 (row 0), column 1: 'x' is not a number (2 of 2 cells in it are not). Leave the column out",
    ),
    "text in the first line alone": ("x,1\ny,2\n", "say `header='yes'`"),
    "texts": (
        "a,city,b,kind\n1,Bern,2,cat\n3,Oslo,x,cat\n",
        "t.csv: 3 columns hold text where numbers are needed: 'city' (line 2: 'Bern'), 'b' (line 3: 'x'), 'kind' "
        "(line 2: 'cat'). Leave them out with `drop=['city', 'b', 'kind']`, or name one as the labels with `label=`.",
    ),
    "a missing value of its own": ("a,b\n1,2\n3,oops\n5,6\n", "say `missing_values='oops'`"),
    "thousands": (
        'a,b\n"1,234",2\n"2,000",3\n"1,500",4\n',
        "'1,234' is not a number (3 of 3 cells in it are not). If it is a number, `decimal='point'` reads it as 1234, "
        "`decimal='comma'` reads it as 1.234.",
    ),
    "zero bytes": ("a,b\n1,\x002\n3,4\n", "line 2: there are zero bytes"),
    "underscore": ("a,b\n1_0,2\n", "line 2 (row 0), column 'a': '1_0' is not a number"),
    "decimal comma": (
        "a;b\n1,5;2\n",
        "'1,5' is not a number. If it is a number, `decimal='comma'` reads it as 1.5",
    ),
    "long row": ("a,b\n1,2\n3,4,5\n", "line 3: 3 cells, but the first row has 2"),
    "short row": ("a,b\n1,2\n3\n", "line 3: 1 cell, but the first row has 2"),
    "empty cell": (
        "a,b\n1,2\n3,\n5,6\n",
        "(NaN) at line 3 (row 1), column 'b', and 1 NaN or infinite cell in all",
    ),
    "nan": ("a,b\nnan,2\n3,nan\n", "(NaN) at line 2 (row 0), column 'a', and 2 NaN or infinite cells in all"),
    "infinity": ("a,b\n1,2\n3,inf\n", "infinite value (inf) at line 3 (row 1), column 'b'"),
    "empty": ("", "is empty"),
    "header only": ("a,b\n", "it has 0 rows"),
    "one row": ("a,b\n1,2\n", "has only 1 row"),
    "doubled name": ("a,b,a\n1,2,3\n", "more than one column is called 'a'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_csv_is_refused_with_its_place(case, tmp_path):
    text, words = REFUSED[case]
    with pytest.raises(InvalidDataError, match=re.escape(words)):
        load(written(tmp_path, text))


def test_not_utf8(tmp_path):
    with pytest.raises(InvalidDataError, match=r"line 2: this is not UTF-8 text.*encoding="):
        load(written(tmp_path, "a,b\n1,é\n", encoding="latin-1"))


def test_label_and_drop_by_name(tmp_path):
    path = written(tmp_path, "id,a,kind,b\nx1,1,cat,2\nx2,3,dog,4\n")
    dataset = load(path, label="kind", drop=["id"], test=0)
    assert dataset.feature_names == ("a", "b")
    assert dataset.x_train.tolist() == [[1, 2], [3, 4]]
    assert dataset.y_train.tolist() == ["cat", "dog"]


def test_label_by_number_without_header(tmp_path):
    dataset = load(written(tmp_path, "7,1,2\n8,3,4\n"), label="0", test=0)
    assert dataset.x_train.tolist() == [[1, 2], [3, 4]]
    assert dataset.y_train.tolist() == [7, 8]
    assert dataset.y_train.dtype == np.int64
    assert load(written(tmp_path, "1,2,cat\n3,4,dog\n"), label=2, test=0).y_train.tolist() == ["cat", "dog"]


def test_unknown_columns_are_named(tmp_path):
    path = written(tmp_path, "height,kind\n1,2\n3,4\n")
    with pytest.raises(
        InvalidDataError, match=r"no column 'hieght'\. Did you mean 'height'\? Its columns: 'height', "
    ):
        load(path, drop=["hieght"])
    with pytest.raises(InvalidDataError, match="without a header they are called 0 to 1"):
        load(written(tmp_path, "1,2\n3,4\n"), label=2)
    with pytest.raises(InvalidDataError, match="no column is left"):
        load(written(tmp_path, "height,kind\n1,2\n3,4\n"), label="kind", drop=["height"])


def test_npy_with_held_out_rows(tmp_path):
    np.save(tmp_path / "x.npy", X)
    dataset = load(str(tmp_path / "x.npy"), test=0.3, seed=1)
    assert (dataset.n_train, dataset.n_test, dataset.image_shape) == (7, 3, None)
    assert sorted([*dataset.x_train[:, 0], *dataset.x_test[:, 0]]) == X[:, 0].tolist()
    assert np.array_equal(dataset.x_test, load(tmp_path / "x.npy", test=0.3, seed=1).x_test)


def test_npy_of_images(tmp_path):
    np.save(tmp_path / "x.npy", X.astype(np.uint8).reshape(5, 2, 4))
    dataset = load(tmp_path / "x.npy", test=0)
    assert dataset.image_shape == (2, 4)
    assert dataset.x_train.dtype == np.uint8
    assert dataset.x_train[1].tolist() == list(range(8, 16))


def test_npy_of_truth_values(tmp_path):
    np.save(tmp_path / "x.npy", X > 20)
    x = load_rows(tmp_path / "x.npy", n_features=4).x
    assert x.dtype == np.float32
    assert np.array_equal(x, X > 20)


def test_image_shape(tmp_path):
    np.save(tmp_path / "x.npy", X)
    assert load(tmp_path / "x.npy", image_shape=(2, 2)).image_shape == (2, 2)
    with pytest.raises(InvalidDataError, match="rows of 4 features are not images of 3 x 2 = 6 pixels"):
        load(tmp_path / "x.npy", image_shape=(3, 2))


def test_npz(tmp_path):
    y = np.arange(10)
    np.savez(tmp_path / "one.npz", anything=X)
    assert load(tmp_path / "one.npz", test=0).x_train.tolist() == X.tolist()
    np.savez(tmp_path / "labelled.npz", X=X, y=y)
    dataset = load(tmp_path / "labelled.npz", test=0.2)
    assert np.array_equal(dataset.x_test[:, 0], 4 * dataset.y_test)
    np.savez(tmp_path / "split.npz", x_train=X[:6], y_train=y[:6], x_test=X[6:], y_test=y[6:])
    dataset = load(tmp_path / "split.npz")
    assert (dataset.n_train, dataset.n_test, dataset.y_test.tolist()) == (6, 4, [6, 7, 8, 9])
    rows = load_rows(tmp_path / "split.npz")
    assert (rows.x.tolist(), rows.y.tolist()) == (X[6:].tolist(), [6, 7, 8, 9])


BAD_NPZ = {
    "unknown names": (
        {"foo": X, "bar": X},
        "'foo' (10, 4), 'bar' (10, 4): say which are the rows, as in `array='foo'`",
    ),
    "labels too few": ({"x": X, "y": np.arange(9)}, "training rows: 10, but labels of shape (9,)"),
    "labels without rows": ({"x": X, "y_test": np.arange(9)}, "test rows: 0, but labels of shape (9,)"),
    "other test rows": (
        {"x_train": X, "x_test": X[:, 1:]},
        "training rows have 4 features, but test rows 3",
    ),
    "one dimension": ({"x": X[0]}, "expected shape (rows, features), or (rows, height, width)"),
    "nan in test": (
        {"x_train": X, "x_test": X * np.nan},
        "(test) has a missing value (NaN) at row 0, column 0",
    ),
    "text": ({"x": np.array([["a"]])}, "must hold numbers, but its dtype is <U1"),
    "empty": ({"x": X[:0]}, "is empty: it has 0 rows"),
    "objects": ({"x": np.array([{}, {}])}, "pickled Python objects, which aevb never loads"),
}


@pytest.mark.parametrize("case", BAD_NPZ)
def test_bad_npz(case, tmp_path):
    arrays, words = BAD_NPZ[case]
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(InvalidDataError, match=re.escape(words)):
        load(tmp_path / "x.npz")


def test_pickles_and_damaged_files_are_refused(tmp_path):
    np.save(tmp_path / "objects.npy", np.array([[{}]]), allow_pickle=True)
    (tmp_path / "pickle.npy").write_bytes(pickle.dumps([1, 2]))
    np.save(tmp_path / "short.npy", X)
    (tmp_path / "short.npy").write_bytes((tmp_path / "short.npy").read_bytes()[:-8])
    (tmp_path / "empty.npy").write_bytes(b"")
    np.savez(tmp_path / "short.npz", x=X)
    (tmp_path / "short.npz").write_bytes((tmp_path / "short.npz").read_bytes()[:-30])
    for path in tmp_path.iterdir():
        with pytest.raises(
            InvalidDataError, match=rf"{path.name} does not hold plain arrays of numbers.*pickled"
        ):
            load(path)


def test_files_that_are_none(tmp_path):
    with pytest.raises(
        DatasetUnavailableError, match=r"no file mnits\. Did you mean 'mnist'\? Sets known by name: mnist"
    ):
        load("mnits")
    with pytest.raises(DatasetUnavailableError, match=r"there is no file nothing\.csv\. Sets known"):
        load_rows("nothing.csv")
    with pytest.raises(InvalidDataError, match="is a folder"):
        load(tmp_path)
    with pytest.raises(
        InvalidDataError,
        match=r"\.npz, \.csv, \.tsv, \.txt \(tables also with \.gz\), not in '\.xlsx'",
    ):
        load(written(tmp_path, "", "t.xlsx"))
    np.save(tmp_path / "x.npy", X)
    with pytest.raises(InvalidRecipeError, match="in a table"):
        load(tmp_path / "x.npy", label="y")


def test_rows_are_matched_by_name(tmp_path):
    path = written(tmp_path, "b,id,kind,a\n1,9,cat,2\n")
    rows = load_rows(path, feature_names=("a", "b"), n_features=2, label="kind", drop=["id"])
    assert rows.x.tolist() == [[2, 1]]
    assert rows.y.tolist() == ["cat"]
    rows = load_rows(written(tmp_path, "b,a\n1,2\n"), feature_names=("a", "b"), label="kind", drop=["id"])
    assert (rows.x.tolist(), rows.y, rows.notes) == ([[2, 1]], None, ())


def test_rows_with_other_columns(tmp_path):
    path = written(tmp_path, "b,x\n1,2\n")
    with pytest.raises(InvalidDataError, match=r"lacks 'a'\. Its columns: 'b', 'x'"):
        load_rows(path, feature_names=("a", "b"))
    rows = load_rows(written(tmp_path, "id,a,city,b\n1,5,Bern,6\n"), n_features=2, feature_names=("b", "a"))
    assert rows.x.tolist() == [[6, 5]]
    assert rows.notes == (f"{path}: the model does not know 'id', 'city', which is left out.",)
    with pytest.raises(InvalidDataError, match="has 2 features, but 3 are expected"):
        load_rows(written(tmp_path, "b,x\n1,2\n"), n_features=3)


def test_unnamed_columns_are_only_left_out_where_there_are_more_than_features(tmp_path):
    labelled, plain = tmp_path / "labelled.csv", tmp_path / "plain.csv"
    labelled.write_text("1,2,7,3\n4,5,8,6\n")
    plain.write_text("1,2,3\n4,5,6\n")
    for path in (labelled, plain):
        x = load_rows(path, n_features=3, label="2").x
        np.testing.assert_array_equal(x, [[1, 2, 3], [4, 5, 6]])
