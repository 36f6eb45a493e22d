"""`aevb sample`, `encode`, `decode` and `reconstruct`: rows out of a trained model."""

from pathlib import Path
from typing import Annotated

import typer

from aevb.cli.options import (
    DataArgument,
    DataDirOption,
    DropOption,
    KeepOption,
    OutOption,
    RunArgument,
    TableOption,
    help_text,
    listed,
    reads_data,
)
from aevb.cli.terminal import say
from aevb.storage import expanded

MOST_RECONSTRUCTIONS = 20
BLACK_OR_WHITE = (
    "The model was trained on grey values under a Bernoulli likelihood, whose draws are 0 or 1: --means gives grey "
    "ones."
)


def sample(
    run: RunArgument,
    out: OutOption,
    n: Annotated[
        int, typer.Option("-n", min=1, help=help_text("How many draws.", "100"), show_default=False)
    ] = 100,
    means: Annotated[bool, typer.Option("--means", help="Means of p(x|z) instead of draws from it.")] = False,
    seed: Annotated[
        int,
        typer.Option(
            min=0, max=2**32 - 1, help=help_text("Another seed gives other draws.", "0"), show_default=False
        ),
    ] = 0,
) -> None:
    """Draw new rows from the model."""
    from aevb.cli.common import load_run
    from aevb.cli.output import check_out, check_picture, write_model_rows

    check_out(out)
    model = load_run(run)
    check_picture(out, model)
    grey = not means and not model.is_normalized
    title = "Means of p(x|z), z ~ p(z)" if means else f"Samples{', each pixel 0 or 1' * grey}"
    say(write_model_rows(out, model, model.sample(n, seed, means=means), title))
    if grey:
        say(BLACK_OR_WHITE)


@reads_data
def encode(
    run: RunArgument,
    data: DataArgument,
    out: TableOption,
    keep: KeepOption = None,
    data_dir: DataDirOption = None,
    *,
    reading: dict[str, str],
) -> None:
    """Write the codes of rows: the means of q(z|x)."""
    from aevb.cli.common import load_run, rows_for
    from aevb.cli.output import check_out, write_table

    check_out(out, picture=False, source=data, keep=keep)
    model = load_run(run)
    given = rows_for(model, data, data_dir, keep=keep, reading=reading)
    names = list(model.space.names)
    write_table(out, model.encode(given.x), names, given.keys, label=given.y)
    say(f"{len(given.x):,} codes in {out}")


def decode(
    run: RunArgument,
    codes: Annotated[
        Path, typer.Argument(help="A .npy, .npz or .csv file of codes.", parser=expanded, show_default=False)
    ],
    out: OutOption,
    drop: DropOption = None,
    keep: KeepOption = None,
) -> None:
    """Turn codes into rows: the means of p(x|z)."""
    from aevb.cli.common import load_run
    from aevb.cli.output import check_out, check_picture, write_model_rows
    from aevb.datasets import load_rows, read_keys

    check_out(out, source=str(codes), keep=keep)
    model = load_run(run)
    check_picture(out, model)
    z = load_rows(codes, n_features=model.code_width, drop=[*listed(drop), *listed(keep)]).x
    keys = read_keys(codes, listed(keep), len(z))
    numbers = [str(row) for row in range(len(z))]
    title = f"Decoded codes, by their row in {codes.name} from 0"
    say(write_model_rows(out, model, model.decode(z), title, keys, numbers))


@reads_data
def reconstruct(
    run: RunArgument,
    data: DataArgument,
    out: OutOption,
    keep: KeepOption = None,
    data_dir: DataDirOption = None,
    *,
    reading: dict[str, str],
) -> None:
    """Write the reconstructions of rows: the means of p(x|z) at their codes."""
    from aevb.cli.common import load_run, rows_for
    from aevb.cli.output import check_out, check_picture, is_picture, write_model_rows
    from aevb.plots import reconstructions, save_figure

    check_out(out, source=data, keep=keep)
    model = load_run(run)
    check_picture(out, model)
    given = rows_for(model, data, data_dir, keep=keep, reading=reading)
    x = given.x
    if not is_picture(out) or model.image_shape is None:
        say(write_model_rows(out, model, model.reconstruct(x), "Reconstructions", given.keys))
        return
    shown = x[:MOST_RECONSTRUCTIONS]
    means, shape = model.reconstruct(shown), model.image_shape
    save_figure(reconstructions(model.given(shown), means, shape, value_range=model.pixel_range), out)
    say(f"{len(shown)} of {len(x):,} rows, each with its reconstruction, in {out}")
