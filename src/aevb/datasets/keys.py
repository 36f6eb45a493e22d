"""Columns that name rows and are no data: read as text, to be carried beside what is made of the rows."""

import difflib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from jaxtyping import Shaped

from aevb.datasets.sources import NAMES
from aevb.datasets.tables import _first_row, _is_number, _read_text, _rows
from aevb.errors import AevbError, InvalidDataError, InvalidRecipeError
from aevb.storage import expanded

Keys = dict[str, Shaped[np.ndarray, " rows"]]


def read_keys(source: str | Path, columns: Sequence[str], n_rows: int) -> Keys:
    r"""The named columns of a table, as the text that they are there; or arrays of an `.npz` file.

    Args:
        source: the file that the rows are from.
        columns: names, or numbers from 0 in a table without a header.
        n_rows: how many rows were read from it.

    Returns:
        A value for each row by name, in the order of `columns`; text out of a table.

    Raises:
        InvalidDataError: there is no such column or array, or not a value for each row.
        InvalidRecipeError: the source has no columns with names.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(f"{folder}/a.csv").write_text("id,x\n007,1.5\n008,2.5\n")
    ...     read_keys(f"{folder}/a.csv", ["id"], 2)
    {'id': array(['007', '008'], dtype='<U3')}
    """
    if not columns:
        return {}
    ending = Path(source).suffix.lower()
    if source in NAMES or ending not in (".csv", ".tsv", ".npz"):
        raise InvalidRecipeError(
            f"{source} has no columns with names to keep: `keep=` takes those of a table (CSV) or the arrays of an .npz"
        )
    path = expanded(source)
    keys = _arrays(path, columns) if ending == ".npz" else _columns(path, columns)
    for name, values in keys.items():
        if values.shape != (n_rows,):
            raise InvalidDataError(
                f"{path}: '{name}' is to be kept beside {n_rows} rows, but has the shape {values.shape}"
            )
    return keys


def _columns(path: Path, columns: Sequence[str]) -> Keys:
    text = _read_text(path)
    first, delimiter = _first_row(text, path)
    header = any(cell.strip() for cell in first) and not any(_is_number(cell) for cell in first)
    names = [cell.strip() if header else str(i) for i, cell in enumerate(first)]
    places = [_place(names, column, path) for column in columns]
    rows = _rows(text, delimiter, path)
    if header:
        next(rows)
    whole = [row for _, row in rows if len(row) == len(names)]  # others are blank, or have been refused
    return {names[i]: np.array([row[i].strip() for row in whole], dtype=np.str_) for i in places}


def _arrays(path: Path, columns: Sequence[str]) -> Keys:
    with path.open("rb") as file, _damaged(path):
        content = np.load(file, allow_pickle=False)
        names = [content.files[_place(content.files, column, path)] for column in columns]
        return {name: content[name] for name in names}


@contextmanager
def _damaged(path: Path) -> Iterator[None]:
    """Whatever goes wrong in an archive is one error."""
    try:
        yield
    except AevbError:
        raise
    except Exception as error:
        raise InvalidDataError(f"{path} does not hold plain arrays, or is damaged ({error})") from error


def _place(names: Sequence[str], wanted: str, path: Path) -> int:
    if wanted in names:
        return names.index(wanted)
    close = difflib.get_close_matches(wanted, names, 1)
    advice = f"Did you mean '{close[0]}'? " if close else ""
    shown = ", ".join(f"'{name}'" for name in names)
    raise InvalidDataError(f"{path} has no column '{wanted}' to keep. {advice}Its columns: {shown}.")
