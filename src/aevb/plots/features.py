"""Data that are not images beside what a model makes of them: a panel for each feature, in the user's units.

A value that is missing, NaN, has no place in a panel; the others of its row do.
"""

import numpy as np
from jaxtyping import Float, Real
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from aevb.errors import InvalidDataError
from aevb.plots.panels import Names, Table, panels
from aevb.plots.style import BLUE, INK, MUTED, RED, few_ticks, styled

OtherTable = Real[np.ndarray, "_ _"]  # compared with the first by hand, for an error that says what to do
Bins = Float[np.ndarray, " bins"]
NOTHING = "no value observed"
Column = Real[np.ndarray, " rows"]


@styled
def feature_reconstructions(
    x: Table,
    x_mean: OtherTable,
    feature_names: Names = None,
    *,
    title: str = "Rows and their reconstructions",
) -> Figure:
    """Reconstructed against original values of each feature; on the diagonal they are equal.

    Args:
        x: the rows, in the user's units, shape `(rows, features)`; NaN where a value is missing.
        x_mean: the mean of p(x | z) for each, same shape and units.
        feature_names: one for each feature; `feature 1`, ... if not given. The first 12 features are drawn,
            and the picture says so where there are more.
        title: above the picture.

    Raises:
        InvalidDataError: if the shapes or names do not fit each other or there is no row.

    Example:
        >>> x = np.arange(6.0).reshape(3, 2)
        >>> [axes.get_title() for axes in feature_reconstructions(x, x, ["age", "height"]).axes]
        ['age', 'height']
    """
    if x.shape != x_mean.shape:
        raise InvalidDataError(
            f"expected a reconstruction for each row: shapes {x.shape} and {x_mean.shape} differ"
        )
    figure, drawn = panels(x, feature_names, title)
    for axes, every, mean in zip(drawn, x.T, x_mean.T, strict=False):
        observed = ~np.isnan(every)
        original, mean = every[observed], mean[observed]
        if not len(original):
            _note(axes, NOTHING)
            continue
        low, high = _span(np.concatenate([original, mean]))
        axes.plot([low, high], [low, high], color=MUTED, lw=0.8, zorder=1)
        alpha = float(np.clip((300 / len(original)) ** 0.4, 0.25, 0.8))
        axes.scatter(original, mean, s=6, alpha=alpha, color=BLUE, lw=0, rasterized=True, zorder=2)
        axes.set(xlim=(low, high), ylim=(low, high), box_aspect=1)
        if len(original) > 1:
            _note(axes, _explained(original, mean))
        few_ticks(axes.xaxis, 4)
        few_ticks(axes.yaxis)
    figure.supxlabel("original value, in the data's units")
    figure.supylabel("reconstruction")
    return figure


@styled
def feature_samples(
    x: Table,
    x_samples: OtherTable,
    feature_names: Names = None,
    *,
    title: str = "Data and samples of the model",
) -> Figure:
    """Histograms of each feature in the data and in samples of the model, over the same bins.

    Both are densities over all rows, also over those few that lie outside the axis, whose share is then
    written.

    Args:
        x: rows of data, in the user's units, shape `(rows, features)`; NaN where a value is missing.
        x_samples: samples of the model, in the same units, shape `(samples, features)`.
        feature_names: one for each feature; `feature 1`, ... if not given. The first 12 features are drawn,
            and the picture says so where there are more.
        title: above the picture.

    Raises:
        InvalidDataError: if the shapes or names do not fit each other or there is no row.

    Example:
        >>> x = np.arange(6.0).reshape(3, 2)
        >>> feature_samples(x, x, ["age", "height"]).axes[1].get_title()
        'height'
    """
    if x.shape[1] != x_samples.shape[1] or not len(x_samples):
        raise InvalidDataError(f"expected samples of {x.shape[1]} features, got the shape {x_samples.shape}")
    figure, drawn = panels(x, feature_names, title)
    for axes, every, samples in zip(drawn, x.T, x_samples.T, strict=False):
        data = every[~np.isnan(every)]
        if not len(data):
            _note(axes, NOTHING)
            continue
        edges = _edges(data, samples)
        density, sampled = (_density(values, edges) for values in (data, samples))
        axes.stairs(density, edges, fill=True, color=BLUE, alpha=0.35)
        axes.stairs(sampled, edges, color=RED, lw=1.3)
        outside = float(np.mean((samples < edges[0]) | (samples > edges[-1])))
        if outside:
            _note(axes, f"{max(1, round(100 * outside))}% of samples outside")
        highest = float(max(density.max(), sampled.max())) or 1.0
        axes.set(xlim=(edges[0], edges[-1]), ylim=(0, (1.25 if outside else 1.06) * highest))
        few_ticks(axes.xaxis, 4, integer=_is_whole(data))
        few_ticks(axes.yaxis)
    handles = [Patch(color=BLUE, alpha=0.35, lw=0), Line2D([], [], color=RED, lw=1.3)]
    # The axis label is the legend's title, because the layout would print one over the other.
    names, label = ["data", "samples of the model"], "value, in the data's units"
    figure.legend(handles, names, loc="outside lower center", ncols=2, title=label, title_fontsize=9)
    figure.supylabel("density (per unit)")
    return figure


def _span(values: Column) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    pad = 0.05 * (high - low) or max(0.05 * abs(low), 0.5)
    return low - pad, high + pad


def _explained(original: Column, mean: Column) -> str:
    """The share of a feature's variance that its reconstruction explains."""
    total = float(np.sum((original - original.mean()) ** 2))
    if not total:
        return "constant"
    return f"R² {1 - float(np.sum((original - mean) ** 2)) / total:.2f}".replace("-", "−")


def _note(axes: Axes, text: str) -> None:
    axes.text(0.04, 0.96, text, transform=axes.transAxes, ha="left", va="top", fontsize=7.5, color=INK)


def _density(values: Column, edges: Bins) -> Float[np.ndarray, " bins-1"]:
    """Over all values, also over those outside the bins, which `density=True` would leave out."""
    return np.histogram(values, edges)[0] / (len(values) * np.diff(edges))


def _is_whole(values: Column) -> bool:
    return bool(np.all(values == np.round(values)) and 1 <= np.ptp(values) <= 30)


def _edges(data: Column, samples: Real[np.ndarray, " samples"]) -> Bins:
    """Bins over the range of the data, and of the samples up to twice that range."""
    low, high = float(data.min()), float(data.max())
    if _is_whole(data):
        return np.arange(low - 0.5, high + 1)
    if low == high:
        low, high = _span(data)
    room = (high - low) / 2
    low, high = (
        max(low - room, min(low, float(samples.min()))),
        min(high + room, max(high, float(samples.max()))),
    )
    return np.linspace(low, high, int(np.clip(2 * len(data) ** (1 / 3), 10, 40)) + 1)
