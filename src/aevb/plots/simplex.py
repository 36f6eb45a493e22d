"""Codes of many rows as points of a simplex: a ternary plot for three components, else a regular polygon."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Real
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Polygon

from aevb.errors import InvalidDataError
from aevb.plots.dots import AXES, Labels, draw_dots, square_axes
from aevb.plots.style import FAINT, INK, MUTED, styled, wrapped

MOST_NAMES = 30
LEVELS = (0.2, 0.4, 0.6, 0.8)
Compositions = Real[np.ndarray, "rows components"]
Corners = Float[np.ndarray, "components 2"]


@styled
def simplex_scatter(
    codes: Compositions,
    labels: Labels | Sequence[Any] | None = None,
    names: Sequence[str] | None = None,
    *,
    label_name: str | None = None,
    title: str = "Codes",
) -> Figure:
    r"""Codes whose components are shares of a whole as dots in a regular polygon, coloured by label.

    Row i lies at the mean of the corners weighted by its components, $\sum_k z_{ik} c_k$. Of three
    components this is a ternary plot, from which all three can be read; of more it is a projection, which
    the title says: a dot in the middle may be an even mixture of all components, or of opposite ones.

    Args:
        codes: of each row, not negative and with the sum 1, shape `(rows, components)`, three or more.
        labels: one for each row, shape `(rows,)`, or None; coloured as in `codes_scatter`.
        names: of the components, at the corners, clockwise from the top; `z 1`, `z 2`, ... if not given.
        label_name: what the labels are, for the legend or the colour bar.
        title: above the picture.

    Raises:
        InvalidDataError: if there are no rows, not one label for each, fewer than three components or not a
            name for each, or a code is no point of the simplex.

    Example:
        >>> figure = simplex_scatter(np.eye(3), names=["a", "b", "c"])
        >>> [text.get_text() for text in figure.axes[0].texts[-3:]]
        ['a', 'b', 'c']
    """
    figure, axes = square_axes(codes, labels)
    n = codes.shape[1]
    names = [f"z {i + 1}" for i in range(n)] if names is None else names
    _check(codes, names)
    angles = np.pi / 2 - 2 * np.pi * np.arange(n) / n
    corners = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    axes.set_axis_off()
    middle, half = (0.25, 1.0) if n == 3 else (0.0, 1.12)
    axes.set(xlim=(-half, half), ylim=(middle - half, middle + half))
    if n == 3:
        _ternary_grid(axes, corners)
    else:
        for corner in corners:
            axes.plot(*np.stack([np.zeros(2), corner], axis=1), color=FAINT, lw=0.6, zorder=0)
        title = f"{title}\neach at the weighted mean of the corners"
    axes.add_patch(Polygon(corners, fill=False, ec=MUTED, lw=0.8, zorder=1))
    short = [wrapped(name, 1.0, 9.0, lines=1) for name in names]
    _name_corners(axes, corners, short)
    # How far the names at the sides reach beyond the axes.
    reach = [
        0.07 * len(name) + 0.5 * AXES * (1.05 * abs(x) / half - 1)
        for name, (x, _) in zip(short, corners, strict=True)
    ]
    draw_dots(figure, axes, codes @ corners, labels, label_name, filled=False, beside=max(0.0, *reach))
    axes.set_title("\n".join(wrapped(line, 3.8, 10.0) for line in title.split("\n")))
    return figure


def _check(codes: Compositions, names: Sequence[str]) -> None:
    n = codes.shape[1]
    if n < 3:
        raise InvalidDataError(f"expected codes of at least three components, got {n}")
    if len(names) != n:
        raise InvalidDataError(f"expected a name for each of {n} components, got {len(names)} names")
    wrong = ~((codes >= -1e-6).all(1) & (np.abs(codes.sum(1) - 1) < 1e-3))
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise InvalidDataError(
            f"expected components that are not negative and have the sum 1; those of row {row} go from "
            f"{codes[row].min():.3g} up and have the sum {codes[row].sum():.3g}"
        )


def _ternary_grid(axes: Axes, corners: Corners) -> None:
    """Lines of equal share of each component, labelled at their ends on the edge clockwise before its corner."""
    for k in range(3):
        corner, after, before = corners[k], corners[(k + 1) % 3], corners[k - 1]
        outward = (before - after) / np.hypot(*(before - after))
        for level in LEVELS:
            ends = np.stack([level * corner + (1 - level) * other for other in (before, after)])
            axes.plot(*ends.T, color=FAINT, lw=0.6, zorder=0)
            x, y = ends[0] + 0.07 * outward
            axes.text(x, y, f"{level:g}", fontsize=7, color=MUTED, ha="center", va="center")


def _name_corners(axes: Axes, corners: Corners, names: Sequence[str]) -> None:
    """Names outside the corners; of very many, every second or third."""
    n = len(names)
    step = -(-n // MOST_NAMES)
    for k in range(0, n, step):
        x, y = corners[k]
        align = ("center", "left", "right")[int(np.sign(np.round(x, 2)))]
        upright = "center" if abs(y) < 0.95 else "bottom" if y > 0 else "top"
        axes.text(
            1.05 * x,
            1.05 * y,
            names[k],
            color=INK,
            fontsize=9 if n <= 12 else 7.5,
            ha=align,
            va=upright,
        )
