"""One way in: a named set or a file, checked and split."""

import difflib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Num, Shaped

from aevb.datasets.checks import check_rows
from aevb.datasets.dataset import Dataset, split_rows
from aevb.datasets.files import ENDINGS, read_file
from aevb.datasets.sources import NAMES, load_named
from aevb.errors import DatasetUnavailableError, InvalidDataError, InvalidRecipeError
from aevb.storage import expanded


def load(
    source: str | Path,
    *,
    data_dir: str | Path | None = None,
    label: str | int | None = None,
    drop: Sequence[str | int] = (),
    image_shape: tuple[int, int] | None = None,
    test: float | int = 0.1,
    seed: int = 0,
    allow_missing: bool = False,
) -> Dataset:
    """Loads a data set to train on.

    Args:
        source: a name out of `NAMES`, or the path of an `.npy`, `.npz`, `.csv` or `.tsv` file.
        data_dir: a folder to look in first for the files of a named set.
        label: the column of a table that holds the labels: its name, or its number from 0 without a header.
        drop: columns of a table to leave out.
        image_shape: `(height, width)` where the rows of a file are the pixels of images.
        test: the fraction of a file's rows to hold out as test rows, if it names none itself; 0 for none.
        seed: decides which.
        allow_missing: take NaN and empty cells of a file for missing values, instead of refusing them.

    Raises:
        DatasetUnavailableError: there is no such set or file, or it is not the published one.
        InvalidDataError: the data cannot be used as they are.
        InvalidRecipeError: an argument that does not go with the source.

    >>> load("digits").x_test.shape
    (300, 64)
    """
    if source in NAMES:
        _refuse_columns(source, label, drop)
        if image_shape is not None:
            raise InvalidRecipeError(f"the images of '{source}' have a known shape: leave image_shape out.")
        return load_named(str(source), data_dir)
    dataset = read_file(
        _existing(source), label=label, drop=drop, image_shape=image_shape, allow_missing=allow_missing
    )
    return _hold_out(_checked(dataset, allow_missing), test, seed)


def load_rows(
    source: str | Path,
    *,
    n_features: int | None = None,
    feature_names: Sequence[str] | None = None,
    label: str | int | None = None,
    drop: Sequence[str | int] = (),
    data_dir: str | Path | None = None,
    allow_missing: bool = False,
) -> tuple[Num[np.ndarray, "rows features"], Shaped[np.ndarray, " rows"] | None]:
    """Loads rows to apply a trained model to, and their labels if there are any.

    A named set gives its test rows, a file all of its rows (of an `.npz` with test rows, those). The columns
    of a table with a header are matched to `feature_names` by name, in any order.

    Args:
        source: as in `load`.
        n_features: the number of features that the model was trained on.
        feature_names: their names, if it knows them.
        label: the column of labels, if the table has it.
        drop: columns to leave out, if the table has them.
        data_dir: a folder to look in first for the files of a named set.
        allow_missing: as in `load`.

    Raises:
        DatasetUnavailableError: as in `load`.
        InvalidDataError: as in `load`; and columns that are missing or too many, by name.
    """
    if source in NAMES:
        dataset = load_named(str(source), data_dir)
    else:
        dataset = _read_to_apply(_existing(source), label, drop, n_features, allow_missing)
    x, y = (dataset.x_train, dataset.y_train) if dataset.x_test is None else (dataset.x_test, dataset.y_test)
    if feature_names and dataset.feature_names:
        x = _matched(x, dataset.feature_names, feature_names, dataset.name)
    about = {"name": dataset.name, "n_features": n_features, "feature_names": feature_names}
    return check_rows(x, allow_missing=allow_missing, **about), y


def _read_to_apply(
    path: Path,
    label: str | int | None,
    drop: Sequence[str | int],
    n_features: int | None,
    allow_missing: bool,
) -> Dataset:
    """A file's rows without the columns to leave out, which it need not have."""
    dataset = read_file(path, label=label, drop=drop, optional=True, allow_missing=allow_missing)
    if dataset.feature_names is None and dataset.n_features != n_features:
        # Columns without names are left out by their number, unless they are just the features.
        whole = read_file(path, optional=True, allow_missing=allow_missing)
        return whole if whole.n_features == n_features else dataset
    return dataset


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


def _refuse_columns(source: str | Path, label: str | int | None, drop: Sequence[str | int]) -> None:
    if label is not None or drop:
        raise InvalidRecipeError(f"'{source}' has no columns to name: leave label and drop out.")


def _checked(dataset: Dataset, allow_missing: bool) -> Dataset:
    about = {"feature_names": dataset.feature_names, "allow_missing": allow_missing}
    x_test = dataset.x_test
    return replace(
        dataset,
        x_train=check_rows(dataset.x_train, name=dataset.name, min_rows=2, **about),
        x_test=None if x_test is None else check_rows(x_test, name=f"{dataset.name} (test)", **about),
    )


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


def _matched(x: np.ndarray, found: Sequence[str], expected: Sequence[str], name: str) -> np.ndarray:
    """The columns in the order of the expected names."""
    missing = [column for column in expected if column not in found]
    extra = [column for column in found if column not in expected]
    if missing or extra:
        parts = [f"lacks {_listed(missing)}"] if missing else []
        parts += [f"has {_listed(extra)} besides, to be left out with --drop (drop=)"] if extra else []
        raise InvalidDataError(
            f"{name} does not have the columns that the model was trained on: it {'; it '.join(parts)}."
        )
    return x[:, [found.index(column) for column in expected]]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
