"""Tables with named columns: CSV files and data frames, read into numbers with errors that name the cell."""

import io
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int, Num, Shaped

from aevb.datasets.cells import Cells
from aevb.datasets.columns import choose_columns, match_columns
from aevb.datasets.headers import is_header, names_rows, sample_rows
from aevb.datasets.reading import Reading
from aevb.datasets.text import BLANKS, Text, check_width, read_text
from aevb.datasets.text_cells import text_error
from aevb.datasets.wording import listed, names_listed
from aevb.errors import InvalidDataError

_ADVICE = "Leave them out with `drop=`, or name one as the labels with `label=`."


@dataclass(frozen=True, eq=False)
class Table:
    """The numbers of a table, and the column of labels if one was named.

    Args:
        x: the numbers, shape `(rows, features)`; a cell that was empty is NaN.
        y: the labels: int64 or float64 where all are numbers, else text; None without.
        feature_names: the names of the columns of `x`; None where the table has no header.
        lines: the line in its file on which each row ends; None for a data frame.
        notes: what was taken for what, in sentences.
    """

    x: Num[np.ndarray, "rows features"]
    y: Shaped[np.ndarray, " rows"] | None
    feature_names: tuple[str, ...] | None
    lines: Int[np.ndarray, " rows"] | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Layout:
    """How a table's file is laid out.

    Args:
        body: the text below the header.
        cells: how its cells are read.
        header: whether there is one.
        names: of all columns; their numbers where there is no header.
        features: the positions of those that hold the features.
        label_at: the position of the labels, which are read as text.
    """

    body: Text
    cells: Cells
    header: bool
    names: tuple[str, ...]
    features: list[int]
    label_at: int | None


def read_csv(path: Path, reading: Reading, *, expected: Sequence[str] = ()) -> Table:
    """Reads a table of numbers, separated by commas, semicolons, tabs or blanks, also zipped (`.gz`).

    Args:
        path: the file.
        reading: how.
        expected: names that a header would hold if there is one, where that is known.

    Raises:
        InvalidDataError: text in a cell, a ragged row, an unknown column; with its line and column.
    """
    text = read_text(path, reading.encoding)
    layout, notes = lay_out(text, reading, expected)
    x, y, lines = _read_fast(layout) or _read_cells(layout)
    names = tuple(layout.names[i] for i in layout.features) if layout.header else None
    return Table(x, None if y is None else _labels(y), names, lines, notes)


def lay_out(text: Text, reading: Reading, expected: Sequence[str] = ()) -> tuple[Layout, tuple[str, ...]]:
    """The layout of a table, and what had to be guessed of it, in sentences.

    Args:
        text: the whole table.
        reading: how to read it.
        expected: see `read_csv`.

    Raises:
        InvalidDataError: columns that there are not, or doubled ones.
    """
    cells, source = Cells(reading.decimal, reading.missing_texts), str(text.path)
    first, rest = text.first, text.rest()
    sample = [row for _, row in islice(rest.rows(), sample_rows(len(first)))]
    if text.delimiter == BLANKS and sample and len(sample[0]) == len(first) + 1:
        first = ["", *first]  # R leaves out the name of the column with the rows' names
    below = [row for row in sample if len(row) == len(first)]
    header = reading.header == "yes" or (
        reading.header == "auto" and (text.is_headed or is_header(first, below, cells, expected))
    )
    names = tuple(name.strip() or f"Unnamed: {i}" if header else str(i) for i, name in enumerate(first))
    drop, notes = [str(column) for column in reading.drop], []
    if header and reading.header == "auto" and not text.is_headed and any(map(cells.is_number, first)):
        shown = listed([name.strip() for name in first], 4)
        notes.append(
            f"{source}: the first row ({shown}) is taken for a header. If it is data, say `header='no'`."
        )
    asked = [*expected, *drop, str(reading.label)]
    if header and names[0] not in asked and _is_index(names, below, cells):
        drop.append(names[0])
        notes.append(
            f"{source}: the first column has no name and numbers or names the rows: it is left out. With a name in the "
            "header it is a feature."
        )
    label_at, features = choose_columns(names, header, reading.label, drop, source, reading.optional)
    if header and expected:
        features, others = match_columns(names, expected, source)
        extra = [name for name in others if name not in (*drop, str(reading.label))]
        if extra:
            notes.append(f"{source}: the model does not know {names_listed(extra)}, which is left out.")
    return Layout(rest if header else text, cells, header, names, features, label_at), tuple(notes)


def _is_index(names: Sequence[str], below: Sequence[Sequence[str]], cells: Cells) -> bool:
    """Whether the first of several columns has no name, and can be the rows' names."""
    return names[0] == "Unnamed: 0" and len(names) > 1 and names_rows([row[0] for row in below], cells)


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
    label_at, features = choose_columns(names, True, label, drop, name, optional=False)
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


def _read_fast(layout: Layout) -> tuple[np.ndarray, np.ndarray | None, np.ndarray] | None:
    """Features, labels and lines by NumPy's parser, 2-3 times as fast; None unless every cell is a number."""
    body = layout.body
    if '"' in body.content or not body.content.strip():  # quoting is where it and the csv module differ
        return None
    if layout.cells.decimal == "comma":
        return None
    delimiter = None if body.delimiter == BLANKS else body.delimiter
    try:
        x = np.loadtxt(io.StringIO(body.content), delimiter=delimiter, comments=None, ndmin=2)
    except ValueError:
        return None
    if x.shape[1] != len(layout.names):
        return None
    labels = None if layout.label_at is None else x[:, layout.label_at]
    features = x if layout.features == list(range(x.shape[1])) else x[:, layout.features]
    return features, labels, _lines(body, len(x))


def _lines(body: Text, n_rows: int) -> np.ndarray:
    """The lines of rows that have one each."""
    n_lines = body.content.count("\n") + (not body.content.endswith("\n"))
    if n_lines == n_rows:
        return np.arange(n_rows) + body.line
    return np.array([line for line, _ in body.rows()])


def _read_cells(layout: Layout) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
    """Features, labels and lines cell by cell: empty cells are NaN, and an error names its place."""
    body, number, n_columns = layout.body, layout.cells.number, len(layout.names)
    cells, lines = array("d"), array("q")
    labels: list[str] = []
    for line, row in body.rows():
        check_width(body, line, row, n_columns)
        try:
            cells.extend([number(row[i]) for i in layout.features])
        except ValueError:
            names = layout.names if layout.header else None
            raise text_error(body, layout.cells, layout.features, names) from None
        lines.append(line)
        if layout.label_at is not None:
            labels.append(row[layout.label_at].strip())
    x = np.array(cells).reshape(-1, len(layout.features))
    y = None if layout.label_at is None else np.array(labels, dtype=str)
    return x, y, np.fromiter(lines, np.int64, len(lines))


def _labels(labels: np.ndarray) -> np.ndarray:
    """Labels as numbers if all are, else as text."""
    try:
        numbers = labels if labels.dtype.kind == "f" else np.array([_label(label) for label in labels])
    except ValueError:
        return labels
    whole = np.isfinite(numbers).all() and (numbers == np.trunc(numbers)).all()
    return numbers.astype(np.int64) if whole else numbers


def _label(text: str) -> float:
    if "_" in text:  # 1_000 is a number in Python only
        raise ValueError(text)
    return float(text or "nan")
