"""What a likelihood is: a class of a few lines that knows everything about p(x|z) of a column."""

from abc import abstractmethod
from typing import Any, ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from aevb.datasets import Support
from aevb.distributions import Distribution
from aevb.models.conditional import LOG_VARIANCE_LIMITS, soft_clip
from aevb.typing import Inputs, Mask, Rows, Scalar

Cells = Float[np.ndarray, "rows features"]
Training = Float[np.ndarray, "training features"]
AutoScale = Literal["auto", "none", "mean"]

# One row far out in a table, where the model is sure of itself, can have a gradient far above all others. Adam's
# average of squares forgets it in 1000 steps but its average of gradients in 10, so that it goes on to move every
# weight by 1/sqrt(1 - 0.999) = 31 times the step size, all in one direction. With this limit such a row weighs as much
# as a usual minibatch. Most gradients are longer, too; that Adam does not mind, since a factor that all gradients share
# drops out of its steps.
CLIP_NORM = 1.0

INDEPENDENT_STEPS = 300
INDEPENDENT_RATE = 0.1


class Likelihood(eqx.Module):
    """p(x|z), cell by cell: how features of a network become distributions, and on which values.

    A subclass is a likelihood; an instance goes into `aevb.models.LIKELIHOODS` under its name, or is handed to
    `aevb.VAE(likelihood=...)`. Its fields are plain numbers that do not change, so that it is saved with a model.

    What a subclass says:
        name: how recipes and messages call it.
        summary: one line for `aevb likelihoods`.
        heads: the parameters that depend on z; each is a linear layer on the network's features.
        free: the parameters that do not; each is an array that starts at zero.
        support: the values that it knows, in scaled units.
        proper_on: the values on which it is normalized, if these are fewer.
        reach: the values that its means can come to, if these are fewer; training rows must lie among them.
        is_density: whether it is the density of real numbers. A density is per unit of x, so that the scaling of
            columns is in it; the probability of a whole number needs no such factor.
        auto_scale: what `--scale auto` means for it: `auto`, mean 0 and standard deviation 1 or the range of pixels;
            `mean`, division by the mean; `none`.
        mean_range: what its means lie between, for pictures; None if it is nothing bounded.
        clip_norm: the longest gradient, by default, of a user's own data; 0 for no limit.
        noise: the names of the noise that has a closed form with it.
        advice: what to do with data that it does not know, a sentence.

    >>> from aevb.models import LIKELIHOODS
    >>> float(LIKELIHOODS["poisson"].distribution(log_rate=jnp.zeros(())).mean)
    1.0
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    heads: ClassVar[tuple[str, ...]]
    free: ClassVar[tuple[str, ...]] = ()
    support: ClassVar[Support] = Support()
    proper_on: ClassVar[Support | None] = None
    reach: ClassVar[Support | None] = None
    is_density: ClassVar[bool] = True
    auto_scale: ClassVar[AutoScale] = "auto"
    mean_range: ClassVar[tuple[float, float] | None] = None
    clip_norm: ClassVar[float] = CLIP_NORM
    noise: ClassVar[tuple[str, ...]] = ()
    advice: ClassVar[str] = "The gaussian likelihood fits any real values."

    @abstractmethod
    def distribution(self, **features: Array) -> Distribution:
        """The distribution of every cell, from unconstrained features of shape `(..., features)` by their names.

        Batch shape is that of the features, event shape `()`; it has `log_prob`, `sample`, `mean` and `variance`.
        Features near 0, as fresh networks give, should make it fit a column of scaled values roughly.
        """

    @property
    def domain(self) -> Support:
        """The values that it knows; those of an instance, if its settings limit them."""
        return self.support

    @property
    def proper_domain(self) -> Support:
        """The values on which it is a normalized density or mass function."""
        return self.proper_on or self.domain

    @property
    def is_binary(self) -> bool:
        """Whether it is normalized on 0 and 1 only."""
        return self.proper_domain == Support(0.0, 1.0, is_whole=True)

    def fitted(self, x: Training, *, is_table: bool = False) -> "Likelihood":
        """The likelihood with what it must know of the training rows, such as the number of categories.

        Args:
            x: training rows in scaled units.
            is_table: whether these are a user's own rows, and no images.
        """
        return self

    def width(self, parameter: str, n_features: int) -> int:
        """The number of features of a parameter, for a number of columns."""
        return n_features

    def input_width(self, n_features: int) -> int:
        """The number of inputs that columns are to an encoder."""
        return n_features

    def inputs(self, observed: Rows, mask: Mask | None) -> Inputs:
        """What an encoder sees of rows: of values that are missing, zeros.

        Args:
            observed: rows in scaled units, 0 where a value is missing.
            mask: where values were observed; None if all were.
        """
        return observed

    def independent(self, rows: Cells, train: Training) -> Cells:
        r"""log p(x_d; theta_d) of each cell, with the parameters that fit column d of the training rows best.

        A model whose bound lies below the sum has learned nothing of what columns have in common.
        """
        n = train.shape[1]
        shapes = {name: self.width(name, n) for name in (*self.heads, *self.free)}
        found = _fit_independent(self, {name: jnp.zeros(shapes[name]) for name in shapes}, jnp.asarray(train))
        return np.asarray(self._cells(found, jnp.asarray(rows)), np.float64)

    def _cells(self, features: dict[str, Array], x: Array) -> Array:
        known = ~jnp.isnan(x)
        log_p = self.distribution(**features).log_prob(jnp.where(known, x, self.a_value))
        return jnp.where(known, log_p, jnp.nan)

    @property
    def a_value(self) -> float:
        """Some value inside the support, which stands in for a missing one where a log density is taken."""
        return float(self.domain.nearest(np.ones(1))[0])


@eqx.filter_jit
def _fit_independent(likelihood: Likelihood, features: dict[str, Array], train: Array) -> dict[str, Any]:
    """Maximum likelihood of constants, by Adam with a step that goes to zero: columns do not hang together."""
    optimizer = optax.adam(optax.cosine_decay_schedule(INDEPENDENT_RATE, INDEPENDENT_STEPS))

    def loss(features: dict[str, Array]) -> Scalar:
        return -jnp.sum(jnp.nanmean(likelihood._cells(features, train), axis=0))

    def step(carry: tuple[Any, Any], _: None) -> tuple[tuple[Any, Any], None]:
        features, state = carry
        updates, state = optimizer.update(jax.grad(loss)(features), state)
        return (optax.apply_updates(features, updates), state), None

    (features, _), _ = jax.lax.scan(step, (features, optimizer.init(features)), None, INDEPENDENT_STEPS)
    return features


def as_log_variance(h: Array) -> Array:
    """A log-variance from a feature."""
    return soft_clip(h, *LOG_VARIANCE_LIMITS)


def as_scale(h: Array) -> Array:
    """A standard deviation or another scale, whose logarithm is half a feature."""
    return jnp.exp(0.5 * as_log_variance(h))


def as_concentration(h: Array) -> Array:
    """A positive shape parameter, between 1/3000 and 3000: float32 loses the digits of a gamma function beyond."""
    return jnp.exp(soft_clip(h, -8.0, 8.0))


def as_log_mean(h: Array) -> Array:
    """The logarithm of a positive mean, between e^-12 and e^12."""
    return soft_clip(h, *LOG_VARIANCE_LIMITS)
