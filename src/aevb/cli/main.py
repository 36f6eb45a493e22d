"""The `aevb` command and its subcommands; heavy imports wait until a subcommand runs."""

import os
import sys

import typer

from aevb import __version__
from aevb.cli.apply import decode, encode, reconstruct, sample
from aevb.cli.datasets import datasets
from aevb.cli.evaluate import evaluate
from aevb.cli.plot import plot
from aevb.cli.train import make_train
from aevb.errors import AevbError

app = typer.Typer(
    name="aevb",
    help="Auto-Encoding Variational Bayes: train, evaluate and use variational auto-encoders.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(make_train())
for command in (evaluate, sample, encode, decode, reconstruct, plot, datasets):
    app.command()(command)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"aevb {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(False, "--version", callback=_print_version, is_eager=True, help="Print the version."),
) -> None:
    pass


def main() -> None:
    """Run the command line: exit code 0, 1 for an error of ours, 2 for wrong usage."""
    # Messages of the XLA runtime about the machine are not for the person who typed a command.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        app()
    except (AevbError, OSError) as error:
        typer.echo(f"error: {_describe(error)}", err=True)
        sys.exit(1)


def _describe(error: Exception) -> str:
    """The message; for an error of the operating system with the file that it is about."""
    if isinstance(error, OSError) and not isinstance(error, AevbError) and error.strerror:
        return f"{error.filename or 'writing'}: {error.strerror}"
    return str(error)
