"""Numbers of a training run as curves and bars: the bound against samples seen, and the KL of each latent."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Real
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import EngFormatter, LogLocator, MaxNLocator, NullFormatter

from aevb.errors import InvalidDataError
from aevb.plots.style import BLUE, FAINT, MUTED, ORANGE, RED, number, styled, wrapped

Points = Float[np.ndarray, "points 2"]

# key of the record, name in the legend, colour, line, marker: told apart without colour, too
SERIES = (
    ("train_bound", "training rows", BLUE, "-", "o"),
    ("validation_bound", "validation rows", ORANGE, ":", "^"),
    ("test_bound", "test rows", RED, "--", "s"),
)


@styled
def learning_curve(
    records: Sequence[Mapping[str, Any]],
    bound_label: str = "ELBO (nats per data point)",
    title: str = "Learning curve",
) -> Figure:
    """The bound against the number of training samples seen.

    The horizontal axis is logarithmic where the evaluations span a factor of 100 or more. The first points of
    a curve are left out where they would flatten the rest of it; a triangle marks them, with the lowest
    value.

    Args:
        records: one mapping for each evaluation, with `samples_seen` and any of `train_bound`,
            `validation_bound` and `test_bound`, in nats per data point. A bound that is missing, None or not
            finite is left out.
        bound_label: what the bound is and in which unit, for the vertical axis.
        title: above the picture.

    Raises:
        InvalidDataError: if no record has a finite bound.

    Example:
        >>> records = [{"samples_seen": 60000 * e, "test_bound": -100 - 30 / e} for e in range(1, 11)]
        >>> learning_curve(records).axes[0].get_ylabel()
        'ELBO (nats per data point)'
    """
    curves = {key: _points(records, key) for key, *_ in SERIES}
    drawn = [points for points in curves.values() if len(points)]
    if not drawn:
        raise InvalidDataError(
            f"a learning curve needs a record with samples_seen and one finite bound of "
            f"{', '.join(key for key, *_ in SERIES)}; got {len(records)} records without"
        )
    figure = Figure(figsize=(5.6, 3.9), layout="constrained")
    axes = figure.add_subplot()
    _scale_samples(axes, np.concatenate(drawn)[:, 0])
    if axes.get_xscale() == "log":  # has no place for a bound before training
        curves = {key: points[points[:, 0] > 0] for key, points in curves.items()}
    low = _scale_bound(axes, [points for points in curves.values() if len(points)])
    for key, name, colour, line, marker in SERIES:
        points = curves[key]
        if not len(points):
            continue
        label = f"{name}: {number(points[-1, 1])}"
        x, y = np.where(points[:, 1:] >= low, points, np.nan).T
        axes.plot(x, y, color=colour, ls=line, marker=marker if len(points) <= 40 else "", ms=4, label=label)
    axes.grid(True)
    axes.set_xlabel("training samples seen")
    axes.set_ylabel(wrapped(bound_label, 3.2))
    axes.set_title(wrapped(title, 5.0, 10.0))
    # Below the picture: inside, it would hide the last points of a curve that falls, or a run's only ones.
    letters = sum(len(str(line.get_label())) for line in axes.lines)
    beside = len(drawn) if letters < 64 else 1
    figure.legend(
        loc="outside lower center", ncols=beside, title="at the end", handlelength=2.6, columnspacing=1.2
    )
    return figure


def _points(records: Sequence[Mapping[str, Any]], key: str) -> Points:
    pairs = [(r["samples_seen"], r[key]) for r in records if r.get(key) is not None]
    points = np.array(pairs, dtype=float).reshape(-1, 2)
    return points[np.isfinite(points).all(1)]


def _scale_samples(axes: Axes, seen: Real[np.ndarray, " points"]) -> None:
    positive = seen[seen > 0]
    if len(positive) and positive.max() >= 100 * positive.min():
        axes.set_xscale("log")
        axes.set_xlim(0.85 * positive.min(), 1.15 * positive.max())
        axes.xaxis.set_major_locator(LogLocator(10))
        axes.xaxis.set_minor_formatter(NullFormatter())
    elif seen.min() == seen.max():
        axes.set_xlim(0, 2 * max(seen.max(), 1))
    else:
        axes.set_xlim(0, 1.03 * seen.max())
        axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))


def _scale_bound(axes: Axes, curves: Sequence[Points]) -> float:
    """Set the vertical axis, mark what lies below it, and return the lowest value on it."""
    top = max(points[:, 1].max() for points in curves)
    low = min(_lowest_worth_showing(axes, points) for points in curves)
    below = np.concatenate([points[points[:, 1] < low] for points in curves])
    pad = 0.06 * (top - low) or max(0.05 * abs(top), 0.5)
    axes.set_ylim(low - (2.5 * pad if len(below) else pad), top + pad)
    if len(below):
        at = axes.get_xaxis_transform()
        axes.scatter(below[:, 0], np.full(len(below), 0.03), marker="v", s=22, color=MUTED, transform=at)
        text, last = f"down to {number(below[:, 1].min())}", (below[:, 0].max(), 0.03)
        style = {"textcoords": "offset points", "va": "center", "color": MUTED, "fontsize": 8}
        axes.annotate(text, last, xycoords=at, xytext=(7, 0), **style)
    return low


def _lowest_worth_showing(axes: Axes, points: Points) -> float:
    """The lowest value, but for early ones without which the range is much smaller, again and again.

    Five times smaller in the first fifth of the picture, a hundred times in its first half.
    """
    left, right = axes.transData.transform([(x, 0) for x in axes.get_xlim()])[:, 0]
    place = (axes.transData.transform(points)[:, 0] - left) / (right - left)
    y = points[:, 1]
    low = float(y.min())
    for k in range(1, min(int((place < 0.5).sum()), len(y) - 2) + 1):
        rest, times = float(y[k:].min()), 5 if place[k - 1] < 0.2 else 100
        if times * (y.max() - rest) < y.max() - low:
            low = rest
    return low


@styled
def kl_per_latent(
    kl: Real[np.ndarray, " latents"],
    names: Sequence[str] | None = None,
    *,
    threshold: float | int = 0.01,
    title: str = "KL divergence of each latent",
) -> Figure:
    r"""The mean KL divergence from posterior to prior of each latent dimension, largest first.

    A latent whose KL lies below the threshold has collapsed: its posterior is the prior for every row, so it
    tells nothing about the data.

    Args:
        kl: mean KL of each latent, nats per data point, shape `(latents,)`, one latent or more.
        names: what the latents are called; `1`, `2`, ... if not given. Shown for up to 50 latents.
        threshold: in nats, below which a latent counts as collapsed.
        title: above the picture, followed by the number of active latents and the total KL.

    Example:
        >>> kl_per_latent(np.array([3.0, 0.001, 2.0])).axes[0].get_title()
        'KL divergence of each latent\n2 of 3 active (KL ≥ 0.01 nats), 5 nats in total'
    """
    order = np.argsort(-kl, kind="stable")
    kl, active = kl[order], int((kl >= threshold).sum())
    n, rank = len(kl), np.arange(1, len(kl) + 1)
    figure = Figure(figsize=(5.6, 3.4), layout="constrained")
    axes = figure.add_subplot()
    axes.bar(
        rank, kl, width=0.8 if n <= 100 else 1.0, color=[BLUE] * active + [RED] * (n - active), linewidth=0
    )
    axes.set_xlim(
        0.5 - max(0, 4 - n) / 2, n + 0.5 + max(0, 4 - n) / 2
    )  # a lone bar does not fill the picture
    highest = max(float(kl[0]), 2 * threshold)
    under_legend = float(kl[n // 2])  # bars in the right half, where the legend stands
    axes.set_ylim(0, (1.06 if under_legend < 0.7 * highest else 1.4) * highest)
    handles = [Patch(color=BLUE, label=f"active: {active}")] * bool(active)
    if active < n:
        axes.axvspan(active + 0.5, n + 0.5, color=FAINT, alpha=0.6, linewidth=0, zorder=0)
        handles.append(Patch(facecolor=FAINT, label=f"collapsed, KL < {threshold:g} nats: {n - active}"))
    if threshold > 0.02 * axes.get_ylim()[1]:
        handles += axes.plot(
            axes.get_xlim(), 2 * [threshold], "--", color=RED, lw=1, label=f"threshold: {threshold:g} nats"
        )
    _name_latents(axes, [str(i + 1) if names is None else names[int(i)] for i in order])
    axes.grid(True, axis="y")
    axes.set_ylabel("KL (nats per data point)")
    counted = f"{active} of {n} active (KL ≥ {threshold:g} nats), {kl.sum():.3g} nats in total"
    axes.set_title(f"{wrapped(title, 5.0, 10.0)}\n{counted}")
    axes.legend(handles=handles, loc="upper right", frameon=True, framealpha=1, edgecolor="none")
    return figure


def _name_latents(axes: Axes, names: Sequence[str]) -> None:
    if len(names) > 50:
        axes.set_xlabel("rank of the latent dimension, by KL")
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
        return
    crowded = len(names) > 25 or max(map(len, names)) * len(names) > 60
    axes.set_xticks(
        np.arange(1, len(names) + 1), names, rotation=90 if crowded else 0, fontsize=7 if crowded else 8
    )
    axes.tick_params(axis="x", length=0)
    axes.set_xlabel("latent dimension, largest KL first")
