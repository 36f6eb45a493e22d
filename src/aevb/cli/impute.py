"""`aevb impute`: the missing values of rows."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aevb.cli.filling import (
    ASSUMED,
    Method,
    MethodOption,
    SamplesOption,
    SeedOption,
    make_method,
    warnings_about,
)
from aevb.cli.options import (
    DataDirOption,
    KeepOption,
    RunArgument,
    TableOption,
    help_text,
    reads_data,
)
from aevb.cli.terminal import say

if TYPE_CHECKING:
    from aevb.datasets import Keys
    from aevb.inference import Imputation
    from aevb.trained import TrainedModel


@reads_data
def impute(
    run: RunArgument,
    data: Annotated[
        str,
        typer.Argument(
            help="A .npy, .npz or .csv file; NaN and empty cells are the missing values.", show_default=False
        ),
    ],
    out: TableOption,
    draws: Annotated[
        int,
        typer.Option(
            "--draws", min=0, help=help_text("Multiple imputations to draw.", "0"), show_default=False
        ),
    ] = 0,
    method: MethodOption = "importance",
    samples: SamplesOption = None,
    seed: SeedOption = 0,
    keep: KeepOption = None,
    data_dir: DataDirOption = None,
    *,
    reading: dict[str, str],
) -> None:
    r"""Fill in missing values: with their mean given the row's other values, and by draws.

    A .npz file holds the completed rows x, the standard deviations sd of what was filled in, the Monte Carlo errors
    mean_error and sd_error of both, the draws if any were wanted, and whether each row is reliable: with importance
    samples, whether both errors are at most 10% of the standard deviation. Beside a .csv or .npy file F go F-sd, and
    F-draw1, F-draw2 and so on, each a complete table. Values that were observed come back as they were. Columns
    of --keep come first, labels last.
    """
    from aevb.cli.bar import bar
    from aevb.cli.common import load_run, rows_for
    from aevb.cli.output import check_out

    check_out(out, picture=False, source=data, keep=keep)
    chosen = make_method(method, samples)
    model = load_run(run)
    given = rows_for(model, data, data_dir, allow_missing=True, keep=keep, reading=reading)
    x, keys = given.x, given.keys
    labels = {} if given.y is None else {given.label: given.y}
    with bar("imputing") as show:
        found = model.impute(x, chosen, draws, seed, show=show)
    _write(out, model, found, keys, labels)
    for line in _said(x, found, model, out, draws, method):
        say(line)


def beside(path: Path, what: str) -> Path:
    """The name of a file that goes beside another: `rows.csv`, `rows-sd.csv`."""
    return path.with_name(f"{path.stem}-{what}{path.suffix}")


def _write(out: Path, model: "TrainedModel", found: "Imputation", keys: "Keys", labels: "Keys") -> None:
    from aevb.cli.output import write_table

    names = model.feature_names
    if out.suffix.lower() == ".npz":
        errors = {"mean_error": found.monte_carlo_error, "sd_error": found.sd_error}
        about = {"sd": found.sd, **errors, "draws": found.draws, "reliable": found.reliable}
        write_table(out, found.mean, names, keys, labels, **about)
        return
    write_table(out, found.mean, names, keys, labels)
    write_table(beside(out, "sd"), found.sd, names, keys)
    for i, draw in enumerate([] if found.draws is None else found.draws, 1):
        write_table(beside(out, f"draw{i}"), draw, names, keys, labels)


def _said(
    x: Any, found: "Imputation", model: "TrainedModel", out: Path, draws: int, method: Method
) -> list[str]:
    import numpy as np

    missing = np.isnan(x) if x.dtype.kind == "f" else np.zeros(x.shape, bool)
    n, rows = int(missing.sum()), int(missing.any(axis=1).sum())
    if not n:
        return [f"No value is missing in these {len(x):,} rows: {out} holds them as they are."]
    lines = [
        f"{n:,} of {x.size:,} values were missing, in {rows:,} of {len(x):,} rows; {out} holds them filled in."
    ]
    if empty := int(missing.all(axis=1).sum()):
        lines.append(
            f"Rows without any value: {empty:,}. They are filled in with what the model makes of no data."
        )
    if out.suffix.lower() != ".npz":
        drawn = {0: "", 1: f", a draw in {beside(out, 'draw1')}"}.get(
            draws, f", draws in {beside(out, 'draw1')} to {beside(out, f'draw{draws}').name}"
        )
        lines.append(f"Standard deviations are in {beside(out, 'sd')}{drawn}.")
    return [*lines, ASSUMED, *warnings_about(found, model, method)]
