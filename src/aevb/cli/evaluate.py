"""`aevb evaluate`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aevb.cli.options import DataDirOption, RunArgument

if TYPE_CHECKING:
    from aevb.inference import MarginalEstimate
    from aevb.trained import TrainedModel


def evaluate(
    run: RunArgument,
    data: Annotated[
        str | None, typer.Argument(help="A named data set or a file [default: the run's test rows].", show_default=False)
    ] = None,
    importance_samples: Annotated[int, typer.Option(min=1, help="Draws of z per row for log p(x), K.")] = 200,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    data_dir: DataDirOption = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the importance samples.")] = 0,
) -> None:
    """The bound and log p(x) on data, each with its errors."""
    from aevb.cli.session import load_run

    model = load_run(run)
    x, which = _rows(model, data, data_dir)
    bounds = model.bounds(x)
    marginal = model.log_marginal(x, importance_samples, seed)
    results = {"rows": len(x), "data": which, "unit": "nats per data point", **_results(model, bounds, marginal)}
    typer.echo(json.dumps(results, indent=1)) if as_json else _print(model, results)


def _rows(model: "TrainedModel", data: str | None, data_dir: Path | None) -> tuple[Any, str]:
    from aevb.cli.apply import _load
    from aevb.run import load_dataset

    if data is not None:
        return _load(model, data, data_dir)[0], data
    dataset = load_dataset(model.recipe, data_dir)
    if dataset.x_test is not None:
        return dataset.x_test, f"{model.recipe.data}, test rows"
    return dataset.x_train, f"{model.recipe.data}, training rows"


def _results(model: "TrainedModel", bounds: dict[str, Any], marginal: "MarginalEstimate") -> dict[str, Any]:
    import numpy as np

    from aevb.run import bound_key

    n = len(bounds["bound"])
    spread = {name: float(np.std(part, ddof=1) / np.sqrt(n)) if n > 1 else None for name, part in bounds.items()}
    means = {name: float(np.mean(part, dtype=np.float64)) for name, part in bounds.items()}
    bound, log_p = bound_key(model.bound), log_p_key(model)
    return {
        bound: means.pop("bound"),
        f"{bound}_sampling_error": spread["bound"],
        **means,
        log_p: marginal.mean,
        f"{log_p}_monte_carlo_error": marginal.mean_monte_carlo_error,
        f"{log_p}_sampling_error": marginal.sampling_error if n > 1 else None,
        "importance_samples": marginal.n_samples,
        "effective_samples_median": float(np.median(marginal.effective_samples)),
    }


def log_p_key(model: "TrainedModel") -> str:
    """The JSON key of the importance-sampled quantity: not a log-likelihood where the bound is none either."""
    return "log_p" if model.bound == "evidence lower bound" else "importance_weighted_cross_entropy"


def _print(model: "TrainedModel", results: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    from aevb.run import bound_key

    bound, log_p = bound_key(model.bound), log_p_key(model)
    density = log_p == "log_p"
    table = Table(title=f"{results['data']}: {results['rows']:,} rows, nats per data point", title_justify="left")
    for column in ("", "mean", "Monte Carlo error", "sampling error over rows"):
        table.add_column(column, justify="right" if column else "left")
    table.add_row(model.bound, _number(results[bound]), "", _number(results[f"{bound}_sampling_error"], 3))
    table.add_row("  reconstruction", _number(results["reconstruction"]), "", "")
    table.add_row("  kl", _number(results["kl"]), "", "")
    name = "log p(x)" if density else "the same, importance weighted"
    errors = (results[f"{log_p}_monte_carlo_error"], results[f"{log_p}_sampling_error"])
    samples = results["importance_samples"]
    table.add_row(f"{name}, {samples} samples", _number(results[log_p]), *(_number(error, 3) for error in errors))
    console = Console(highlight=False)
    console.print(table)
    console.print(
        f"Of {samples} importance samples {results['effective_samples_median']:.1f} count effectively in the median "
        "row; the estimate is biased down, less so with more samples."
    )
    if not density:
        console.print("Grey pixels under a Bernoulli likelihood: these are cross-entropies, not log densities.")


def _number(value: float | None, digits: int = 2) -> str:
    return "" if value is None or value != value else f"{value:.{digits}f}"
