"""The grid over a plane of latents that is even in the prior's probability."""

import math

import numpy as np
from jaxtyping import Float
from scipy.special import ndtr, ndtri

ENOUGH_TICKS = 5  # and more only where they are the roundest numbers
Quantiles = Float[np.ndarray, " n"]
Ticks = list[tuple[float, str]]


def manifold_grid(
    n: int = 20, values: Float[np.ndarray, "2 n"] | None = None
) -> Float[np.ndarray, "cells 2"]:
    r"""Codes on a grid through the prior's inverse CDF, in the order in which images are laid out.

    $$z_{ij} = \left(F_1^{-1}\big((j + 1/2) / n\big),\; F_2^{-1}\big((n - i - 1/2) / n\big)\right)$$

    for row i from the top and column j from the left: the top left has small z1 and large z2, as in a plot of
    z2 against z1. Each cell holds the same probability of the prior, and the midpoints of the cells avoid the
    codes at probability 0 and 1, which may be infinite.

    Args:
        n: cells along each axis.
        values: the prior's quantiles at `grid_probabilities(n)` of the horizontal and of the vertical latent,
            shape `(2, n)`; those of the standard normal if not given.

    Returns:
        The codes, shape `(n * n, 2)`, row by row from the top left.

    Source: Kingma and Welling (2014), "Auto-Encoding Variational Bayes", appendix A.

    Example:
        >>> manifold_grid(2).round(2).tolist()
        [[-0.67, 0.67], [0.67, 0.67], [-0.67, -0.67], [0.67, -0.67]]
        >>> manifold_grid(2, np.array([[1.0, 2], [3, 4]])).tolist()
        [[1.0, 4.0], [2.0, 4.0], [1.0, 3.0], [2.0, 3.0]]
    """
    across, up = [normal_quantiles(n)] * 2 if values is None else values
    z1, z2 = np.meshgrid(across, up[::-1])
    return np.stack([z1.ravel(), z2.ravel()], axis=1)


def grid_probabilities(n: int) -> Quantiles:
    """The midpoints of n equal parts of the unit interval."""
    return (np.arange(n) + 0.5) / n


def normal_quantiles(n: int) -> Quantiles:
    """The standard normal's quantiles at the midpoints of n equal parts of the unit interval."""
    return ndtri(grid_probabilities(n))


def quantile_ticks(
    values: Quantiles, apart: float = 0.09, letter: float = 0.0
) -> tuple[list[float], list[str]]:
    """Places on the unit interval and values of a latent to write there: round ones that the cells reach.

    Args:
        values: the prior's quantiles at `grid_probabilities(n)`, increasing, shape `(n,)`.
        apart: the least distance of two places.
        letter: the width of a letter as a share of the axis, so that numbers do not touch each other.

    Example:
        >>> quantile_ticks(grid_probabilities(20), apart=0.2)[1]
        ['0.1', '0.3', '0.5', '0.7', '0.9']
    """
    chosen: list[tuple[float, str]] = []
    for sizes in _round_sizes(float(np.abs(values).max())):
        if len(chosen) >= ENOUGH_TICKS:
            break
        for size in sizes:
            signed = np.unique([-size, size]) + 0.0  # no minus zero
            new = [
                (float(place), f"{value:g}".replace("-", "−"))
                for value, place in zip(signed, _places(signed, values), strict=True)
                if 0.45 / len(values) < place < 1 - 0.45 / len(values)
            ]
            if _all_apart(new, chosen, apart, letter):
                chosen += new
    chosen.sort()
    return [place for place, _ in chosen], [text for _, text in chosen]


def _all_apart(new: Ticks, chosen: Ticks, apart: float, letter: float) -> bool:
    pairs = [(one, other) for i, one in enumerate(new) for other in chosen + new[:i]]
    return all(
        abs(place - other) >= max(apart, 0.03 + letter * (len(text) + len(other_text)) / 2)
        for (place, text), (other, other_text) in pairs
    )


def _round_sizes(largest: float) -> list[list[float]]:
    """Absolute values up to about a largest one: 0 and the roundest first, then less round ones, rank by rank."""
    if not largest:
        return [[0.0]]
    top = math.floor(math.log10(1.5 * largest))
    others = [digits for digits in range(11, 100) if digits % 10]
    ranks = [[1, 5, 2], [3, 4, 6, 7, 8, 9], [15, 25, 12], others]
    sizes = [
        [float(f"{digits}e{k - (digits > 9)}") for digits in rank for k in range(top, top - 7, -1)]
        for rank in ranks
    ]
    return [[0.0, *sizes[0]], *sizes[1:]]


def _places(x: Float[np.ndarray, " points"], values: Quantiles) -> Float[np.ndarray, " points"]:
    """The probabilities below values between those of the cells, exact for a normal distribution."""
    if len(values) == 1:
        return np.where(x == values[0], 0.5, np.nan)
    scores = normal_quantiles(len(values))
    scores, values = (
        np.concatenate([2 * end[:1] - end[1:2], end, 2 * end[-1:] - end[-2:-1]]) for end in (scores, values)
    )
    return ndtr(np.interp(x, values, scores, left=-np.inf, right=np.inf))
