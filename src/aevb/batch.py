"""The `Batch`: rows of data with what is known about each, and the randomness that belongs to a row."""

import dataclasses
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key, Num, UInt32

from aevb.typing import PerRow, PRNGKey, Tree


class Batch(eqx.Module):
    """A minibatch of rows, in the scaled units that networks see.

    Args:
        x: the rows, shape `(batch, features)`.
        mask: True where an entry was observed; None means that all were.
        weight: how much a row counts in a reduction; 0 marks the padding of a last minibatch. None means 1.
        index: the rows' numbers among the training rows, where something is kept for each of those; None elsewhere.
    """

    x: Float[Array, "batch features"]
    mask: Bool[Array, "batch features"] | None = None
    weight: Float[Array, " batch"] | None = None
    index: Int[Array, " batch"] | None = None

    @property
    def n_rows(self) -> int:
        """The number of rows, padding included."""
        return self.x.shape[0]

    @property
    def observed(self) -> Float[Array, "batch features"]:
        """The rows with 0 in place of every missing value, so that no network or log density ever sees a NaN."""
        return self.x if self.mask is None else jnp.where(self.mask, self.x, 0.0)

    @property
    def rows(self) -> "Batch":
        """A batch of each row, stacked along a new first axis, for `jax.vmap`; a row on its own has no weight.

        >>> Batch(jnp.zeros((5, 3))).rows.x.shape
        (5, 1, 3)
        """
        return jax.tree.map(lambda leaf: leaf[:, None], dataclasses.replace(self, weight=None))

    def whole(self, x: Float[Array, "batch features"]) -> "Batch":
        """Rows `x`, all of which was observed, and which are otherwise like the one row of this batch."""
        copies = dataclasses.replace(self, x=x, mask=None)
        return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (len(x), *leaf.shape[1:])), copies)

    def total(self, per_row: PerRow) -> Float[Array, "*samples"]:
        """The weighted sum of a per-row quantity over the rows; what a padding row holds, even NaN, is not seen."""
        if self.weight is None:
            return jnp.sum(per_row, axis=-1)
        counts = self.weight > 0
        return jnp.sum(jnp.where(counts, self.weight * jnp.where(counts, per_row, 0.0), 0.0), axis=-1)

    def mean(self, per_row: PerRow) -> Float[Array, "*samples"]:
        """The weighted mean of a per-row quantity over the rows."""
        n = self.n_rows if self.weight is None else jnp.sum(self.weight)
        return self.total(per_row) / n


def row_keys(key: PRNGKey, batch: Batch) -> Key[Array, " batch"]:
    """One random key per row, which depends on `key`, on what of that row was observed, and on nothing else.

    A row's Monte Carlo estimate is then the same whatever its neighbours, its position or the batch size.
    """
    # A missing value is none of the numbers, and -0.0 and 0.0 are one.
    values = jnp.where(batch.x == 0, 0.0, batch.x)
    values = values if batch.mask is None else jnp.where(batch.mask, values, jnp.nan)
    bits = jax.lax.bitcast_convert_type(values, jnp.uint32).reshape(batch.n_rows, -1)
    column = jnp.arange(1, bits.shape[1] + 1, dtype=jnp.uint32)
    salts = (column * jnp.uint32(multiplier) for multiplier in (0x9E3779B1, 0x85EBCA77))
    digests = [_digest(bits, salt) for salt in salts]
    return jax.vmap(lambda a, b: jax.random.fold_in(jax.random.fold_in(key, a), b))(*digests)


def each_row(function: Callable[..., Tree], key: PRNGKey, batch: Batch, *given: Tree) -> Tree:
    """`function` of each row on its own, with that row's key from `row_keys`.

    Args:
        function: takes a key, a `Batch` of one row and that row's part of what is given, returns a tree of arrays.
        key: random key.
        batch: the rows.
        given: further trees of arrays, first axis the rows.

    Returns:
        The tree, every array with a new first axis, the rows.
    """
    return jax.vmap(function)(row_keys(key, batch), batch.rows, *given)


def _digest(
    bits: UInt32[Array, "batch features"], salt: UInt32[Array, " features"]
) -> UInt32[Array, " batch"]:
    """A sum over columns of each entry mixed with its column's salt (the finalizer of MurmurHash3)."""
    h = bits ^ salt
    for shift, multiplier in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        h = (h ^ (h >> shift)) * jnp.uint32(multiplier)  # wraps around
    return jnp.sum(h ^ (h >> 16), axis=1, dtype=jnp.uint32)


def map_rows(
    function: Callable[[Batch], Tree],
    x: Float[np.ndarray, "rows features"],
    block_rows: int,
    show: Callable[[float], None] = lambda share_done: None,
) -> Tree:
    """Apply a compiled function to all rows in blocks of one fixed shape, and join the results on the host.

    Args:
        function: takes a `Batch` of `block_rows` rows, returns a tree of arrays whose first axis is the rows.
        x: the rows, in scaled units; NaN for a value that is missing. Where there are any, batches carry a mask.
        block_rows: rows per block. The last block is padded with rows of zeros, so that every call has the same
            shape: one compilation, and a row's result does not depend on how many came with it.
        show: called with the share of rows that are done, after every block.

    Returns:
        The tree of NumPy arrays, first axis `rows`.
    """
    blocks = []
    missing = has_missing(x)
    for start in range(0, len(x), block_rows):
        block = x[start : start + block_rows]
        n = len(block)
        padded = np.pad(block, ((0, block_rows - n), (0, 0)))
        weight = jnp.asarray(np.arange(block_rows) < n, padded.dtype)
        batch = dataclasses.replace(batch_of(padded, missing=missing), weight=weight)
        blocks.append(jax.tree.map(lambda leaf, n=n: np.asarray(leaf)[:n], function(batch)))
        show((start + n) / len(x))
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *blocks)


def batch_of(x: Float[np.ndarray, "rows features"], *, missing: bool) -> Batch:
    """A batch of rows of which NaN is a missing value; if there may be some, it has a mask."""
    mask = jnp.asarray(~np.isnan(x)) if missing else None
    return Batch(jnp.asarray(np.nan_to_num(x) if missing else x), mask)


def has_missing(x: Num[np.ndarray, "rows features"]) -> bool:
    """Whether any value is NaN."""
    # A sum of numbers is NaN or infinite where one is; only then is a mask worth its memory.
    return x.dtype.kind == "f" and not np.isfinite(np.sum(x, dtype=np.float64)) and bool(np.isnan(x).any())
