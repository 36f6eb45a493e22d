"""`aevb sample`, `encode`, `decode` and `reconstruct`: rows out of a trained model."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aevb.cli.options import DataArgument, DataDirOption, OutOption, RunArgument

if TYPE_CHECKING:
    import numpy as np

    from aevb.trained import TrainedModel

PNG_IMAGES = 100


def sample(
    run: RunArgument,
    out: OutOption,
    n: Annotated[int, typer.Option("-n", min=1, help="How many draws.")] = 100,
    means: Annotated[bool, typer.Option("--means", help="Means of p(x|z) instead of draws from it.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Another seed gives other draws.")] = 0,
) -> None:
    """Draw new rows from the model."""
    from aevb.cli.session import load_run

    model = load_run(run)
    _check(out, model)
    rows = model.sample(n, seed, means=means)
    _write(out, model, rows, "Means of p(x|z), z ~ p(z)" if means else "Samples")


def encode(run: RunArgument, data: DataArgument, out: OutOption, data_dir: DataDirOption = None) -> None:
    """Write the codes of rows: the means of q(z|x)."""
    from aevb.cli.output import check_ending, write_rows
    from aevb.cli.session import load_run

    model = load_run(run)
    check_ending(out, None, images=False)
    x, y = _load(model, data, data_dir)
    names = tuple(f"z{j + 1}" for j in range(model.recipe.latents))
    write_rows(out, model.encode(x), names, label=y)
    typer.echo(f"{len(x):,} codes in {out}")


def decode(
    run: RunArgument,
    codes: Annotated[Path, typer.Argument(help="A .npy, .npz or .csv file of codes.", show_default=False)],
    out: OutOption,
) -> None:
    """Turn codes into rows: the means of p(x|z)."""
    from aevb.cli.session import load_run
    from aevb.datasets import load_rows

    model = load_run(run)
    _check(out, model)
    z, _ = load_rows(codes, n_features=model.recipe.latents)
    _write(out, model, model.decode(z), "Decoded codes")


def reconstruct(run: RunArgument, data: DataArgument, out: OutOption, data_dir: DataDirOption = None) -> None:
    """Write the reconstructions of rows: the means of p(x|z) at their codes."""
    from aevb.cli.session import load_run
    from aevb.report import reconstructions, save_figure

    model = load_run(run)
    _check(out, model)
    x, _ = _load(model, data, data_dir)
    if out.suffix == ".png" and model.image_shape is not None:
        shown = x[:20]
        figure = reconstructions(model.given(shown), model.reconstruct(shown), model.image_shape)
        save_figure(figure, out)
        typer.echo(f"{len(shown)} of {len(x):,} rows and their reconstructions in {out}")
    else:
        _write(out, model, model.reconstruct(x), "Reconstructions")


def _check(out: Path, model: "TrainedModel") -> None:
    from aevb.cli.output import check_ending

    check_ending(out, model.image_shape, images=True)


def _load(model: "TrainedModel", data: str, data_dir: Path | None) -> tuple["np.ndarray", "np.ndarray | None"]:
    from aevb.datasets import load_rows

    return load_rows(
        data,
        n_features=model.n_features,
        feature_names=model.feature_names,
        label=model.recipe.label,
        drop=model.recipe.drop,
        data_dir=data_dir,
    )


def _write(out: Path, model: "TrainedModel", rows: "np.ndarray", title: str) -> None:
    from aevb.cli.output import write_rows
    from aevb.report import image_grid, save_figure

    if out.suffix == ".png" and model.image_shape is not None:
        save_figure(image_grid(rows[:PNG_IMAGES], model.image_shape, title), out)
        typer.echo(f"{min(len(rows), PNG_IMAGES)} of {len(rows):,} rows in {out}")
    else:
        write_rows(out, rows, model.feature_names)
        typer.echo(f"{len(rows):,} rows in {out}")
