"""Codes of many rows as points in a plane."""

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
from aevb.report.style import BLUE, CLASSES, FAINT, INK, MUTED, styled, wrapped

MOST_CLASSES = 20
Codes = Real[np.ndarray, "rows 2"]
Labels = Shaped[np.ndarray, " rows"]


@styled
def codes_scatter(
    codes: Codes,
    labels: Labels | Sequence[Any] | None = None,
    axes_labels: tuple[str, str] = ("z 1", "z 2"),
    *,
    label_name: str | None = None,
    title: str = "Codes",
) -> Figure:
    """Codes as dots, coloured by label; one unit is equally long on both axes.

    Labels are classes if they are strings, booleans, or at most 20 different whole numbers, and get a legend:
    ten colours, then the same with another marker. Of more than 20 classes the 19 most frequent are named.
    Other numbers get a colour bar.

    Args:
        codes: posterior means, shape `(rows, 2)`.
        labels: one for each row, shape `(rows,)`, or None.
        axes_labels: which latents these are, horizontal and vertical, such as "z 7 (KL 3.1 nats)".
        label_name: what the labels are, for the legend or the colour bar.
        title: above the picture.

    Raises:
        InvalidDataError: if there are no rows, or not one label for each.

    Example:
        >>> figure = codes_scatter(np.eye(2), ["cat", "dog"])
        >>> [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
        ['cat', 'dog']
    """
    if not len(codes):
        raise InvalidDataError("expected at least one code, got none")
    if labels is not None and len(labels) != len(codes):
        raise InvalidDataError(f"expected a label for each of {len(codes)} codes, got {len(labels)} labels")
    figure = Figure(figsize=(4.4, 4.4), layout="constrained")
    axes = figure.add_subplot()
    axes.set_box_aspect(1)
    axes.axhline(0, color=FAINT, lw=0.7, zorder=0)
    axes.axvline(0, color=FAINT, lw=0.7, zorder=0)
    _same_scale(axes, codes)
    if labels is None:
        axes.scatter(*codes.T, color=BLUE, **_dots(len(codes)))
    elif _are_classes(values := np.asarray(labels)):
        _classes(figure, axes, codes, values, label_name)
    else:
        points = axes.scatter(*codes.T, c=values.astype(float), cmap="viridis", **_dots(len(codes)))
        figure.set_size_inches(5.4, 4.4)
        bar = figure.colorbar(points, ax=axes, shrink=0.8, aspect=25, label=label_name or "label")
        if bar.solids is not None:
            bar.solids.set_alpha(1)  # the dots' transparency would wash it out
        bar.outline.set_visible(False)
    axes.set_xlabel(wrapped(axes_labels[0], 3.4))
    axes.set_ylabel(wrapped(axes_labels[1], 3.4))
    axes.set_title(wrapped(title, 3.6, 10.0))
    return figure


def _dots(n: int) -> dict[str, Any]:
    """Size and opacity for so many dots: lone ones are seen, and a crowd keeps its texture."""
    size = float(np.clip(18 * (300 / max(n, 1)) ** 0.5, 3.0, 18))
    return {
        "s": size,
        "alpha": float(np.clip((800 / max(n, 1)) ** 0.3, 0.45, 0.85)),
        "lw": 0,
        "rasterized": True,
    }


def _same_scale(axes: Axes, codes: Codes) -> None:
    """One span for both axes, so that a collapsed latent shows as a line and not as a cloud."""
    low, high = codes.min(0).astype(float), codes.max(0).astype(float)
    half = 0.54 * float((high - low).max()) or 1.0
    middle = (low + high) / 2
    axes.set_xlim(middle[0] - half, middle[0] + half)
    axes.set_ylim(middle[1] - half, middle[1] + half)


def _are_classes(labels: Labels) -> bool:
    if labels.dtype.kind not in "iuf":
        return True
    distinct = np.unique(labels)
    return len(distinct) <= MOST_CLASSES and bool(np.all(distinct == np.round(distinct)))


def _classes(figure: Figure, axes: Axes, codes: Codes, labels: Labels, label_name: str | None) -> None:
    names = np.array([f"{label:g}" if isinstance(label, float) else str(label) for label in labels.tolist()])
    counts = Counter(names.tolist())
    distinct, rest = sorted(counts, key=float if labels.dtype.kind in "iuf" else str), []
    if len(distinct) > MOST_CLASSES:
        frequent = {name for name, _ in counts.most_common(MOST_CLASSES - 1)}
        distinct, rest = [d for d in distinct if d in frequent], [d for d in distinct if d not in frequent]
    handles = []
    if rest:
        axes.scatter(
            *codes[np.isin(names, rest)].T, color=MUTED, marker="x", **_dots(len(codes)) | {"lw": 0.6}
        )
    for marker, first in (("o", 0), ("^", len(CLASSES))):
        group = distinct[first : first + len(CLASSES)]
        colour = dict(zip(group, CLASSES, strict=False))
        here = np.isin(names, group)
        # All classes of a marker in one call, in the order of the rows: none is painted over the others.
        axes.scatter(
            *codes[here].T, c=[colour[name] for name in names[here]], marker=marker, **_dots(len(codes))
        )
        handles += [Line2D([], [], ls="", marker=marker, ms=6, mew=0, color=colour[name]) for name in group]
    texts = distinct + [f"{len(rest)} others"] * bool(rest)
    handles += [Line2D([], [], ls="", marker="x", ms=5, color=MUTED)] * bool(rest)
    _name_in_place(axes, codes, names, distinct)
    short = [wrapped(text, 2.2, 8.5, lines=1) for text in texts]
    legend = axes.legend(
        handles, short, loc="center left", bbox_to_anchor=(1.01, 0.5), title=label_name, handletextpad=0.2
    )
    figure.set_size_inches(4.5 + legend.get_window_extent().width / figure.dpi, 4.4)


def _name_in_place(axes: Axes, codes: Codes, names: Labels, distinct: Sequence[str]) -> None:
    """Short names also at the middle of their dots, where colours alone might not tell classes apart."""
    if max(map(len, distinct)) > 2 or not 2 <= len(distinct) <= 10:
        return
    middles = np.array([np.median(codes[names == name], axis=0) for name in distinct], dtype=float)
    near = 0.05 * float(np.ptp(axes.get_xlim()))
    for _ in range(50):  # names that overlap push each other away
        apart = middles[:, None] - middles[None]
        distance = np.hypot(*apart.T).T + np.eye(len(distinct)) * near
        push = np.clip(near - distance, 0, None) / np.maximum(distance, 1e-3 * near)
        middles += 0.5 * (push[..., None] * apart).sum(1)
    halo = [patheffects.withStroke(linewidth=2.5, foreground="white")]
    for name, (x, y) in zip(distinct, middles, strict=True):
        axes.text(x, y, name, color=INK, weight="bold", ha="center", va="center", path_effects=halo)
