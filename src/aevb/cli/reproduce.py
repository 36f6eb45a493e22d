"""`aevb reproduce`: published figures and tables, done again."""

from pathlib import Path
from typing import Annotated

import typer

from aevb.cli.options import PATH, DataDirOption, help_text
from aevb.cli.terminal import say, wrong


def reproduce(
    name: Annotated[
        str | None, typer.Argument(help="What to reproduce; without it, what there is.", show_default=False)
    ] = None,
    budget: Annotated[
        float | None,
        typer.Option(
            help=help_text("Minutes on two cores, about, for all its parts.", "full length"),
            show_default=False,
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help=help_text("The folder.", "runs/NAME"), **PATH)] = None,
    data_dir: DataDirOption = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            help="A part of it, such as mnist-20 of figure-2; may be repeated, and others added later.",
            metavar="<part>",
            show_default=False,
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="A named data set in place of its own, such as digits, to try it out.", show_default=False
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace other results in the folder.")
    ] = False,
    list_names: Annotated[bool, typer.Option("--list", help="List what there is.")] = False,
) -> None:
    """Reproduce a published figure or table: numbers, pictures, and a report that holds them against the paper.

    Ctrl-C stops it; the same command, without --overwrite, goes on from there.
    """
    if name is None and (budget or out or only or data or overwrite):
        raise wrong("say what to reproduce; `aevb reproduce` lists what there is", "NAME")
    if name is None or list_names:
        _list()
        return
    if budget is not None and not budget > 0:
        raise wrong(f"{budget:g} minutes are too few", "--budget")
    _reproduce(name, budget, out or Path("runs") / name, data_dir, tuple(only or ()), data, overwrite)


def _list() -> None:
    """A line for each experiment."""
    from rich.table import Table

    from aevb.cli.terminal import Terminal
    from aevb.experiments.reproduce import EXPERIMENTS, experiment

    table = Table("name", "what it shows", "minutes", box=None, pad_edge=False)
    table.columns[-1].justify = "right"
    table.columns[0].no_wrap = True
    for name in EXPERIMENTS:
        found = experiment(name)
        table.add_row(name, found.title, f"{found.full_minutes:g}")
    console = Terminal()
    console.print(table)
    console.print("\nMinutes are estimates, for full length on two cores.")


def _reproduce(
    name: str,
    budget: float | None,
    out: Path,
    data_dir: Path | None,
    only: tuple[str, ...],
    data: str | None,
    overwrite: bool,
) -> None:
    from aevb.cli.bar import bar
    from aevb.cli.common import cache_compilations
    from aevb.experiments import reproduce as experiments

    if name not in experiments.EXPERIMENTS:
        known = ", ".join(experiments.EXPERIMENTS)
        raise wrong(f"nothing called {name!r}: name one of {known}", "NAME")
    cache_compilations()
    experiment = experiments.experiment(name)
    share = 1.0 if budget is None else min(1.0, budget / experiment.full_minutes)
    size = experiments.Size(share, data)
    request = experiments.Request(experiment, size, out, data_dir, only, overwrite)
    try:
        with bar(name) as show:
            report = experiments.reproduce(request, show, lambda line: say(line, err=True))
    except KeyboardInterrupt:
        if (out / "results.json").exists():
            command = "the same command without --overwrite" if overwrite else "the same command"
            say(f"interrupted, and saved in {out}: {command} goes on from there", err=True)
        raise
    say(_verdicts(report))
    say(f"the report is {report}", err=True)


def _verdicts(report: Path) -> str:
    """Of the report how much was done, the verdicts, one in a line, and what their marks mean."""
    from aevb.experiments.reproduce.written import LEGEND, MARKS

    shown = (*(f"- {mark} " for mark in MARKS.values()), "Done at", LEGEND)
    lines = report.read_text().splitlines()
    return "\n".join(line.removeprefix("- ") for line in lines if line.startswith(shown))
