"""A bar for work whose end is known."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from aevb.cli.terminal import Terminal


@contextmanager
def bar(what: str) -> Iterator[Callable[[float], None]]:
    """What to call with the share that is done, for as long as the context lasts; shown on a terminal only."""
    console = Terminal(file=sys.stderr)
    columns = (
        TextColumn(what),
        BarColumn(bar_width=None),
        TaskProgressColumn(),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as shown:
        task = shown.add_task(what, total=1.0)
        yield lambda share: shown.update(task, completed=share)
