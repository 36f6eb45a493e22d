"""Digests of rows, by which a run knows its own rows again in a file that may have changed since."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int, Num, UInt64
from safetensors import SafetensorError
from safetensors.numpy import load, save

from aevb.datasets.dataset import Dataset, split_rows
from aevb.errors import InvalidModelFileError

Digests = UInt64[np.ndarray, " rows"]
# Of the rows that a run has; others are "new" to it.
SPLITS = ("train", "validation", "test")
# So many rows are held in double precision at a time.
BLOCK_ROWS = 4096
# Two of n different rows share one of 2^64 digests with a probability of n^2 / 2^65: 1e-10 for 60,000.
DIGEST_BYTES = 8


def row_digests(x: Num[np.ndarray, "rows features"]) -> Digests:
    """A digest of each row's numbers: equal where they are, whatever type they are in.

    Args:
        x: rows in the user's units. Missing values (NaN) are equal to each other, and -0 is 0.

    >>> row_digests(np.array([[0, 1]])) == row_digests(np.array([[-0.0, 1.0]]))
    array([ True])
    """
    digests = [hashlib.blake2b(row.data, digest_size=DIGEST_BYTES).digest() for row in _canonical(x)]
    return np.frombuffer(b"".join(digests), "<u8").astype(np.uint64)


def _canonical(x: np.ndarray) -> Iterator[np.ndarray]:
    """Rows in double precision, with one bit pattern for each number."""
    for start in range(0, len(x), BLOCK_ROWS):
        rows = np.array(x[start : start + BLOCK_ROWS], np.float64, order="C") + 0.0  # -0.0 + 0.0 is 0.0
        rows[np.isnan(rows)] = np.nan
        yield from rows


@dataclass(frozen=True, eq=False)
class RowDigests:
    """The digests of the rows that a run had, each split's in the order of its rows.

    Args:
        train: of what the parameters were fitted to.
        validation: of what chose the best model; empty without.
        test: of what was only reported on; empty without.
    """

    train: UInt64[np.ndarray, " train_rows"]
    validation: UInt64[np.ndarray, " validation_rows"]
    test: UInt64[np.ndarray, " test_rows"]

    @classmethod
    def of(cls, dataset: Dataset, validation: float, seed: int) -> "RowDigests":
        """Of a data set as a run with this seed splits it, that share of its training rows for validation."""
        kept, held_out = split_rows(dataset.n_train, validation, seed)
        train = row_digests(dataset.x_train)
        test = row_digests(dataset.x_train[:0] if dataset.x_test is None else dataset.x_test)
        return cls(train[kept], train[held_out], test)

    def splits(self, digests: Digests) -> dict[str, Bool[np.ndarray, " rows"]]:
        """Which rows of these digests the run trained on, chose by, only reported on, and never had: each is in one.

        A row that is equal to a training row is one, also where the run held out another like it.
        """
        left = np.ones(len(digests), bool)
        found: dict[str, np.ndarray] = {}
        for name in SPLITS:
            found[name] = left & np.isin(digests, getattr(self, name))
            left = left & ~found[name]
        return {**found, "new": left}

    def find(self, digests: Digests, name: str) -> Int[np.ndarray, " found"]:
        """Where the run's rows of this split are among rows of these digests, in the run's order; some may be gone.

        Of rows that are equal to each other any is as good.
        """
        wanted, order = getattr(self, name), np.argsort(digests, kind="stable")
        at = np.minimum(np.searchsorted(digests[order], wanted), len(digests) - 1)
        return order[at[digests[order][at] == wanted]]

    def to_bytes(self) -> bytes:
        """As safetensors."""
        return save({name: getattr(self, name) for name in SPLITS})

    @classmethod
    def from_bytes(cls, content: bytes, source: str) -> "RowDigests":
        """What `to_bytes` wrote.

        Raises:
            InvalidModelFileError: anything else.
        """
        try:
            arrays = load(content)
            digests = [arrays[name] for name in SPLITS]
        except (SafetensorError, KeyError, ValueError) as error:
            raise InvalidModelFileError(f"{source} does not hold the digests of rows: {error!r}") from None
        if any(a.dtype != np.uint64 or a.ndim != 1 for a in digests):
            raise InvalidModelFileError(
                f"{source} does not hold the digests of rows: expected lists of integers"
            )
        return cls(*digests)
