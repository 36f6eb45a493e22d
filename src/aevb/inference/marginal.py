"""The marginal likelihood log p(x): what every way of estimating it is given, and what it gives."""

import dataclasses
from typing import ClassVar, Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float

from aevb.models import Model, Recognition
from aevb.typing import PRNGKey, Show

Rows = Float[np.ndarray, "rows features"]
PerRow = Float[np.ndarray, " rows"]
Bias = Literal["none", "down", "up"]


def show_nothing(share_done: float) -> None:
    """A progress bar for those who want none."""


def error_of_mean(values: PerRow, errors: PerRow) -> float:
    """The Monte Carlo error of the mean over rows, from each row's estimate and its Monte Carlo error.

    Rows are estimated independently, but for equal rows, which share their noise and so their estimate.
    """
    estimates = np.stack([values, errors], axis=1).astype(np.float64)
    distinct, counts = np.unique(estimates, axis=0, return_counts=True)
    return float(np.sqrt(np.sum(np.square(counts * distinct[:, 1]))) / len(values))


@dataclasses.dataclass(frozen=True)
class MarginalEstimate:
    """Estimates of log p(x), nats per row, of the observed values where some are missing.

    Args:
        method: the name of the method.
        bias: on which side of log p(x) the expectation of an estimate lies.
        log_p: the estimate of each row.
        monte_carlo_error: the standard error of each row's estimate: how far another run may lie. NaN where it
            cannot be told.
        reliable: whether a row's diagnostics pass, so that its estimate and error can be trusted.
        diagnostics: what `reliable` was judged by and else may help, by name; first axis the rows.
    """

    method: str
    bias: Bias
    log_p: PerRow
    monte_carlo_error: PerRow
    reliable: Bool[np.ndarray, " rows"]
    diagnostics: dict[str, Float[np.ndarray, "rows ..."]]

    @property
    def mean(self) -> float:
        """The mean of log p(x) over the rows."""
        return float(np.mean(self.log_p, dtype=np.float64))

    @property
    def mean_monte_carlo_error(self) -> float:
        """The Monte Carlo error of `mean`, for these rows."""
        return error_of_mean(self.log_p, self.monte_carlo_error)

    @property
    def sampling_error(self) -> float:
        """The standard error of `mean` as an estimate for all rows of the kind that these were drawn from."""
        n = len(self.log_p)
        with np.errstate(invalid="ignore"):  # an impossible row, of -inf, leaves no error to be told
            return float(np.std(self.log_p, ddof=1, dtype=np.float64) / np.sqrt(n)) if n > 1 else float("nan")


@runtime_checkable
class MarginalMethod(Protocol):
    """A way of estimating log p(x): a frozen dataclass of its settings, checked when it is made."""

    name: ClassVar[str]

    def __call__(
        self, model: Model, recognition: Recognition | None, x: Rows, key: PRNGKey, show: Show
    ) -> MarginalEstimate:
        """The estimates; see `log_marginal`."""
        ...


def log_marginal(
    model: Model,
    recognition: Recognition | None,
    x: Rows,
    key: PRNGKey,
    method: MarginalMethod,
    show: Show = show_nothing,
) -> MarginalEstimate:
    """Estimate log p(x) of each row.

    A row's estimate depends on `key` and its own values only.

    Args:
        model: p(z) p(x|z).
        recognition: from rows to q(z|x), usually `AutoEncoder.posterior`; None for methods that need none.
        x: the rows, scaled units; NaN where a value is missing, of which the likelihood is integrated out.
        key: random key.
        method: `Importance`, `Annealed`, `HMCDensity` or `Quadrature`, with its settings.
        show: called with the share of the work that is done, from time to time.

    Raises:
        InvalidRecipeError: the model or its codes do not suit the method.
    """
    estimate = method(model, recognition, x, key, show)
    empty = np.isnan(x).all(axis=1)
    if not empty.any():
        return estimate
    # Of nothing the probability is 1, and no estimate is needed.
    return dataclasses.replace(
        estimate,
        log_p=np.where(empty, 0.0, estimate.log_p),
        monte_carlo_error=np.where(empty, 0.0, estimate.monte_carlo_error),
        reliable=estimate.reliable | empty,
    )
