"""How a fit shows: a bar on a terminal or in a notebook, a line per evaluation elsewhere, nothing by default."""

import importlib.util
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from aevb.estimator.fitting import Fit

# Between plain lines of a fit whose epochs are short.
LINE_SECONDS = 1.0

Show = Callable[[Fit], None]


@contextmanager
def progress(verbose: int, fit: Fit, console: Console | None = None) -> Iterator[Show]:
    """What to call with the fit after every chunk of steps, for as long as the context lasts.

    Args:
        verbose: 0 for nothing; 1 for a bar while it lasts, and a line when it ends.
        fit: before its first step.
        console: where to; None for the standard error stream, or a notebook's cell.
    """
    if not verbose:
        yield _nothing
        return
    console = Console(stderr=True) if console is None else console
    last = fit

    def noted(show: Show) -> Show:
        def note(fit: Fit) -> None:
            nonlocal last
            last = fit
            show(fit)

        return note

    try:
        with _bar(console, fit) if _can_redraw(console) else _lines(console, fit) as show:
            yield noted(show)
    finally:
        console.print(_result(last), soft_wrap=True, markup=False, highlight=False)


def _nothing(fit: Fit) -> None:
    pass


def _can_redraw(console: Console) -> bool:
    """Whether a bar can move: on a terminal, or in a notebook with ipywidgets, without which Rich warns."""
    if console.is_jupyter:
        return importlib.util.find_spec("ipywidgets") is not None
    return console.is_terminal


@contextmanager
def _bar(console: Console, fit: Fit) -> Iterator[Show]:
    columns = (
        TextColumn("epoch {task.fields[epoch]}"),
        BarColumn(),
        TextColumn("{task.fields[bound]}"),
        TimeRemainingColumn(compact=True),
        TextColumn("left"),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=1.0, epoch=_epoch(fit), bound="compiling")

        def show(fit: Fit) -> None:
            bar.update(task, completed=fit.share_done, epoch=_epoch(fit), bound=_bound(fit))

        yield show


@contextmanager
def _lines(console: Console, fit: Fit) -> Iterator[Show]:
    """A line per evaluation, at most one a second."""
    shown, shown_at = len(fit.state.progress.history), -LINE_SECONDS

    def show(fit: Fit) -> None:
        nonlocal shown, shown_at
        n_records, now = len(fit.state.progress.history), time.monotonic()
        if n_records > shown and now - shown_at > LINE_SECONDS:
            shown, shown_at = n_records, now
            line = f"epoch {fit.state.progress.epoch}/{fit.plan.epochs}  {_bound(fit)}"
            console.print(line, soft_wrap=True, markup=False, highlight=False)

    yield show


def _epoch(fit: Fit) -> str:
    """The epoch that is being taken, and how many there are to be."""
    done, budget = fit.state.progress.epoch, fit.plan.epochs
    return str(done + 1) if budget is None else f"{min(done + 1, budget)}/{budget}"


def _bound(fit: Fit) -> str:
    """The bound on training rows since the last evaluation, or just after one, that evaluation's."""
    at = fit.state.progress
    if at.sum_rows:
        return f"bound {at.sums['bound'] / at.sum_rows:.2f}"
    if not at.history:
        return ""
    validation = at.history[-1].get("validation_bound")
    return f"bound {at.history[-1]['train_bound']:.2f}" + (
        "" if validation is None else f", validation {validation:.2f}"
    )


def _result(fit: Fit) -> str:
    """What came out, in a line."""
    at = fit.state.progress
    record = at.chosen or {}
    values = [
        f"{record[key]:.2f} on {split} rows"
        for split in ("train", "validation")
        if (key := f"{split}_bound") in record
    ]
    status = "interrupted" if at.status == "running" else at.status
    reached = f": {fit.model.bound} {', '.join(values)}, nats per row" if values else ""
    chosen = f" (the model is that of epoch {record['epoch']})" if at.chooses_best else ""
    return f"{status} after {at.seconds:.1f} s and {at.epoch} epoch{'s' * (at.epoch != 1)}{reached}{chosen}"
