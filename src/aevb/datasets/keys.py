"""Columns that name rows and are no data: read as text, to be carried beside what is made of the rows."""

import difflib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped

from aevb.datasets.archives import open_archive
from aevb.datasets.files import is_table
from aevb.datasets.reading import Reading
from aevb.datasets.sources import NAMES
from aevb.datasets.tables import lay_out
from aevb.datasets.text import read_text
from aevb.datasets.wording import names_listed, quoted
from aevb.errors import InvalidDataError, InvalidRecipeError
from aevb.storage import expanded

Keys = dict[str, Shaped[np.ndarray, " rows"]]


def read_keys(source: str | Path, columns: Sequence[str], n_rows: int, **reading: Any) -> Keys:
    r"""The named columns of a table, as the text that they are there; or arrays of an `.npz` file.

    Args:
        source: the file that the rows are from.
        columns: names, or numbers from 0 in a table without a header.
        n_rows: how many rows were read from it.
        reading: how they were, see `aevb.datasets.Reading`.

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
    path = expanded(source)
    is_archive = path.suffix.lower() == ".npz"
    if source in NAMES or not (is_archive or is_table(path)):
        raise InvalidRecipeError(
            f"{source} has no columns with names to keep: `keep=` takes those of a table (CSV) or the arrays of an .npz"
        )
    how = replace(Reading(**reading), label=None, drop=(), optional=True)
    keys = _arrays(path, columns) if is_archive else _columns(path, columns, how)
    for name, values in keys.items():
        if values.shape != (n_rows,):
            raise InvalidDataError(
                f"{path}: '{name}' is to be kept beside {n_rows} rows, but has the shape {values.shape}"
            )
    return keys


def _columns(path: Path, columns: Sequence[str], reading: Reading) -> Keys:
    layout, _ = lay_out(read_text(path, reading.encoding), reading)
    places = [_place(layout.names, column, path) for column in columns]
    rows = [row for _, row in layout.body.rows()]
    return {layout.names[i]: np.array([row[i].strip() for row in rows], dtype=np.str_) for i in places}


def _arrays(path: Path, columns: Sequence[str]) -> Keys:
    with open_archive(path) as archive:
        names = [archive.names[_place(archive.names, column, path)] for column in columns]
        return {name: archive.read(name) for name in names}


def _place(names: Sequence[str], wanted: str, path: Path) -> int:
    if wanted in names:
        return names.index(wanted)
    close = difflib.get_close_matches(wanted, names, 1)
    advice = f"Did you mean {quoted(close[0])}? " if close else ""
    raise InvalidDataError(
        f"{path} has no column {quoted(wanted)} to keep. {advice}Its columns: {names_listed(names)}."
    )
