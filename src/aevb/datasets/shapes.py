"""Arrays of other shapes than (rows, features) as rows: images, channels of one, columns of labels."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Shaped

from aevb.errors import InvalidDataError

# Pictures are that large, and not longer than so many times their width.
LEAST_PIXELS, MOST_PROPORTION = 4, 2


@dataclass(frozen=True, eq=False)
class ShapedRows:
    """Rows, and what is known of their shape.

    Args:
        x: two-dimensional.
        image_shape: `(height, width)` where they are images.
        notes: what they were taken for, if it could be otherwise.
    """

    x: Shaped[np.ndarray, "rows features"]
    image_shape: tuple[int, int] | None = None
    notes: tuple[str, ...] = ()


def as_rows(x: np.ndarray, name: str, image_shape: tuple[int, ...] | None = None) -> ShapedRows:
    """The array with one axis for rows and one for features.

    Arrays of three axes are images if they are unsigned bytes or a picture's proportions suggest it; a fourth axis of
    one channel, first or last, is left out.

    Args:
        x: shape `(rows, features)`, `(rows, height, width)`, or that with an axis of one channel.
        name: what to call it in an error.
        image_shape: what the user says they are; `()` for no images.

    Raises:
        InvalidDataError: any other shape.
    """
    shape = x.shape
    if len(shape) == 4 and 1 in (shape[1], shape[3]):
        shape = (shape[0], shape[2], shape[3]) if shape[1] == 1 and shape[3] != 1 else shape[:3]
    if len(shape) not in (2, 3):
        advice = " Of images with colours, give one channel, or the colours side by side as features." * (
            len(shape) == 4
        )
        raise InvalidDataError(
            f"{name}: expected shape (rows, features), or (rows, height, width) for images, got {x.shape}.{advice}"
        )
    rows = x.reshape(len(x), math.prod(shape[1:]))  # not -1, which NumPy cannot resolve for an empty array
    if len(shape) == 2 or image_shape is not None:
        return ShapedRows(rows)
    height, width = shape[1], shape[2]
    if x.dtype == np.uint8:
        return ShapedRows(rows, (height, width))
    if min(height, width) >= LEAST_PIXELS and max(height, width) <= MOST_PROPORTION * min(height, width):
        note = (
            f"{name}: each row is taken for an image of {height} x {width}. If it is none, train with "
            "`image_shape='none'`."
        )
        return ShapedRows(rows, (height, width), (note,))
    note = (
        f"{name}: each row of {height} x {width} numbers is taken for {height * width} features. If it is an image, "
        f"train with `image_shape='{height},{width}'`."
    )
    return ShapedRows(rows, None, (note,))


def as_labels(y: np.ndarray | None, n_rows: int, name: str) -> np.ndarray | None:
    """One label for each row, out of a list or a single column of them.

    Raises:
        InvalidDataError: there are more or fewer.
    """
    if y is None:
        return None
    labels = y.reshape(-1) if y.shape == (n_rows, 1) else y
    if labels.shape != (n_rows,):
        raise InvalidDataError(
            f"{name} rows: {n_rows}, but labels of shape {y.shape}; one for each is needed."
        )
    return labels
