"""`aevb score`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aevb.cli.options import (
    PATH,
    DataArgument,
    DataDirOption,
    DropOption,
    KeepOption,
    LabelOption,
    RunArgument,
    help_text,
    listed,
)

if TYPE_CHECKING:
    from aevb.trained import TrainedModel


def score(
    run: RunArgument,
    data: DataArgument,
    out: Annotated[Path, typer.Option("--out", help="The file to write: .npy, .npz or .csv.", **PATH)],
    samples: Annotated[
        int,
        typer.Option(
            min=1, help=help_text("Draws of z per row, K of importance sampling.", "200"), show_default=False
        ),
    ] = 200,
    training_rows: Annotated[
        int,
        typer.Option(
            min=0,
            help=help_text("Random training rows to rank against; 0 for no percentile.", "2000"),
            show_default=False,
        ),
    ] = 2000,
    drop: DropOption = None,
    label: LabelOption = None,
    keep: KeepOption = None,
    data_dir: DataDirOption = None,
    seed: Annotated[
        int,
        typer.Option(min=0, max=2**32 - 1, help=help_text("Of all randomness.", "0"), show_default=False),
    ] = 0,
) -> None:
    """How odd rows are: log p(x) of each with its error, and its percentile among training rows.

    The columns are log_p, monte_carlo_error, reliable (1 or 0) and percentile: the share of training rows, in per cent,
    that have a lower log p(x). Low ones are odd.
    """
    from aevb.batch import has_missing
    from aevb.cli.common import load_run, rows_for
    from aevb.cli.output import check_out, write_table
    from aevb.cli.stages import stages
    from aevb.datasets import read_keys
    from aevb.evaluation import score_rows
    from aevb.inference import Importance

    check_out(out, picture=False, source=data, keep=keep)
    model = load_run(run)
    x, _ = rows_for(model, data, data_dir, drop=drop, label=label, keep=keep)
    keys = read_keys(data, listed(keep), len(x), **model.recipe.reading)
    x_train, reason = _training_rows(run, model, training_rows, data_dir)
    with stages() as show:
        scores = score_rows(model, x, Importance(samples), x_train, training_rows, seed, show)
    columns = scores.columns(is_normalized=model.is_normalized)
    write_table(out, scores.table(), tuple(columns), keys, None, **columns)
    for line in _said(scores, model, out, reason, gaps=has_missing(x)):
        typer.echo(line)


def _training_rows(run: Path, model: "TrainedModel", wanted: int, data_dir: Path | None) -> tuple[Any, str]:
    """The rows to rank against; or None, and why there are none."""
    from aevb.errors import AevbError
    from aevb.run import RunFolder, load_dataset

    if not wanted:
        return None, "none were asked for"
    if not RunFolder(run).holds_run:
        return None, f"{run} is a model without its run, which knows no training rows"
    try:
        return load_dataset(model.recipe, data_dir).x_train, ""
    except (AevbError, OSError) as error:
        return None, f"the training rows cannot be read: {error}"


def _said(scores: Any, model: "TrainedModel", out: Path, reason: str, *, gaps: bool) -> list[str]:
    n = len(scores.estimate.log_p)
    lines = [f"{n:,} scores in {out}"]
    if not model.is_normalized:
        lines.append(
            "Grey pixels under a Bernoulli likelihood: the score is an importance-weighted cross-entropy, not log p(x)."
        )
    if gaps:
        lines.append(
            "Some values are missing: a score is that of a row's observed values, and rows with fewer of them are not "
            "to be compared with rows with more."
        )
    unreliable = int((~scores.estimate.reliable).sum())
    if unreliable:
        lines.append(
            f"Rows with unreliable importance weights: {unreliable:,}; their scores lie too low. Raise --samples."
        )
    if scores.percentile is None:
        return [*lines, f"No percentiles: {reason}."]
    lowest = int((scores.percentile < 1).sum())
    about = f"Percentiles are among {scores.n_training:,} training rows; {lowest:,} of {n:,} rows are below the first."
    return [*lines, about]
