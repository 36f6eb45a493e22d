"""Gradient estimators side by side: their variance, and their variance times cost."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.axis import Axis
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from aevb.errors import InvalidDataError
from aevb.plots.style import BLUE, CLASSES, INK, MUTED, ORANGE, styled, wrapped

# Of the two tables of a problem, told apart without colour, too.
SERIES = ({"color": BLUE, "marker": "o"}, {"color": ORANGE, "marker": "s", "mfc": "none", "mew": 1.6})
MARKERS = "osD^v<>"
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
ROW_INCHES, PANEL_INCHES, APPROACH_INCHES = 0.19, 1.3, 3.6

Draw = Callable[[SubFigure, Mapping[str, Any]], None]


@styled
def gradient_variances(problems: Sequence[Mapping[str, Any]]) -> Figure:
    """For each problem the variance of every estimator, beside it that variance times the time of a gradient.

    Where a variance is known in closed form, a bar marks it. A panel of its own shows, for problems that have it, how
    the variance falls as q approaches the exact posterior.

    Args:
        problems: records as `gradients.json` has them, each with `title`, `tables` and `approach`.

    Raises:
        InvalidDataError: no problem has a table.

    Example:
        >>> row = {"estimator": "stl", "samples": 1, "mean_variance": 0.1, "milliseconds": 2.0}
        >>> table = {"part": "encoder", "state": "", "rows": [row | {"closed_variance": None}]}
        >>> len(gradient_variances([{"title": "A problem", "tables": [table], "approach": []}]).axes)
        2
    """
    drawn = [problem for problem in problems if problem["tables"]]
    if not drawn:
        raise InvalidDataError(f"a picture of estimators needs tables; got {len(problems)} problems without")
    panels: list[tuple[float, Draw, Mapping[str, Any]]] = []
    for problem in drawn:
        panels.append((PANEL_INCHES + ROW_INCHES * len(problem["tables"][0]["rows"]), _compare, problem))
        if problem["approach"]:
            panels.append((APPROACH_INCHES, _approach, problem))
    heights = [height for height, *_ in panels]
    figure = Figure(figsize=(9.0, sum(heights)), layout="constrained")
    parts = figure.subfigures(len(panels), 1, height_ratios=heights, squeeze=False)[:, 0]
    for part, (_, draw, problem) in zip(parts, panels, strict=True):
        draw(part, problem)
    return figure


def _compare(part: SubFigure, problem: Mapping[str, Any]) -> None:
    """Two panels of one problem that share the estimators' names."""
    part.suptitle(wrapped(problem["title"], 8.5, 10.0, lines=2), color=INK)
    left, right = part.subplots(1, 2, sharey=True)
    tables = problem["tables"]
    rows = tables[0]["rows"]
    factor, unit = (1e3, "µs") if max(row["milliseconds"] for row in rows) < 0.1 else (1.0, "ms")
    at = np.arange(len(rows))
    for table, look in zip(tables, SERIES, strict=False):
        label = ", ".join(word for word in (table["part"], table["state"]) if word)
        style = {"ls": "", "ms": 5.5, "label": label, **look}
        variance = _numbers(table, "mean_variance")
        left.plot(variance, at, **style)
        right.plot(variance * factor * _numbers(table, "milliseconds"), at, **style)
    closed = np.array([_numbers(table, "closed_variance") for table in tables])
    if np.isfinite(closed).any():
        known = {"color": INK, "marker": "|", "ls": "", "ms": 13, "mew": 1.2, "label": "closed form"}
        left.plot(closed.ravel(), np.tile(at, len(tables)), **known)
    left.set_yticks(at, [_name(row) for row in rows])
    left.set_ylim(len(rows) - 0.4, -0.6)
    left.set_xlabel("variance per coordinate")
    right.set_xlabel(f"variance × {unit} per gradient")
    for axes in (left, right):
        for i in np.flatnonzero(np.diff([row["samples"] for row in rows])):
            axes.axhline(i + 0.5, color=MUTED, lw=0.7)
        axes.set_xscale("log")
        axes.tick_params(axis="y", length=0)
        _powers_of_ten(axes.xaxis)
    left.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=3, handletextpad=0.2, columnspacing=1.2)


def _numbers(table: Mapping[str, Any], name: str) -> Float[np.ndarray, " rows"]:
    return np.array([row[name] for row in table["rows"]], dtype=float)  # None becomes NaN, and is not drawn


def _name(row: Mapping[str, Any]) -> str:
    return f"{row['estimator']}, {row['samples']} draw{'s' * (row['samples'] > 1)}"


def _powers_of_ten(axis: Axis) -> None:
    axis.axes.grid(True)
    axis.set_major_locator(LogLocator(10, numticks=8))
    low, high = axis.get_view_interval()
    if high < 100 * low:  # far enough for two labels
        low, high = 10.0 ** math.floor(math.log10(low)), 10.0 ** math.ceil(math.log10(high))
        axis.set_view_interval(low, high, ignore=True)
    plain = low > 1e-3 and high < 1e5
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}" if plain else _power_of_ten(value)))
    axis.set_minor_formatter(NullFormatter())


def _power_of_ten(value: float) -> str:
    return f"10{str(round(math.log10(value))).translate(SUPERSCRIPTS)}"


def _approach(part: SubFigure, problem: Mapping[str, Any]) -> None:
    """Variance against distance, both logarithmic; distance 0 stands apart at the left."""
    axes = part.add_subplot()
    ticks = sorted({d for curve in problem["approach"] for d in curve["distance"] if d > 0})
    at_zero = ticks[0] / 8
    for i, curve in enumerate(problem["approach"]):
        distance, variance = np.array(curve["distance"]), np.array(curve["mean_variance"], dtype=float)
        away = distance > 0
        colour, marker = CLASSES[i % len(CLASSES)], MARKERS[i % len(MARKERS)]
        style = {"color": colour, "marker": marker, "ms": 5}
        axes.plot(distance[away], variance[away], label=_name(curve), **style)
        axes.plot(np.full((~away).sum(), at_zero), variance[~away], ls="", **style)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    _powers_of_ten(axes.yaxis)
    axes.axvline(2 * at_zero, color=MUTED, lw=0.7)
    axes.set_xticks([at_zero, *ticks], ["0", *(_fraction(d) for d in ticks)])
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(
        "distance of q from the exact posterior (1: the imperfect encoder above; 0: the posterior)"
    )
    axes.set_ylabel("variance per coordinate")
    axes.set_title("The encoder's gradient as q approaches the exact posterior")
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))


def _fraction(distance: float) -> str:
    return "1" if distance == 1 else f"1/{1 / distance:g}"
