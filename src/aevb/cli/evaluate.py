"""`aevb evaluate`."""

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aevb.cli.options import DataDirOption, RunArgument, help_text

if TYPE_CHECKING:
    from aevb.inference import MarginalEstimate
    from aevb.trained import TrainedModel

# With fewer effective samples in the median row, the bias of a mean over many rows exceeds its Monte Carlo error.
FEW_EFFECTIVE = 50


def evaluate(
    run: RunArgument,
    data: Annotated[
        str | None,
        typer.Argument(
            help=help_text("A named data set or a file", "the run's test rows"), show_default=False
        ),
    ] = None,
    importance_samples: Annotated[
        int,
        typer.Option(min=1, help=help_text("Draws of z per row for log p(x), K.", "200"), show_default=False),
    ] = 200,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    data_dir: DataDirOption = None,
    seed: Annotated[
        int,
        typer.Option(
            min=0, max=2**32 - 1, help=help_text("Of the importance samples.", "0"), show_default=False
        ),
    ] = 0,
) -> None:
    """The bound and log p(x) on data, each with its errors."""
    from aevb.cli.common import load_run
    from aevb.inference import Importance

    model = load_run(run)
    x, which = _rows(run, model, data, data_dir)
    bounds = model.bounds(x)
    marginal = model.log_marginal(x, Importance(importance_samples), seed)
    results = {
        "rows": len(x),
        "data": which,
        "unit": "nats per data point",
        **_results(model, bounds, marginal),
        "importance_samples": importance_samples,
    }
    typer.echo(json.dumps(results, indent=1)) if as_json else _print(model, results)


def _rows(run: Path, model: "TrainedModel", data: str | None, data_dir: Path | None) -> tuple[Any, str]:
    from aevb.cli.common import rows_for
    from aevb.run import RunFolder, load_dataset

    if data is not None:
        return rows_for(model, data, data_dir)[0], data
    if not RunFolder(run).holds_run:
        raise typer.BadParameter(f"{run} is a model without its run, which knows no test rows: name the data")
    dataset = load_dataset(model.recipe, data_dir)
    if dataset.x_test is not None:
        return dataset.x_test, f"{model.recipe.data}, test rows"
    return dataset.x_train, f"{model.recipe.data}, training rows"


def _results(model: "TrainedModel", bounds: dict[str, Any], marginal: "MarginalEstimate") -> dict[str, Any]:
    """Means and errors under the names that they deserve; None for an error that cannot be told."""
    import numpy as np

    from aevb.run import bound_key

    n = len(bounds["bound"])
    means = {name: float(np.mean(part, dtype=np.float64)) for name, part in bounds.items()}
    bound, log_p = bound_key(model.bound), log_p_key(model)
    return {
        bound: means.pop("bound"),
        f"{bound}_sampling_error": float(np.std(bounds["bound"], ddof=1) / np.sqrt(n)) if n > 1 else None,
        **means,
        log_p: marginal.mean,
        f"{log_p}_monte_carlo_error": _or_none(marginal.mean_monte_carlo_error),
        f"{log_p}_sampling_error": marginal.sampling_error if n > 1 else None,
        "effective_samples_median": float(np.median(marginal.diagnostics["effective_samples"])),
    }


def _or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None


def log_p_key(model: "TrainedModel") -> str:
    """The JSON key of the importance-sampled quantity: not a log-likelihood where the bound is none either."""
    return "log_p" if model.is_normalized else "importance_weighted_cross_entropy"


def _print(model: "TrainedModel", results: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    from aevb.cli.progress import PARTS, write
    from aevb.objectives import ELBO
    from aevb.run import bound_key

    bound, log_p = bound_key(model.bound), log_p_key(model)
    density = log_p == "log_p"
    console = Console(highlight=False)
    write(console, f"{results['data']}: {results['rows']:,} rows, nats per data point")
    table = Table()
    for column in ("", "mean", "Monte Carlo error", "sampling error"):
        table.add_column(column, justify="right" if column else "left")
    table.add_row(model.bound, _number(results[bound]), "", _number(results[f"{bound}_sampling_error"], 3))
    table.add_row("  reconstruction", _number(results["reconstruction"]), "", "")
    table.add_row("  kl", _number(results["kl"]), "", "")
    errors = (_number(results[f"{log_p}_{kind}_error"], 3) for kind in ("monte_carlo", "sampling"))
    samples = results["importance_samples"]
    name = "log p(x)" if density else "importance weighted"
    table.add_row(f"{name}, K = {samples}", _number(results[log_p]), *errors)
    console.print(table)
    if model.objective.value_name != ELBO:
        write(console, PARTS)
    write(
        console,
        "Monte Carlo error: of the estimate for these rows. Sampling error: of their mean, over rows.",
    )
    write(
        console,
        f"Of K = {samples} importance samples {results['effective_samples_median']:.1f} count effectively in the "
        "median row; the estimate is biased down, less so with more.",
    )
    if results["effective_samples_median"] < FEW_EFFECTIVE:
        write(
            console,
            "With so few, the bias can exceed the Monte Carlo error: compare with a larger --importance-samples.",
        )
    if not density:
        write(
            console, "Grey pixels under a Bernoulli likelihood: these are cross-entropies, not log densities."
        )


def _number(value: float | None, digits: int = 2) -> str:
    return "" if value is None else f"{value:.{digits}f}"
