"""The `Bound` that every objective returns, and the interface of an objective."""

from abc import abstractmethod

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float

from aevb.batch import Batch, each_row, map_rows
from aevb.errors import InvalidRecipeError
from aevb.models import AutoEncoder, Model, Posterior, Recognition
from aevb.typing import PerRow, PRNGKey, Scalar

ELBO = "evidence lower bound"


class Bound(eqx.Module):
    """A variational bound on a minibatch, in nats.

    Args:
        value: what is reported, per row.
        parts: `reconstruction` and `kl`, the terms of the evidence lower bound, per row. Their difference is `value`
            where that is the evidence lower bound.
        surrogate: what is differentiated, per row; the same array as `value` for pathwise gradients.
        global_term: a scalar that belongs to the whole data set (a prior on the weights); training divides it by
            the number of rows, once.
    """

    value: PerRow
    parts: dict[str, PerRow]
    surrogate: PerRow
    global_term: Scalar | float = 0.0


class Objective(eqx.Module):
    """Maps a minibatch and a posterior to a `Bound`.

    An objective may hold arrays of its own, such as the weights of a learned baseline. Training treats them as it
    does a model's: what is not in a `Constant` is learned, by the gradient of the surrogate.
    """

    @property
    @abstractmethod
    def estimand(self) -> str:
        """The quantity whose gradient the surrogate's gradient estimates."""

    @property
    def is_biased(self) -> bool:
        """Whether the surrogate's gradient is known not to be, in expectation, that of the reported value."""
        return False

    @property
    def value_name(self) -> str:
        """What the reported value is, for normalized likelihoods."""
        return ELBO

    @property
    def is_bound(self) -> bool:
        """Whether the reported value is in expectation a lower bound of log p(x)."""
        return True

    @property
    def parts_note(self) -> str:
        """What the parts are, where their difference is not the reported value."""
        return (
            "Reconstruction and kl are those of the evidence lower bound, whose difference is not this value."
        )

    def check(self, posterior: Posterior) -> None:
        """Refuse a posterior that this objective cannot be used with; looks at no values.

        Raises:
            InvalidRecipeError: with the reason and what to use.
        """
        if not posterior.is_reparameterized:
            raise InvalidRecipeError(
                f"{type(self).__name__} needs samples that are differentiable in the posterior's parameters, and "
                "those of discrete codes are not: use the objective score-function or concrete"
            )

    @property
    def learner(self) -> str:
        """What ascends it, a key of `aevb.training.LEARNERS`."""
        return "gradient"

    @property
    def takes_all_rows(self) -> bool:
        """Whether a step takes all rows at once, whatever the size of a minibatch is."""
        return False

    def check_autoencoder(self, autoencoder: AutoEncoder) -> None:
        """Refuse a model or a recognition model that it cannot be used with, beyond what `check` sees.

        Raises:
            InvalidRecipeError: with the reason and what to use.
        """

    @property
    def steps_per_batch(self) -> int:
        """Updates of the weights on a minibatch before the next one."""
        return 1

    @property
    def knows_rows(self) -> bool:
        """Whether it keeps something of each training row, so that batches must carry their numbers."""
        return False

    @property
    def fits_encoder_apart(self) -> bool:
        """Whether the recognition model maximizes a likelihood of its own."""
        return False

    @property
    def evaluated(self) -> "Objective":
        """What a trained model is judged by: this objective, but for those that are of use in training only."""
        return self

    def prepared(self, key: PRNGKey, model: Model, batch: Batch) -> "Objective":
        """The objective as it goes into the `steps_per_batch` steps on a minibatch."""
        return self

    def for_training(self, key: PRNGKey, autoencoder: AutoEncoder, batch: Batch) -> Bound:
        """The bound whose surrogate a training step ascends, for objectives that ask the encoder for more than q(z|x).

        Its surrogate may hold more than the bound's own, its value is that of `__call__`.
        """
        return self(key, autoencoder.model, autoencoder.posterior(batch), batch)

    def updated(self, batch: Batch, bound: Bound) -> "Objective":
        """The objective as it goes into the next step, for those that keep a running state."""
        return self

    @abstractmethod
    def __call__(self, key: PRNGKey, model: Model, posterior: Posterior, batch: Batch) -> Bound:
        """The bound on each row of the batch."""


def row_bounds(
    objective: Objective,
    model: Model,
    recognition: Recognition,
    x: Float[np.ndarray, "rows features"],
    key: PRNGKey,
    block_rows: int = 1000,
) -> dict[str, Float[np.ndarray, " rows"]]:
    """The bound of each row and its parts, nats, for reporting.

    A row's noise comes from `key` and its own values, so its bound does not depend on the other rows.

    Args:
        objective: whose bound.
        model: p(z) p(x|z).
        recognition: from rows to q(z|x), a tree of arrays to JAX.
        x: the rows, scaled units, NaN where a value is missing.
        key: random key.
        block_rows: rows at a time.

    Returns:
        Arrays of shape `(rows,)` under `bound` and under each part's name.
    """
    return map_rows(lambda batch: _block_bounds(objective, model, recognition, batch, key), x, block_rows)


@eqx.filter_jit
def _block_bounds(
    objective: Objective, model: Model, recognition: Recognition, batch: Batch, key: PRNGKey
) -> dict[str, Float[Array, " batch"]]:
    def one_row(key: PRNGKey, row: Batch) -> dict[str, Float[Array, ""]]:
        bound = objective(key, model, recognition(row), row)
        return jax.tree.map(lambda term: term[0], {"bound": bound.value, **bound.parts})

    return each_row(one_row, key, batch)
