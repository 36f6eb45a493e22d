"""Whether the first row of a table holds the names of its columns, and whether its first column counts the rows."""

import re
from collections.abc import Collection, Sequence

import numpy as np

from aevb.datasets.cells import Cells

# Rows below the first one that are looked at.
SAMPLE_ROWS = 200
# So many equally spaced whole numbers stand beside each other by design; so many rows show how a column's values lie.
LONG_RUN, FEW_ROWS, MANY_ROWS = 6, 3, 20
# The share of a sample that may be an exception to what holds of it.
EXCEPTIONS = 0.1
_WHOLE = re.compile(r"[-+]?\d+(\.0*)?")


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
    columns = list(zip(*below, strict=True)) or [()] * len(first)
    is_text = [cells.is_text(cell) for cell in first]
    is_number = [cells.is_number(cell) for cell in first]
    if any(is_text) and not any(is_number):
        return True
    numbers_below = [bool(column) and all(map(cells.is_number, column)) for column in columns]
    if any(text and numbers for text, numbers in zip(is_text, numbers_below, strict=True)):
        return True
    if not first[0].strip() and counts_rows(columns[0]) and any(numbers_below[1:]):
        return True
    named = [j for j, column in enumerate(columns) if is_number[j] and not any(map(cells.is_text, column))]
    return len(named) > 1 and _is_run_over_data([first[j] for j in named], [columns[j] for j in named], cells)


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


def _is_run_over_data(first: list[str], below: Sequence[Sequence[str]], cells: Cells) -> bool:
    """Whether whole numbers increase along the first row, and are unlikely to be one more row of the data below."""
    if not below[0] or not all(_WHOLE.fullmatch(cell.strip()) for cell in first):
        return False
    names = np.array([cells.number(cell) for cell in first])
    data = np.array([[cells.number(cell) for cell in column] for column in below]).T
    n_rows, n_columns = data.shape
    steps = np.diff(names)
    if not (steps > 0).all():
        return False
    whole, observed = data == np.trunc(data), ~np.isnan(data)
    alike = whole.all(axis=1) & (np.diff(data, axis=1) > 0).all(axis=1)
    if alike.mean() > EXCEPTIONS or not observed.any(axis=0).all():
        return False
    if whole.sum() <= EXCEPTIONS * observed.sum():
        return True
    if n_rows < FEW_ROWS:
        return False
    even = bool((steps == steps[0]).all())
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
