"""The forms in which people have their data: each is read, or refused with the option that reads it."""

import gzip
import re

import numpy as np
import pytest
from scipy import sparse

from aevb.datasets import load, load_rows
from aevb.errors import InvalidDataError, InvalidRecipeError

SPECTRA = (
    "400,402,404,406\n0.51,0.52,0.55,0.60\n0.49,0.50,0.53,0.58\n0.53,0.54,0.58,0.63\n0.50,0.51,0.54,0.59\n"
)
X = np.random.default_rng(0).normal(size=(30, 12))


def written(folder, text, name="t.csv"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def numbered(columns, rows, fmt="%.6f"):
    """What `pandas.DataFrame(rows).to_csv(index=False)` writes."""
    return (
        ",".join(map(str, columns)) + "\n" + "\n".join(",".join(fmt % v for v in row) for row in rows) + "\n"
    )


COUNTS = np.random.default_rng(1).integers(3, 90, (40, 3))
ANSWERS = np.random.default_rng(2).integers(1, 7, (60, 15))
PIXELS = np.random.default_rng(3).integers(0, 256, (20, 400)) * (np.random.default_rng(4).random(400) < 0.5)
# A table, its names, and its number of rows.
HEADERS = {
    "wavelengths": (SPECTRA, ("400", "402", "404", "406"), 4),
    "pandas' numbers": (
        numbered(range(50), X.repeat(5, 1)[:, :50] / 100 + 1),
        tuple(map(str, range(50))),
        30,
    ),
    "over any real numbers": (
        numbered(range(50), 20 * X.repeat(5, 1)[:, :50]),
        tuple(map(str, range(50))),
        30,
    ),
    "over codes": ("0,1\n0.31,-1.25\n", ("0", "1"), 1),
    "over counts": (numbered(range(3), COUNTS, "%d"), ("0", "1", "2"), 40),
    "over answers": (numbered(range(15), ANSWERS, "%d"), tuple(map(str, range(15))), 60),
    "over pixels": (numbered(range(400), PIXELS, "%d"), tuple(map(str, range(400))), 20),
    "a word among numbers": ("400,name,404\n0.5,0.6,0.7\n0.4,0.5,0.6\n", ("400", "name", "404"), 2),
    "numbers of an experiment": ("dose,1,2\n0.5,3,4\n0.1,5,2\n", ("dose", "1", "2"), 2),
    "words": ("a,b\n1,2\n3,4\n", ("a", "b"), 2),
    # These have none.
    "a row of whole numbers": ("1,2,3\n4,5.5,6\n7,8,-9e-3\n", None, 3),
    "rows that all increase": ("1,2\n3,4\n5,6\n7,9\n", None, 4),
    "a hidden cell": ("0,1\n1,0\n0,0\n0,0\n", None, 4),
    "one column": ("1\n2.5\n3.5\n", None, 3),
    "a counted column": ("1,5\n2,3\n3,1\n4,2\n", None, 4),
    "counts": (numbered([5, 12, 40], COUNTS, "%d"), None, 41),
    "nothing below": ("1,2\n", None, 1),
    "a falling run": ("3,2,1\n0.5,0.6,0.7\n0.4,0.5,0.6\n", None, 3),
}


@pytest.mark.parametrize("case", HEADERS)
def test_headers(case, tmp_path):
    text, names, n_rows = HEADERS[case]
    rows = load_rows(written(tmp_path, text))
    assert len(rows.x) == n_rows
    first = text.splitlines()[0]
    said = names is not None and any(c.isdigit() for c in first)
    assert [note for note in rows.notes if "is taken for a header" in note and "`header='no'`" in note] == (
        list(rows.notes) if said else []
    )
    assert len(rows.notes) == said
    if n_rows > 1:
        assert load(tmp_path / "t.csv", test=0).feature_names == names


def test_a_header_that_the_user_speaks_of(tmp_path):
    path = written(tmp_path, SPECTRA)
    assert load_rows(path, header="no").x[0].tolist() == [400, 402, 404, 406]
    plain = written(tmp_path, "1,2\n3,4\n5,6\n", "plain.csv")
    dataset = load(plain, header="yes", test=0)
    assert (dataset.feature_names, dataset.n_train, dataset.notes) == (("1", "2"), 2, ())
    with pytest.raises(InvalidRecipeError, match="header is 'maybe': choose one of auto, yes, no"):
        load(plain, header="maybe")


def test_a_header_is_known_by_the_names_of_the_model(tmp_path):
    path = written(tmp_path, "0,1\n5,7\n")  # one row of whole numbers: nothing else tells
    assert load_rows(path, n_features=2).x.tolist() == [[0, 1], [5, 7]]
    assert load_rows(path, n_features=2, feature_names=("1", "0")).x.tolist() == [[7, 5]]


def test_labels_beside_a_header_of_numbers(tmp_path):
    path = written(tmp_path, "variety,400,402\na,0.51,0.52\nb,0.49,0.50\na,0.53,0.54\n")
    dataset = load(path, label="variety", test=0)
    assert (dataset.feature_names, dataset.y_train.tolist()) == (("400", "402"), ["a", "b", "a"])


# The unnamed first column of each numbers or names the rows, or does not.
INDICES = {
    "of pandas": (",0,1\n0,0.51,0.52\n1,0.49,0.50\n2,0.53,0.54\n", 2),
    "of a shuffled frame": (",a,b\n7,1,2\n3,3,4\n5,5,6\n", 2),
    "of R": ('"","a","b"\n"Mazda",1,2\n"Datsun",3,4\n', 2),
    "written twice": ("Unnamed: 0,a,b\n0,1,2\n1,3,4\n", 2),
    "of measurements": (",a,b\n0.5,1,2\n0.7,3,4\n", 3),
    "that repeats": (",a,b\n1,1,2\n1,3,4\n", 3),
}


@pytest.mark.parametrize("case", INDICES)
def test_an_index_is_left_out(case, tmp_path):
    text, n_features = INDICES[case]
    dataset = load(written(tmp_path, text), test=0)
    assert dataset.n_features == n_features
    assert any("first column has no name" in note for note in dataset.notes) == (n_features == 2)
    if n_features == 2:
        assert load_rows(tmp_path / "t.csv", feature_names=dataset.feature_names).x.shape[1] == 2


def test_r_leaves_out_the_name_of_its_first_column(tmp_path):
    path = written(tmp_path, '"sepal length" "b"\n"1" 5.1 2\n"2" 4.9 3\n', "t.txt")
    dataset = load(path, test=0)
    assert dataset.feature_names == ("sepal length", "b")
    assert dataset.x_train.tolist() == [[5.1, 2], [4.9, 3]]


READ = {
    "blanks": ("1 2.5  3\n 4 5 6 \n", "t.txt", {}, [[1, 2.5, 3], [4, 5, 6]]),
    "aligned": ("   a     b\n  1.0   2.0\n -3.0   4.5\n", "t.txt", {}, [[1, 2], [-3, 4.5]]),
    "commas in .txt": ("a,b\n1,2\n3,4\n", "t.txt", {}, [[1, 2], [3, 4]]),
    "savetxt": ("# a b\n1.5 2\n3 4\n", "t.txt", {}, [[1.5, 2], [3, 4]]),
    "comments": ("# made by hand\n# on a Monday\n1,2\n3,4\n", "t.csv", {}, [[1, 2], [3, 4]]),
    "truth": ("a,b\nTrue,1\nFALSE,2\n", "t.csv", {}, [[1, 1], [0, 2]]),
    "decimal commas": (
        "a;b\n1,5;2\n1.234,25;-0,5e1\n",
        "t.csv",
        {"decimal": "comma"},
        [[1.5, 2], [1234.25, -5]],
    ),
    "thousands": (
        'a,b\n"1,234",2\n"2,000,000.5",3\n',
        "t.csv",
        {"decimal": "point"},
        [[1234, 2], [2000000.5, 3]],
    ),
    "Swiss": ("a;b\n1'234.5;2\n3;4\n", "t.csv", {"decimal": "point"}, [[1234.5, 2], [3, 4]]),
    "latin-1": ("größe,b\n1,2\n3,4\n".encode("latin-1"), "t.csv", {"encoding": "latin-1"}, [[1, 2], [3, 4]]),
    "UTF-16": ("a\tb\n1\t2\n3\t4\n".encode("utf-16"), "t.csv", {}, [[1, 2], [3, 4]]),
    "zipped": (gzip.compress(b"a,b\n1,2\n3,4\n"), "t.csv.gz", {}, [[1, 2], [3, 4]]),
    "a return after the header": ("a,b\r1,2\n3,4\n", "t.csv", {}, [[1, 2], [3, 4]]),
    "old Macs": ("a,b\r1,2\r3,4\r", "t.csv", {}, [[1, 2], [3, 4]]),
    "returns twice": ("a,b\r\r\n1,2\r\r\n3,4\r\r\n", "t.csv", {}, [[1, 2], [3, 4]]),
    "one column with blanks in its name": ("sepal length\n1\n2\n", "t.csv", {}, [[1], [2]]),
}


@pytest.mark.parametrize("case", READ)
def test_tables_are_read(case, tmp_path):
    content, name, options, expected = READ[case]
    dataset = load(written(tmp_path, content, name), test=0, **options)
    np.testing.assert_array_equal(dataset.x_train, expected)
    assert dataset.notes == ()


REFUSED = {
    "a comma in one sense": ("a;b\n1,5;2\n", {}, "`decimal='comma'` reads it as 1.5"),
    "a comma in two": (
        "a;b\n1,234;2\n",
        {},
        "`decimal='point'` reads it as 1234, `decimal='comma'` reads it as 1.234",
    ),
    "points where commas are decimal": (
        "a;b\n1.5;2\n",
        {"decimal": "comma"},
        "`decimal='point'` reads it as 1.5",
    ),
    "another encoding": (
        "ä,b\n1,2\n".encode("cp1252"),
        {},
        "line 1: this is not UTF-8 text. Name its encoding",
    ),
    "UTF-16 without a mark": ("a,b\n1,2\n".encode("utf-16-le"), {}, "`encoding='utf-16'`"),
    "no such encoding": ("a,b\n1,2\n", {"encoding": "utf-9"}, "no text encoding 'utf-9'"),
    "an encoding of bytes": ("a,b\n1,2\n", {"encoding": "zip"}, "no text encoding 'zip'"),
    "an array of a table": ("a,b\n1,2\n", {"array": "x"}, "in an .npz file only"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_tables_are_refused_with_the_option_that_reads_them(case, tmp_path):
    content, options, words = REFUSED[case]
    with pytest.raises((InvalidDataError, InvalidRecipeError), match=re.escape(words)):
        load(written(tmp_path, content), **options)


def test_a_lone_row_with_text_is_refused(tmp_path):
    with pytest.raises(
        InvalidDataError, match=r"line 1 \(row 0\), column 0: 'a' is not a number.*header='yes'"
    ):
        load(written(tmp_path, "a,1\n"))


def test_a_damaged_zip_is_refused(tmp_path):
    packed = gzip.compress(numbered("abc", COUNTS).encode())
    for damaged in (packed[:-20], packed[:30] + b"\0\0" + packed[32:], b"a,b\n1,2\n"):
        with pytest.raises(InvalidDataError, match=r"t\.csv\.gz is damaged, or not zipped by gzip"):
            load(written(tmp_path, damaged, "t.csv.gz"))


# --- missing values ---------------------------------------------------------------------------------


def test_values_that_stand_for_missing_ones_are_offered_and_taken(tmp_path):
    x = np.round(X, 2)
    x[::5, 3], x[1::3, 7] = -200, -200
    written(tmp_path, numbered([f"s{j}" for j in range(12)], x, "%g"))
    for name in ("t.csv", "x.npy"):
        np.save(tmp_path / "x.npy", x)
        (note,) = load(tmp_path / name, test=0).notes
        columns = "'s3', 's7'" if name == "t.csv" else "3, 7"
        assert f"-200 in columns {columns} (up to 10 rows)" in note
        assert "`missing='nan'` and `missing_values='-200'`" in note
        taken = load(tmp_path / name, test=0, allow_missing=True, missing_values=["-200"])
        np.testing.assert_array_equal(np.isnan(taken.x_train), x == -200)
        assert taken.notes == ()
        with pytest.raises(InvalidDataError, match=r"missing value \(NaN\).*row 0\)?, column '?s?3"):
            load(tmp_path / name, missing_values=["-200"])


@pytest.mark.parametrize(
    "column", ["zeros", "a coin", "whole numbers", "heavy tails", "one outlier", "one value"]
)
def test_ordinary_columns_are_no_suspects(column, tmp_path):
    rng = np.random.default_rng(6)
    x = {
        "zeros": rng.exponential(size=500) * (rng.random(500) < 0.5),
        "a coin": rng.integers(0, 2, 500),
        "whole numbers": 1 + rng.poisson(4, 500),  # the least is repeated, and near the others
        "heavy tails": rng.standard_cauchy(500),
        "one outlier": np.r_[rng.normal(size=499), 1e6],
        "one value": np.full(500, -999),
    }[column]
    np.save(tmp_path / "x.npy", np.c_[x, rng.normal(size=500)])
    assert load(tmp_path / "x.npy", test=0).notes == ()


def test_missing_values_may_be_words(tmp_path):
    path = written(tmp_path, "a,b\n1,unknown\nUNKNOWN,4\n")
    x = load_rows(path, allow_missing=True, missing_values=["unknown", "UNKNOWN", "4"]).x
    np.testing.assert_array_equal(x, [[1, np.nan], [np.nan, np.nan]])


def test_missing_values_of_bytes(tmp_path):
    np.save(tmp_path / "x.npy", np.array([[1, 255], [2, 3]], np.uint8))
    x = load_rows(tmp_path / "x.npy", allow_missing=True, missing_values=[255]).x
    assert x.dtype == np.float32
    np.testing.assert_array_equal(x, [[1, np.nan], [2, 3]])


# --- arrays -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["csr", "csc", "coo"])
@pytest.mark.parametrize("compressed", [True, False])
def test_sparse_matrices(kind, compressed, tmp_path):
    dense = X * (np.abs(X) > 1)
    sparse.save_npz(tmp_path / "x.npz", getattr(sparse, f"{kind}_array")(dense), compressed=compressed)
    np.testing.assert_array_equal(load(tmp_path / "x.npz", test=0).x_train, dense)


def sparse_file(path, **changes):
    matrix = sparse.csr_array(np.eye(4))
    parts = {
        "indices": matrix.indices,
        "indptr": matrix.indptr,
        "format": b"csr",
        "shape": (4, 4),
        "data": matrix.data,
    }
    np.savez(path, **(parts | changes))
    return path


BAD_SPARSE = {
    "a column outside": ({"indices": np.array([0, 1, 2, 400])}, "damaged"),
    "a negative column": ({"indices": np.array([0, 1, 2, -1])}, "damaged"),
    "rows beyond the data": ({"indptr": np.array([0, 1, 2, 3, 400])}, "damaged"),
    "another kind": ({"format": b"bsr"}, "of the kind 'bsr': save it with .tocsr()"),
    "a size that is claimed": ({"shape": (4, 2**40)}, "at least one value in 1,000 cells"),
    "no shape": ({"shape": (4, 4, 4)}, "at least one value in 1,000 cells"),
}


@pytest.mark.parametrize("case", BAD_SPARSE)
def test_bad_sparse_matrices(case, tmp_path):
    changes, words = BAD_SPARSE[case]
    with pytest.raises(InvalidDataError, match=re.escape(words)):
        load(sparse_file(tmp_path / "x.npz", **changes))


SHAPES = {
    "floats like a picture": ((5, 8, 6), np.float32, {}, (8, 6), "each row is taken for an image of 8 x 6"),
    "floats unlike one": (
        (5, 24, 2),
        np.float32,
        {},
        None,
        "taken for 48 features. If it is an image, train with `image_shape='24,2'`",
    ),
    "floats that are one": ((5, 24, 2), np.float32, {"image_shape": (24, 2)}, (24, 2), None),
    "floats that are none": ((5, 8, 6), np.float32, {"image_shape": ()}, None, None),
    "bytes": ((5, 24, 2), np.uint8, {}, (24, 2), None),
    "a channel last": ((5, 8, 6, 1), np.uint8, {}, (8, 6), None),
    "a channel first": ((5, 1, 8, 6), np.uint8, {}, (8, 6), None),
    "a single column": ((5, 8, 1, 1), np.uint8, {}, (8, 1), None),
}


@pytest.mark.parametrize("case", SHAPES)
def test_shapes(case, tmp_path):
    shape, dtype, options, image_shape, words = SHAPES[case]
    array = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    np.save(tmp_path / "x.npy", array)
    dataset = load(tmp_path / "x.npy", test=0, **options)
    assert dataset.image_shape == image_shape
    assert dataset.x_train.tolist() == array.reshape(5, -1).tolist()
    assert [words in note for note in dataset.notes] == ([] if words is None else [True])


def test_colours_are_refused(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((5, 8, 6, 3), np.uint8))
    with pytest.raises(
        InvalidDataError, match=r"got \(5, 8, 6, 3\)\. Of images with colours, give one channel"
    ):
        load(tmp_path / "x.npy")


def test_labels_in_a_column(tmp_path):
    np.savez(tmp_path / "x.npz", x=X, y=np.arange(30)[:, None])
    assert load(tmp_path / "x.npz", test=0).y_train.tolist() == list(range(30))


def test_arrays_of_other_names(tmp_path):
    y = np.arange(30)
    np.savez(tmp_path / "fits.npz", features=X, ids=y)
    dataset = load(tmp_path / "fits.npz", test=0)
    assert dataset.x_train.tolist() == X.tolist()
    assert dataset.notes == (
        f"{tmp_path / 'fits.npz'}: the rows are the array 'features'; the others are no rows.",
    )
    np.savez(
        tmp_path / "images.npz", train_images=X, train_labels=y[:, None], test_images=X[:3], val_images=X[:2]
    )
    dataset = load(tmp_path / "images.npz")
    assert (dataset.n_train, dataset.n_test, dataset.y_train.tolist()) == (30, 3, y.tolist())
    assert load(tmp_path / "images.npz", array="val_images", test=0).n_train == 2
    with pytest.raises(
        InvalidDataError, match=r"no array 'images', but the arrays 'train_images' \(30, 12\)"
    ):
        load(tmp_path / "images.npz", array="images")
    assert load_rows(tmp_path / "fits.npz", array="train_images").x.shape == (
        30,
        12,
    )  # not there, and passed over
