"""Options that several commands share, and the options of `aevb train`, read off the recipe."""

import inspect
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import typer

from aevb.recipe import Recipe
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
LabelOption = Annotated[
    str | None,
    typer.Option(
        "--label",
        help=help_text("CSV column with labels, which is no data.", "as in training"),
        show_default=False,
    ),
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


def recipe_parameters() -> list[inspect.Parameter]:
    """A keyword parameter for every setting of a recipe but `data`, None where the user does not give it."""
    return [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_annotation(name))
        for name in Recipe.model_fields
        if name != "data"
    ]


def _annotation(name: str) -> Any:
    field = Recipe.model_fields[name]
    default = field.get_default()
    shown = ",".join(map(str, default)) if isinstance(default, tuple) else default
    kind = _plain_type(field.annotation)
    description = field.description or ""
    if choices := get_args(kind):
        description = f"{', '.join(choices[:-1])} or {choices[-1]}. {description}"
    option = typer.Option(
        f"--{name.replace('_', '-')}",
        help=help_text(description, "" if shown in (None, "") else str(shown)),
        metavar="<name>" if choices else None,
        show_default=False,
        rich_help_panel="Recipe",
    )
    return Annotated[kind | None, option]


def _plain_type(annotation: Any) -> Any:
    """What the command line parses: a choice, a number, or text that the recipe itself takes apart."""
    if get_origin(annotation) is Literal or annotation in (int, float):
        return annotation
    numbers = [kind for kind in get_args(annotation) if kind in (int, float)]
    return numbers[0] if numbers else str
