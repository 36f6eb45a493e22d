"""`aevb lab`: experiments that measure what the library's parts do."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aevb.cli.options import PATH, DataDirOption, help_text
from aevb.cli.terminal import say, wrong

if TYPE_CHECKING:
    from aevb.experiments.gradients import Problem

MIN_DRAWS = 1000  # with fewer the means of some estimators' draws are not nearly normal
# A gradient of mnist takes about as long as so many of the other problems.
MNIST_SHARE, MIN_MNIST_DRAWS = 1000, 20
NAMES = ("toy", "linear-gaussian", "discrete", "mnist")

lab = typer.Typer(help="Experiments that measure what the library's parts do.", no_args_is_help=True)


@lab.callback()
def _experiments() -> None:
    pass


@lab.command()
def gradients(
    problem: Annotated[
        list[str] | None,
        typer.Option(
            "--problem",
            "-p",
            help=help_text(f"{', '.join(NAMES[:-1])} or {NAMES[-1]}; may be repeated.", "all"),
            metavar="<name>",
            show_default=False,
        ),
    ] = None,
    draws: Annotated[
        int | None,
        typer.Option(
            help=help_text(
                f"Gradients of each estimator, at least {MIN_DRAWS:,}; of mnist a thousandth of it.",
                "100,000",
            ),
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="A folder for gradients.json, with all numbers, and gradients.png.", **PATH),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    data_dir: DataDirOption = None,
    seed: Annotated[
        int, typer.Option(min=0, max=2**32 - 1, help=help_text("Of all randomness.", "0"), show_default=False)
    ] = 0,
) -> None:
    """Bias, variance and cost of every gradient estimator, on problems with known answers and on MNIST."""
    chosen = _chosen(problem)
    if draws is not None and draws < MIN_DRAWS:
        raise wrong(f"{draws} gradients are too few to tell a bias: at least {MIN_DRAWS:,}", "--draws")
    if out is not None and out.exists() and not out.is_dir():
        raise wrong(f"{out} is a file: name a folder", "--out")
    from aevb.cli.common import cache_compilations
    from aevb.cli.lab_tables import show
    from aevb.cli.terminal import Terminal
    from aevb.experiments.gradients import as_json as plain

    cache_compilations()
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
    record: dict[str, Any] = {"seed": seed, "unit": "nats per data point", "problems": []}
    for name in chosen:
        result = _run(name, seed, draws, data_dir)
        record["problems"].append(plain(result))
        if not as_json:
            show(Terminal(), result)
        if out is not None:  # after each problem, so that what was measured outlives an interruption
            _write(out, record)
    if out is not None:
        say(f"gradients.json and gradients.png are in {out}", err=True)
    if as_json:
        typer.echo(json.dumps(record, indent=1, allow_nan=False))


def _chosen(names: list[str] | None) -> list[str]:
    """The problems in their order, each once."""
    for name in names or ():
        if name not in NAMES:
            raise wrong(f"no problem {name!r}: name {', '.join(NAMES)}", "--problem")
    return [name for name in NAMES if not names or name in names]


def _run(name: str, seed: int, draws: int | None, data_dir: Path | None) -> "Problem":
    from aevb.experiments.gradients import PROBLEMS

    def tell(line: str) -> None:
        say(f"{name}: {line}", err=True)

    options: dict[str, Any] = {} if draws is None else {"n_draws": draws}
    if name == "mnist":
        options = {"data_dir": data_dir}
        options |= {} if draws is None else {"n_draws": max(MIN_MNIST_DRAWS, draws // MNIST_SHARE)}
    result = PROBLEMS[name](seed, say=tell, **options)
    tell(f"done in {result.seconds:.0f} s")
    return result


def _write(out: Path, record: dict[str, Any]) -> None:
    from aevb.plots import gradient_variances, save_figure
    from aevb.storage import write_file

    write_file(out / "gradients.json", (json.dumps(record, indent=1, allow_nan=False) + "\n").encode())
    save_figure(gradient_variances(record["problems"]), out / "gradients.png")
