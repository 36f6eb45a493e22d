"""How text reaches the terminal: what stands in a file is shown there, and never obeyed."""

import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from typing import Any

import typer
from rich.console import Console
from rich.text import Text

from aevb.errors import as_options, printable


class Terminal(Console):
    """A console whose plain strings, in tables too, are text: no control codes, no markup, no emoji."""

    def __init__(self, **settings: Any):
        super().__init__(highlight=False, markup=False, emoji=False, **settings)

    def render_str(self, text: str, **settings: Any) -> Text:
        """Rich makes text of every string here."""
        return super().render_str(printable(text), **settings)


def write(console: Console, line: str) -> None:
    """A line of text, settings in it as options: wrapped between words on a terminal, left whole in a file."""
    console.print(as_options(line), soft_wrap=not console.is_terminal, markup=False)


def say(line: str, *, err: bool = False) -> None:
    """A line on standard output or standard error, settings in it as options, as long as it is."""
    typer.echo(as_options(printable(line)), err=err)


def wrong(message: str, option: str | None = None) -> typer.BadParameter:
    """What to raise for a value that an option or argument cannot have."""
    return typer.BadParameter(as_options(printable(message)), param_hint=option)


@contextmanager
def plain_output() -> Iterator[None]:
    """Warnings as one line each, without the source, and characters that the terminal lacks as escapes."""
    logging.getLogger("matplotlib").setLevel("ERROR")  # where it keeps its cache is not the reader's concern
    before = warnings.formatwarning
    warnings.formatwarning = lambda message, *_about, **_more: (
        f"warning: {as_options(printable(str(message)))}\n"
    )
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        yield
    finally:
        warnings.formatwarning = before
