"""Baselines of the score function: what is taken from log w so that its gradient varies less.

Any baseline that does not depend on the draw it is taken from leaves the gradient's expectation as it is.
"""

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from aevb.batch import Batch
from aevb.models import Constant
from aevb.networks import MLP, Linear
from aevb.objectives.draws import PerDraw
from aevb.typing import PerRow, PRNGKey, Scalar


class Baseline(eqx.Module):
    """Predicts log w, in nats."""

    min_samples: ClassVar[int] = 1

    @abstractmethod
    def __call__(self, log_w: PerDraw, batch: Batch) -> Float[Array, "#draws #batch"]:
        """The baseline of every draw of every row."""

    def error(self, log_w: PerDraw, batch: Batch) -> PerRow | float:
        """What the learned arrays of the baseline are to minimize."""
        return 0.0

    def updated(self, batch: Batch, value: PerRow) -> "Baseline":
        """The baseline as it goes into the next step, `value` being the mean of log w over the draws of each row."""
        return self


class NoBaseline(Baseline):
    """Zero."""

    def __call__(self, log_w: PerDraw, batch: Batch) -> Float[Array, "#draws #batch"]:
        """Zeros."""
        return jnp.zeros((1, 1), log_w.dtype)


class LeaveOneOut(Baseline):
    """For each draw the mean of log w over the row's other draws (Kool, van Hoof & Welling 2019)."""

    min_samples: ClassVar[int] = 2

    def __call__(self, log_w: PerDraw, batch: Batch) -> Float[Array, "#draws #batch"]:
        """The mean of the other draws."""
        return (jnp.sum(log_w, axis=0) - log_w) / (len(log_w) - 1)


class RunningMean(eqx.Module):
    """The mean of a sequence with weights that fall by `decay` per step into the past; 0 before the first.

    Args:
        decay: from 0 (the last value only) to 1 (all would weigh the same), exclusive.
    """

    total: Constant
    weight: Constant
    decay: float = eqx.field(static=True)

    def __init__(self, decay: float):
        self.total, self.weight = Constant(jnp.zeros(())), Constant(jnp.zeros(()))
        self.decay = decay

    @property
    def value(self) -> Scalar:
        """The mean so far."""
        return self.total.value / jnp.where(self.weight.value > 0, self.weight.value, 1.0)

    def updated(self, x: Scalar) -> "RunningMean":
        """The mean with one more value."""
        new = [
            (self.decay * old.value + (1 - self.decay) * now).astype(old.value.dtype)
            for old, now in ((self.total, x), (self.weight, 1.0))
        ]
        return eqx.tree_at(lambda m: [m.total.value, m.weight.value], self, new)


class MovingAverage(Baseline):
    """The running mean of log w over the rows of earlier minibatches; padding rows do not count.

    Args:
        decay: how much of the mean is left after one more minibatch.
    """

    mean: RunningMean

    def __init__(self, decay: float = 0.9):
        self.mean = RunningMean(decay)

    def __call__(self, log_w: PerDraw, batch: Batch) -> Float[Array, "#draws #batch"]:
        """The running mean, shape `(1, 1)`."""
        return self.mean.value[None, None]

    def updated(self, batch: Batch, value: PerRow) -> Baseline:
        """With the mean over one more minibatch."""
        return eqx.tree_at(lambda b: b.mean, self, self.mean.updated(batch.mean(value)))


class LearnedBaseline(Baseline):
    """b(x) = m + s f(x): running mean and scale of log w, and a network of x (NVIL: Mnih & Gregor 2014, section 2.3).

    f is trained beside the model to minimize 1/2 ((log w - m) / s - f(x))^2, from the second minibatch on, when m is
    known. The paper also divides the encoder's gradient by s; here only f sees that scale, so that the gradient stays
    unbiased. As in the paper s is at least 1 nat.

    Args:
        n_features: columns of the data.
        hidden: widths of f's tanh layers.
        decay: how much of m and s^2 is left after one more minibatch.
        key: random key for f's initial weights.
    """

    network: MLP
    head: Linear
    mean: RunningMean
    square: RunningMean

    def __init__(self, n_features: int, hidden: Sequence[int] = (100,), decay: float = 0.9, *, key: PRNGKey):
        network_key, head_key = jax.random.split(key)
        self.network = MLP(n_features, hidden, "tanh", key=network_key)
        self.head = Linear([n_features, *hidden][-1], 1, key=head_key)
        self.mean, self.square = RunningMean(decay), RunningMean(decay)

    def __call__(self, log_w: PerDraw, batch: Batch) -> Float[Array, "#draws #batch"]:
        """b(x), shape `(1, batch)`."""
        return (self.mean.value + self._scale * self._prediction(batch))[None]

    def error(self, log_w: PerDraw, batch: Batch) -> PerRow:
        """The squared error of f, averaged over draws."""
        target = (log_w - self.mean.value) / self._scale
        error = 0.5 * jnp.mean(jnp.square(target - self._prediction(batch)), axis=0)
        return jnp.where(self.mean.weight.value > 0, error, 0.0)

    def updated(self, batch: Batch, value: PerRow) -> Baseline:
        """With the mean and the scale over one more minibatch."""
        mean = self.mean.updated(batch.mean(value))
        square = self.square.updated(batch.mean(jnp.square(value - mean.value)))
        return eqx.tree_at(lambda b: [b.mean, b.square], self, [mean, square])

    @property
    def _scale(self) -> Scalar:
        return jnp.sqrt(jnp.maximum(self.square.value, 1.0))

    def _prediction(self, batch: Batch) -> PerRow:
        return self.head(self.network(batch.observed))[..., 0]
