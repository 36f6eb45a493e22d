"""Pictures of results beside published ones: curves in panels, and numbers side by side."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, FuncFormatter, LogLocator, NullFormatter

from aevb.errors import InvalidDataError
from aevb.plots.style import BLUE, INK, MUTED, ORANGE, RED, few_ticks, styled

Points = Float[np.ndarray, "points 2"]

PURPLE = "#aa4499"
# Methods have the same colour and marker in every figure.
LOOKS: dict[str, tuple[str, str]] = {
    "AEVB": (BLUE, "o"),
    "wake-sleep": (RED, "s"),
    "Monte Carlo EM": (PURPLE, "^"),
    "full VB": (BLUE, "o"),
    "MAP": (ORANGE, "s"),
    "maximum likelihood": (RED, "^"),
    "VAE": (BLUE, "o"),
    "autoencoder": (RED, "s"),
}
OTHERS = (("#117733", "D"), ("#332288", "v"))
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
ROW_INCHES = 0.34
MARKERS = ("D", "v", "P")


@dataclasses.dataclass(frozen=True)
class Series:
    """A curve of a panel.

    Args:
        label: what it is, a method's name; curves of one label share a colour.
        points: abscissas and values; those that are not finite are left out.
        errors: standard errors of the values.
        is_published: drawn as such: dashed, paler, with hollow points.
    """

    label: str
    points: Points
    errors: Float[np.ndarray, " points"] | None = None
    is_published: bool = False


@dataclasses.dataclass(frozen=True)
class Panel:
    """The curves of one picture.

    Args:
        title: above it.
        series: the curves.
        x_label: what the abscissas are.
        y_label: what the values are, with their unit.
        log_y: a logarithmic axis, for gaps.
        ticks: abscissas to write, for few ones; powers of ten if there are none.
    """

    title: str
    series: Sequence[Series]
    x_label: str
    y_label: str
    log_y: bool = False
    ticks: Sequence[int] = ()


@styled
def curves_beside_published(panels: Sequence[Panel], columns: int = 2) -> Figure:
    """Panels of curves over a logarithmic axis: ours as lines with filled points, published ones dashed and hollow.

    Args:
        panels: what to draw, row by row.
        columns: of panels.

    Raises:
        InvalidDataError: no panel, or one without a finite value.

    Example:
        >>> series = Series("AEVB", np.array([[1e5, -150.0], [1e6, -120.0]]))
        >>> len(curves_beside_published([Panel("MNIST", [series], "samples", "nats")]).axes)
        1
    """
    if not panels:
        raise InvalidDataError("a picture of curves needs a panel or more, got none")
    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(max(5.2, 3.7 * columns), 2.7 * rows + 0.6), layout="constrained")
    for i, panel in enumerate(panels):
        _draw(figure.add_subplot(rows, columns, i + 1), panel)
    figure.legend(handles=_handles(panels), loc="outside lower center", ncols=5 if columns > 1 else 3)
    return figure


def _draw(axes: Axes, panel: Panel) -> None:
    drawn = 0
    for series in panel.series:
        keep = np.isfinite(series.points).all(1)
        if not keep.any():
            continue
        drawn += 1
        x, y = series.points[keep].T
        axes.plot(x, y, **_look(series))
        if series.errors is not None:
            errors = series.errors[keep]
            axes.errorbar(x, y, errors, fmt="none", ecolor=_colour(series.label)[0], elinewidth=1, capsize=2)
    if not drawn:
        raise InvalidDataError(f"the panel {panel.title!r} has no finite value")
    axes.set_xscale("log")
    if panel.ticks:
        axes.set_xticks(panel.ticks, [f"{tick:,}" for tick in panel.ticks])
    else:
        axes.xaxis.set_major_locator(LogLocator(10, numticks=8))
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        _label_between(axes)
    if panel.ticks:
        axes.xaxis.set_minor_formatter(NullFormatter())
    if panel.log_y:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(10, numticks=6))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _power_of_ten(value)))
        axes.yaxis.set_minor_formatter(NullFormatter())
    else:
        few_ticks(axes.yaxis, 6)
    axes.grid(True)
    axes.set(title=panel.title, xlabel=panel.x_label, ylabel=panel.y_label)


def _label_between(axes: Axes) -> None:
    """Write twos and fives too, where the axis spans few powers of ten."""
    low, high = axes.get_xlim()
    if high < 60 * low:
        axes.xaxis.set_minor_locator(LogLocator(10, subs=(2, 5)))
        axes.xaxis.set_minor_formatter(EngFormatter(sep=""))
    else:
        axes.xaxis.set_minor_formatter(NullFormatter())


def _power_of_ten(value: float) -> str:
    return f"10{str(round(math.log10(value))).translate(SUPERSCRIPTS)}" if value < 0.01 else f"{value:g}"


def _colour(label: str) -> tuple[str, str]:
    return LOOKS.get(label) or OTHERS[sum(map(ord, label)) % len(OTHERS)]


def _look(series: Series) -> dict[str, Any]:
    colour, marker = _colour(series.label)
    if series.is_published:
        return {
            "color": colour,
            "ls": (0, (3, 2)),
            "lw": 1.0,
            "alpha": 0.75,
            "marker": marker,
            "ms": 4,
            "mfc": "white",
        }
    return {"color": colour, "ls": "-", "marker": marker, "ms": 4.5}


def _handles(panels: Sequence[Panel]) -> list[Line2D]:
    """A line for each method, and where published curves are drawn one for each of the two kinds."""
    series = [one for panel in panels for one in panel.series]
    labels = list(dict.fromkeys(one.label for one in series))
    handles = [
        Line2D([], [], color=_colour(label)[0], marker=_colour(label)[1], ms=4.5, label=label)
        for label in labels
    ]
    if any(one.is_published for one in series):
        handles += [
            Line2D([], [], color=MUTED, ls="-", marker="o", ms=4.5, label="ours"),
            Line2D(
                [], [], color=MUTED, ls=(0, (3, 2)), lw=1, marker="o", ms=4, mfc="white", label="published"
            ),
        ]
    return handles


@dataclasses.dataclass(frozen=True)
class Compared:
    """A row of numbers.

    Args:
        label: what they are numbers of.
        ours: our value, or None.
        error: its standard error.
        published: values by where they are from.
    """

    label: str
    ours: float | None
    error: float = 0.0
    published: tuple[tuple[str, float], ...] = ()


@styled
def numbers_beside_published(rows: Sequence[Compared], x_label: str, title: str) -> Figure:
    """A line of dots for each row: ours filled with an error bar, published ones hollow.

    Args:
        rows: from the top.
        x_label: what the numbers are, with their unit.
        title: above the picture.

    Raises:
        InvalidDataError: no row.

    Example:
        >>> rows = [Compared("VAE, k = 1", 86.5, 0.1, (("published", 86.76),))]
        >>> numbers_beside_published(rows, "NLL (nats per data point)", "MNIST").axes[0].get_xlabel()
        'NLL (nats per data point)'
    """
    if not rows:
        raise InvalidDataError("a picture of numbers needs a row or more, got none")
    figure = Figure(figsize=(6.4, 1.5 + ROW_INCHES * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    sources = list(dict.fromkeys(name for row in rows for name, _ in row.published))
    for i, source in enumerate(sources):
        pairs = [(value, y) for y, row in enumerate(rows) for name, value in row.published if name == source]
        look = {"ls": "", "marker": MARKERS[i % len(MARKERS)], "ms": 7, "mfc": "none", "mew": 1.4}
        axes.plot(*zip(*pairs, strict=True), color=INK if i == 0 else MUTED, label=source, **look)
    ours = [(row.ours, y, row.error) for y, row in enumerate(rows) if row.ours is not None]
    if ours:
        x, y, errors = np.array(ours, dtype=float).T
        axes.errorbar(
            x, y, xerr=errors, fmt="o", color=BLUE, ms=5.5, capsize=2.5, elinewidth=1.2, label="ours"
        )
    axes.set_yticks(range(len(rows)), [row.label for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    few_ticks(axes.xaxis, 7)
    axes.grid(True, axis="x")
    axes.set(xlabel=x_label, title=title)
    figure.legend(loc="outside lower center", ncols=4)
    return figure
