"""Codes of many rows as points in a plane of two latents, on axes that suit where codes can lie."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Real
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedLocator, LogLocator, NullFormatter, NullLocator

from aevb.errors import InvalidDataError
from aevb.plots.dots import Labels, draw_dots, square_axes
from aevb.plots.style import FAINT, styled, wrapped

FEW_ROWS = 20  # among so few, none is left out of the picture
FAR = 3.0  # times as wide as its central part is a range that would squeeze it
LONG = 10.0  # times as long as its middle half is a central part that would squeeze that
SHARES = (0.99, 0.98, 0.95)
Codes = Real[np.ndarray, "rows 2"]
Interval = tuple[float | int, float | int]
Pair = Float[np.ndarray, "2"]


@styled
def codes_scatter(
    codes: Codes,
    labels: Labels | Sequence[Any] | None = None,
    axes_labels: tuple[str, str] = ("z 1", "z 2"),
    *,
    interval: Interval = (-math.inf, math.inf),
    label_name: str | None = None,
    title: str = "Codes",
) -> Figure:
    """Codes as dots, coloured by label; one unit, or one decade, is equally long on both axes.

    The axes suit the interval: bounded codes are shown on all of it; positive ones on logarithmic axes where
    the central 99% of a latent span more than a decade, else from 0; others on the range that they have. A
    few codes so far away that they would squeeze all the others are left outside, and the picture says how
    many: it then shows the central 99% of each latent, or down to 95% of one with a long tail.

    Labels are classes if they are strings, booleans, or at most 20 different whole numbers, and get a legend:
    ten colours, then the same with another marker. Of more than 20 classes the 19 most frequent are named.
    Other numbers get a colour bar.

    Args:
        codes: a code for each row, such as the mean of its posterior, shape `(rows, 2)`.
        labels: one for each row, shape `(rows,)`, or None.
        axes_labels: which latents these are, horizontal and vertical, such as "z 7 (KL 3.1 nats)".
        interval: where codes can lie: all numbers, those from 0 to infinity, or those of a bounded interval.
        label_name: what the labels are, for the legend or the colour bar.
        title: above the picture.

    Raises:
        InvalidDataError: if there are no rows, not one label for each, or codes outside the interval.

    Example:
        >>> figure = codes_scatter(np.eye(2), ["cat", "dog"])
        >>> [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
        ['cat', 'dog']
        >>> codes_scatter(np.array([[0.1, 30], [4.0, 2]]), interval=(0, math.inf)).axes[0].get_xscale()
        'log'
    """
    figure, axes = square_axes(codes, labels)
    _check_inside(codes, interval)
    _scale_axes(axes, codes, interval)
    draw_dots(figure, axes, codes, labels, label_name, filled=interval[0] == -math.inf)
    axes.set_xlabel(wrapped(axes_labels[0], 3.4))
    axes.set_ylabel(wrapped(axes_labels[1], 3.4))
    axes.set_title(wrapped(_counted(title, axes, codes), 3.6, 10.0))
    return figure


def _check_inside(codes: Codes, interval: Interval) -> None:
    outside = codes[~((codes >= interval[0]) & (codes <= interval[1]))]
    if len(outside):
        raise InvalidDataError(f"expected codes in [{interval[0]:g}, {interval[1]:g}], got {outside[0]:g}")


def _scale_axes(axes: Axes, codes: Codes, interval: Interval) -> None:
    """Scales and limits, the same span on both axes, so that a collapsed latent shows as a line and not as a cloud."""
    low, high = (float(end) for end in interval)
    if math.isfinite(high - low):
        pad = 0.02 * (high - low)
        axes.set(xlim=(low - pad, high + pad), ylim=(low - pad, high + pad))
        axes.add_patch(Rectangle((low, low), high - low, high - low, fill=False, ec=FAINT, lw=0.7, zorder=0))
    elif low == 0 and high == math.inf:
        _scale_positive(axes, codes.astype(float))
    else:
        axes.axhline(0, color=FAINT, lw=0.7, zorder=0)
        axes.axvline(0, color=FAINT, lw=0.7, zorder=0)
        least, greatest = _range(codes.astype(float))
        half = 0.54 * float((greatest - least).max()) or 1.0
        middle = (least + greatest) / 2
        axes.set(xlim=(middle[0] - half, middle[0] + half), ylim=(middle[1] - half, middle[1] + half))


def _scale_positive(axes: Axes, codes: Float[np.ndarray, "rows 2"]) -> None:
    low, high = _central(codes, SHARES[0])
    if (low > 0).all() and (high > 10 * low).any():
        # A code may be 0 by underflow, which has no place here.
        least, greatest = _range(np.log10(np.where(codes > 0, codes, 1e-300)))
        half = 0.54 * float((greatest - least).max())
        for axis, middle, name in zip((axes.xaxis, axes.yaxis), (least + greatest) / 2, "xy", strict=True):
            limits = 10 ** (middle - half), 10 ** (middle + half)
            axes.set(**{f"{name}scale": "log", f"{name}lim": limits})
            _log_ticks(axis, middle - half, middle + half)
        return
    top = 1.05 * float(_range(codes)[1].max()) or 1.0
    axes.set(xlim=(-0.02 * top, top), ylim=(-0.02 * top, top))
    axes.axhline(0, color=FAINT, lw=0.7, zorder=0)
    axes.axvline(0, color=FAINT, lw=0.7, zorder=0)


def _central(values: Float[np.ndarray, "rows 2"], share: float) -> tuple[Pair, Pair]:
    """The range of the middle rows of each column, to values that are there; the whole range of a few rows."""
    if len(values) < FEW_ROWS:
        return values.min(0), values.max(0)
    low = np.quantile(values, (1 - share) / 2, axis=0, method="higher")
    return low, np.quantile(values, (1 + share) / 2, axis=0, method="lower")


def _range(values: Float[np.ndarray, "rows 2"]) -> tuple[Pair, Pair]:
    """The range of each column, or its central part, a fifth wider, where the picture would be `FAR` times as wide."""
    start, end = _central(values, 0.5)
    low, high = _central(values, SHARES[0])
    for share in SHARES[1:]:
        if (high - low).max() > LONG * (end - start).max():
            low, high = _central(values, share)
    least, greatest = values.min(0), values.max(0)
    far = greatest - least > FAR * (high - low).max()
    wider = 0.1 * (high - low)
    return np.where(far, np.maximum(low - wider, least), least), np.where(
        far, np.minimum(high + wider, greatest), greatest
    )


def _counted(title: str, axes: Axes, codes: Codes) -> str:
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    inside = (left <= codes[:, 0]) & (codes[:, 0] <= right) & (bottom <= codes[:, 1]) & (codes[:, 1] <= top)
    outside = int((~inside).sum())
    counted = f"({outside:,} of {len(codes):,} lie outside)".replace(" ", "\u00a0")  # on one line
    return f"{title} {counted}" if outside else title


def _log_ticks(axis: Axis, low: float, high: float) -> None:
    """Ticks between two powers of ten, given by their exponents: at most eight, at 1, 2 and 5 on a short axis."""
    step = math.ceil((high - low) / 7)
    if high - low > 2:
        places = [(1, k) for k in range(math.ceil(low), math.floor(high) + 1) if k % step == 0]
    else:
        places = [(m, k) for k in range(math.floor(low), math.ceil(high)) for m in (1, 2, 5)]
        places = [(m, k) for m, k in places if low <= math.log10(m) + k <= high]
    plain = all(-3 <= k <= 3 for _, k in places)
    axis.set_major_locator(FixedLocator([m * 10.0**k for m, k in places]))
    axis.set_ticklabels([f"{m * 10.0**k:g}" if plain else _in_powers(m, k) for m, k in places])
    axis.set_minor_locator(LogLocator(subs=range(2, 10)) if step == 1 else NullLocator())
    axis.set_minor_formatter(NullFormatter())


def _in_powers(digit: int, exponent: int) -> str:
    power = "10" + str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return power if digit == 1 else f"{digit}·{power}"
