"""Names, cells and counts in messages."""

from collections.abc import Sequence

# Characters of a name or a cell that a message shows.
LONGEST = 60
MOST = 10


def quoted(text: str) -> str:
    """A name or cell in quotation marks, cut where it is long.

    >>> quoted("a" * 100)
    "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa…'"
    """
    return f"'{text if len(text) <= LONGEST else text[: LONGEST - 1] + '…'}'"


def listed(items: Sequence[str], most: int = MOST) -> str:
    """The items separated by commas, the last of many left out."""
    shown = ", ".join(items[:most])
    return shown + (f" and {len(items) - most} more" if len(items) > most else "")


def names_listed(names: Sequence[str], most: int = MOST) -> str:
    """The names in quotation marks, separated by commas, the last of many left out."""
    return listed([quoted(name) for name in names], most)


def count_of(n: int, noun: str) -> str:
    """Such as "1 row" or "1,200 rows".

    >>> count_of(1200, "row")
    '1,200 rows'
    """
    return f"{n:,} {noun}{'' if n == 1 else 's'}"
