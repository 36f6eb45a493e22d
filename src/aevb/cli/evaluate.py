"""`aevb evaluate`."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aevb.cli.options import DataDirOption, RunArgument, help_text, reads_data

if TYPE_CHECKING:
    from aevb.evaluation import Evaluation
    from aevb.trained import TrainedModel


@reads_data
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
                "How log p(x) is estimated, separated by commas: importance, annealed, hmc-density, quadrature, iwae.",
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
    data_dir: DataDirOption = None,
    seed: Annotated[
        int,
        typer.Option(min=0, max=2**32 - 1, help=help_text("Of all randomness.", "0"), show_default=False),
    ] = 0,
    *,
    reading: dict[str, str],
) -> None:
    """How good a model is on data: bound, log p(x), latents, reconstructions; what is wrong, and what to try.

    A run's folder gets evaluation.json and figures, those of other DATA under its name. Rows that the run was
    trained on are told from others by their values, also where its file has changed.
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
    given = (
        _own_rows(folder, model, data_dir)
        if data is None
        else _other_rows(folder, model, data, data_dir, reading)
    )
    x, which = given.x, given.which
    if rows is not None and rows < len(x):
        x, which = x[random_rows(len(x), rows, seed)], f"{which}, {rows:,} of {len(x):,} at random"
    about = {"methods": methods, "n_samples": samples, "slow_rows": slow_rows, "seed": seed}
    history, chosen = _history(folder)
    with stages() as show:
        evaluation = evaluate_model(
            model, x, x_train=given.x_train, history=history, chosen_step=chosen, show=show, **about
        )
    settings = {"importance_samples": samples, "seed": seed}
    results = {"data": which, "rows_of_the_run": given.notes, **settings, **evaluation.to_json()}
    written = _write(folder, given.folder_name, evaluation, results, which) if folder.holds_run else []
    if as_json:
        typer.echo(_json(results))
    else:
        show_evaluation(evaluation, which, given.notes, written)


@dataclass(frozen=True)
class _Given:
    """The rows to evaluate, the training rows to compare with if there are any, what they are and what is to be said.

    What is found is written under a name of its own for other rows than the run's.
    """

    x: Any
    x_train: Any
    which: str
    notes: list[str]
    folder_name: str = ""


def _own_rows(folder: Any, model: "TrainedModel", data_dir: Path | None) -> _Given:
    """The rows that the run held out; its training rows if it did not hold out any."""
    from aevb.cli.run_rows import NAMED, find_rows

    if not folder.holds_run:
        raise typer.BadParameter(
            f"{folder.path} is a model without its run, which knows no test rows: name the data"
        )
    found = find_rows(folder, model.recipe, data_dir)
    split = found.judged_by()
    x_train = found.train if split != "train" and len(found.train) else None
    notes = [found.change] if found.change else []
    return _Given(found.splits[split], x_train, f"{model.recipe.data}, {NAMED[split]} rows", notes)


def _other_rows(
    folder: Any, model: "TrainedModel", data: str, data_dir: Path | None, reading: dict[str, str]
) -> _Given:
    """Rows that somebody named, and which of them the run had."""
    from aevb.cli.common import rows_for
    from aevb.cli.run_rows import find_rows, run_digests, told_apart
    from aevb.errors import AevbError

    x = rows_for(model, data, data_dir, reading=reading).x
    if not folder.holds_run:
        return _Given(x, None, data, [])
    x_train, notes = None, []
    try:
        notes = [told_apart(run_digests(folder, model.recipe, data_dir), x)]
        x_train = find_rows(folder, model.recipe, data_dir).train
    except (AevbError, OSError) as error:
        typer.echo(f"without the training rows to compare with: {error}", err=True)
    name = re.sub(r"[^\w.-]+", "_", Path(data).stem)
    return _Given(x, x_train if x_train is not None and len(x_train) else None, data, notes, name)


def _history(folder: Any) -> tuple[list[dict[str, Any]], int | None]:
    """The records of the run's evaluations, and the step of the one whose model was kept; none without them."""
    from aevb.errors import AevbError
    from aevb.run import read_records

    try:
        chosen = json.loads(folder.summary.read_bytes()).get("step")
        return read_records(folder), chosen
    except (AevbError, OSError, ValueError, AttributeError) as error:
        if folder.holds_run:
            typer.echo(f"without the records of training: {error}", err=True)
        return [], None


def _json(results: dict[str, Any]) -> str:
    from aevb.errors import as_options

    return json.dumps(
        results | {"findings": [{k: as_options(v) for k, v in f.items()} for f in results["findings"]]},
        indent=1,
    )


def _write(
    folder: Any, name: str, evaluation: "Evaluation", results: dict[str, Any], which: str
) -> list[Path]:
    """`evaluation.json` and the figures, or those of the other rows of this name; what was written."""
    from aevb.report.evaluation import draw_evaluation
    from aevb.storage import write_file

    path = folder.evaluation.with_stem(f"evaluation-{name}") if name else folder.evaluation
    try:
        write_file(path, f"{_json(results)}\n".encode())
        return [path, *draw_evaluation(evaluation, which, folder.figures / name)]
    except OSError as error:  # someone else's run can be read and not written
        typer.echo(f"not everything could be written: {error}", err=True)
        return []
