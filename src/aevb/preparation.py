"""How rows in the user's units become what a model is given."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Num

from aevb.batch import Batch, each_row, has_missing, map_rows
from aevb.datasets import Scaling, check_support
from aevb.errors import InvalidDataError
from aevb.typing import PRNGKey

EXTREME = 1e12  # scaled units


@dataclasses.dataclass(frozen=True)
class Preparation:
    """How rows in the user's units become what a model is given: scaled, then made binary if the recipe says so.

    Args:
        scaling: fitted on training rows.
        binarize: `none`, `static` (at 1/2), or `dynamic`: each pixel drawn from its grey value, with randomness
            that depends on the seed and the row alone, so that a row always gives the same draw.
        seed: see `binarize`.
    """

    scaling: Scaling
    binarize: str
    seed: int

    def __call__(
        self, x: Num[np.ndarray, "rows features"], *, training: bool = False
    ) -> Float[np.ndarray, "rows features"]:
        """The rows in scaled units, float32.

        Args:
            x: rows in the user's units; NaN stays NaN.
            training: keep the pixels grey that training makes binary anew whenever it sees them.

        Raises:
            InvalidDataError: there are no pixels in [0, 1] to make binary.
        """
        with np.errstate(over="ignore"):
            x = self.scaling.apply(x)
        _check_extremes(x)
        if self.binarize == "none":
            return x
        check_support(x, "bernoulli", (0.0, 1.0), name="the data to make binary")
        if self.binarize == "static":
            binary = (x >= 0.5).astype(x.dtype)
            return np.where(np.isnan(x), x, binary) if has_missing(x) else binary
        if training:
            return x
        key = jax.random.key(self.seed)
        return map_rows(lambda batch: _draw_pixels(key, batch), x, block_rows=1000)


def _check_extremes(x: Float[np.ndarray, "rows features"]) -> None:
    """Refuse scaled values whose square times a large precision would overflow single precision."""
    # fmax and fmin pass over NaN.
    if max(np.fmax.reduce(x, axis=None), -np.fmin.reduce(x, axis=None)) > EXTREME:
        row, column = np.argwhere(np.abs(x) > EXTREME)[0]
        raise InvalidDataError(
            f"row {row}, column {column} lies {x[row, column]:.3g} scaled units from the middle of the training rows, "
            f"too far to compute a density in single precision (the limit is {EXTREME:g}). Leave the row out."
        )


@jax.jit
def _draw_pixels(key: PRNGKey, batch: Batch) -> Float[jax.Array, "batch features"]:
    draws = each_row(lambda key, row: jax.random.bernoulli(key, row.x[0]), key, batch).astype(batch.x.dtype)
    return draws if batch.mask is None else jnp.where(batch.mask, draws, jnp.nan)


def is_binary(x: Float[np.ndarray, "rows features"]) -> bool:
    """Whether every value is 0 or 1, but for those that are missing."""
    return bool(np.all((x == 0) | (x == 1) | np.isnan(x)))
