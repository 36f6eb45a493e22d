"""One way in: a named set or a file, checked and split."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Num, Shaped

from aevb.datasets.checks import check_rows
from aevb.datasets.dataset import Dataset, split_rows
from aevb.datasets.files import ENDINGS, Content, read_file
from aevb.datasets.missing_values import note_suspects
from aevb.datasets.reading import READING_OPTIONS, Reading
from aevb.datasets.sources import NAMES, load_named
from aevb.errors import DatasetUnavailableError, InvalidDataError, InvalidRecipeError
from aevb.storage import expanded


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows to apply a trained model to.

    Args:
        x: the rows, columns in the order of the model's.
        y: their labels, if there are any.
        notes: what was taken for what when they were read, in sentences for the user.
    """

    x: Num[np.ndarray, "rows features"]
    y: Shaped[np.ndarray, " rows"] | None = None
    notes: tuple[str, ...] = ()


def load(
    source: str | Path,
    *,
    data_dir: str | Path | None = None,
    test: float | int = 0.1,
    seed: int = 0,
    allow_missing: bool = False,
    **reading: Any,
) -> Dataset:
    """Loads a data set to train on.

    Args:
        source: a name out of `NAMES`, or the path of a file: an array (`.npy`, `.npz`) or a table (`.csv`, `.tsv`,
            `.txt`, or these with `.gz` added).
        data_dir: a folder to look in first for the files of a named set.
        test: the fraction of a file's rows to hold out as test rows, if it names none itself; 0 for none.
        seed: decides which.
        allow_missing: take NaN, empty cells and what else stands for no value in a file for missing values, instead of
            refusing them.
        reading: how to read a file, where that is not plain from the file: see `aevb.datasets.Reading`.

    Returns:
        The set. Its `notes` say what was taken for what: a header of numbers, an index, images, values that may stand
        for missing ones.

    Raises:
        DatasetUnavailableError: there is no such set or file, or it is not the published one.
        InvalidDataError: the data cannot be used as they are.
        InvalidRecipeError: an argument that does not go with the source.

    >>> load("digits").x_test.shape
    (300, 64)
    """
    how = Reading(**reading)
    if source in NAMES:
        _refuse_options(str(source), how)
        return load_named(str(source), data_dir)
    path = _existing(source)
    content = read_file(path, how)
    dataset = _checked(path, content, allow_missing)
    return _hold_out(dataset, test, seed)


def load_rows(
    source: str | Path,
    *,
    n_features: int | None = None,
    feature_names: Sequence[str] | None = None,
    data_dir: str | Path | None = None,
    allow_missing: bool = False,
    **reading: Any,
) -> Rows:
    """Loads rows to apply a trained model to, and their labels if there are any.

    A named set gives its test rows, a file all of its rows (of an `.npz` with test rows, those). The columns
    of a table with a header are matched to `feature_names` by name, in any order; others are left out.

    Args:
        source: as in `load`.
        n_features: the number of features that the model was trained on.
        feature_names: their names, if it knows them.
        data_dir: a folder to look in first for the files of a named set.
        allow_missing: as in `load`.
        reading: as in `load`; what the file does not have is passed over.

    Raises:
        DatasetUnavailableError: as in `load`.
        InvalidDataError: as in `load`; and columns that are missing, by name.
    """
    if source in NAMES:
        named = load_named(str(source), data_dir)
        x, y = (named.x_train, named.y_train) if named.x_test is None else (named.x_test, named.y_test)
        return Rows(check_rows(x, name=str(source), n_features=n_features), y)
    path, how = _existing(source), Reading(**reading, optional=True)
    content = _read_to_apply(path, how, n_features, tuple(feature_names or ()))
    x, y = (content.x, content.y) if content.x_test is None else (content.x_test, content.y_test)
    about = {"n_features": n_features, "feature_names": feature_names, "lines": content.lines}
    return Rows(check_rows(x, name=str(path), allow_missing=allow_missing, **about), y, content.notes)


def _read_to_apply(path: Path, how: Reading, n_features: int | None, expected: Sequence[str]) -> Content:
    """A file's rows without the columns to leave out, which it need not have."""
    if expected:
        return read_file(path, how, expected=expected)
    content = read_file(path, how)
    if (
        content.feature_names is None
        and content.x.shape[1] != n_features
        and (how.drop or how.label is not None)
    ):
        # Columns without names are left out by their number, unless they are just the features.
        whole = read_file(path, replace(how, label=None, drop=()))
        return whole if whole.x.shape[1] == n_features else content
    return content


def _existing(source: str | Path) -> Path:
    """The file of that path, or an error that says what may have been meant."""
    path = expanded(source)
    if path.is_file():
        return path
    if path.is_dir():
        raise InvalidDataError(f"{path} is a folder, but a file is needed ({', '.join(ENDINGS)}).")
    close = difflib.get_close_matches(str(source).lower(), NAMES, 1)
    advice = f"Did you mean '{close[0]}'? " if close else ""
    raise DatasetUnavailableError(
        f"there is no file {source}. {advice}Sets known by name: {', '.join(NAMES)}."
    )


def _refuse_options(source: str, how: Reading) -> None:
    if how.label is not None or how.drop:
        raise InvalidRecipeError(f"'{source}' has no columns to name: leave label and drop out.")
    if how.image_shape is not None:
        raise InvalidRecipeError(f"the images of '{source}' have a known shape: leave image_shape out.")
    given = [name for name in READING_OPTIONS if getattr(how, name) != getattr(Reading(), name)]
    if given:
        raise InvalidRecipeError(
            f"'{source}' is no file to be read in some way: leave {', '.join(given)} out."
        )


def _checked(path: Path, content: Content, allow_missing: bool) -> Dataset:
    names, name = content.feature_names, str(path)
    about = {"feature_names": names, "allow_missing": allow_missing}
    x = check_rows(content.x, name=name, min_rows=2, lines=content.lines, **about)
    x_test = content.x_test
    x_test = None if x_test is None else check_rows(x_test, name=f"{name} (test)", **about)
    notes = content.notes if content.image_shape else (*content.notes, *note_suspects(x, names, name))
    return Dataset(name, x, content.y, x_test, content.y_test, content.image_shape, names, notes)


def _hold_out(dataset: Dataset, fraction: float | int, seed: int) -> Dataset:
    kept, held_out = split_rows(dataset.n_train, fraction, seed)
    if dataset.x_test is not None or not len(held_out):
        return dataset
    x, y = dataset.x_train, dataset.y_train
    return replace(
        dataset,
        x_train=x[kept],
        y_train=None if y is None else y[kept],
        x_test=x[held_out],
        y_test=None if y is None else y[held_out],
    )
