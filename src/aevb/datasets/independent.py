"""Independent columns: the model that learns nothing of what columns have in common, which any other should beat."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

Rows = Float[np.ndarray, "rows features"]
Training = Float[np.ndarray, "training features"]
# Halvings of the interval in which the continuous Bernoulli's natural parameter lies, until it is known to 1e-12.
HALVINGS = 60
LARGEST_LOGIT = 1e3
# A variance below this, in scaled units, is that of a column with one value, whose density knows no bound.
LEAST_VARIANCE = 1e-12


def independent_log_likelihood(rows: Rows, train: Training, likelihood: str) -> Float[np.ndarray, " rows"]:
    r"""log p(x) of each row where columns are independent: $\sum_d \log p(x_d; \hat\theta_d)$ over observed values.

    $\hat\theta_d$ maximizes the likelihood of column d of the training rows. A model whose bound lies below has not
    learned anything, or has forgotten it.

    Args:
        rows: scaled units; NaN for a value that is missing.
        train: the training rows, in the same units.
        likelihood: its name, which says what a column's distribution is.

    Returns:
        Nats per row, in scaled units.

    >>> x = np.random.default_rng(0).normal(size=(1000, 12))
    >>> round(float(independent_log_likelihood(x, x, "gaussian").mean()), 1)  # the entropy of 12 normals is 17.0
    -17.0
    """
    terms = _COLUMNS[likelihood](np.asarray(rows, np.float64), np.asarray(train, np.float64))
    return np.nansum(terms, axis=1)


def _normal(rows: Rows, train: Training) -> Rows:
    mean = np.nanmean(train, axis=0)
    variance = np.maximum(np.nanmean((train - mean) ** 2, axis=0), LEAST_VARIANCE)
    return -0.5 * (np.log(2 * np.pi * variance) + (rows - mean) ** 2 / variance)


def _bernoulli(rows: Rows, train: Training) -> Rows:
    # Half a row of each kind more, so that a value which no training row has is unlikely and not impossible.
    n = np.sum(~np.isnan(train), axis=0)
    p = (np.nansum(train, axis=0) + 0.5) / (n + 1)
    return rows * np.log(p) + (1 - rows) * np.log1p(-p)


def _continuous_bernoulli(rows: Rows, train: Training) -> Rows:
    """The logit whose mean is the column's, found by halving: the mean rises with it."""
    wanted = np.nanmean(train, axis=0)
    low, high = np.full(wanted.shape, -LARGEST_LOGIT), np.full(wanted.shape, LARGEST_LOGIT)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        below = _mean(middle) < wanted
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    logit = (low + high) / 2
    return rows * logit - _log_normalizer(logit)


def _mean(logit: np.ndarray) -> np.ndarray:
    """Of the density proportional to exp(logit x) on [0, 1]: 1 / (1 - exp(-logit)) - 1 / logit."""
    near = np.abs(logit) < 1e-3
    safe = np.where(near, 1.0, logit)
    with np.errstate(over="ignore"):
        return np.where(near, 0.5 + logit / 12, -1 / np.expm1(-safe) - 1 / safe)


def _log_normalizer(logit: np.ndarray) -> np.ndarray:
    """log((exp(logit) - 1) / logit), which is logit of its negative plus logit."""
    near, size = np.abs(logit) < 1e-6, np.abs(logit)
    safe = np.where(near, 1.0, size)
    return np.where(near, logit / 2, np.maximum(logit, 0) + np.log(-np.expm1(-safe) / safe))


_COLUMNS: dict[str, Callable[[Rows, Training], Rows]] = {
    "gaussian": _normal,
    "gaussian-sigmoid": _normal,
    "gaussian-isotropic": _normal,
    "gaussian-diagonal": _normal,
    "bernoulli": _bernoulli,
    "continuous-bernoulli": _continuous_bernoulli,
}
