"""Options that several commands share, and the options of `aevb train`, read off the recipe."""

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import typer

from aevb.recipe import all_settings
from aevb.specs import CHOICES, flat_settings
from aevb.storage import expanded


def help_text(text: str, default: str = "") -> str:
    """A help text that ends in the default, its brackets escaped, as Rich takes them for markup."""
    text += f" [default: {default}]" if default else ""
    return text.replace("[default", r"\[default")


# What every path on the command line goes through; a shell leaves the ~ of --out=~/here as it is.
PATH: dict[str, Any] = {"parser": expanded, "metavar": "<path>", "show_default": False}
RunArgument = Annotated[
    Path, typer.Argument(help="A run's folder, or a model's.", parser=expanded, show_default=False)
]
DataArgument = Annotated[
    str,
    typer.Argument(
        help="A named data set (its test rows), or a .npy, .npz or .csv file.", show_default=False
    ),
]
OutOption = Annotated[
    Path, typer.Option("--out", help="The file to write: .png, .npy, .npz or .csv.", **PATH)
]
TableOption = Annotated[Path, typer.Option("--out", help="The file to write: .npy, .npz or .csv.", **PATH)]
DataDirOption = Annotated[
    Path | None,
    typer.Option("--data-dir", envvar="AEVB_DATA_DIR", help="Where to look for data sets first.", **PATH),
]


DropOption = Annotated[
    str | None,
    typer.Option("--drop", help="CSV columns to leave out, separated by commas.", show_default=False),
]
KeepOption = Annotated[
    str | None,
    typer.Option(
        "--keep",
        help="CSV columns, such as an id, or arrays of an .npz file to write beside the rows, separated by commas.",
        show_default=False,
    ),
]


def listed(names: str | None) -> tuple[str, ...]:
    """The names in an option that takes several, separated by commas."""
    return tuple(part.strip() for part in (names or "").split(",") if part.strip())


# What a command that applies a model lets be said of its file; how the training rows were read holds without.
READING = ("label", "drop", "header", "encoding", "decimal", "array", "missing_values")


def reads_data(command: Callable[..., None]) -> Callable[..., None]:
    """The command with an option for each of `READING`; it is handed those that are given, together, as `reading`."""

    @functools.wraps(command)
    def with_options(**given: Any) -> None:
        options = {name: given.pop(name) for name in READING}
        command(**given, reading={name: value for name, value in options.items() if value is not None})

    own = [p for p in inspect.signature(command).parameters.values() if p.name != "reading"]
    parameters = [*own, *(_parameter(name, "Reading", "as in training") for name in READING)]
    with_options.__signature__ = inspect.Signature(parameters)  # pyright: ignore[reportAttributeAccessIssue]
    with_options.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return with_options


# Settings of `aevb train` that most people use, which its help shows; `--help-all` shows the others, too.
FIRST = ("label", "missing", "latents", "hidden", "likelihood", "posterior", "objective", "epochs")
FIRST += ("learning_rate", "seed")
# Where the others belong. Settings that are not named here belong to training.
PANELS = {
    "Data": ("drop", "test", "validation", *READING, "image_shape", *flat_settings("scale")),
    "Model": (*flat_settings("network"), *flat_settings("posterior"), "prior"),
    "Objective": tuple(flat_settings("objective")),
    "Optimizer": tuple(flat_settings("optimizer")),
}


def recipe_parameters() -> list[inspect.Parameter]:
    """A keyword parameter for every setting of a recipe but `data`, None where the user does not give it."""
    names = [name for name in all_settings() if name != "data"]
    in_order = sorted(names, key=lambda name: FIRST.index(name) if name in FIRST else len(FIRST))
    return [_parameter(name, _panel(name), _default(name), hidden=name not in FIRST) for name in in_order]


def _panel(name: str) -> str | None:
    if name in FIRST:
        return None
    return next((panel for panel, names in PANELS.items() if name in names), "Training")


def show_all(context: Any, wanted: bool) -> bool:
    """Print the help with every option, and exit."""
    if wanted:
        hidden = [option for option in context.command.params if getattr(option, "hidden", False)]
        for option in hidden:
            option.hidden = False  # pyright: ignore[reportAttributeAccessIssue]
        typer.echo(context.get_help())
        for option in hidden:
            option.hidden = True  # pyright: ignore[reportAttributeAccessIssue]
        raise typer.Exit
    return wanted


def _default(name: str) -> str:
    default = all_settings()[name].get_default()
    if default is None:
        return ""
    return ",".join(map(str, default)) if isinstance(default, tuple) else str(default)


def _parameter(name: str, panel: str | None, default: str, *, hidden: bool = False) -> inspect.Parameter:
    annotation = _annotation(name, panel, default, hidden)
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _annotation(name: str, panel: str | None, default: str, hidden: bool) -> Any:
    field = all_settings()[name]
    names = CHOICES[name].names if name in CHOICES else ()
    kind = Literal[names] if names else _plain_type(field.annotation)
    description = field.description or ""
    if choices := get_args(kind):
        description = f"{', '.join(choices[:-1])} or {choices[-1]}. {description}"
    option = typer.Option(
        f"--{name.replace('_', '-')}",
        help=help_text(description, default),
        metavar="<name>" if choices else None,
        show_default=False,
        rich_help_panel=panel,
        hidden=hidden,
    )
    return Annotated[kind | None, option]


def _plain_type(annotation: Any) -> Any:
    """What the command line parses: a choice, a number, or text that the recipe itself takes apart."""
    if get_origin(annotation) is Literal or annotation in (int, float):
        return annotation
    numbers = [kind for kind in get_args(annotation) if kind in (int, float)]
    return numbers[0] if numbers else str
