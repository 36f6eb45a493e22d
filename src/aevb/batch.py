"""The `Batch`: rows of data with what is known about each row."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from aevb.typing import PerRow


class Batch(eqx.Module):
    """A minibatch of rows, in the scaled units that networks see.

    Args:
        x: the rows, shape `(batch, features)`.
        mask: True where an entry was observed; None means that all were.
        weight: how much a row counts in a reduction; 0 marks the padding of a last minibatch. None means 1.
    """

    x: Float[Array, "batch features"]
    mask: Bool[Array, "batch features"] | None = None
    weight: Float[Array, " batch"] | None = None

    @property
    def n_rows(self) -> int:
        """The number of rows, padding included."""
        return self.x.shape[0]

    @property
    def observed(self) -> Float[Array, "batch features"]:
        """The rows with 0 in place of every missing value, so that no log density ever sees a NaN."""
        return self.x if self.mask is None else jnp.where(self.mask, self.x, 0.0)

    def total(self, per_row: PerRow) -> Float[Array, "*samples"]:
        """The weighted sum of a per-row quantity over the rows."""
        return jnp.sum(per_row if self.weight is None else jnp.where(self.weight > 0, self.weight * per_row, 0.0), -1)

    def mean(self, per_row: PerRow) -> Float[Array, "*samples"]:
        """The weighted mean of a per-row quantity over the rows."""
        n = self.n_rows if self.weight is None else jnp.sum(self.weight)
        return self.total(per_row) / n
