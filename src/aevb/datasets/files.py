"""The user's own files as they are: nothing held out, the cells not yet checked."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from aevb.datasets.archives import Archive, is_sparse, open_archive, read_npy, read_sparse
from aevb.datasets.missing_values import without
from aevb.datasets.reading import Reading
from aevb.datasets.shapes import as_labels, as_rows
from aevb.datasets.tables import read_csv
from aevb.datasets.wording import listed, quoted
from aevb.errors import InvalidDataError, InvalidRecipeError

TABLES, ARRAYS = (".csv", ".tsv", ".txt"), (".npy", ".npz")
ENDINGS = (*ARRAYS, *TABLES)

# The names under which an .npz file may keep its arrays.
_TRAIN, _TEST = ("x_train", "X_train", "x", "X", "train_images"), ("x_test", "X_test", "test_images")
_TRAIN_LABELS, _TEST_LABELS = ("y_train", "y", "train_labels"), ("y_test", "test_labels")


@dataclass(frozen=True, eq=False)
class Content:
    """What a file holds.

    Args:
        x: the rows, two-dimensional, of any dtype.
        y: their labels.
        x_test: rows that the file itself calls test rows.
        y_test: their labels.
        image_shape: `(height, width)` where rows are images.
        feature_names: names of the columns.
        lines: the line of each row of a table.
        notes: what was taken for what.
    """

    x: np.ndarray
    y: np.ndarray | None = None
    x_test: np.ndarray | None = None
    y_test: np.ndarray | None = None
    image_shape: tuple[int, int] | None = None
    feature_names: tuple[str, ...] | None = None
    lines: np.ndarray | None = None
    notes: tuple[str, ...] = ()


def read_file(path: Path, reading: Reading, *, expected: Sequence[str] = ()) -> Content:
    """Reads a file as it is.

    Args:
        path: a file that ends in one of `ENDINGS`; a table also with `.gz` added.
        reading: how.
        expected: names that a table's header would hold, where they are known.

    Raises:
        InvalidDataError: the file cannot be read as numbers, with the place and the reason.
        InvalidRecipeError: an option that does not go with such a file.
    """
    ending = path.suffix.lower()
    if not is_table(path) and ending not in ARRAYS:
        raise InvalidDataError(
            f"{path}: aevb reads files that end in {', '.join(ENDINGS)} (tables also with .gz), not in "
            f"{quoted(path.suffix)}."
        )
    _refuse_options(path, reading)
    if is_table(path):
        table = read_csv(path, reading, expected=expected)
        content = Content(
            table.x,
            table.y,
            feature_names=table.feature_names,
            lines=table.lines,
            notes=table.notes,
        )
    else:
        content = _read_array(path, reading) if ending == ".npy" else _read_archive(path, reading)
    content = (
        content if reading.image_shape is None else _with_image_shape(path, content, reading.image_shape)
    )
    numbers = reading.missing_numbers
    x_test = content.x_test
    return replace(
        content, x=without(content.x, numbers), x_test=None if x_test is None else without(x_test, numbers)
    )


def is_table(path: Path) -> bool:
    """Whether a file is a table, by its name."""
    ending = path.suffix.lower()
    return ending in TABLES or (ending == ".gz" and Path(path.stem).suffix.lower() in TABLES)


def _refuse_options(path: Path, reading: Reading) -> None:
    if reading.optional:
        return
    if not is_table(path) and (reading.label is not None or reading.drop):
        raise InvalidRecipeError(f"{path}: columns can be named in a table (CSV) only.")
    if reading.array is not None and path.suffix.lower() != ".npz":
        raise InvalidRecipeError(f"{path}: an array can be named in an .npz file only: leave `array=` out.")


def _read_array(path: Path, reading: Reading) -> Content:
    rows = as_rows(read_npy(path), str(path), reading.image_shape)
    return Content(rows.x, image_shape=rows.image_shape, notes=rows.notes)


def _read_archive(path: Path, reading: Reading) -> Content:
    with open_archive(path) as archive:
        if is_sparse(archive.names) and reading.array is None:
            return Content(read_sparse(archive), notes=())
        name, notes = _choose(archive, reading)
        others = {} if name not in _TRAIN or reading.array else _others(archive)
        x = as_rows(archive.read(name), str(path), reading.image_shape)
        found = {key: archive.read(member) for key, member in others.items()}
    x_test = found.get("x_test")
    test = None if x_test is None else as_rows(x_test, f"{path} (test)", reading.image_shape)
    if test is not None and test.x.shape[1] != x.x.shape[1]:
        raise InvalidDataError(
            f"{path}: training rows have {x.x.shape[1]} features, but test rows {test.x.shape[1]}."
        )
    n_test = 0 if test is None else len(test.x)
    return Content(
        x.x,
        as_labels(found.get("y"), len(x.x), f"{path}: training"),
        None if test is None else test.x,
        as_labels(found.get("y_test"), n_test, f"{path}: test"),
        x.image_shape,
        notes=(*notes, *x.notes),
    )


def _choose(archive: Archive, reading: Reading) -> tuple[str, tuple[str, ...]]:
    """The name of the rows, and what to say about the choice."""
    names, path = archive.names, archive.path
    if reading.array is not None and (reading.array in names or not reading.optional):
        if reading.array not in names:
            raise InvalidDataError(
                f"{path} holds no array {quoted(reading.array)}, but {_described(archive)}."
            )
        return reading.array, ()
    known = next((name for name in _TRAIN if name in names), None)
    if len(names) == 1 or known:
        return known or names[0], ()
    claims = {name: archive.claim(name) for name in names}
    fitting = [name for name, claim in claims.items() if claim and _holds_rows(claim.shape, claim.dtype)]
    if len(fitting) != 1:
        example = (fitting or names or ["x"])[0]
        raise InvalidDataError(
            f"{path} holds {_described(archive)}: say which are the rows, as in `array='{example}'`, or call the rows "
            "x, or x_train and x_test, and their labels y, or y_train and y_test."
        )
    return fitting[0], (f"{path}: the rows are the array {quoted(fitting[0])}; the others are no rows.",)


def _holds_rows(shape: tuple[int, ...], dtype: np.dtype) -> bool:
    return (
        dtype.kind in "biuf" and len(shape) >= 2 and shape[0] > 1 and int(np.prod(shape[1:], dtype=float)) > 1
    )


def _described(archive: Archive) -> str:
    """The names of the arrays with their shapes."""
    claims = [(name, archive.claim(name)) for name in archive.names[:10]]
    shown = [f"{quoted(name)} {claim.shape if claim else '(damaged)'}" for name, claim in claims]
    return f"the arrays {listed(shown + archive.names[10:])}" if shown else "no arrays"


def _others(archive: Archive) -> dict[str, str]:
    """Which members are the labels, the test rows and their labels."""
    wanted = {"y": _TRAIN_LABELS, "x_test": _TEST, "y_test": _TEST_LABELS}
    found = {
        key: next((name for name in names if name in archive.names), None) for key, names in wanted.items()
    }
    return {key: name for key, name in found.items() if name is not None}


def _with_image_shape(path: Path, content: Content, image_shape: tuple[int, ...]) -> Content:
    if not image_shape:
        return replace(content, image_shape=None)
    height, width = image_shape
    if height * width != content.x.shape[1]:
        raise InvalidDataError(
            f"{path}: rows of {content.x.shape[1]} features are not images of {height} x {width} = {height * width} "
            "pixels."
        )
    return replace(content, image_shape=(height, width))
