"""Pictures of an evaluation: importance-weighted bounds, what each latent's divergence is made of, and the gaps."""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Real
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import EngFormatter, LogLocator, MaxNLocator, NullFormatter

from aevb.errors import InvalidDataError
from aevb.plots.curves import _name_latents
from aevb.plots.style import BLUE, INK, MUTED, ORANGE, few_ticks, number, styled, wrapped

PerLatent = Real[np.ndarray, " latents"]


@styled
def importance_curve(
    sizes: Sequence[int],
    bounds: Real[np.ndarray, " sizes"],
    label: str = "nats per data point",
    title: str = "Importance-weighted bounds",
) -> Figure:
    """The mean importance-weighted bound against the number of importance samples K.

    The bounds rise to log p(x); a curve that still rises at its end says that log p(x) lies higher.

    Args:
        sizes: each K, rising.
        bounds: the mean bound at each, nats.
        label: what they are, for the vertical axis.
        title: above the picture.

    Raises:
        InvalidDataError: no sizes, or not a bound for each.

    Example:
        >>> importance_curve([1, 10, 100], np.array([-105.0, -102.0, -101.0])).axes[0].get_xlabel()
        'K, importance samples per row'
    """
    if not len(sizes) or len(sizes) != len(bounds):
        raise InvalidDataError(
            f"expected a bound for each of one or more sizes, got {len(bounds)} for {len(sizes)}"
        )
    figure = Figure(figsize=(5.6, 3.4), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(sizes, bounds, color=BLUE, marker="o", ms=4)
    axes.set_xscale("log")
    axes.set_xlim(0.8 * sizes[0], 1.6 * sizes[-1])
    axes.xaxis.set_major_locator(LogLocator(10))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.xaxis.set_minor_formatter(NullFormatter())
    few_ticks(axes.yaxis, 6)
    axes.grid(True)
    axes.margins(y=0.15)
    for i in sorted({0, len(sizes) - 1}):
        style = {"textcoords": "offset points", "fontsize": 8, "color": INK}
        place = {"xytext": (0, 7), "ha": "center"} if i else {"xytext": (7, -9), "ha": "left"}
        axes.annotate(number(float(bounds[i])), (sizes[i], bounds[i]), **place, **style)
    axes.set_xlabel("K, importance samples per row")
    axes.set_ylabel(wrapped(label, 3.0))
    axes.set_title(_lines(title))
    return figure


@styled
def latent_information(
    kl: PerLatent,
    information: PerLatent,
    gap: PerLatent,
    names: Sequence[str] | None = None,
    *,
    title: str = "What the KL divergence of each latent is made of",
) -> Figure:
    """The mean divergence of each latent as information about the rows plus the gap to the prior, largest first.

    Args:
        kl: the mean KL divergence of each latent's posterior from the prior, nats.
        information: between the latent and the rows, nats.
        gap: the divergence of all rows' codes together from the prior, nats; with information it makes up `kl`, but
            for Monte Carlo errors.
        names: what the latents are called; `1`, `2`, ... if not given.
        title: above the picture.

    Raises:
        InvalidDataError: not as many numbers of each kind.

    Example:
        >>> figure = latent_information(np.array([2.0, 1.0]), np.array([1.9, 1.0]), np.array([0.1, 0.0]))
        >>> [label.get_text() for label in figure.axes[0].get_xticklabels()]
        ['1', '2']
    """
    if not len(kl) == len(information) == len(gap):
        raise InvalidDataError(
            f"expected as many numbers of each kind, got {len(kl)}, {len(information)}, {len(gap)}"
        )
    order = np.argsort(-kl, kind="stable")
    n, rank = len(kl), np.arange(1, len(kl) + 1)
    # Noise can push an estimate of nothing below zero.
    told, missing = np.maximum(information[order], 0.0), np.maximum(gap[order], 0.0)
    figure = Figure(figsize=(5.6, 3.9), layout="constrained")
    axes = figure.add_subplot()
    width = 0.8 if n <= 100 else 1.0
    axes.bar(rank, told, width, color=BLUE, linewidth=0)
    axes.bar(rank, missing, width, told, color=ORANGE, linewidth=0)
    if n <= 100:
        axes.hlines(kl[order], rank - 0.45, rank + 0.45, color=INK, lw=1.2)
    spare = max(0, 4 - n) / 2
    axes.set_xlim(0.5 - spare, n + 0.5 + spare)
    axes.set_ylim(0, 1.12 * max(float(kl.max()), float((told + missing).max()), 1e-3))
    _name_latents(axes, [str(i + 1) if names is None else names[int(i)] for i in order])
    axes.grid(True, axis="y")
    axes.set_ylabel("nats per data point")
    parts = (("KL", kl), ("information", told), ("gap", missing))
    sums = ", ".join(f"{name} {number(float(part.sum()))}" for name, part in parts)
    axes.set_title(_lines(f"{title}\nsums over latents: {sums} nats"))
    handles = [
        Patch(color=BLUE, label="information about the row"),
        Patch(color=ORANGE, label="gap between all rows' codes and the prior"),
        *([Line2D([], [], color=INK, lw=1.2, label="KL divergence")] if n <= 100 else []),
    ]
    figure.legend(handles=handles, loc="outside lower center", frameon=False)
    return figure


@styled
def bound_gaps(
    bounds: Sequence[float],
    errors: Sequence[float],
    *,
    label: str = "nats per data point",
    title: str = "Why the bound is lower than log p(x)",
    top: str = "log p(x)",
) -> Figure:
    r"""Three levels and the two gaps between them: the encoder's bound, the refined bound, log p(x).

    Of a model without an encoder, whose posteriors are searched for row by row, only the last two and their gap.

    Args:
        bounds: the amortized bound, where there is an encoder, the refined bound and log p(x), nats.
        errors: standard errors of the gaps.
        label: of the axis.
        title: above the picture.
        top: what the highest level is called.

    Raises:
        InvalidDataError: not three levels and two errors, or two and one.

    Example:
        >>> figure = bound_gaps([-105.0, -103.0, -101.0], [0.1, 0.2])
        >>> [text.get_text() for text in figure.axes[0].get_yticklabels()][1]
        'amortization gap\n2.00 ± 0.10'
    """
    if (len(bounds), len(errors)) not in ((3, 2), (2, 1)):
        raise InvalidDataError(
            "expected three levels and two errors, or without an encoder two and one, got "
            f"{len(bounds)} and {len(errors)}"
        )
    last = 2 * len(errors)
    figure = Figure(figsize=(5.6, 1.2 + 0.8 * len(errors)), layout="constrained")
    axes = figure.add_subplot()
    axes.set_yticks(range(last + 1), _gap_labels(bounds, errors, top))
    axes.set_ylim(last + 0.6, -0.6)
    axes.tick_params(axis="y", length=0)
    for i, colour in enumerate((ORANGE, BLUE)[-len(errors) :]):
        axes.barh(2 * i + 1, bounds[i + 1] - bounds[i], 0.55, bounds[i], color=colour, linewidth=0)
    for i, level in enumerate(bounds):
        ends = [max(0, 2 * i - 1), min(last, 2 * i + 1)]
        axes.plot([level, level], ends, color=MUTED, lw=0.7, zorder=0)
    axes.plot(bounds, range(0, last + 1, 2), "o", color=INK, ms=5, zorder=3)
    low, high = min(bounds), max(bounds)
    pad = 0.08 * max(high - low, 1e-3)
    axes.set_xlim(low - pad, high + pad)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.grid(True, axis="x")
    axes.set_xlabel(wrapped(label, 3.6))
    figure.suptitle(_lines(title))
    return figure


def _lines(title: str) -> str:
    """Broken where it says so, and where it must be."""
    return "\n".join(wrapped(line, 5.0, 10.0) for line in title.split("\n"))


def _gap_labels(bounds: Sequence[float], errors: Sequence[float], top: str) -> list[str]:
    """Levels and the gaps between them, each with its number."""
    gaps = [_rounded(bounds[i + 1] - bounds[i], error) for i, error in enumerate(errors)]
    gaps = [
        f"{gap} ± {_rounded(error, error)}" if math.isfinite(error) else gap
        for gap, error in zip(gaps, errors, strict=True)
    ]
    *low, middle, high = (_rounded(bound, max(errors)) for bound in bounds)
    amortized = [f"bound at the encoder's posterior\n{low[0]}", f"amortization gap\n{gaps[0]}"] if low else []
    return [
        *amortized,
        f"bound at {'refined' if low else 'searched'} posteriors\n{middle}",
        f"approximation gap\n{gaps[-1]}",
        f"{top}\n{high}",
    ]


def _rounded(value: float, error: float) -> str:
    """To two digits of its error."""
    if not (math.isfinite(error) and error > 0):
        return number(value)
    places = min(6, max(0, 1 - math.floor(math.log10(error))))
    return f"{value:,.{places}f}".replace("-", "−")
