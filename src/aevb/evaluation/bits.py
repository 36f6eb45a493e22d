"""Bits per dimension, for the likelihoods and data for which they mean something."""

import math

import numpy as np
from jaxtyping import Int, Num

from aevb.evaluation.results import Bits
from aevb.inference import MarginalEstimate
from aevb.trained import TrainedModel


def bits_per_dimension(
    model: TrainedModel,
    x: Num[np.ndarray, "rows features"],
    estimate: MarginalEstimate,
    n_observed: Int[np.ndarray, " rows"],
) -> tuple[Bits | None, str]:
    r"""The mean of -log2 p(x) per observed value: $-\sum_i \log p(x_i) / (\log 2 \sum_i D_i)$.

    A mass function has it as it is. A density of pixels in 256 levels is taken times the distance between two
    levels for the probability of a level: the midpoint rule, exact for densities that are smooth on that scale. Other
    densities have no bits: in other units they would be others.

    Args:
        model: whose likelihood.
        x: rows in the user's units, to see whether they are pixels.
        estimate: of log p(x), per the user's units.
        n_observed: D_i, the number of observed values in each row of the estimate.

    Returns:
        The bits, or None and the reason.
    """
    if not model.is_normalized:
        return None, "a cross-entropy of grey values has no bits per dimension"
    width, basis = None, f"of a mass function of {model.likelihood.proper_domain}"
    if model.likelihood.is_density:
        width = level_width(x) if model.image_shape is not None else None
        if width is None:
            return None, "a density has bits only for pixels in 256 levels, 0 to 255 or that divided by 255"
        step = "1" if width == 1 else "1/255"
        basis = f"density times {step}, the distance between two of the 256 levels, for the probability of a level"
    log_p = estimate.log_p.astype(np.float64) + (0.0 if width is None else n_observed * math.log(width))
    n, total = len(log_p), float(np.sum(n_observed))
    bits = -float(np.sum(log_p)) / (total * math.log(2))
    # Of a ratio of sums over rows: the spread of what each row adds beyond its share.
    beyond = -log_p / math.log(2) - bits * n_observed
    error = float(np.std(beyond, ddof=1)) * math.sqrt(n) / total if n > 1 else math.nan
    return Bits(bits, error, width, basis), ""


def level_width(x: Num[np.ndarray, "rows features"]) -> float | None:
    """The distance between levels where rows are pixels in 256 levels: 1 or 1/255; None where they are not."""
    low, high = float(np.nanmin(x)), float(np.nanmax(x))
    if low < 0 or high > 255:
        return None
    top = 255.0 if high > 1 else 1.0
    levels = np.asarray(x, np.float64) * (255.0 / top)
    # Black and white alone are two levels.
    is_grey = bool(np.any((levels > 0) & (levels < np.nanmax(levels))))
    return top / 255.0 if is_grey and np.nanmax(np.abs(levels - np.round(levels))) < 1e-3 else None
