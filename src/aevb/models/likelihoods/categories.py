"""Likelihoods of categories, which are the codes 0 to C - 1 in the cells of x."""
# Each names its features as arguments, of which the base class knows only that there are some.
# pyright: reportIncompatibleMethodOverride=false

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from aevb.datasets import Support
from aevb.distributions import CategoryCodes, Distribution
from aevb.errors import InvalidDataError
from aevb.models.likelihoods.likelihood import AutoScale, Likelihood, Training
from aevb.typing import Inputs, Mask, Rows

# All columns have as many weights and inputs as the one with the most categories needs.
MOST_CATEGORIES = 1000


class _Categories(Likelihood):
    """What both have in common: a number of categories that the training rows tell, the same for all columns.

    Args:
        n_categories: C; of a column with fewer, the others become improbable.
    """

    n_categories: int = eqx.field(static=True, default=2)

    support: ClassVar[Support] = Support(0.0, is_whole=True)
    is_density: ClassVar[bool] = False
    auto_scale: ClassVar[AutoScale] = "none"
    advice: ClassVar[str] = "Write categories as 0, 1, 2 and so on, and train without scaling."

    @property
    def domain(self) -> Support:
        """The codes 0 to C - 1."""
        return Support(0.0, self.n_categories - 1.0, is_whole=True)

    def fitted(self, x: Training, *, is_table: bool = False) -> "_Categories":
        """With as many categories as the largest code asks for."""
        largest = int(np.fmax.reduce(x, axis=None))
        if largest >= MOST_CATEGORIES:
            raise InvalidDataError(
                f"the {self.name} likelihood knows at most {MOST_CATEGORIES:,} categories, the codes 0, 1, 2, ..., and "
                f"the training rows hold the code {largest:,}: number the categories without gaps"
            )
        return type(self)(max(2, 1 + largest))

    def input_width(self, n_features: int) -> int:
        """One input per category."""
        return n_features * self.n_categories

    def inputs(self, observed: Rows, mask: Mask | None) -> Inputs:
        """One-hot vectors, side by side; zeros for a value that is missing."""
        hot = jax.nn.one_hot(observed.astype(jnp.int32), self.n_categories, dtype=observed.dtype)
        if mask is not None:
            hot = hot * mask[..., None]
        return hot.reshape(*observed.shape[:-1], -1)


class Categorical(_Categories):
    """Categorical(x; softmax(logits(z))). Its mean, that of the codes, means something for two categories only."""

    name: ClassVar[str] = "categorical"
    summary: ClassVar[str] = "categories without an order, as codes 0, 1, 2, ..."
    heads: ClassVar[tuple[str, ...]] = ("logits",)

    def distribution(self, logits: Array) -> Distribution:
        """One categorical distribution per cell."""
        logits = logits.reshape(*logits.shape[:-1], -1, self.n_categories)
        return CategoryCodes(jax.nn.log_softmax(logits))

    def width(self, parameter: str, n_features: int) -> int:
        """A logit per category."""
        return n_features * self.n_categories


class Ordinal(_Categories):
    """P(x <= k) = sigmoid(cut_k - loc(z)), with rising cuts of each column's own (McCullagh 1980)."""

    name: ClassVar[str] = "ordinal"
    summary: ClassVar[str] = "categories with an order, such as ratings, as codes 0, 1, 2, ..."
    heads: ClassVar[tuple[str, ...]] = ("loc",)
    free: ClassVar[tuple[str, ...]] = ("cuts",)

    def distribution(self, loc: Array, cuts: Array) -> Distribution:
        """One distribution per cell, with cuts one apart and around 0 at first."""
        steps = jax.nn.softplus(cuts.reshape(*cuts.shape[:-1], -1, self.n_categories - 1) + np.log(np.e - 1))
        first = cuts.reshape(steps.shape)[..., :1] - 0.5 * (self.n_categories - 2)
        upper = (
            jnp.concatenate([first, first + jnp.cumsum(steps[..., 1:], axis=-1)], axis=-1) - loc[..., None]
        )
        return CategoryCodes(_log_between(upper))

    def width(self, parameter: str, n_features: int) -> int:
        """C - 1 cuts."""
        return {"loc": n_features, "cuts": n_features * (self.n_categories - 1)}[parameter]


def _log_between(cuts: Array) -> Array:
    """log of sigmoid(cut_k) - sigmoid(cut_(k-1)), the first from 0 and the last up to 1, along the last axis.

    With a < b: sigmoid(b) - sigmoid(a) = sigmoid(b) sigmoid(-a) (1 - exp(a - b)), which loses no digits in the tails.
    """
    below, above = jax.nn.log_sigmoid(cuts[..., :1]), jax.nn.log_sigmoid(-cuts[..., -1:])
    low, high = cuts[..., :-1], cuts[..., 1:]
    gap = jnp.maximum(high - low, 1e-6)
    between = jax.nn.log_sigmoid(high) + jax.nn.log_sigmoid(-low) + jnp.log(-jnp.expm1(-gap))
    return jnp.concatenate([below, between, above], axis=-1)
