"""What long runs of chains over blocks of rows share: compiled loops in chunks, between which the host looks up."""

from aevb.typing import Show

BLOCK_ROWS = 16
CHUNK = 64  # transitions from one call of a compiled loop to the next, between which progress is shown


def chunks(n: int) -> list[tuple[int, int]]:
    """The numbers from 0 to n in spans of `CHUNK`, the last one shorter."""
    return [(first, min(first + CHUNK, n)) for first in range(0, n, CHUNK)]


class Ticks:
    """Called after each chunk of each block of rows, shows the share of them that is done."""

    def __init__(self, show: Show, n_rows: int, per_block: int):
        self._show, self._done = show, 0
        self._total = -(-n_rows // BLOCK_ROWS) * per_block

    def __call__(self) -> None:
        """One more chunk is done."""
        self._done += 1
        self._show(self._done / self._total)
