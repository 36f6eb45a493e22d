"""The tail of importance weights: its Pareto shape k-hat, which says whether an estimate from them can be trusted."""

import math

import numpy as np
from jaxtyping import Float

LogWeights = Float[np.ndarray, "rows draws"]
PerRow = Float[np.ndarray, " rows"]

# With fewer draws the largest fifth of the weights are under five, too few to fit a tail to.
FEWEST_DRAWS = 25
# log weights farther apart than this have no ratio in double precision.
LARGEST_SPREAD = 500.0
# log weights that differ by no more than this share of their size differ by rounding.
ROUNDING = 1e-5
# The weak prior of the fit (Vehtari et al. 2024, appendix C): as good as so many observations of k = 1/2.
PRIOR_WEIGHT, PRIOR_K = 10, 0.5
PRIOR_SCALE = 3


def largest_k_hat(n_samples: int) -> float:
    """Below which k-hat the estimate from K weights can be trusted: 0.7, and less for K below 2200.

    min(1 - 1 / log10 K, 0.7) (Vehtari et al. 2024, "Pareto smoothed importance sampling", equation 13).
    """
    return min(1 - 1 / math.log10(n_samples), 0.7) if n_samples > 1 else -math.inf


def k_hat(log_w: LogWeights) -> PerRow:
    """The Pareto shape of each row's largest weights; NaN where there are too few, or too many ties, to tell.

    All rows at once: a library's fit of one row takes longer than its draws do.
    """
    n_rows, n = log_w.shape
    if n < FEWEST_DRAWS:
        return np.full(n_rows, np.nan)
    n_tail = int(3 * math.sqrt(n)) if n > 225 else n // 5
    tail = np.sort(np.partition(log_w, n - n_tail - 1, axis=1)[:, n - n_tail - 1 :], axis=1)
    with np.errstate(all="ignore"):  # a row that cannot be fitted is NaN
        largest = tail[:, -1:]
        w = np.exp(tail - largest)
        spread, least = largest[:, 0] - tail[:, 0], np.maximum(1.0, np.abs(largest[:, 0]))
        fitted = _generalized_pareto_shape(w[:, 1:] - w[:, :1])
        return np.select(
            [
                ~np.isfinite(largest[:, 0]),
                largest[:, 0] - tail[:, 1] < ROUNDING * least,
                spread > LARGEST_SPREAD,
                w[:, n_tail // 4] == w[:, 0],  # the fit is scaled by their difference
            ],
            # The largest of n draws from a Pareto tail of shape k is about n^k times the cutoff.
            [np.full(n_rows, np.nan), np.zeros(n_rows), spread / math.log(n_tail), np.full(n_rows, np.nan)],
            fitted,
        )


def _generalized_pareto_shape(x: Float[np.ndarray, "rows tail"]) -> PerRow:
    """The shape that fits each row's numbers, which rise (Zhang & Stephens 2009, with the prior of Vehtari et al.)."""
    n = x.shape[1]
    n_grid = 30 + int(math.sqrt(n))
    steps = 1 - np.sqrt(n_grid / (np.arange(1, n_grid + 1) - 0.5))
    b = steps / (PRIOR_SCALE * x[:, int(n / 4 + 0.5) - 1, None]) + 1 / x[:, -1:]
    k = np.stack([_mean_log(column, x) for column in b.T], axis=1)
    log_likelihood = n * (np.log(-b / k) - k - 1)
    weight = np.exp(log_likelihood - np.max(log_likelihood, axis=1, keepdims=True))
    best = np.sum(b * weight, axis=1) / np.sum(weight, axis=1)
    return (n * _mean_log(best, x) + PRIOR_WEIGHT * PRIOR_K) / (n + PRIOR_WEIGHT)


def _mean_log(b: PerRow, x: Float[np.ndarray, "rows tail"]) -> PerRow:
    """The k of largest likelihood at each row's b."""
    return np.mean(np.log1p(-b[:, None] * x), axis=1)
