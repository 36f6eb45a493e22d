"""Tables with named columns: CSV files and data frames, read into numbers with errors that name the cell."""

import csv
import difflib
import io
import math
import re
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Num, Shaped

from aevb.errors import InvalidDataError

# A file is separated by the first of these that its first line contains outside quotes. The comma comes last
# because a file with tabs or semicolons may have decimal commas, which are then refused as text.
_DELIMITERS = ("\t", ";", ",")

_ADVICE = "Leave the column out with --drop (drop=), or name it as the labels with --label (label=)."
# What other programs write where there is no value.
_NO_VALUE = ("na", "n/a", "#n/a", "none", "null", "missing", "?", "-", ".")


@dataclass(frozen=True, eq=False)
class Table:
    """The numbers of a table, and the column of labels if one was named.

    Args:
        x: the numbers, shape `(rows, features)`; a cell that was empty is NaN.
        y: the labels: int64 or float64 where all are numbers, else text; None without.
        feature_names: the names of the columns of `x`; None where the table has no header.
    """

    x: Num[np.ndarray, "rows features"]
    y: Shaped[np.ndarray, " rows"] | None
    feature_names: tuple[str, ...] | None


@dataclass(frozen=True)
class _Layout:
    """How a CSV file is laid out: its separator, its columns by name or number, and which of them is what."""

    path: Path
    delimiter: str
    header: bool
    names: tuple[str, ...]
    label_at: int | None
    features: list[int]

    def column(self, i: int) -> str:
        return f"'{self.names[i]}'" if self.header else str(i)


def read_csv(
    path: Path, *, label: str | int | None = None, drop: Sequence[str | int] = (), optional: bool = False
) -> Table:
    """Reads a CSV file of numbers, separated by commas, semicolons or tabs.

    The first line is a header if none of its cells is a number.

    Args:
        path: the file, in UTF-8.
        label: the column of labels: its name, or its number from 0 where there is no header.
        drop: columns to leave out, named in the same way.
        optional: pass over a `label` or `drop` that the table does not have.

    Raises:
        InvalidDataError: text in a cell, a ragged row, an unknown column; with its line and column.
    """
    text = _read_text(path)
    first, delimiter = _first_row(text, path)
    header = any(cell.strip() for cell in first) and not any(_is_number(cell) for cell in first)
    names = tuple(name.strip() or f"Unnamed: {i}" if header else str(i) for i, name in enumerate(first))
    label_at, features = _columns(names, header, label, drop, str(path), optional)
    layout = _Layout(path, delimiter, header, names, label_at, features)
    x, y = _read_fast(text, layout) or _read_cells(text, layout)
    return Table(x, y, tuple(names[i] for i in features) if header else None)


def from_frame(
    frame: Any, *, label: str | int | None = None, drop: Sequence[str | int] = (), name: str = "x"
) -> Table:
    """Takes the numbers out of a pandas (or similar) data frame and keeps the names of its columns.

    Args:
        frame: anything with `columns`, whose columns are found by `frame[column]` and have a `dtype`.
        label: the column of labels.
        drop: columns to leave out.
        name: what to call the frame in an error.

    Raises:
        InvalidDataError: columns that are not numbers, all of them named; an unknown or doubled column.
    """
    keys = list(frame.columns)
    names = tuple(str(key) for key in keys)
    label_at, features = _columns(names, True, label, drop, name, optional=False)
    columns = [frame[keys[i]] for i in features]
    text = [
        f"'{names[i]}' ({c.dtype})" for i, c in zip(features, columns, strict=True) if _kind(c) not in "biuf"
    ]
    if text:
        raise InvalidDataError(
            f"{name} must hold numbers, but these columns do not: {', '.join(text)}. Leave them out, as "
            f"{name}.drop(columns=...) does, or put numbers in their place, as pandas.get_dummies does."
        )
    x = np.column_stack([_numbers(column) for column in columns])
    y = None if label_at is None else np.asarray(frame[keys[label_at]])
    return Table(
        x, y.astype(str) if y is not None and y.dtype == object else y, tuple(names[i] for i in features)
    )


def _kind(column: Any) -> str:
    """NumPy's letter for the kind of a column, which pandas' nullable dtypes carry too."""
    return getattr(column.dtype, "kind", None) or np.asarray(column).dtype.kind


def _numbers(column: Any) -> np.ndarray:
    values = np.asarray(column)
    if values.dtype == object:  # pandas' nullable numbers with a missing one among them
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    return values.astype(np.float32) if values.dtype == bool else values


def _read_text(path: Path) -> str:
    content = path.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InvalidDataError(
            f"{path}, line {line}: not UTF-8 text. Save the table as CSV in UTF-8."
        ) from error


