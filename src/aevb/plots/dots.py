"""Dots in a plane, coloured by the labels of their rows: with a legend for classes, a colour bar for numbers."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Real, Shaped
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from aevb.errors import InvalidDataError
from aevb.plots.style import BLUE, CLASSES, INK, MUTED, wrapped

MOST_CLASSES = 20
SIDE, AXES = 4.4, 3.6  # inches: the picture, and about the axes in it
Points = Real[np.ndarray, "rows 2"]
Labels = Shaped[np.ndarray, " rows"]


def square_axes(
    codes: Real[np.ndarray, "rows _"], labels: Labels | Sequence[Any] | None
) -> tuple[Figure, Axes]:
    """A figure with one square picture, for codes that have a label each, or none have.

    Raises:
        InvalidDataError: if there are no rows, or not one label for each.
    """
    if not len(codes):
        raise InvalidDataError("expected at least one code, got none")
    if labels is not None and len(labels) != len(codes):
        raise InvalidDataError(f"expected a label for each of {len(codes)} codes, got {len(labels)} labels")
    figure = Figure(figsize=(SIDE, SIDE), layout="constrained")
    axes = figure.add_subplot()
    axes.set_box_aspect(1)
    return figure, axes


def draw_dots(
    figure: Figure,
    axes: Axes,
    points: Points,
    labels: Labels | Sequence[Any] | None,
    label_name: str | None,
    *,
    filled: bool = True,
    beside: float = 0.0,
) -> None:
    """Rows as dots in the axes, whose limits and scales are set before; the figure is widened for the legend.

    Args:
        figure: of the axes.
        axes: from `square_axes`.
        points: one for each row, shape `(rows, 2)`.
        labels: one for each row, shape `(rows,)`, or None.
        label_name: what the labels are.
        filled: the dots fill the picture; else they may crowd in a corner, and classes are not named there.
        beside: inches to the left and to the right of the axes that are taken already.
    """
    figure.set_size_inches(SIDE + 2 * beside, SIDE)
    if labels is None:
        axes.scatter(*points.T, color=BLUE, **_look(len(points)))
    elif _are_classes(values := np.asarray(labels)):
        names, distinct = _classes(axes, points, values, label_name, 1.01 + beside / AXES)
        _name_in_place(axes, points, names, distinct, filled)
        legend = axes.get_legend()
        assert legend is not None
        width = SIDE + 0.1 + legend.get_window_extent().width / figure.dpi
        figure.set_size_inches(width + 2 * beside, SIDE)
    else:
        dots = axes.scatter(*points.T, c=values.astype(float), cmap="viridis", **_look(len(points)))
        figure.set_size_inches(SIDE + 1 + 2 * beside, SIDE)
        bar = figure.colorbar(dots, ax=axes, shrink=0.8, aspect=25)
        bar.set_label(wrapped(label_name or "label", 2.8, lines=2))
        if bar.solids is not None:
            bar.solids.set_alpha(1)  # the dots' transparency would wash it out
        bar.outline.set_visible(False)


def _look(n: int) -> dict[str, Any]:
    """Size and opacity for so many dots: lone ones are seen, and a crowd keeps its texture."""
    size = float(np.clip(18 * (300 / max(n, 1)) ** 0.5, 3.0, 18))
    return {
        "s": size,
        "alpha": float(np.clip((800 / max(n, 1)) ** 0.3, 0.45, 0.85)),
        "lw": 0,
        "rasterized": True,
    }


def _are_classes(labels: Labels) -> bool:
    if labels.dtype.kind not in "iuf":
        return True
    distinct = np.unique(labels)
    return len(distinct) <= MOST_CLASSES and bool(np.all(distinct == np.round(distinct)))


def _classes(
    axes: Axes, points: Points, labels: Labels, label_name: str | None, legend_at: float
) -> tuple[Labels, list[str]]:
    """Dots and a legend; returns the class of each row and the classes that have a colour."""
    names = np.array([f"{label:g}" if isinstance(label, float) else str(label) for label in labels.tolist()])
    counts = Counter(names.tolist())
    distinct, rest = sorted(counts, key=float if labels.dtype.kind in "iuf" else _natural), []
    if len(distinct) > MOST_CLASSES:
        frequent = {name for name, _ in counts.most_common(MOST_CLASSES - 1)}
        distinct, rest = [d for d in distinct if d in frequent], [d for d in distinct if d not in frequent]
    handles = []
    if rest:
        look = _look(len(points)) | {"lw": 0.6}
        axes.scatter(*points[np.isin(names, rest)].T, color=MUTED, marker="x", **look)
    for marker, first in (("o", 0), ("^", len(CLASSES))):
        group = distinct[first : first + len(CLASSES)]
        colour = dict(zip(group, CLASSES, strict=False))
        here = np.isin(names, group)
        # All classes of a marker in one call, in the order of the rows: none is painted over the others.
        colours = [colour[name] for name in names[here]]
        axes.scatter(*points[here].T, c=colours, marker=marker, **_look(len(points)))
        handles += [Line2D([], [], ls="", marker=marker, ms=6, mew=0, color=colour[name]) for name in group]
    texts = distinct + [f"{len(rest)} others"] * bool(rest)
    handles += [Line2D([], [], ls="", marker="x", ms=5, color=MUTED)] * bool(rest)
    short = [wrapped(text, 2.2, 8.5, lines=1) for text in texts]
    place = {"loc": "center left", "bbox_to_anchor": (legend_at, 0.5)}
    title = None if label_name is None else wrapped(label_name, 2.2, lines=2)
    axes.legend(handles, short, title=title, handletextpad=0.2, **place)
    return names, distinct


def _natural(name: str) -> list[tuple[str, int]]:
    """To sort by: "class 2" comes before "class 10"."""
    parts = re.findall(r"([^0-9]*)([0-9]*)", name)
    return [(text, int(digits or -1)) for text, digits in parts]


def _name_in_place(axes: Axes, points: Points, names: Labels, distinct: Sequence[str], filled: bool) -> None:
    """Short names also at the middle of their dots, where colours alone might not tell classes apart."""
    if max(map(len, distinct)) > 2 or not 2 <= len(distinct) <= 10:
        return
    scale = axes.transScale  # distances are those on paper, also between logarithms
    middles = np.array([np.median(points[names == name], axis=0) for name in distinct], dtype=float)
    start = middles = scale.transform(middles)
    near = 0.05 * float(np.ptp(scale.transform(np.stack([axes.get_xlim(), axes.get_ylim()], axis=1))[:, 0]))
    for _ in range(50):  # names that overlap push each other away
        apart = middles[:, None] - middles[None]
        distance = np.hypot(*apart.T).T + np.eye(len(distinct)) * near
        push = np.clip(near - distance, 0, None) / np.maximum(distance, 1e-3 * near)
        middles = middles + 0.5 * (push[..., None] * apart).sum(1)
    if not filled and np.hypot(*(middles - start).T).max() > near / 2:
        return
    halo = [patheffects.withStroke(linewidth=2.5, foreground="white")]
    for name, (x, y) in zip(distinct, scale.inverted().transform(middles), strict=True):
        axes.text(x, y, name, color=INK, weight="bold", ha="center", va="center", path_effects=halo)
