"""log p(x) by a sum over codes: those of a grid for up to three latents, or all of a model with few discrete ones."""

import dataclasses
import math
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from aevb.batch import Batch, each_row, map_rows, row_keys
from aevb.chains.coordinates import Target
from aevb.errors import InvalidRecipeError
from aevb.inference.grid import Box, find_box, integrate
from aevb.inference.marginal import MarginalEstimate, Rows, Show
from aevb.models import Model, Recognition
from aevb.typing import PerRow, PRNGKey, Scalar, Tree

MOST_DIMENSIONS = 3
MOST_CODES = 2**16
CODES_PER_BLOCK, ROWS_PER_BLOCK = 256, 16
PRIOR_DRAWS, POSTERIOR_DRAWS = 1024, 32
FIRST_GRID = {1: 64, 2: 32, 3: 16}  # points a side


@dataclasses.dataclass(frozen=True)
class Quadrature:
    r"""log p(x) = log \int p(x|z) p(z) dz by the trapezoidal rule, for up to three latents; exact for discrete codes.

    The integral is over unconstrained coordinates, in double precision. The region that holds the mass is searched for
    each row, climbing from draws of p(z) and q(z|x), and covered by a grid along its own axes, which is halved until
    two grids agree. What a search can miss is a mode that no climb ends in. Where codes are discrete and there are at
    most 65,536 of them, all are summed over.

    Diagnostics of each row: `numerical_error`, the difference between the last two grids and what may lie outside of
    the region, nats, and `points` of the last grid. A row is reliable if its numerical error is within the tolerance
    and the grid is fine enough to have seen every mode that was found. The Monte Carlo error is 0.

    A decoder with kinks (relu) needs finer grids than a smooth one: the error falls with the square of their spacing.

    Args:
        tolerance: how far two grids may be apart, nats.
        most_points: of a grid; a row that needs more is not reliable.

    Raises:
        InvalidRecipeError: a setting is out of range.
    """

    tolerance: float = 1e-4
    most_points: int = 2**21
    name: ClassVar[str] = "quadrature"

    def __post_init__(self):
        if not (math.isfinite(self.tolerance) and self.tolerance > 0):
            raise InvalidRecipeError(
                f"the tolerance of quadrature must be a positive number of nats, not {self.tolerance}"
            )
        if self.most_points < 2**13:
            raise InvalidRecipeError(f"a grid needs at least {2**13} points, not {self.most_points}")

    def __call__(
        self, model: Model, recognition: Recognition | None, x: Rows, key: PRNGKey, show: Show
    ) -> MarginalEstimate:
        """The values; see `aevb.inference.log_marginal`. The recognition model only helps the search.

        Raises:
            InvalidRecipeError: more than three latents, or too many discrete codes.
        """
        codes = _discrete_codes(model)
        if codes is None:
            _require_few_dimensions(model)
        # A grid sums up to a million terms and compares sums that differ by the tolerance: not in single precision.
        with jax.enable_x64(True):
            model, recognition = _doubled(model), _doubled(recognition)
            x = x.astype(np.float64)
            if codes is not None:
                log_p = map_rows(lambda batch: _enumerated(model, batch, codes), x, ROWS_PER_BLOCK, show)
                diagnostics = {
                    "numerical_error": np.zeros(len(x)),
                    "points": np.full(len(x), float(len(codes))),
                }
            else:
                found = map_rows(lambda row: self._row(model, recognition, row, key), x, 1, show)
                log_p, diagnostics = found.pop("log_p"), found
        reliable = np.isfinite(log_p) & (diagnostics["numerical_error"] <= self.tolerance)
        return MarginalEstimate(self.name, "none", log_p, np.zeros(len(x)), reliable, diagnostics)

    def _row(
        self, model: Model, recognition: Recognition | None, row: Batch, key: PRNGKey
    ) -> dict[str, Float[np.ndarray, " rows"]]:
        """The integral for a batch of one row."""
        starts = _starts(model, recognition, row, key)
        box = find_box(model, row, starts)
        log_p, error, points = self._refined(model, row, box) if box else (math.nan, math.inf, 0)
        found = {"log_p": log_p, "numerical_error": error, "points": float(points)}
        return {name: np.array([value]) for name, value in found.items()}

    def _refined(self, model: Model, row: Batch, box: Box) -> tuple[float, float, int]:
        """The integral, its numerical error and the points of the last grid."""
        n = FIRST_GRID[box.dimensions]
        coarse, box = integrate(model, row, box, n)
        while True:
            n *= 2
            fine, _ = integrate(model, row, box, n, grow=False)
            error = abs(fine.log_integral - coarse.log_integral) + fine.outside
            error = error if fine.saw_every_peak else math.inf
            if error <= self.tolerance or (2 * n) ** box.dimensions > self.most_points:
                return fine.log_integral, error, n**box.dimensions
            coarse = fine


