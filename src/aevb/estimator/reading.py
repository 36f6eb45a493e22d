"""What scikit-learn's users call X, as an array of rows: tables, frames, images, masked and sparse arrays."""

import math
import os
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.utils.validation import validate_data

from aevb.datasets import from_frame
from aevb.datasets.shapes import as_rows
from aevb.errors import InvalidDataError

ImageShape = tuple[int, int]


def read_rows(
    estimator: BaseEstimator, X: Any, *, reset: bool, image_shape: ImageShape | None = None
) -> tuple[np.ndarray, ImageShape | None]:
    """The rows as an array, with scikit-learn's checks, and of a data frame also ours, which name the column.

    A masked cell becomes NaN, a missing value. A sparse matrix is made dense. Images, `(rows, height, width)` or
    `(rows, height, width, 1)`, are flattened.

    Args:
        estimator: what they are for; its `n_features_in_` and `feature_names_in_` are set or compared with.
        X: rows.
        reset: set these attributes, as `fit` does.
        image_shape: height and width, where they are known.

    Returns:
        The rows, and the height and width of the images that they are, if they are.

    Raises:
        InvalidDataError: a column of a frame that holds no numbers, an array of more than two dimensions that is not
            one of images, a sparse matrix that is too large to be made dense.
        ValueError: scikit-learn's, for another number of features or other names.
    """
    if hasattr(X, "columns"):
        validate_data(estimator, X, reset=reset, skip_check_array=True)
        return from_frame(X, name="X").x, image_shape
    X, image_shape = _flattened(as_dense(X), image_shape)
    least = 2 if reset else 1
    checks: Any = {"dtype": "numeric", "ensure_all_finite": False, "ensure_min_samples": least}
    return np.asarray(validate_data(estimator, X, reset=reset, **checks)), image_shape


def as_dense(X: Any, name: str = "X") -> Any:
    """An array without mask and zeros left out: NaN where it was masked, 0 where nothing was stored.

    Raises:
        InvalidDataError: a sparse matrix that is too large to be made dense.
    """
    if sparse.issparse(X):
        return _densified(X, name)
    return _unmasked(X) if np.ma.isMaskedArray(X) else X


def _unmasked(x: np.ma.MaskedArray) -> np.ndarray:
    if x.dtype.names or not np.ma.is_masked(x):
        return x.data
    kind = x.dtype if x.dtype.kind == "f" else np.float64
    values = np.array(x.data, dtype=kind) if x.dtype.kind in "biuf" else np.array(x.data, dtype=object)
    values[np.ma.getmaskarray(x)] = np.nan
    return values


def _densified(x: Any, name: str) -> np.ndarray:
    """The matrix as an array, if that and the single precision that is trained on fit into half of the memory."""
    n_rows, n_columns = x.shape
    needed = n_rows * n_columns * (x.dtype.itemsize + np.dtype(np.float32).itemsize)
    if needed > _memory() / 2:
        raise InvalidDataError(
            f"{name} is a sparse matrix of {n_rows:,} x {n_columns:,}. Rows are trained on as dense ones, which would "
            f"take {needed / 2**30:,.1f} GiB, more than half of this machine's memory. Give pieces of rows, "
            f"{name}[:10000] and so on, to partial_fit, or fewer columns (sklearn.decomposition.TruncatedSVD)."
        )
    return x.toarray()


def _memory() -> float:
    """The machine's memory in bytes, where the operating system tells."""
    try:
        return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, ValueError, OSError):
        return np.inf


def _flattened(X: Any, known: ImageShape | None) -> tuple[Any, ImageShape | None]:
    """Images as rows; everything else as it is, for scikit-learn to check."""
    try:
        shape = np.asarray(X).shape  # not np.shape, which asks whatever X is for an implementation of its own
    except ValueError:  # ragged, which scikit-learn refuses in its own words
        return X, known
    if len(shape) < 3:
        return X, known
    x = np.asarray(X)
    if known is None:
        rows = as_rows(x, "X")
        if rows.image_shape is not None:
            return rows.x, rows.image_shape
        raise InvalidDataError(
            f"X has shape {shape}, which may be images or anything else. Of images, say `image_shape={shape[1:3]}`; "
            "else X.reshape(len(X), -1) makes a row of each."
        )
    if x.size == len(x) * math.prod(known) and tuple(known) in (shape[1:3], shape[2:4]):
        return x.reshape(len(x), math.prod(known)), known
    raise InvalidDataError(
        f"X must hold rows (n, {math.prod(known)}) or images (n, {known[0]}, {known[1]}), but has shape {shape}."
    )
