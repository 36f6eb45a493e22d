"""Small panels side by side: one for each feature of data that are not images."""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Real
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from aevb.errors import InvalidDataError
from aevb.plots.style import wrapped

MOST_FEATURES = 12
Table = Real[np.ndarray, "rows features"]
Names = Sequence[str] | None


def panels(x: Table, feature_names: Names, title: str, width: float = 1.8) -> tuple[Figure, list[Axes]]:
    """A figure with a named, empty panel, `width` inches wide, for each feature that is drawn.

    Raises:
        InvalidDataError: if there is not a name for each feature, or no row.
    """
    n = x.shape[1]
    names = [f"feature {i + 1}" for i in range(n)] if feature_names is None else list(feature_names)
    if len(names) != n:
        raise InvalidDataError(f"expected a name for each of {n} features, got {len(names)} names")
    if not x.size:
        raise InvalidDataError(f"expected at least one row and one feature, got the shape {x.shape}")
    shown = min(n, MOST_FEATURES)
    columns = shown if shown <= 4 else 3 if shown <= 6 or shown == 9 else 4
    rows = math.ceil(shown / columns)
    zoom = 1.0 if shown > 2 else 1.6
    width *= zoom
    size = (columns * width + 0.4, rows * (1.65 * zoom + 0.25) + 0.7)
    figure = Figure(figsize=size, layout="constrained")
    figure.suptitle(
        wrapped(title if shown == n else f"{title} (first {shown} of {n} features)", size[0] - 0.3, 10.0)
    )
    drawn = [figure.add_subplot(rows, columns, i + 1) for i in range(shown)]
    for axes, name in zip(drawn, names, strict=False):
        axes.set_title(wrapped(name, 1.35 * zoom, 8.5, lines=2), fontsize=8.5, pad=4)
        axes.tick_params(labelsize=7, length=2.5)
    return figure, drawn
