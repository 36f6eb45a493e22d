"""`aevb complete`: parts of known rows hidden or noisy, and what the model makes of them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aevb.cli.filling import Method, MethodOption, SamplesOption, SeedOption, make_method, warnings_about
from aevb.cli.options import (
    PATH,
    DataArgument,
    DataDirOption,
    RunArgument,
    help_text,
    reads_data,
)
from aevb.cli.terminal import wrong

if TYPE_CHECKING:
    import numpy as np
    from rich.table import Table

    from aevb.inference import Imputation
    from aevb.models.noise import Noise
    from aevb.trained import TrainedModel

MaskOption = Annotated[
    str | None,
    typer.Option(
        "--mask",
        help="What to hide: left, right, top or bottom, random:P (a share), grid:N (all but every N-th pixel both "
        "ways), or a file of 0 and 1 (hidden).",
        metavar="<mask>",
        show_default=False,
    ),
]
NoiseOption = Annotated[
    str | None,
    typer.Option(
        "--noise",
        help="Noise to add, and to remove: gaussian:S (standard deviation) or flip:P (a share of values of 0 and 1).",
        metavar="<noise>",
        show_default=False,
    ),
]


@reads_data
def complete(
    run: RunArgument,
    data: DataArgument,
    out: Annotated[Path, typer.Option("--out", help="The file to write: .png or .npz.", **PATH)],
    mask: MaskOption = None,
    noise: NoiseOption = None,
    n: Annotated[
        int,
        typer.Option("-n", "--n", min=1, help=help_text("The first so many rows.", "10"), show_default=False),
    ] = 10,
    draws: Annotated[
        int, typer.Option("--draws", min=0, help=help_text("Draws of each row.", "3"), show_default=False)
    ] = 3,
    method: MethodOption = "importance",
    samples: SamplesOption = None,
    seed: SeedOption = 0,
    data_dir: DataDirOption = None,
    *,
    reading: dict[str, str],
) -> None:
    """Hide a part of known rows, or add noise, and have the model complete them: input, draws, mean and truth.

    With --mask left an image is inpainted; with grid:2 its resolution is doubled; with --noise it is denoised. The
    error is that of the mean, on the values that were hidden or noisy. Values that are missing stay unknown: they are
    completed, and not judged.
    """
    from aevb.cli.bar import bar
    from aevb.cli.common import load_run, rows_for
    from aevb.cli.masks import hidden_cells, make_noise
    from aevb.cli.output import check_out, check_picture

    check_out(out)
    if out.suffix.lower() not in (".png", ".npz"):
        raise wrong(f"{out} must end in .png, for images, or in .npz", "--out")
    if mask is None and noise is None:
        raise wrong("name what to hide, or noise to remove with --noise", "--mask")
    chosen = make_method(method, samples)
    model = load_run(run)
    check_picture(out, model)
    x = rows_for(model, data, data_dir, reading=reading).x
    channel = None if noise is None else make_noise(noise, model)
    truth = model.given(x)
    hidden = hidden_cells(mask or "", model, min(n, len(x)), seed) if mask else None
    seen = _seen(model, truth[:n], hidden, channel, seed)
    with bar("completing") as show:
        found = model.impute(seen, chosen, draws, seed, channel, show)
    _write(out, model, seen, found, truth[:n], _title(mask, noise))
    _print(model, seen, found, truth, out, method)


def _seen(
    model: "TrainedModel", x: "np.ndarray", hidden: "np.ndarray | None", noise: "Noise | None", seed: int
) -> "np.ndarray":
    """Rows in the user's units with noise on all values, and NaN for those that are hidden."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    if noise is not None:
        # Not the key of the method: the noise must not be the one that draws are made with.
        key = jax.random.fold_in(jax.random.key(seed), 1)
        noisy = noise.add(key, jnp.asarray(model.prepare(x)))
        x = model.preparation.scaling.undo(np.asarray(noisy))
    return x if hidden is None else np.where(hidden, np.nan, x)


def _title(mask: str | None, noise: str | None) -> str:
    """What was done to the input."""
    done = [f"values hidden by the mask {Path(mask).name} (blue)"] if mask else []
    done += [f"noise {noise}"] if noise else []
    return f"Completed from an input with {' and '.join(done)}"


def _write(out: Path, model: "TrainedModel", seen: Any, found: "Imputation", truth: Any, title: str) -> None:
    import numpy as np

    from aevb.cli.output import write_table
    from aevb.plots import completions, save_figure

    if out.suffix.lower() == ".npz":
        about = {
            "sd": found.sd,
            "draws": found.draws,
            "input": seen,
            "truth": truth,
            "reliable": found.reliable,
        }
        write_table(out, found.mean, model.feature_names, **about)
        return
    draws = np.zeros((0, *truth.shape)) if found.draws is None else found.draws
    shape = model.image_shape
    assert shape is not None
    figure = completions(seen, draws, found.mean, truth, shape, value_range=model.pixel_range, title=title)
    save_figure(figure, out)


def _print(
    model: "TrainedModel", seen: Any, found: "Imputation", truth: Any, out: Path, method: Method
) -> None:
    from aevb.cli.terminal import Terminal, write

    console = Terminal()
    errors = _errors(seen, found.mean, truth, binary=model.likelihood.is_binary)
    if errors.row_count:
        console.print(errors)
    else:
        write(console, "No value that was hidden is known: there is nothing to judge by.")
    for line in warnings_about(found, model, method):
        write(console, line)
    write(console, f"{len(seen):,} row{'s' * (len(seen) != 1)} in {out}")


def _errors(seen: Any, mean: Any, truth: Any, *, binary: bool) -> "Table":
    """The errors of the model's mean beside those of what could be had without a model, on the same values.

    Args:
        seen: the rows that were completed; NaN for a value that was hidden.
        mean: what they were completed with.
        truth: all rows, of which these are the first; NaN for a value that was never known, which judges nobody.
        binary: whether a value's mean is the probability that it is 1.
    """
    import numpy as np
    from rich.table import Table

    x = truth[: len(seen)]
    known = ~np.isnan(x)
    hidden, noisy = np.isnan(seen) & known, ~np.isnan(seen)
    table = Table("values", "predicted by", "RMSE", *(["log loss, nats"] if binary else []))
    for column in table.columns[2:]:
        column.justify = "right"

    def add(which: Any, values: str, by: str, guess: Any, *, probability: bool = binary) -> None:
        if not which.any():
            return
        x_, p = x[which], guess[which].astype(float)
        row = [values, by, f"{np.sqrt(np.mean((x_ - p) ** 2)):.4f}"]
        if binary:
            p = np.clip(p, 1e-6, 1 - 1e-6)
            loss = -np.mean(x_ * np.log(p) + (1 - x_) * np.log1p(-p))
            row.append(f"{loss:.4f}" if probability else "")
        table.add_row(*row)

    count = f"{int(hidden.sum()):,} hidden"
    add(hidden, count, "the model", mean)
    left = np.concatenate([np.where(hidden, np.nan, x), truth[len(seen) :]])
    if not np.isnan(left).all(axis=0).any():  # of a column hidden everywhere there is no mean
        columns = np.broadcast_to(np.nanmean(left, axis=0), x.shape)
        add(hidden, count, "column means of what was not hidden", columns)
    if not np.array_equal(seen[noisy], x[noisy]):
        count = f"{int(noisy.sum()):,} noisy"
        add(noisy, count, "the model", mean)
        add(noisy, count, "the noisy value itself", seen, probability=False)
    return table
