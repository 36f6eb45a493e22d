"""`aevb score`."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aevb.cli.options import (
    PATH,
    DataArgument,
    DataDirOption,
    KeepOption,
    RunArgument,
    help_text,
    reads_data,
)

if TYPE_CHECKING:
    from aevb.evaluation import Scores
    from aevb.trained import TrainedModel

# Of fewer held-out rows percentiles would be in steps of more than one.
LEAST_HELD_OUT = 100
FLATTERS = (
    "Rows that the model was trained on score higher than others like them: new rows look odder than they are"
)


@reads_data
def score(
    run: RunArgument,
    data: DataArgument,
    out: Annotated[Path, typer.Option("--out", help="The file to write: .npy, .npz or .csv.", **PATH)],
    method: Annotated[
        str,
        typer.Option(
            help=help_text(
                "How log p(x) is estimated: importance, annealed, hmc-density, quadrature or iwae.",
                "importance",
            ),
            metavar="<name>",
            show_default=False,
        ),
    ] = "importance",
    samples: Annotated[
        int,
        typer.Option(
            min=1, help=help_text("Draws of z per row, K of importance sampling.", "200"), show_default=False
        ),
    ] = 200,
    reference: Annotated[
        str,
        typer.Option(
            help=help_text(
                "The rows to rank among: held-out (the run's test and validation rows), training, none, or data.",
                f"held-out if they are {LEAST_HELD_OUT} at least, else training",
            ),
            metavar="<name or data>",
            show_default=False,
        ),
    ] = "",
    reference_rows: Annotated[
        int,
        typer.Option(
            min=1,
            help=help_text("So many of them at the most, drawn at random.", "2000"),
            show_default=False,
        ),
    ] = 2000,
    keep: KeepOption = None,
    data_dir: DataDirOption = None,
    seed: Annotated[
        int,
        typer.Option(min=0, max=2**32 - 1, help=help_text("Of all randomness.", "0"), show_default=False),
    ] = 0,
    *,
    reading: dict[str, str],
) -> None:
    """How odd rows are: log p(x) of each with its error, and its percentile among rows that were held out.

    The columns are log_p, monte_carlo_error, reliable (1 or 0) and percentile: the share of the reference, in per cent,
    that has a lower log p(x). Low ones are odd.
    """
    from aevb.cli.common import load_run, rows_for
    from aevb.cli.output import check_out, write_table
    from aevb.cli.stages import stages
    from aevb.evaluation import make_method, score_rows

    check_out(out, picture=False, source=data, keep=keep)
    chosen = make_method(method, samples)  # a wrong one is told before anything is loaded
    model = load_run(run)
    given = rows_for(model, data, data_dir, keep=keep, reading=reading)
    x = given.x
    ranked = _reference(run, model, reference, data_dir)
    with stages() as show:
        scores = score_rows(model, x, chosen, ranked.rows, reference_rows, seed, show)
    columns = scores.columns(is_normalized=model.is_normalized)
    write_table(out, scores.table(), tuple(columns), given.keys, None, **columns)
    for line in [f"{len(x):,} scores in {out}", *_said(scores, model, x), *_ranks(scores, ranked)]:
        typer.echo(line)
    if known := _known(run, model, x, data_dir):
        typer.echo(known)


@dataclass(frozen=True)
class _Reference:
    """The rows to rank among and what they are; or None, and why there are none."""

    rows: Any
    name: str
    note: str = ""


def _reference(run: Path, model: "TrainedModel", wanted: str, data_dir: Path | None) -> _Reference:
    """What `--reference` asks for."""
    from aevb.cli.common import rows_for
    from aevb.cli.run_rows import find_rows
    from aevb.errors import AevbError, InvalidDataError
    from aevb.run import RunFolder

    if wanted == "none":
        return _Reference(None, "none were asked for")
    if wanted not in ("", "held-out", "training"):
        return _Reference(rows_for(model, wanted, data_dir).x, f"rows of {wanted}")
    if not RunFolder(run).holds_run:
        return _Reference(
            None, f"{run} is a model without its run, which knows no rows; --reference DATA names some"
        )
    try:
        found = find_rows(RunFolder(run), model.recipe, data_dir)
    except (AevbError, OSError) as error:
        return _Reference(None, f"the run's rows cannot be had: {error}")
    n = len(found.held_out)
    if wanted == "held-out" and not n:
        raise InvalidDataError(
            "this run held no rows out, or none of them are in its data any more: --reference training, or data"
        )
    if wanted == "held-out" or (not wanted and n >= LEAST_HELD_OUT):
        return _Reference(found.held_out, "rows that the run held out", found.change)
    if not len(found.train):
        return _Reference(None, f"none of the run's rows are in {model.recipe.data} any more")
    few = (
        f"; --reference held-out takes the {n} that were held out"
        if n
        else "; train with --test or --validation"
    )
    return _Reference(found.train, "training rows", f"{FLATTERS}{few}.")


def _known(run: Path, model: "TrainedModel", x: Any, data_dir: Path | None) -> str:
    """How many of the scored rows the run had; empty where it had none, or that cannot be told."""
    from aevb.cli.run_rows import run_digests, told_apart
    from aevb.datasets import row_digests
    from aevb.errors import AevbError
    from aevb.run import RunFolder

    if not RunFolder(run).holds_run:
        return ""
    try:
        known = run_digests(RunFolder(run), model.recipe, data_dir)
    except (AevbError, OSError):
        return ""
    return "" if known.splits(row_digests(x))["new"].all() else told_apart(known, x)


def _said(scores: "Scores", model: "TrainedModel", x: Any) -> list[str]:
    """What a reader of the scores must know."""
    import numpy as np

    from aevb.batch import has_missing
    from aevb.cli.densities import POSITIVE, repeated_note

    lines = []
    if not model.is_normalized:
        lines.append(
            "Grey pixels under a Bernoulli likelihood: the score is an importance-weighted cross-entropy, not log p(x)."
        )
    if has_missing(x):
        lines.append(
            "Some values are missing: a score is that of a row's observed values, and rows with fewer of them are not "
            "to be compared with rows with more."
        )
    is_density = model.likelihood.is_density
    about = {"is_density": is_density, "image_shape": model.image_shape}
    if note := repeated_note(x, model.feature_names, **about):
        lines.append(note)
    if float(np.mean(scores.estimate.log_p)) > 0:
        lines.append(POSITIVE)
    unreliable, look = int((~scores.estimate.reliable).sum()), scores.second_look
    if unreliable and look is None:
        lines.append(f"Diagnostics fail in {unreliable:,} rows: their errors may be larger than stated.")
    elif look is not None and look.matters:
        lines.append(
            f"Diagnostics fail in {unreliable:,} rows, and {look.n_moved} of {look.n_rows} of them at random have "
            f"another score once their posteriors are refined: {look.rise:+.2f} nats on average. Compare "
            "--method annealed."
        )
    return lines


def _ranks(scores: "Scores", ranked: _Reference) -> list[str]:
    """What the percentiles are among."""
    if scores.percentile is None:
        return [f"No percentiles: {ranked.name}."]
    lowest, n = int((scores.percentile < 1).sum()), len(scores.percentile)
    about = f"Percentiles are among {scores.n_reference:,} {ranked.name}; {lowest:,} of {n:,} rows are below the first."
    return [about, *([ranked.note] if ranked.note else [])]
