"""`aevb evaluate`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aevb.cli.options import DataDirOption, DropOption, LabelOption, RunArgument, help_text

if TYPE_CHECKING:
    from aevb.evaluation import Evaluation
    from aevb.trained import TrainedModel


def evaluate(
    run: RunArgument,
    data: Annotated[
        str | None,
        typer.Argument(
            help=help_text("A named data set or a file", "the run's test rows"), show_default=False
        ),
    ] = None,
    method: Annotated[
        str,
        typer.Option(
            help=help_text(
                "Ways of estimating log p(x), separated by commas: importance, annealed, hmc-density, quadrature.",
                "importance",
            ),
            metavar="<names>",
            show_default=False,
        ),
    ] = "importance",
    samples: Annotated[
        int,
        typer.Option(
            "--samples",
            "--importance-samples",
            min=1,
            help=help_text("Draws of z per row for importance sampling, K.", "200"),
            show_default=False,
        ),
    ] = 200,
    rows: Annotated[
        int | None,
        typer.Option(min=1, help="Evaluate so many random rows of the data only.", show_default=False),
    ] = None,
    slow_rows: Annotated[
        int,
        typer.Option(
            min=1,
            help=help_text("Rows for the methods that are too slow for all, drawn at random.", "100"),
            show_default=False,
        ),
    ] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    drop: DropOption = None,
    label: LabelOption = None,
    data_dir: DataDirOption = None,
    seed: Annotated[
        int,
        typer.Option(min=0, max=2**32 - 1, help=help_text("Of all randomness.", "0"), show_default=False),
    ] = 0,
) -> None:
    """How good a model is on data: bound, log p(x), latents, reconstructions; what is wrong, and what to try.

    A run's folder gets evaluation.json and figures.
    """
    from aevb.cli.common import load_run
    from aevb.cli.evaluation_tables import show_evaluation
    from aevb.cli.stages import stages
    from aevb.evaluation import evaluate as evaluate_model
    from aevb.evaluation import make_method, random_rows
    from aevb.run import RunFolder

    methods = [name.strip() for name in method.split(",") if name.strip()]
    for name in methods:
        make_method(name, samples)  # a wrong one is told before anything is loaded
    model, folder = load_run(run), RunFolder(run)
    x, x_train, which = _rows(folder, model, data, data_dir, drop, label)
    if rows is not None and rows < len(x):
        x, which = x[random_rows(len(x), rows, seed)], f"{which}, {rows:,} of {len(x):,} at random"
    about = {"methods": methods, "n_samples": samples, "slow_rows": slow_rows, "seed": seed}
    with stages() as show:
        evaluation = evaluate_model(model, x, x_train=x_train, show=show, **about)
    results = {"data": which, "importance_samples": samples, "seed": seed, **evaluation.to_json()}
    written = _write(folder, evaluation, results, which) if folder.holds_run else []
    typer.echo(json.dumps(results, indent=1)) if as_json else show_evaluation(evaluation, which, written)


def _rows(
    folder: Any,
    model: "TrainedModel",
    data: str | None,
    data_dir: Path | None,
    drop: str | None,
    label: str | None,
) -> tuple[Any, Any, str]:
    """The rows, the training rows to compare with if there are any, and what the rows are."""
    from aevb.cli.common import rows_for
    from aevb.errors import AevbError
    from aevb.run import load_dataset

    if data is None and not folder.holds_run:
        raise typer.BadParameter(
            f"{folder.path} is a model without its run, which knows no test rows: name the data"
        )
    if data is not None:
        x, _ = rows_for(model, data, data_dir, drop=drop, label=label)
        try:
            x_train = load_dataset(model.recipe, data_dir).x_train if folder.holds_run else None
        except (AevbError, OSError) as error:
            typer.echo(f"without the training rows to compare with: {error}", err=True)
            x_train = None
        return x, x_train, data
    dataset = load_dataset(model.recipe, data_dir)
    if dataset.x_test is None or not len(dataset.x_test):
        return dataset.x_train, None, f"{model.recipe.data}, training rows"
    return dataset.x_test, dataset.x_train, f"{model.recipe.data}, test rows"


def _write(folder: Any, evaluation: "Evaluation", results: dict[str, Any], which: str) -> list[Path]:
    """`evaluation.json` and the figures; what was written."""
    from aevb.figures.evaluation import draw_evaluation
    from aevb.storage import write_file

    try:
        write_file(folder.evaluation, (json.dumps(results, indent=1) + "\n").encode())
        return [folder.evaluation, *draw_evaluation(evaluation, which, folder.figures)]
    except OSError as error:  # someone else's run can be read and not written
        typer.echo(f"not everything could be written: {error}", err=True)
        return []
