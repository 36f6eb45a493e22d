"""`aevb train`."""

import inspect
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from aevb.cli.options import PATH, DataDirOption, help_text, recipe_parameters, show_all
from aevb.cli.terminal import say, wrong

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def make_train() -> Callable[..., None]:
    """The command, with an option for every setting of a recipe."""

    def command(**options: Any) -> None:
        train(**options)

    shared = list(inspect.signature(train).parameters.values())[:-1]
    parameters = shared + recipe_parameters()
    command.__signature__ = inspect.Signature(parameters)  # pyright: ignore[reportFunctionMemberAccess]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    command.__name__, command.__doc__ = "train", train.__doc__
    return command


def train(
    data: Annotated[
        str | None,
        typer.Argument(
            help="A named data set (see `aevb datasets`), or a .npy, .npz or .csv file.", show_default=False
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help=help_text("The run's folder.", "runs/DATA"), **PATH)
    ] = None,
    config: Annotated[
        str | None,
        typer.Option(help="A recipe: a TOML file, or a bundled name such as mnist-fast.", show_default=False),
    ] = None,
    data_dir: DataDirOption = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in the folder.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the run in the folder.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
    help_all: Annotated[
        bool,
        typer.Option("--help-all", is_eager=True, callback=show_all, help="Show every option, and exit."),
    ] = False,
    **settings: Any,
) -> None:
    """Train a variational auto-encoder, and leave a folder with the model, its records and pictures.

    Ctrl-C stops after the current steps and saves; --resume goes on from there.
    """
    from aevb.recipe import Recipe, read_settings

    if resume and overwrite:
        raise wrong("--resume and --overwrite exclude each other")
    given = {name: value for name, value in {"data": data, **settings}.items() if value is not None}
    names = {name: f"--{name.replace('_', '-')}" for name in given if name != "data"}
    asked = {**(read_settings(config) if config else {}), **given}
    if "data" not in asked and not (resume and out):
        raise wrong("which data? Name a data set or a file, as in `aevb train mnist`")
    if not resume:
        source = f"the settings (options and {config})" if config else "the settings"
        Recipe.parse(asked, source=source, names=names)  # a wrong setting is told before anything is loaded
    folder = out or Path("runs") / Path(str(asked["data"])).stem
    _train(asked, names, folder, data_dir, resume, overwrite, quiet)


def _train(
    asked: dict[str, Any],
    names: dict[str, str],
    folder: Path,
    data_dir: Path | None,
    resume: bool,
    overwrite: bool,
    quiet: bool,
) -> None:
    from aevb import run as runs
    from aevb.cli import progress
    from aevb.cli.common import cache_compilations
    from aevb.cli.terminal import Terminal

    console = Terminal(quiet=quiet)
    cache_compilations()
    with _stop_on_signal() as received:
        if resume:
            run = runs.resume(asked, folder, data_dir=data_dir, names=names)
        else:
            run = runs.start(asked, folder, overwrite=overwrite, data_dir=data_dir)
        progress.introduce(console, run)
        if run.is_complete:
            progress.write(console, f"the run in {folder} is complete: nothing is left to train")
        with progress.progress(console, run) as show:
            run = runs.execute(run, show, lambda: bool(received))
    if run.state.progress.status == "interrupted":
        say(f"interrupted, and saved: go on with `aevb train --resume --out {folder}`", err=True)
        sys.exit(128 + received[0])
    progress.conclude(console, run)
    _draw(console, run)


def _draw(console: Any, run: Any) -> None:
    """The pictures, once the result is on the screen: they take as long as the training of a small data set."""
    from aevb.cli.terminal import write
    from aevb.report import draw_figures

    folder = run.folder
    try:
        draw_figures(run.trained, run.dataset, list(run.state.progress.history), folder.figures)
    except KeyboardInterrupt:
        say(f"trained and saved, but not all pictures are drawn: `aevb plot {folder.path}`", err=True)
        raise
    write(console, f"figures are in {folder.figures}")


@contextmanager
def _stop_on_signal() -> Iterator[list[int]]:
    """Collect the first Ctrl-C or SIGTERM in the list that this yields; a second one acts as usual.

    A signal that was being ignored, as Ctrl-C is in a shell's background job, stays so.
    """
    received: list[int] = []

    def note(number: int, frame: Any) -> None:
        received.append(number)
        restore()

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    before = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    before = {number: handler for number, handler in before.items() if handler != signal.SIG_IGN}
    for number in before:
        signal.signal(number, note)
    try:
        yield received
    finally:
        restore()
