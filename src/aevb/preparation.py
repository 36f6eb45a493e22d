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
from aevb.datasets import Scaling, Support, check_support
from aevb.datasets.checks import name_cell
from aevb.errors import InvalidDataError
from aevb.typing import PRNGKey

EXTREME = 1e12  # scaled units
ROUNDING = 1e-6  # scaled units; what single precision makes of the limits of a range
PIXELS = Support(0.0, 1.0)


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
            advice = "Minmax scaling brings columns into [0, 1]."
            check_support(x, "bernoulli", PIXELS, name="the data to make binary", advice=advice)
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


@dataclasses.dataclass(frozen=True)
class Beyond:
    """The cells that a likelihood does not know, to which it gives no density or probability.

    Args:
        cells: which they are; None for none.
    """

    cells: Bool[np.ndarray, "rows features"] | None

    @classmethod
    def of(
        cls, x: Float[np.ndarray, "rows features"], support: Support
    ) -> tuple[Float[np.ndarray, "rows features"], "Beyond"]:
        """Rows in scaled units brought into a support, and which cells were outside by more than a rounding error.

        >>> Beyond.of(np.array([[0.25, 1.5]]), Support(0.0, 1.0))
        (array([[0.25, 1.  ]]), Beyond(cells=array([[False,  True]])))
        """
        if support.holds_all(x):
            return x, cls(None)
        inside = support.holds(x)
        known = np.where(inside, x, support.nearest(x))
        # A limit that is itself outside is no rounding error.
        cells = ~inside if support.is_open else np.abs(x - known) > ROUNDING
        return known, cls(cells if cells.any() else None)

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
        support: Support,
        scaling: Scaling,
        feature_names: Sequence[str] | None,
        consequence: str,
    ) -> None:
        """Warn of the rows, if there are any: how many, where the first is, and what becomes of them.

        Args:
            x: the rows, in the user's units.
            support: of the likelihood, in scaled units.
            scaling: from these to the scaled ones.
            feature_names: of the columns, where known.
            consequence: what becomes of them, to go on after "N of M".
        """
        if self.cells is None:
            return
        row, column = (int(i) for i in np.argwhere(self.cells)[0])
        low, high = (
            scaling.loc[column] + limit * scaling.scale[column] for limit in (support.low, support.high)
        )
        known = str(dataclasses.replace(support, low=low, high=high))
        advice = "" if support.is_whole else " To have no limits, train with `likelihood='gaussian'`."
        warnings.warn(
            "rows with a value to which the model's likelihood gives no probability: "
            f"{int(self.cells.any(axis=1).sum()):,} of {len(x):,}; {consequence}. The first is {x[row, column]:g} at "
            f"{name_cell(row, column, feature_names)}, where it knows {known}.{advice}",
            stacklevel=4,
        )
