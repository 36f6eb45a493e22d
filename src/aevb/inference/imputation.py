"""What is missing of rows, given what was observed of them: what every way of imputing is given, and what it gives."""

import dataclasses
from typing import Any, ClassVar, Protocol, runtime_checkable

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from aevb.batch import Batch
from aevb.distributions import Distribution
from aevb.errors import InvalidRecipeError
from aevb.inference.marginal import Rows, Show, show_nothing
from aevb.models import Model, Recognition
from aevb.models.noise import Noise
from aevb.typing import Codes, PerRow, PRNGKey

Cells = Float[np.ndarray, "rows features"]
Draws = Float[np.ndarray, "draws rows features"]


@dataclasses.dataclass(frozen=True)
class Imputation:
    """Rows with their missing values filled in, in scaled units. Values that were observed are as they were given.

    That is right where the values are missing at random: where being missing depends, given the observed values of
    the row, on nothing else of it (Rubin 1976).

    Args:
        method: the name of the method.
        mean: E[x_missing | x_observed].
        sd: the standard deviation of x_missing given x_observed; 0 where a value was observed.
        monte_carlo_error: the standard error of `mean`: how far another run may lie.
        sd_error: the standard error of `sd`.
        draws: of x_missing, all of a row at once, given x_observed: multiple imputations; None if none were wanted.
        reliable: whether a row's diagnostics pass; True for a row in which nothing had to be found out.
        diagnostics: what `reliable` was judged by, by name, one number per row; NaN for a row in which nothing had to
            be found out.
    """

    method: str
    mean: Cells
    sd: Cells
    monte_carlo_error: Cells
    sd_error: Cells
    draws: Draws | None
    reliable: Bool[np.ndarray, " rows"]
    diagnostics: dict[str, Float[np.ndarray, " rows"]]


class Observation(eqx.Module):
    """How what was observed of a row came about: some of its values are missing, the others may carry noise.

    Args:
        model: p(z) p(x|z).
        noise: p(y|x) of what was observed; None where y is x.

    Raises:
        InvalidRecipeError: noise that has no closed form with this likelihood.
    """

    model: Model
    noise: Noise | None = None

    def __check_init__(self):
        if self.noise is not None:
            self.noise.check(self.model.likelihood)

    def log_joint(self, batch: Batch, z: Codes) -> PerRow:
        """log p(y_observed, z), nats per row."""
        model = self.model if self.noise is None else self.model.seen_through(self.noise)
        return model.log_likelihood(batch, z) + model.log_prior(z, batch)

    def rest(self, batch: Batch, z: Codes) -> Distribution:
        """p(x|y_observed, z), one distribution per feature; without noise meant for the missing ones only."""
        p = self.model.predictive(batch, z)
        return p if self.noise is None else self.noise.clean(p, batch.observed, batch.mask)

    def known(self, batch: Batch) -> Bool[Array, "batch features"]:
        """Which values of x are known."""
        if self.noise is not None:
            return jnp.zeros(batch.x.shape, bool)
        return jnp.ones(batch.x.shape, bool) if batch.mask is None else batch.mask


class Found(eqx.Module):
    """What a method finds out about rows that have something to be found out, in arrays of JAX's or NumPy's.

    Args:
        mean: E[x|y].
        variance: Var[x|y].
        monte_carlo_error: the standard error of `mean`.
        variance_error: the standard error of `variance`.
        draws: of x given y.
        reliable: whether a row's diagnostics pass.
        diagnostics: by name.
    """

    mean: Float[Any, "*rows features"]
    variance: Float[Any, "*rows features"]
    monte_carlo_error: Float[Any, "*rows features"]
    variance_error: Float[Any, "*rows features"]
    draws: Float[Any, "*rows draws features"]
    reliable: Bool[Any, "*rows"]
    diagnostics: dict[str, Any]


@runtime_checkable
class ImputationMethod(Protocol):
    """A way of imputing: a frozen dataclass of its settings, checked when it is made."""

    name: ClassVar[str]

    def __call__(
        self,
        observation: Observation,
        recognition: Recognition,
        x: Rows,
        key: PRNGKey,
        n_draws: int,
        show: Show,
    ) -> Found:
        """What is found out about rows, in NumPy arrays; see `impute`."""
        ...


def impute(
    model: Model,
    recognition: Recognition,
    x: Rows,
    key: PRNGKey,
    method: ImputationMethod,
    n_draws: int = 0,
    noise: Noise | None = None,
    show: Show = show_nothing,
) -> Imputation:
    """Find what is missing of each row: E[x_missing | x_observed], its spread, and draws.

    A row's imputation depends on `key` and its own values only. A row with nothing observed gives the model's p(x).
    A recognition model of complete rows is given 0 for a missing value, one that sees the mask is given the mask, too.

    Args:
        model: p(z) p(x|z).
        recognition: from rows to q(z|x), usually `AutoEncoder.posterior`.
        x: the rows, scaled units; NaN where a value is missing, at random (see `Imputation`).
        key: random key.
        method: `ImportanceImputation`, `PseudoGibbs` or `MetropolisWithinGibbs`, with its settings.
        n_draws: how many imputations to draw beside the mean.
        noise: through which the other values were observed; all values are then found out, by their posterior.
        show: called with the share of the rows that are done, from time to time.

    Raises:
        InvalidRecipeError: `n_draws` below 0, or noise that has no closed form with this likelihood.
    """
    if not isinstance(n_draws, int | np.integer) or n_draws < 0:
        raise InvalidRecipeError(
            f"the number of imputations to draw must be a whole number of at least 0, not {n_draws}"
        )
    if model.has_random_weights:
        raise InvalidRecipeError(
            "the missing values of a row share their weights with the observed ones, and a distribution over weights "
            "(weight_posterior 'gaussian') is not carried through an imputation: train with weight_posterior 'point'"
        )
    observation = Observation(model, noise)
    unknown = np.isnan(x) if noise is None else np.ones(x.shape, bool)
    rows = unknown.any(axis=1)
    draws = np.broadcast_to(x, (n_draws, *x.shape)).copy()
    mean, (sd, error, sd_error) = x.copy(), (np.zeros_like(x) for _ in range(3))
    reliable, diagnostics = np.ones(len(x), bool), {}
    if rows.any():
        found = method(observation, recognition, x[rows], key, n_draws, show)
        where = unknown[rows]
        mean[rows] = np.where(where, found.mean, x[rows])
        sd[rows] = np.where(where, np.sqrt(found.variance), 0.0)
        error[rows] = np.where(where, found.monte_carlo_error, 0.0)
        # Delta method; of a value without a spread the error is the root of that of the variance at most.
        halves = 2 * np.maximum(sd[rows], np.sqrt(found.variance_error))
        sd_error[rows] = np.where(
            where & (halves > 0), found.variance_error / np.where(halves > 0, halves, 1), 0
        )
        draws[:, rows] = np.where(where, np.moveaxis(found.draws, 1, 0), x[rows])
        reliable[rows] = found.reliable
        for name, values in found.diagnostics.items():
            diagnostics[name] = np.full(len(x), np.nan, x.dtype)
            diagnostics[name][rows] = values
    return Imputation(
        method.name, mean, sd, error, sd_error, draws if n_draws else None, reliable, diagnostics
    )
