"""Types of settings as a command line, a TOML file and Python give them."""

import difflib
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator, Field


def split_commas(value: Any) -> Any:
    """A command line gives a list as "400,200"; a file may give a single number."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return [value] if isinstance(value, int) else value


def known(name: str, names: Sequence[str], kind: str) -> str:
    """The name, if it is one of these.

    Raises:
        ValueError: it is not; the message says which one is close.
    """
    if name not in names:
        raise ValueError(f"no such {kind} ({did_you_mean(name, names)}Known: {', '.join(names)})")
    return name


def did_you_mean(name: str, names: Sequence[str]) -> str:
    """The closest of these names as a question; nothing if none is close."""
    close = difflib.get_close_matches(name, names, 1)
    return f"did you mean {close[0]!r}? " if close else ""


Width = Annotated[int, Field(gt=0)]
Widths = Annotated[tuple[Width, ...], BeforeValidator(split_commas)]
Names = Annotated[tuple[str, ...], BeforeValidator(split_commas)]
