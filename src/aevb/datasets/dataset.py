"""A data set as arrays in memory, and the seeded split of its rows."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int, Num, Shaped

from aevb.errors import InvalidDataError, InvalidRecipeError


@dataclass(frozen=True, eq=False)
class Dataset:
    """Rows to learn from and rows to report on, in the user's units.

    Args:
        name: what the data set is called, or the path that it came from.
        x_train: the training rows, shape `(rows, features)`; images are flattened row by row.
        y_train: their labels, numbers or text; None without labels.
        x_test: the test rows, which are only ever reported on; None without.
        y_test: their labels.
        image_shape: `(height, width)` in pixels when a row is an image.
        feature_names: the names of the columns, when they have any.
        notes: what was taken for what when they were read, in sentences for the user.
    """

    name: str
    x_train: Num[np.ndarray, "train_rows features"]
    y_train: Shaped[np.ndarray, " train_rows"] | None = None
    x_test: Num[np.ndarray, "test_rows features"] | None = None
    y_test: Shaped[np.ndarray, " test_rows"] | None = None
    image_shape: tuple[int, int] | None = None
    feature_names: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()

    @property
    def n_features(self) -> int:
        """The number of columns."""
        return self.x_train.shape[1]

    @property
    def n_train(self) -> int:
        """The number of training rows."""
        return self.x_train.shape[0]

    @property
    def n_test(self) -> int:
        """The number of test rows, 0 without any."""
        return 0 if self.x_test is None else self.x_test.shape[0]


def split_rows(
    n_rows: int, fraction: float | int, seed: int
) -> tuple[Int[np.ndarray, " kept"], Int[np.ndarray, " held_out"]]:
    """The row numbers to keep and those to hold out, both in increasing order.

    Args:
        n_rows: the number of rows to split.
        fraction: the share to hold out, in [0, 1); 0 holds nothing out, anything more at least one row.
        seed: of NumPy's `default_rng`, whose permutation decides; the same seed gives the same split.

    Raises:
        InvalidRecipeError: a fraction outside [0, 1).
        InvalidDataError: no row would be left to keep.

    >>> split_rows(5, 0.4, seed=0)
    (array([0, 1, 3]), array([2, 4]))
    """
    if not 0 <= fraction < 1:
        raise InvalidRecipeError(
            f"a fraction of rows to hold out must be at least 0 and below 1, got {fraction}."
        )
    n_held_out = max(1, round(n_rows * fraction)) if fraction else 0
    if n_held_out >= n_rows:
        raise InvalidDataError(
            f"holding out {fraction:g} of the rows leaves none to train on: there are {n_rows}. "
            "Give more rows, or hold out a smaller fraction."
        )
    order = np.random.default_rng(seed).permutation(n_rows)
    return np.sort(order[n_held_out:]), np.sort(order[:n_held_out])
