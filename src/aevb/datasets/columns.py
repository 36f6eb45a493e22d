"""Which columns of a table are features, by their names."""

import difflib
from collections import Counter
from collections.abc import Sequence

from aevb.datasets.wording import names_listed, quoted
from aevb.errors import InvalidDataError


def choose_columns(
    names: tuple[str, ...],
    header: bool,
    label: str | int | None,
    drop: Sequence[str | int],
    source: str,
    optional: bool,
) -> tuple[int | None, list[int]]:
    """The position of the label, if any, and the positions of the features.

    Args:
        names: of all columns; their numbers without a header.
        header: whether there is one.
        label: the column of labels.
        drop: columns that are no features.
        source: what to call the table in an error.
        optional: pass over a label or dropped column that there is not.

    Raises:
        InvalidDataError: doubled names, a column that there is not, or no feature left.
    """
    doubled = [name for name, n in Counter(names).items() if n > 1]
    if doubled:
        raise InvalidDataError(
            f"{source}: more than one column is called {names_listed(doubled)}. Rename all but one."
        )
    if not optional:
        check_known(names, header, [*drop] if label is None else [label, *drop], source)
    positions = {name: i for i, name in enumerate(names)}
    label_at = None if label is None else positions.get(str(label))
    dropped = {positions.get(str(column)) for column in drop} | {label_at}
    features = [i for i in range(len(names)) if i not in dropped]
    if not features:
        raise InvalidDataError(
            f"{source}: no column is left once the label and the dropped ones are taken away."
        )
    return label_at, features


def check_known(names: tuple[str, ...], header: bool, asked: Sequence[str | int], source: str) -> None:
    """Refuses columns that are asked for and that there are not.

    Raises:
        InvalidDataError: naming the first, and what may have been meant.
    """
    for column in map(str, asked):
        if column in names:
            continue
        if not header:
            raise InvalidDataError(
                f"{source} has no column {quoted(column)}: without a header they are called 0 to {len(names) - 1}."
            )
        close = difflib.get_close_matches(column, names, 1)
        advice = f"Did you mean {quoted(close[0])}? " if close else ""
        raise InvalidDataError(
            f"{source} has no column {quoted(column)}. {advice}Its columns: {names_listed(names)}."
        )


def match_columns(names: Sequence[str], expected: Sequence[str], source: str) -> tuple[list[int], list[str]]:
    """The positions of the expected columns, in their order, and the names of the others.

    Raises:
        InvalidDataError: some are missing.
    """
    missing = [column for column in expected if column not in names]
    if missing:
        raise InvalidDataError(
            f"{source} does not have the columns that the model was trained on: it lacks {names_listed(missing)}. Its "
            f"columns: {names_listed(names)}."
        )
    wanted = set(expected)
    return [names.index(column) for column in expected], [name for name in names if name not in wanted]
