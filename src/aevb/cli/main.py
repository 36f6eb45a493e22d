"""The `aevb` command and its subcommands; heavy imports wait until a subcommand runs."""

import errno
import os
import signal
import sys

import typer

from aevb import __version__
from aevb.cli.apply import decode, encode, reconstruct, sample
from aevb.cli.complete import complete
from aevb.cli.datasets import datasets
from aevb.cli.evaluate import evaluate
from aevb.cli.families import families
from aevb.cli.impute import impute
from aevb.cli.lab import lab
from aevb.cli.likelihoods import likelihoods
from aevb.cli.plot import plot
from aevb.cli.reproduce import reproduce
from aevb.cli.score import score
from aevb.cli.terminal import plain_output
from aevb.cli.train import make_train
from aevb.errors import AevbError, as_options, printable

# What to do about an error of the operating system.
ADVICE = {
    **dict.fromkeys(
        (errno.ENOSPC, errno.EDQUOT, errno.EFBIG), "Free some space; a run goes on with --resume."
    ),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), "Name a place where you may read and write."),
    errno.ENOENT: "Check the path.",
    errno.ENOTDIR: "A part of the path is a file: check it.",
}

# Errors that users meet; of any other the traceback is shown where this variable of the environment is set.
EXPECTED = (AevbError, OSError, MemoryError)
TRACEBACK = "AEVB_TRACEBACK"

app = typer.Typer(
    name="aevb",
    help="Auto-Encoding Variational Bayes: train, evaluate and use variational auto-encoders.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(make_train())
for command in (
    evaluate,
    score,
    sample,
    encode,
    decode,
    reconstruct,
    impute,
    complete,
    plot,
    datasets,
    families,
    likelihoods,
    reproduce,
):
    app.command()(command)
app.add_typer(lab, name="lab")


def _print_version(wanted: bool) -> bool:
    if wanted:
        typer.echo(f"aevb {__version__}")
        raise typer.Exit
    return wanted


@app.callback()
def _options(
    version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Print the version."
    ),
) -> None:
    pass


def main() -> None:
    """Run the command line: exit code 0, 1 for an error of ours, 2 for wrong usage, 128 + n for signal n."""
    # Messages of the XLA runtime about the machine are not for the person who typed a command.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with plain_output():
        try:
            app(prog_name="aevb")
        except KeyboardInterrupt:
            sys.exit(128 + signal.SIGINT)
        except Exception as error:
            if TRACEBACK in os.environ and not isinstance(error, EXPECTED):
                raise
            typer.echo(f"error: {describe(error)}", err=True)
            sys.exit(1)


def describe(error: Exception) -> str:
    """What went wrong and what to do, on one line or a few, whatever the error is and whatever names it holds."""
    return as_options(printable(_in_words(error)))


def _in_words(error: Exception) -> str:
    if isinstance(error, AevbError):
        return str(error)
    if isinstance(error, MemoryError):
        return f"not enough memory ({error}): give fewer rows, or train with a smaller `batch_size=` or `hidden=`"
    if isinstance(error, OSError):
        return _of_the_system(error)
    kind = type(error).__name__
    return f"{kind}: {error}. This is a fault of aevb: please report it, with what {TRACEBACK}=1 shows."


def _of_the_system(error: OSError) -> str:
    """With the file that it is about."""
    if not error.strerror:
        return str(error)
    about = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return f"{about}. {ADVICE[error.errno]}" if error.errno in ADVICE else about