def _rows(text: str, delimiter: str, path: Path) -> Iterator[tuple[int, list[str]]]:
    """The line number and the cells of each row that is not blank."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    try:
        for row in reader:
            if row:
                yield reader.line_num, row
    except csv.Error as error:
        raise InvalidDataError(f"{path}, line {reader.line_num}: {error}.") from error


def _first_row(text: str, path: Path) -> tuple[list[str], str]:
    """The cells of the first row, and what separates them."""
    first, delimiter = [], ""
    for delimiter in _DELIMITERS:
        first = next((row for _, row in _rows(text, delimiter, path)), [])
        if len(first) > 1:
            break
    if not first:
        raise InvalidDataError(f"{path} is empty: it has no row with anything in it.")
    return first, delimiter


def _columns(
    names: tuple[str, ...],
    header: bool,
    label: str | int | None,
    drop: Sequence[str | int],
    source: str,
    optional: bool,
) -> tuple[int | None, list[int]]:
    """The position of the label, if any, and the positions of the features."""
    doubled = [name for name, n in Counter(names).items() if n > 1]
    if doubled:
        raise InvalidDataError(
            f"{source}: more than one column is called {_quoted(doubled)}. Rename all but one."
        )
    if not optional:
        _check_known(names, header, [*drop] if label is None else [label, *drop], source)
    positions = {name: i for i, name in enumerate(names)}
    label_at = None if label is None else positions.get(str(label))
    dropped = {positions.get(str(column)) for column in drop} | {label_at}
    features = [i for i in range(len(names)) if i not in dropped]
    if not features:
        raise InvalidDataError(
            f"{source}: no column is left once the label and the dropped ones are taken away."
        )
    return label_at, features


def _check_known(names: tuple[str, ...], header: bool, asked: Sequence[str | int], source: str) -> None:
    for column in map(str, asked):
        if column in names:
            continue
        if not header:
            raise InvalidDataError(
                f"{source} has no column '{column}': without a header they are called 0 to {len(names) - 1}."
            )
        close = difflib.get_close_matches(column, names, 1)
        advice = f"Did you mean '{close[0]}'? " if close else ""
        raise InvalidDataError(f"{source} has no column '{column}'. {advice}Its columns: {_quoted(names)}.")


def _read_fast(text: str, layout: _Layout) -> tuple[np.ndarray, np.ndarray | None] | None:
    """Features and labels by NumPy's parser, 2-3 times as fast; None unless every cell is a number."""
    body = text.lstrip("\r\n ")
    if layout.header:
        body = body.partition("\n")[2]
    if '"' in text or not body.strip():  # quoting is where it and the csv module differ
        return None
    try:
        x = np.loadtxt(io.StringIO(body), delimiter=layout.delimiter, comments=None, ndmin=2)
    except ValueError:
        return None
    if x.shape[1] != len(layout.names):
        return None
    return x[:, layout.features], None if layout.label_at is None else _whole(x[:, layout.label_at])


def _read_cells(text: str, layout: _Layout) -> tuple[np.ndarray, np.ndarray | None]:
    """Features and labels cell by cell: empty cells are NaN, and an error names its place."""
    n_columns, path = len(layout.names), layout.path
    cells, labels = array("d"), []
    rows = _rows(text, layout.delimiter, path)
    if layout.header:
        next(rows)
    for line, row in rows:
        if len(row) != n_columns:
            if len(row) == 1 and not row[0].strip():
                continue  # a line of blanks
            raise InvalidDataError(
                f"{path}, line {line}: {len(row)} cells, but the first row has {n_columns}."
            )
        try:
            cells.extend([_number(row[i]) for i in layout.features])
        except ValueError as error:
            raise _text_in_cell(row, line, layout) from error
        if layout.label_at is not None:
            labels.append(row[layout.label_at].strip())
    x = np.array(cells).reshape(-1, len(layout.features))
    return x, None if layout.label_at is None else _labels(labels)


def _text_in_cell(row: list[str], line: int, layout: _Layout) -> InvalidDataError:
    i = next(i for i in layout.features if row[i].strip() and not _is_number(row[i]))
    advice = _ADVICE
    if re.fullmatch(r"\s*[-+]?\d+,\d+\s*", row[i]):
        advice = "Write numbers with a decimal point."
    elif row[i].strip().lower() in _NO_VALUE:
        advice = "Leave a cell empty, or write NaN, where a value is missing, and train with --missing nan."
    elif line == 1:
        advice += " If this line is a header, no name in it may be a number."
    return InvalidDataError(
        f"{layout.path}, line {line}, column {layout.column(i)}: {row[i]!r} is not a number. {advice}"
    )


def _number(cell: str) -> float:
    if not cell or cell.isspace():
        return math.nan
    if "_" in cell:  # 1_000 is a number in Python only
        raise ValueError(cell)
    return float(cell)


def _is_number(cell: str) -> bool:
    try:
        return bool(cell.strip()) and _number(cell) is not None
    except ValueError:
        return False


def _labels(labels: list[str]) -> np.ndarray:
    """Labels as numbers if all are, else as text."""
    try:
        return _whole(np.array([_number(label) for label in labels]))
    except ValueError:
        return np.array(labels)


def _whole(numbers: np.ndarray) -> np.ndarray:
    """The numbers as int64 if all of them are whole."""
    whole = np.isfinite(numbers).all() and (numbers == np.trunc(numbers)).all()
    return numbers.astype(np.int64) if whole else numbers


def _quoted(names: Sequence[str]) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:10])
    return shown + (f" and {len(names) - 10} more" if len(names) > 10 else "")
