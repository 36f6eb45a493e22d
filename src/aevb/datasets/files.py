"""The user's own files: NumPy arrays and CSV tables."""

import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from aevb.datasets.checks import check_rows
from aevb.datasets.dataset import Dataset
from aevb.datasets.tables import read_csv
from aevb.errors import InvalidDataError, InvalidRecipeError

ENDINGS = (".npy", ".npz", ".csv", ".tsv")

# The names under which an .npz file may keep its arrays.
_TRAIN, _TEST = ("x_train", "X_train", "x", "X"), ("x_test", "X_test")
_TRAIN_LABELS, _TEST_LABELS = ("y_train", "y"), ("y_test",)


def read_file(
    path: Path,
    *,
    label: str | int | None = None,
    drop: Sequence[str | int] = (),
    optional: bool = False,
    image_shape: tuple[int, int] | None = None,
    allow_missing: bool = False,
) -> Dataset:
    """Reads a file as it is: nothing held out, the cells of a table not yet checked.

    Args:
        path: a file that ends in `.npy`, `.npz`, `.csv` or `.tsv`.
        label: the column of labels, in a table.
        drop: columns to leave out, in a table.
        optional: pass over a `label` or `drop` that the table does not have.
        image_shape: `(height, width)` of the images whose pixels the rows are.
        allow_missing: let NaN pass in an array; in a table it always does, and is left to `load`.

    Raises:
        InvalidDataError: the file cannot be read as numbers, with the place and the reason.
        InvalidRecipeError: columns are named for a file that has none.
    """
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise InvalidDataError(
            f"{path}: aevb reads files that end in {', '.join(ENDINGS)}, not in '{path.suffix}'."
        )
    if ending in (".csv", ".tsv"):
        table = read_csv(path, label=label, drop=drop, optional=optional)
        dataset = Dataset(str(path), table.x, table.y, feature_names=table.feature_names)
    elif (label is not None or drop) and not optional:
        raise InvalidRecipeError(f"{path}: a label or dropped column can be named in a table (CSV) only.")
    else:
        dataset = _read_arrays(path, allow_missing)
    return dataset if image_shape is None else _with_image_shape(dataset, image_shape)


def _read_arrays(path: Path, allow_missing: bool) -> Dataset:
    """The arrays of an .npy or .npz file."""
    try:
        # Opened here, because NumPy leaves a damaged archive open.
        with path.open("rb") as file:
            content = np.load(file, allow_pickle=False)
            single = isinstance(content, np.ndarray)
            arrays = {"x": content} if single else {name: content[name] for name in content.files}
    except (ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise InvalidDataError(
            f"{path} does not hold plain arrays of numbers: it is damaged, or holds pickled Python objects, "
            "which aevb never loads because loading one can run code. Save arrays of numbers with "
            "numpy.save or numpy.savez."
        ) from error
    return _from_arrays(path, arrays, allow_missing)


def _from_arrays(path: Path, arrays: Mapping[str, np.ndarray], allow_missing: bool) -> Dataset:
    if len(arrays) == 1:
        return _flattened(path, allow_missing, *arrays.values())

    def first_of(names: Sequence[str]) -> np.ndarray | None:
        return next((arrays[name] for name in names if name in arrays), None)

    x_train = first_of(_TRAIN)
    if x_train is None:
        raise InvalidDataError(
            f"{path} holds the arrays {', '.join(arrays) or '(none)'}: call the rows x, or x_train and "
            "x_test, and their labels y, or y_train and y_test."
        )
    labels, test_labels = first_of(_TRAIN_LABELS), first_of(_TEST_LABELS)
    return _flattened(path, allow_missing, x_train, labels, first_of(_TEST), test_labels)


def _flattened(
    path: Path,
    allow_missing: bool,
    x_train: np.ndarray,
    y_train: np.ndarray | None = None,
    x_test: np.ndarray | None = None,
    y_test: np.ndarray | None = None,
) -> Dataset:
    """The set with images, if they are that, as rows, once the shapes have been found to fit each other."""
    shape = x_train.shape
    if len(shape) not in (2, 3):
        raise InvalidDataError(
            f"{path}: expected shape (rows, features), or (rows, height, width) for images, got {shape}."
        )
    if x_test is not None and x_test.shape[1:] != shape[1:]:
        raise InvalidDataError(
            f"{path}: training rows have shape {shape[1:]}, but test rows {x_test.shape[1:]}."
        )
    for x, y, name in ((x_train, y_train, "training"), (x_test, y_test, "test")):
        if y is not None and (x is None or y.shape != (len(x),)):
            n_rows = 0 if x is None else len(x)
            raise InvalidDataError(
                f"{path}: {n_rows} {name} rows, but labels of shape {y.shape}; one each is needed."
            )
    return Dataset(
        str(path),
        _as_rows(x_train, str(path), allow_missing),
        y_train,
        None if x_test is None else _as_rows(x_test, f"{path} (test)", allow_missing),
        y_test,
        image_shape=(shape[1], shape[2]) if len(shape) == 3 else None,
    )


def _as_rows(x: np.ndarray, name: str, allow_missing: bool) -> np.ndarray:
    # Not -1, which NumPy cannot resolve for an empty array.
    rows = x.reshape(len(x), int(np.prod(x.shape[1:])))
    return check_rows(rows, name=name, allow_missing=allow_missing)


def _with_image_shape(dataset: Dataset, image_shape: tuple[int, int]) -> Dataset:
    height, width = image_shape
    if height * width != dataset.n_features:
        raise InvalidDataError(
            f"{dataset.name}: rows of {dataset.n_features} features are not images of {height} x {width} "
            f"= {height * width} pixels."
        )
    return replace(dataset, image_shape=(height, width))
