"""What an array must be before it is trained on or scored, with errors that name the place."""

from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np
from jaxtyping import Int, Num

from aevb.datasets.wording import count_of, listed, quoted
from aevb.errors import InvalidDataError


def name_cell(
    row: int, column: int, feature_names: Sequence[str] | None = None, line: int | None = None
) -> str:
    """The words for a cell, the same everywhere.

    Rows are counted from 0, without a table's header, as in Python; columns have their name or, without one, their
    number from 0. A row of a table also has its line in the file, counted from 1, as an editor shows it.

    Args:
        row: its row.
        column: its column.
        feature_names: names of the columns, if they have some.
        line: the line in its file, if it has one.

    >>> name_cell(3, 0, ("a", "b"), line=5)
    "line 5 (row 3), column 'a'"
    >>> name_cell(3, 2)
    'row 3, column 2'
    """
    named = quoted(feature_names[column]) if feature_names else str(column)
    place = f"row {row}" if line is None else f"line {line} (row {row})"
    return f"{place}, column {named}"


def check_rows(
    x: Any,
    *,
    name: str = "x",
    n_features: int | None = None,
    feature_names: Sequence[str] | None = None,
    min_rows: int = 1,
    allow_missing: bool = False,
    lines: Int[np.ndarray, " rows"] | None = None,
) -> Num[np.ndarray, "rows features"]:
    """The rows as a two-dimensional array of finite real numbers, NaN among them where those are allowed.

    The dtype is kept (unsigned bytes stay bytes, which tells the scaling that they are pixels), except that
    booleans and half floats become float32, and long doubles and objects that are all numbers float64.

    Args:
        x: the rows, shape `(rows, features)`.
        name: what to call the array in an error.
        n_features: how many columns there must be; None accepts any number.
        feature_names: names of the columns, for the errors.
        min_rows: how many rows there must be.
        allow_missing: let NaN pass, as a missing value. Infinite values are refused always.
        lines: the line of each row in its file, for the errors.

    Raises:
        InvalidDataError: anything else, and where it is.

    >>> check_rows([[0, 1], [True, 2.5]])
    array([[0. , 1. ],
           [1. , 2.5]])
    """
    if hasattr(x, "toarray"):
        raise InvalidDataError(
            f"{name} is a sparse matrix, and aevb needs dense rows: pass {name}.toarray()."
        )
    rows = _as_real(np.asarray(x), name, feature_names)
    _check_shape(rows, name, n_features, min_rows)
    if rows.dtype.kind == "f":
        _check_finite(rows, name, feature_names, allow_missing, lines)
    return rows


def _as_real(rows: np.ndarray, name: str, feature_names: Sequence[str] | None) -> np.ndarray:
    kind, size = rows.dtype.kind, rows.dtype.itemsize
    if kind == "c":
        raise InvalidDataError(
            f"Complex data not supported: {name} has dtype {rows.dtype}. "
            "Pass real and imaginary parts as columns."
        )
    if kind == "O":
        _check_objects(rows, name, feature_names)
        return rows.astype(np.float64)
    if kind not in "biuf":
        raise InvalidDataError(
            f"{name} must hold numbers, but its dtype is {rows.dtype}. Encode or leave out text."
        )
    if kind == "b" or (kind == "f" and size < 4):
        return rows.astype(np.float32)
    return rows.astype(np.float64) if kind == "f" and size > 8 else rows


def _check_objects(rows: np.ndarray, name: str, feature_names: Sequence[str] | None) -> None:
    for index, value in np.ndenumerate(rows):
        if not isinstance(value, Real):
            place = name_cell(index[0], index[1], feature_names) if rows.ndim == 2 else f"index {index}"
            raise InvalidDataError(f"{name} must hold numbers, but has {value!r} at {place}.")


def _check_shape(rows: np.ndarray, name: str, n_features: int | None, min_rows: int) -> None:
    if rows.ndim != 2:
        advice = (
            f"{name}.reshape(1, -1) if it is one row, {name}.reshape(-1, 1) if it is one feature"
            if rows.ndim < 2
            else f"{name}.reshape(len({name}), -1) makes a row of each"
        )
        raise InvalidDataError(
            f"{name} must have shape (rows, features), but has {rows.shape}. Reshape your data: {advice}."
        )
    if rows.shape[1] == 0:
        raise InvalidDataError(
            f"{name} has 0 feature(s) (shape={rows.shape}) while a minimum of 1 is required."
        )
    if n_features is not None and rows.shape[1] != n_features:
        raise InvalidDataError(f"{name} has {rows.shape[1]} features, but {n_features} are expected.")
    if rows.shape[0] == 0:
        raise InvalidDataError(f"{name} is empty: it has 0 rows (shape={rows.shape}).")
    if rows.shape[0] < min_rows:
        raise InvalidDataError(
            f"{name} has only {count_of(len(rows), 'row')} (n_samples = {len(rows)}), but needs {min_rows}."
        )


def check_observed(x: Num[np.ndarray, "rows features"], feature_names: Sequence[str] | None = None) -> None:
    """Refuses training rows with a column of missing values only: nothing can be learned of it.

    Raises:
        InvalidDataError: naming such columns.

    >>> check_observed(np.array([[1.0, np.nan], [np.nan, 2.0]]))
    """
    if x.dtype.kind != "f":
        return
    never = np.flatnonzero(np.isnan(x).all(axis=0)).tolist()
    if len(never):
        names = [quoted(feature_names[j]) if feature_names else str(j) for j in never]
        raise InvalidDataError(
            f"nothing can be learned of {count_of(len(names), 'column')} of which none of the {len(x)} training rows "
            f"has a value: {listed(names)}. Leave such columns out: of a table with `drop=`, of an array before it is "
            "given."
        )


def _check_finite(
    rows: np.ndarray,
    name: str,
    feature_names: Sequence[str] | None,
    allow_missing: bool,
    lines: np.ndarray | None,
) -> None:
    # NaN and infinity survive a minimum and a maximum, so that clean rows, the usual case, need no mask.
    if np.isfinite(rows.min()) and np.isfinite(rows.max()):
        return
    broken = np.isinf(rows) if allow_missing else ~np.isfinite(rows)
    if not broken.any():
        return
    row, column = (int(i) for i in np.argwhere(broken)[0])
    is_nan = np.isnan(rows[row, column])
    kind, cells = "an infinite value (inf)", "infinite cell" if allow_missing else "NaN or infinite cell"
    advice = "Remove those rows, or fill the cells, first."
    if is_nan:
        kind = "a missing value (NaN)"
        advice += " Or let a model learn from what is observed: train it with `missing='nan'`."
    place = name_cell(row, column, feature_names, None if lines is None else int(lines[row]))
    raise InvalidDataError(f"{name} has {kind} at {place}, and {_count(broken, cells)} in all. {advice}")


def _count(mask: np.ndarray, noun: str) -> str:
    return count_of(int(mask.sum()), noun)
