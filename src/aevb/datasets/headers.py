"""Whether the first row of a table holds the names of its columns, and whether its first column counts the rows."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from aevb.datasets.cells import Cells

# Rows below the first one that are looked at: fewer where rows are long, but no less than the second number.
SAMPLE_CELLS, MOST_SAMPLE_ROWS, LEAST_SAMPLE_ROWS = 4000, 200, 20
# So many equally spaced whole numbers stand beside each other by design; so many rows show how a column's values lie.
LONG_RUN, FEW_ROWS, MANY_ROWS = 6, 3, 20
# The share of a sample that may be an exception to what holds of it.
EXCEPTIONS = 0.1
_WHOLE = re.compile(r"[-+]?\d+(\.0*)?")


def sample_rows(n_columns: int) -> int:
    """How many rows below the first are to be looked at."""
    return min(MOST_SAMPLE_ROWS, max(LEAST_SAMPLE_ROWS, SAMPLE_CELLS // max(1, n_columns)))


def is_header(
    first: Sequence[str], below: Sequence[Sequence[str]], cells: Cells, expected: Collection[str] = ()
) -> bool:
    """Whether the first row holds names.

    It does if it holds all the expected names; if none of its cells is a number and some are text; if one is text
    while those below are numbers; if the first is empty while those below count the rows; or if its numbers are an
    increasing run of whole numbers, and the data below are others.

    Args:
        first: its cells.
        below: the cells of some rows below, as many in each.
        cells: how they are read.
        expected: names of which it is known that a header would hold them.

    >>> is_header(["400", "402"], [["0.51", "0.52"], ["0.49", "0.50"]], Cells())
    True
    """
    if expected and set(expected) <= {name.strip() for name in first}:
        return True
    is_text = np.array([cells.is_text(cell) for cell in first])
    is_number = np.array([cells.is_number(cell) for cell in first])
    if is_text.any() and not is_number.any():
        return True
    if not (is_text.any() or not first[0].strip() or _increases(np.array(first)[is_number])):
        return False  # as most rows of data
    data = _Sample.of(below, len(first), cells)
    if (is_text & data.is_all_numbers).any():
        return True
    if not first[0].strip() and counts_rows([row[0] for row in below]) and data.is_all_numbers[1:].any():
        return True
    named = is_number & ~data.is_text
    return bool(named.sum() > 1) and _is_run_over_data(np.array(first)[named], data.numbers[:, named])


@dataclass(frozen=True)
class _Sample:
    """Some rows of cells: their numbers, NaN for what is none; and which columns hold text, or numbers throughout."""

    numbers: Float[np.ndarray, "rows columns"]
    is_text: Bool[np.ndarray, " columns"]
    is_all_numbers: Bool[np.ndarray, " columns"]

    @classmethod
    def of(cls, rows: Sequence[Sequence[str]], n_columns: int, cells: Cells) -> "_Sample":
        numbers = np.full((len(rows), n_columns), np.nan)
        is_text = np.zeros(numbers.shape, bool)
        for i, row in enumerate(rows):
            for j, cell in enumerate(row):
                try:
                    numbers[i, j] = cells.number(cell)
                except ValueError:
                    is_text[i, j] = True
        is_all_numbers = ~np.isnan(numbers).any(axis=0) & bool(rows)
        return cls(numbers, np.asarray(is_text.any(axis=0)), np.asarray(is_all_numbers))


def _increases(names: np.ndarray) -> bool:
    """Whether there are several names, all whole numbers, each larger than the one before."""
    if len(names) < 2 or not all(_WHOLE.fullmatch(name.strip()) for name in names):
        return False
    return bool((np.diff(names.astype(float)) > 0).all())


def counts_rows(column: Sequence[str]) -> bool:
    """Whether cells are whole numbers, each one more than the one before, from 0 or 1."""
    if len(column) < 2 or not all(_WHOLE.fullmatch(cell.strip()) for cell in column):
        return False
    numbers = [float(cell) for cell in column]
    return numbers[0] in (0, 1) and numbers == list(np.arange(len(numbers)) + numbers[0])


def names_rows(column: Sequence[str], cells: Cells) -> bool:
    """Whether no two cells are alike, and they are whole numbers or text: what can be the name of a row."""
    words = [cell.strip() for cell in column]
    alike = len(set(words)) < len(words)
    return not alike and all(_WHOLE.fullmatch(word) or cells.is_text(word) for word in words)


def _is_run_over_data(first: np.ndarray, data: Float[np.ndarray, "rows columns"]) -> bool:
    """Whether whole numbers increase along the first row, and are unlikely to be one more row of the data below."""
    if not len(data) or not _increases(first):
        return False
    names = first.astype(float)
    n_rows, n_columns = data.shape
    steps = np.diff(names)
    even = bool((steps == steps[0]).all())
    whole, observed = data == np.trunc(data), ~np.isnan(data)
    steps_below = np.diff(data, axis=1)
    alike = whole.all(axis=1) & (steps_below > 0).all(axis=1)
    if even:
        alike &= (steps_below == steps_below[:, :1]).all(axis=1)
    if alike.mean() > EXCEPTIONS or not observed.any(axis=0).all():
        return False
    if whole.sum() <= EXCEPTIONS * observed.sum():
        return True
    if n_rows < FEW_ROWS:
        return False
    if even and (n_columns >= LONG_RUN or not whole.any(axis=0).all()):
        return True
    return _lies_outside(names, data)


def _lies_outside(names: np.ndarray, data: np.ndarray) -> bool:
    """Whether the names are no values that their columns could have, as far as these show."""
    low, high = np.fmin.reduce(data, axis=0), np.fmax.reduce(data, axis=0)
    below, above = low - names, names - high
    far = np.maximum(below, above) > (high - low)
    if far.sum() >= max(2, len(names) / 2):
        return True
    sorted_ = (np.diff(data, axis=0) >= 0).all(axis=0) | (np.diff(data, axis=0) <= 0).all(axis=0)
    return len(data) >= MANY_ROWS and bool((((below > 0) | (above > 0)) & ~sorted_).all())
