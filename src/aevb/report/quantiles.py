"""The grid over a plane of latents that is even in the prior's probability."""

import numpy as np
from jaxtyping import Float
from scipy.special import ndtr, ndtri


def manifold_grid(n: int = 20) -> Float[np.ndarray, "cells 2"]:
    r"""Codes on a grid through the inverse Gaussian CDF, in the order in which images are laid out.

    $$z_{ij} = \left(\Phi^{-1}\big((j + 1/2) / n\big),\; \Phi^{-1}\big((n - i - 1/2) / n\big)\right)$$

    for row i from the top and column j from the left: the top left has small z1 and large z2, as in a plot of
    z2 against z1. Each cell holds the same probability of the standard normal prior, and the midpoints of the
    cells avoid the infinite codes at probability 0 and 1.

    Args:
        n: cells along each axis.

    Returns:
        The codes, shape `(n * n, 2)`, row by row from the top left.

    Source: Kingma and Welling (2014), "Auto-Encoding Variational Bayes", appendix A.

    Example:
        >>> manifold_grid(2).round(2).tolist()
        [[-0.67, 0.67], [0.67, 0.67], [-0.67, -0.67], [0.67, -0.67]]
    """
    z = ndtri(grid_probabilities(n))
    z1, z2 = np.meshgrid(z, z[::-1])
    return np.stack([z1.ravel(), z2.ravel()], axis=1)


def grid_probabilities(n: int) -> Float[np.ndarray, " n"]:
    """The midpoints of n equal parts of the unit interval."""
    return (np.arange(n) + 0.5) / n


def quantile_ticks(n: int) -> tuple[list[float], list[str]]:
    """Places on the unit interval and values of a latent to write there: round ones that n cells reach."""
    reach = 1.05 * float(ndtri(grid_probabilities(n)[-1]))
    # 1.5 and 2 are too close to each other on this axis to be both written.
    sizes = [0.5, 1.0, 2.0 if reach >= 2 else 1.5]
    values = sorted({0.0} | {sign * size for size in sizes if size <= reach for sign in (-1, 1)})
    return [float(ndtr(value)) for value in values], [f"{value:g}".replace("-", "−") for value in values]
