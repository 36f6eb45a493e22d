"""Pictures of published experiments done again: bounds beside the published curves, and samples side by side."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter, NullLocator

from aevb.errors import InvalidDataError
from aevb.plots.mosaics import Images, tile
from aevb.plots.style import BLUE, INK, MUTED, ORANGE, RED, few_ticks, styled

Points = Float[np.ndarray, "points 2"]
# What a method is called, its colour on test rows and its paler one on training rows.
METHODS: dict[str, tuple[str, str, str]] = {
    "aevb": ("AEVB, estimator B", BLUE, "#8fc3e3"),
    "aevb-a": ("AEVB, estimator A", "#aa4499", "#dcb3d6"),
    "wake-sleep": ("wake-sleep, sampled dreams", RED, "#f0b48f"),
    "wake-sleep-means": ("wake-sleep, mean dreams", ORANGE, "#f3d68f"),
    "ours": ("AEVB, our recipe", "#117733", "#96c9a4"),
}
WARM_UP = 3  # points of a curve that may lie below the picture
INCHES = 2.9


@dataclasses.dataclass(frozen=True)
class BoundCurve:
    """A curve of a panel.

    Args:
        method: a key of `METHODS`, which decides its colour.
        points: training samples seen and the bound, nats per data point; without a finite bound left out.
        split: `train` or `test`.
        is_published: drawn as such.
    """

    method: str
    points: Points
    split: Literal["train", "test"] = "test"
    is_published: bool = False


@dataclasses.dataclass(frozen=True)
class BoundPanel:
    """The curves of one model on one data set."""

    title: str
    curves: Sequence[BoundCurve]


@styled
def bound_panels(panels: Sequence[BoundPanel], bound_label: str = "bound (nats per data point)") -> Figure:
    """For each panel the bound against training samples seen, ours as lines and published points as circles.

    Early points far below the others lie outside the picture.

    Args:
        panels: what to draw.
        bound_label: what the bound is and in which unit.

    Raises:
        InvalidDataError: no panel, or one without a finite bound.

    Example:
        >>> from aevb.plots import BoundCurve, BoundPanel, bound_panels
        >>> curve = BoundCurve("aevb", np.array([[1e5, -150.0], [1e6, -120.0]]))
        >>> len(bound_panels([BoundPanel("MNIST", [curve])]).axes)
        1
    """
    if not panels:
        raise InvalidDataError("a picture of bounds needs a panel or more, got none")
    columns = len(panels) if len(panels) <= 3 else 2 if len(panels) == 4 else 3
    rows = math.ceil(len(panels) / columns)
    figure = Figure(figsize=(max(5.6, columns * INCHES), rows * 2.6 + 0.9), layout="constrained")
    for i, panel in enumerate(panels):
        axes = figure.add_subplot(rows, columns, i + 1)
        _draw(axes, panel)
        if i % columns == 0:
            axes.set_ylabel(bound_label)
        if i + columns >= len(panels):
            axes.set_xlabel("training samples seen")
    figure.legend(handles=_handles(panels), loc="outside lower center", ncols=2 if columns == 1 else columns)
    return figure


def _draw(axes: Axes, panel: BoundPanel) -> None:
    tested: list[Points] = []
    for curve in panel.curves:
        points = curve.points[np.isfinite(curve.points).all(1)]
        if not len(points):
            continue
        axes.plot(*points.T, **_look(curve))
        if curve.split == "test":
            tested.append(points)
    if not tested:
        raise InvalidDataError(f"the panel {panel.title!r} has no finite bound on test rows")
    top = max(points[:, 1].max() for points in tested)
    low = min(points[min(WARM_UP, len(points) - 1) :, 1].min() for points in tested)
    pad = 0.06 * (top - low) or 0.5
    axes.set_ylim(low - pad, top + 2 * pad)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(10, numticks=8))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.xaxis.set_minor_formatter(NullFormatter())
    few_ticks(axes.yaxis, 6)
    axes.grid(True)
    axes.set_title(panel.title)


def _look(curve: BoundCurve) -> dict[str, Any]:
    _, dark, pale = METHODS[curve.method]
    if curve.is_published:
        return {"color": dark, "ls": "", "marker": "o", "mfc": "none", "ms": 3.2, "mew": 0.8, "zorder": 2}
    if curve.split == "train":
        return {"color": pale, "lw": 1.1, "ls": (0, (3, 1.2)), "zorder": 2.5}
    return {"color": dark, "lw": 1.7, "zorder": 3}


def _handles(panels: Sequence[BoundPanel]) -> list[Line2D]:
    """Methods by colour, then what kinds of lines there are, of those that are drawn."""
    drawn = [curve for panel in panels for curve in panel.curves]
    handles = [
        Line2D([], [], color=dark, lw=1.7, label=name)
        for method, (name, dark, _) in METHODS.items()
        if any(curve.method == method for curve in drawn)
    ]
    if any(curve.split == "train" for curve in drawn):
        handles.append(
            Line2D([], [], color=MUTED, lw=1.1, ls=(0, (3, 1.2)), label="the same on training rows")
        )
    if any(curve.is_published for curve in drawn):
        look: dict[str, Any] = {"color": INK, "ls": "", "marker": "o", "mfc": "none", "ms": 3.2, "mew": 0.8}
        handles.append(Line2D([], [], label="published, test rows", **look))
    return handles


@dataclasses.dataclass(frozen=True)
class LatentCurve:
    """Bounds of models with different numbers of latents.

    Args:
        name: for the legend.
        n_latents: increasing.
        train: nats per data point, or None.
        test: likewise.
        is_published: drawn as such.
    """

    name: str
    n_latents: Sequence[int]
    train: Sequence[float | None]
    test: Sequence[float | None]
    is_published: bool = False


@styled
def bounds_by_latents(
    panels: Sequence[tuple[str, Sequence[LatentCurve], Sequence[tuple[int, int]]]],
) -> Figure:
    """For each data set the final bound on training and test rows against N_z, and below it the active units.

    Args:
        panels: a title, the curves, and pairs of N_z and its active units.

    Example:
        >>> from aevb.plots import LatentCurve, bounds_by_latents
        >>> curve = LatentCurve("ours", [2, 10], [-130.0, -98.0], [-131.0, -100.0])
        >>> len(bounds_by_latents([("MNIST", [curve], [(2, 2), (10, 10)])]).axes)
        2
    """
    figure = Figure(figsize=(max(5.6, 3.6 * len(panels)), 5.0), layout="constrained")
    grid = figure.add_gridspec(2, len(panels), height_ratios=(2.0, 1.0))
    for i, (title, curves, active) in enumerate(panels):
        above = figure.add_subplot(grid[0, i])
        below = figure.add_subplot(grid[1, i], sharex=above)
        for curve in curves:
            _draw_latents(above, curve)
        n, units = np.array(active).T
        below.plot(n, n, color=MUTED, lw=0.9, ls=":", label="all N_z")
        below.plot(n, units, color=METHODS["ours"][1], marker="o", ms=4, label="active units")
        for axes in (above, below):
            axes.set_xscale("log")
            axes.grid(True)
        below.set_yscale("log")
        values = sorted({int(value) for value in n})
        for axis in (below.xaxis, below.yaxis):
            axis.set_ticks(values, [str(value) for value in values])
            axis.set_minor_locator(NullLocator())
        above.tick_params(labelbottom=False)
        above.set_title(title)
        below.set_xlabel("latents, N_z")
        if i == 0:
            above.set_ylabel("bound (nats per data point)")
            below.set_ylabel("active units")
            below.legend(loc="upper left", fontsize=8)
            above.legend(loc="lower right", fontsize=8)
    return figure


def _draw_latents(axes: Axes, curve: LatentCurve) -> None:
    method = METHODS["aevb" if curve.is_published else "ours"]
    for split, values, colour, line in (
        ("test", curve.test, method[1], "-"),
        ("train", curve.train, method[2], (0, (3, 1.2))),
    ):
        look: dict[str, Any] = {
            "mfc": "none" if curve.is_published else colour,
            "ls": "" if curve.is_published else line,
        }
        y = np.array([np.nan if value is None else value for value in values], dtype=float)
        axes.plot(
            curve.n_latents, y, color=colour, marker="o", ms=4.5, label=f"{curve.name}, {split}", **look
        )


@styled
def sample_panels(
    images: Sequence[tuple[str, Images]], image_shape: tuple[int, int], columns: int = 10
) -> Figure:
    """Grids of images side by side, each with a title.

    Args:
        images: for each grid its title and its images, flattened, values in [0, 1].
        image_shape: height and width.
        columns: images beside each other in a grid.

    Raises:
        InvalidDataError: the images are not of that shape.

    Example:
        >>> len(sample_panels([("N_z = 2", np.zeros((4, 4)))], (2, 2), 2).axes)
        1
    """
    height, width = image_shape
    rows = max(math.ceil(len(x) / columns) for _, x in images)
    inches = 2.6
    size = (len(images) * (inches + 0.1), inches * rows * height / (columns * width) + 0.35)
    figure = Figure(figsize=size, layout="constrained")
    for i, (title, x) in enumerate(images):
        axes = figure.add_subplot(1, len(images), i + 1)
        axes.imshow(tile(x, image_shape, columns, gap=1), cmap="gray", vmin=0.0, vmax=1.0)
        axes.set_axis_off()
        axes.set_title(title)
    return figure


@styled
def epoch_log(
    epochs: Sequence[int],
    ours: Sequence[tuple[str, Float[np.ndarray, "seeds epochs"]]],
    published: Sequence[tuple[str, Points]],
) -> Figure:
    """The bound after each epoch, the mean of several seeds with their range, and the published values.

    Args:
        epochs: of the columns of `ours`.
        ours: for training and for test rows, the name and the bounds, nats per data point.
        published: likewise the name and pairs of an epoch and a bound.

    Example:
        >>> ours = [("test rows", np.array([[-127.0, -115.0]]))]
        >>> len(epoch_log([1, 2], ours, [("test rows", np.array([[1, -127.3]]))]).axes)
        1
    """
    figure = Figure(figsize=(5.6, 3.6), layout="constrained")
    axes = figure.add_subplot()
    colours = (METHODS["aevb"][2], METHODS["aevb"][1])
    for (name, bounds), colour in zip(ours, colours, strict=False):
        axes.fill_between(epochs, bounds.min(0), bounds.max(0), color=colour, alpha=0.3, lw=0)
        axes.plot(epochs, bounds.mean(0), color=colour, marker=".", label=f"ours, {name}")
    for (name, points), colour in zip(published, colours, strict=False):
        axes.plot(*points.T, color=colour, ls="", marker="o", mfc="none", ms=6, label=f"published, {name}")
    few_ticks(axes.xaxis, 10, integer=True)
    axes.grid(True)
    axes.set_xlabel("epoch")
    axes.set_ylabel("bound (nats per data point)")
    axes.legend(loc="lower right")
    return figure