def _doubled(tree: Tree) -> Tree:
    return jax.tree.map(lambda leaf: leaf.astype(jnp.float64) if eqx.is_inexact_array(leaf) else leaf, tree)


def _require_few_dimensions(model: Model) -> None:
    n = model.space.n_dims
    if n > MOST_DIMENSIONS:
        raise InvalidRecipeError(
            f"quadrature takes at most {MOST_DIMENSIONS} latents, and this model has {n}: use importance sampling, "
            "annealed importance sampling or hmc-density"
        )


def _discrete_codes(model: Model) -> Float[np.ndarray, "codes columns"] | None:
    """All codes of a model whose codes are discrete; None if they are continuous.

    Raises:
        InvalidRecipeError: too many, or some discrete and some continuous.
    """
    space = model.space
    if space.is_continuous:
        return None
    if space.n_codes is None:
        raise InvalidRecipeError(
            "quadrature takes codes that are all continuous or all discrete with known values: use importance sampling"
        )
    if space.n_codes > MOST_CODES:
        raise InvalidRecipeError(
            f"quadrature sums over all codes, at most {MOST_CODES:,}, and this model has {space.n_codes:,}: "
            "use importance sampling"
        )
    return space.enumerate()


def _enumerated(
    model: Model, batch: Batch, codes: Float[np.ndarray, "codes columns"]
) -> Float[np.ndarray, " batch"]:
    parts = []
    for start in range(0, len(codes), CODES_PER_BLOCK):
        block = codes[start : start + CODES_PER_BLOCK]
        counts = np.arange(CODES_PER_BLOCK) < len(block)
        padded = np.pad(block, ((0, CODES_PER_BLOCK - len(block)), (0, 0)), mode="edge")
        parts.append(_log_sum(model, batch, jnp.asarray(padded), jnp.asarray(counts)))
    return np.logaddexp.reduce(np.stack([np.asarray(part) for part in parts]), axis=0)


@eqx.filter_jit
def _log_sum(model: Model, batch: Batch, codes: Float[Array, "codes columns"], counts: Array) -> PerRow:
    """The log of the sum of p(x, z) over those codes that count, each decoded once for all rows."""

    def one_row(key: PRNGKey, row: Batch) -> Scalar:
        z = model.space.from_columns(codes[:, None])
        log_joint = (model.log_likelihood(row, z) + model.log_prior(z, row))[:, 0]
        return jax.nn.logsumexp(jnp.where(counts, log_joint, -jnp.inf))

    return each_row(one_row, jax.random.key(0), batch)  # nothing is drawn


@eqx.filter_jit
def _starts(
    model: Model, recognition: Recognition | None, row: Batch, key: PRNGKey
) -> Float[Array, "starts dims"]:
    """Where climbs start: draws of p(z), and of q(z|x) where there is one."""
    target, (row_key,) = Target(model, row), row_keys(key, row)
    p_key, q_key = jax.random.split(row_key)
    starts = jax.vmap(lambda key: target.start(None, key))(jax.random.split(p_key, PRIOR_DRAWS))
    if recognition is None:
        return starts
    posterior = recognition(row)
    draws = jax.vmap(lambda key: target.start(posterior, key))(jax.random.split(q_key, POSTERIOR_DRAWS))
    return jnp.concatenate([draws, starts])
