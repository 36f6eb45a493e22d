"""How a user's file is to be read, where its form does not say so itself."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from aevb.errors import InvalidRecipeError

HEADERS = ("auto", "yes", "no")
DECIMALS = ("auto", "point", "comma")


@dataclass(frozen=True)
class Reading:
    """Options for reading a file; those that its kind has no use for are refused or, if `optional`, passed over.

    Args:
        label: the column of a table that holds the labels: its name, or its number from 0 without a header.
        drop: columns of a table to leave out, named in the same way.
        header: whether a table's first row holds the names of its columns: "yes", "no", or "auto", by what it holds.
        encoding: of a table's text, by Python's name for it; "auto" is UTF-8, or UTF-16 where the file says so.
        decimal: what a comma in a number is: "point" where commas separate thousands (1,234.5), "comma" where they are
            decimal (1.234,5). "auto" refuses such cells.
        missing_values: what stands for a missing value, beside what always does (see `aevb.datasets.cells`).
        array: the name of the rows in an `.npz` file.
        image_shape: `(height, width)` of the images whose pixels the rows are; `()` where they are no images.
        optional: pass over what the file does not have: for files to which a model is applied.

    Raises:
        InvalidRecipeError: a value that is not one of these.
    """

    label: str | int | None = None
    drop: Sequence[str | int] = ()
    header: str = "auto"
    encoding: str = "auto"
    decimal: str = "auto"
    missing_values: Sequence[str | int | float] = ()
    array: str | None = None
    image_shape: tuple[int, ...] | None = None
    optional: bool = False

    def __post_init__(self) -> None:
        for name, known in (("header", HEADERS), ("decimal", DECIMALS)):
            if getattr(self, name) not in known:
                raise InvalidRecipeError(
                    f"{name} is {getattr(self, name)!r}: choose one of {', '.join(known)}"
                )
        check_encoding(self.encoding)

    @property
    def missing_numbers(self) -> tuple[float, ...]:
        """Those of the missing values that are numbers."""
        return tuple(number for value in self.missing_values if (number := _as_number(value)) is not None)

    @property
    def missing_texts(self) -> frozenset[str]:
        """Those of the missing values that are not."""
        return frozenset(str(value) for value in self.missing_values if _as_number(value) is None)


READING_OPTIONS = tuple(field.name for field in fields(Reading) if field.name != "optional")


def check_encoding(encoding: str) -> str:
    """The encoding, if there is one of that name.

    Raises:
        InvalidRecipeError: there is none, or it is not one of text.
    """
    try:
        if encoding != "auto":
            "a".encode(encoding)
    except (LookupError, ValueError):
        raise InvalidRecipeError(
            f"there is no text encoding {encoding!r}: auto, or a name such as utf-8, utf-16, latin-1 or cp1252"
        ) from None
    return encoding


def _as_number(value: Any) -> float | None:
    try:
        return float(value)
    except ValueError:
        return None
