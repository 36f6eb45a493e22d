"""Bars for work of several stages, one after the other."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from aevb.cli.bar import bar


@contextmanager
def stages() -> Iterator[Callable[[str, float], None]]:
    """What to call with a stage's name and the share of it that is done; each name in turn gets a bar."""
    with ExitStack() as stack:
        now, show = "", lambda share: None

        def show_stage(stage: str, share: float) -> None:
            nonlocal now, show
            if stage != now:
                stack.close()
                now, show = stage, stack.enter_context(bar(stage))
            show(share)

        yield show_stage
