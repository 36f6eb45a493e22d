"""What must hold of every table and array, on examples that hypothesis looks for. They are the same every time."""

import csv
import io

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from aevb.datasets import load_rows
from aevb.datasets.cells import Cells
from aevb.errors import InvalidDataError
from fuzz_files import archive, npy, run

QUICK = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False, width=32)
TABLES = arrays.arrays(np.float64, st.tuples(st.integers(1, 8), st.integers(1, 5)), elements=NUMBERS)
ENDS = st.sampled_from(["\n", "\r\n", "\r", "\r\r\n"])
# A name holds a letter that no number has, and nothing that ends a line.
NAMES = st.text(st.characters(exclude_categories=("C", "Zl", "Zp")), max_size=12).map(
    lambda name: f"q{name}w".strip()
)


def as_text(rows, delimiter, end, quoting):
    file = io.StringIO()
    csv.writer(file, delimiter=delimiter, lineterminator=end, quoting=quoting).writerows(rows)
    return file.getvalue()


@QUICK
@given(
    TABLES,
    st.data(),
    st.sampled_from([",", ";", "\t"]),
    ENDS,
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_tables_with_names_come_back(tmp_path, x, data, delimiter, end, quoting):
    n_columns = x.shape[1]
    names = data.draw(st.lists(NAMES, min_size=n_columns, max_size=n_columns, unique_by=str.strip))
    text = as_text([names, *x.tolist()], delimiter, end, quoting)
    (tmp_path / "t.csv").write_bytes(text.encode())
    rows = load_rows(tmp_path / "t.csv", n_features=n_columns, feature_names=names)
    np.testing.assert_array_equal(rows.x, x)
    assert rows.notes == ()
    backwards = load_rows(tmp_path / "t.csv", n_features=n_columns, feature_names=names[::-1])
    np.testing.assert_array_equal(backwards.x, x[:, ::-1])


@QUICK
@given(TABLES, ENDS, ENDS, st.booleans())
def test_no_row_is_lost_whatever_ends_the_lines(tmp_path, x, end, other, header):
    names = [f"n{j}" for j in range(x.shape[1])]
    lines = [",".join(names)] * header + [",".join(map(repr, row)) for row in x.tolist()]
    text = "".join(line + (end if i % 2 else other) for i, line in enumerate(lines))
    (tmp_path / "t.csv").write_bytes(text.encode())
    option = {"header": "yes" if header else "no"}
    np.testing.assert_array_equal(load_rows(tmp_path / "t.csv", **option).x, x)


@QUICK
@given(
    st.integers(0, 10**6),
    st.integers(2, 9),
    st.integers(1, 7),
    arrays.arrays(np.float64, (3, 9), elements=st.floats(-1e3, 1e3).filter(lambda v: v != round(v))),
)
def test_a_header_of_rising_whole_numbers_over_fractions_is_one(tmp_path, start, n_columns, step, x):
    names = range(start, start + step * n_columns, step)
    text = as_text([names, *x[:, :n_columns].tolist()], ",", "\n", csv.QUOTE_MINIMAL)
    (tmp_path / "t.csv").write_text(text)
    np.testing.assert_array_equal(load_rows(tmp_path / "t.csv").x, x[:, :n_columns])


@QUICK
@given(
    st.sampled_from(["i1", "u1", "<i2", ">i2", "<u2", "<i4", ">u4", "<i8", "?", "<f2", ">f4", "<f8"]),
    st.integers(1, 5),
    st.data(),
)
def test_arrays_of_every_kind_of_number_come_back(tmp_path, dtype, n_columns, data):
    elements = None if np.dtype(dtype).kind != "f" else {"allow_nan": False, "allow_infinity": False}
    x = data.draw(arrays.arrays(dtype, (4, n_columns), elements=elements))
    for name, content in (("x.npy", npy(x)), ("x.npz", archive(("anything.npy", npy(x))))):
        (tmp_path / name).write_bytes(content)
        read = load_rows(tmp_path / name).x
        np.testing.assert_array_equal(read, x)
        assert read.dtype.isnative


@QUICK
@given(st.integers(-(10**12), 10**12), st.integers(0, 999))
def test_numbers_with_separators_come_back(whole, thousandths):
    written = f"{whole:,}.{thousandths:03}"
    expected = float(f"{whole}.{thousandths:03}")
    assert Cells("point").number(written) == expected
    other = written.translate(str.maketrans(",.", ".,"))
    assert Cells("comma").number(other) == expected
    assert Cells("point").number(written.replace(",", "\u202f")) == expected


@QUICK
@given(
    st.binary(max_size=400), st.sampled_from(["t.csv", "t.txt", "t.csv.gz", "x.npy", "x.npz"]), st.booleans()
)
def test_any_bytes_are_read_or_refused(tmp_path, content, name, begun):
    beginnings = {"x.npy": b"\x93NUMPY\x01\x00", "x.npz": b"PK\x03\x04", "t.csv.gz": b"\x1f\x8b\x08\x00"}
    content = beginnings.get(name, b"a,b\n1,2\n") * begun + content
    (tmp_path / name).write_bytes(content)
    try:
        load_rows(tmp_path / name)
        message = name
    except InvalidDataError as error:
        message = str(error)
    assert name in message
    assert "Type-check" not in message  # ours, while the tests run


def test_damaged_files_are_refused_or_read_and_take_little_memory(tmp_path):
    outcomes = run(104, 1, tmp_path)
    assert outcomes.keys() == {"read", "refused"}
    assert outcomes["read"] > 3
