"""How rows in the user's units become what a model is given."""

import dataclasses
import warnings
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Num, Shaped

from aevb.batch import Batch, each_row, has_missing, map_rows
from aevb.datasets import Scaling, check_support
from aevb.datasets.checks import name_cell
from aevb.errors import InvalidDataError
from aevb.typing import PRNGKey

EXTREME = 1e12  # scaled units
ROUNDING = 1e-6  # scaled units; what single precision makes of the limits of a range


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
        x = self.scaled(x)
        _check_extremes(x)
        if self.binarize != "none":
            check_support(x, "bernoulli", (0.0, 1.0), name="the data to make binary")
        return self.binarized(x, training=training)

    def scaled(self, x: Num[np.ndarray, "rows features"]) -> Float[np.ndarray, "rows features"]:
        """The rows in scaled units, float32, however far from the training rows they are."""
        with np.errstate(over="ignore"):
            return self.scaling.apply(x)

    def binarized(
        self, x: Float[np.ndarray, "rows features"], *, training: bool = False
    ) -> Float[np.ndarray, "rows features"]:
        """Rows in scaled units, and for a model of binary pixels in [0, 1], made binary; see `__call__`."""
        if self.binarize == "none":
            return x
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


@dataclasses.dataclass(frozen=True)
class Beyond:
    """The cells that lie beyond the limits of a likelihood of values in [0, 1], where its density is 0.

    Args:
        cells: which they are; None for none.
    """

    cells: Bool[np.ndarray, "rows features"] | None

    @classmethod
    def of(cls, x: Float[np.ndarray, "rows features"]) -> tuple[Float[np.ndarray, "rows features"], "Beyond"]:
        """Rows in scaled units brought into [0, 1], and which cells were outside by more than a rounding error.

        >>> Beyond.of(np.array([[0.25, 1.5]]))
        (array([[0.25, 1.  ]]), Beyond(cells=array([[False,  True]])))
        """
        # fmax and fmin pass over NaN.
        if np.fmin.reduce(x, axis=None) >= 0 and np.fmax.reduce(x, axis=None) <= 1:
            return x, cls(None)
        cells = (x < -ROUNDING) | (x > 1 + ROUNDING)
        return np.clip(x, 0.0, 1.0), cls(cells if cells.any() else None)

    def impossible(self, value: Any, found: Shaped[np.ndarray, " rows"]) -> Shaped[np.ndarray, " rows"]:
        """What was found of rows, but another value for those with such a cell."""
        return (
            found
            if self.cells is None
            else np.where(self.cells.any(axis=1), value, found).astype(found.dtype)
        )

    def warn(
        self,
        x: Num[np.ndarray, "rows features"],
        scaling: Scaling,
        feature_names: Sequence[str] | None,
        consequence: str,
    ) -> None:
        """Warn of the rows, if there are any: how many, where the first is, and what becomes of them.

        Args:
            x: the rows, in the user's units.
            scaling: from these to the scaled ones.
            feature_names: of the columns, where known.
            consequence: what becomes of them, to go on after "N of M".
        """
        if self.cells is None:
            return
        row, column = (int(i) for i in np.argwhere(self.cells)[0])
        low = scaling.loc[column]
        warnings.warn(
            "rows with a value outside the range that the model was trained on, to which its likelihood is limited: "
            f"{int(self.cells.any(axis=1).sum()):,} of {len(x):,}; {consequence}. The first is {x[row, column]:g} at "
            f"{name_cell(row, column, feature_names)}, where the range is {low:g} to "
            f"{low + scaling.scale[column]:g}. To have no limits, train with `likelihood='gaussian'`.",
            stacklevel=4,
        )
