"""What scikit-learn's users call X, as an array of rows."""

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import validate_data

from aevb.datasets import from_frame


def read_rows(estimator: BaseEstimator, X: Any, *, reset: bool) -> np.ndarray:
    """The rows as an array, with scikit-learn's checks, and of a data frame also ours, which name the column.

    Args:
        estimator: what they are for; its `n_features_in_` and `feature_names_in_` are set or compared with.
        X: rows.
        reset: set these attributes, as `fit` does.

    Raises:
        InvalidDataError: a column of a frame that holds no numbers.
        ValueError: scikit-learn's, for another number of features or other names.
    """
    if not hasattr(X, "columns"):
        least = 2 if reset else 1
        checks: Any = {"dtype": "numeric", "ensure_all_finite": False, "ensure_min_samples": least}
        return np.asarray(validate_data(estimator, X, reset=reset, **checks))
    validate_data(estimator, X, reset=reset, skip_check_array=True)
    return from_frame(X, name="X").x
