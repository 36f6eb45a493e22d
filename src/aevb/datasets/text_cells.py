"""What to say where a table holds text in place of numbers: all columns at once, and what to do."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from aevb.datasets.cells import Cells
from aevb.datasets.checks import name_cell
from aevb.datasets.text import Text, check_width
from aevb.datasets.wording import listed, quoted
from aevb.errors import InvalidDataError

# Names that an option can be given as they are, and how many characters of them advice repeats.
_PLAIN = re.compile(r"[\w.-]+")
MOST_NAMED = 1000


@dataclass
class _TextColumn:
    """A column with text: the first such cell, its line and row, and how many there are."""

    cell: str
    line: int
    row: int
    n_cells: int = 0


def text_error(
    body: Text, cells: Cells, features: Sequence[int], names: Sequence[str] | None
) -> InvalidDataError:
    """The error that names every column of features that holds text.

    Args:
        body: the rows.
        cells: how their cells are read.
        features: the positions of the columns that should hold numbers.
        names: of all columns; None without a header.

    Raises:
        InvalidDataError: a ragged row.
    """
    found: dict[int, _TextColumn] = {}
    n_rows, n_columns = 0, 0
    for row_number, (line, row) in enumerate(body.rows()):
        n_rows, n_columns = row_number + 1, n_columns or len(row)
        check_width(body, line, row, n_columns)
        for i in features:
            if cells.is_text(row[i]):
                found.setdefault(i, _TextColumn(row[i].strip(), line, row_number)).n_cells += 1
    words = _one(found, names, n_rows, cells) if len(found) == 1 else _several(found, names, cells)
    return InvalidDataError(f"{body.path}{words}")


def _several(found: dict[int, _TextColumn], names: Sequence[str] | None, cells: Cells) -> str:
    shown = [
        f"{quoted(names[i]) if names else i} (line {c.line}: {quoted(c.cell)})"
        for i, c in sorted(found.items())
    ]
    columns = [names[i] if names else str(i) for i in sorted(found)]
    drop = str(columns) if all(map(_PLAIN.fullmatch, columns)) and len(str(columns)) < MOST_NAMED else ""
    advice = _numbers_advice(cells, list(found.values())) or (
        f"Leave them out with `drop={drop}`, or name one as the labels with `label=`."
    )
    return f": {len(found)} columns hold text where numbers are needed: {listed(shown)}. {advice}"


def _one(found: dict[int, _TextColumn], names: Sequence[str] | None, n_rows: int, cells: Cells) -> str:
    ((i, first),) = found.items()
    others = f" ({first.n_cells:,} of {n_rows:,} cells in it are not)" if first.n_cells > 1 else ""
    advice = _numbers_advice(cells, [first])
    if not advice:
        advice = "Leave the column out with `drop=`, or name it as the labels with `label=`."
        if first.n_cells <= n_rows / 2:
            advice += f" If it stands for a missing value, say `missing_values='{first.cell[:20]}'`."
        if names is None and first.row == 0:
            advice += " If this row holds the names of the columns, say `header='yes'`."
    place = name_cell(first.row, i, names, first.line)
    return f", {place}: {quoted(first.cell)} is not a number{others}. {advice}"


def _numbers_advice(cells: Cells, found: Sequence[_TextColumn]) -> str:
    """How the cells could be read as numbers after all; empty if any could not."""
    ways = [cells.advice(c.cell) for c in found]
    return f"If it is a number, {ways[0]}." if all(ways) else ""
