"""An evaluation as tables and sentences that a person reads."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.table import Table

from aevb.cli.terminal import Terminal, write
from aevb.objectives import ELBO

if TYPE_CHECKING:
    from aevb.evaluation import Evaluation, Marginal

MOST_LATENTS = 10
BIAS = {"down": "biased down", "up": "biased up", "none": "without bias"}


def show_evaluation(evaluation: "Evaluation", which: str, written: Sequence[Path]) -> None:
    """Print everything: levels with their errors, latents, gaps, reconstructions, and last what is wrong."""
    console = Terminal()
    write(console, f"{which}: {evaluation.n_rows:,} rows, nats per data point")
    _show_levels(console, evaluation)
    _show_estimates(console, evaluation)
    _show_latents(console, evaluation)
    _show_gaps(console, evaluation)
    _show_findings(console, evaluation)
    if written:
        write(console, f"Everything is in {written[0]}, with figures in {written[-1].parent}.")


def _table(*columns: str) -> Table:
    table = Table(title_justify="left", title_style="")
    for i, column in enumerate(columns):
        table.add_column(column, justify="right" if i else "left")
    return table


def _show_levels(console: Console, e: "Evaluation") -> None:
    table = _table("", "mean", "Monte Carlo error", "sampling error")
    table.add_row(e.bound_name, _number(e.bound.value), "", _number(e.bound.sampling_error, 3))
    for name, part in e.parts.items():
        table.add_row(f"  {name}", _number(part.value), "", _number(part.sampling_error, 3))
    for marginal in e.marginals:
        errors = (_number(error, 3) for error in (marginal.monte_carlo_error, marginal.sampling_error))
        table.add_row(_label(e, marginal), _number(marginal.mean), *errors)
    if e.bits is not None:
        table.add_row("bits per dimension", _number(e.bits.per_dimension, 4), "", _number(e.bits.error, 4))
    console.print(table)
    if not e.bound_name.endswith((ELBO, "cross-entropy bound")):
        write(console, e.parts_note)
    write(
        console,
        "Monte Carlo error: of the estimate for these rows. Sampling error: of their mean, over rows.",
    )
    if e.bits is not None:
        write(console, f"Bits per dimension: {e.bits.basis}.")
    elif e.is_normalized:
        write(console, f"No bits per dimension: {e.no_bits}.")


def _label(e: "Evaluation", marginal: "Marginal") -> str:
    name = (
        "log p(x)"
        if e.is_normalized
        else "importance weighted"
        if marginal.method == "importance"
        else "log integral"
    )
    about = f"K = {marginal.settings['n_samples']}" if marginal.method == "importance" else marginal.method
    rows = "" if marginal.n_rows == e.n_rows else f", {marginal.n_rows:,} rows"
    return f"{name}, {about}{rows}"


def _show_estimates(console: Console, e: "Evaluation") -> None:
    """What the estimates of log p(x) are worth."""
    for marginal in e.marginals:
        about = [BIAS[marginal.bias]]
        if "effective_samples" in marginal.medians:
            about.append(
                f"{marginal.medians['effective_samples']:.1f} samples count effectively in the median row"
            )
        if marginal.share_k_hat_high is not None:
            about.append(f"Pareto k-hat above 0.7 in {_percent(marginal.share_k_hat_high)} of the rows")
        about.append(f"{_percent(marginal.share_reliable)} of the rows pass the diagnostics")
        if marginal.first_on_same_rows is not None:
            about.append(
                f"{_number(marginal.first_on_same_rows)} on the same rows by {e.marginals[0].method}"
            )
        write(console, f"{_label(e, marginal)}: {', '.join(about)}.")
        if len(marginal.curve) > 1:
            pairs = zip(marginal.curve_sizes, marginal.curve, strict=True)
            curve = ", ".join(f"{_number(bound)} at K = {size:,}" for size, bound in pairs)
            write(console, f"  The importance-weighted bound rises with K: {curve}.")


def _show_latents(console: Console, e: "Evaluation") -> None:
    latents = e.latents
    by_latent = len(latents.kl) == len(latents.is_active)
    order = np.argsort(-latents.kl)
    table = _table("latent", "KL", "information", "gap to prior", *(["active"] * by_latent))
    for j in order[:MOST_LATENTS]:
        active = (["yes" if latents.is_active[j] else "no"]) if by_latent else []
        numbers = (float(values[j]) for values in (latents.kl, latents.information, latents.gap))
        table.add_row(
            str(j + 1) if len(order) > 1 else "all", *(_number(value, 3) for value in numbers), *active
        )
    if (others := order[MOST_LATENTS:]).size:
        sums = (float(values[others].sum()) for values in (latents.kl, latents.information, latents.gap))
        active = [f"{latents.is_active[others].sum()}"] if by_latent else []
        table.add_row(f"{len(others)} others", *(_number(value, 3) for value in sums), *active)
    sums = (float(values.sum()) for values in (latents.kl, latents.information, latents.gap))
    total = f"{latents.is_active.sum()} of {len(latents.is_active)}"
    table.add_row("sum", *(_number(value, 3) for value in sums), *([total] * by_latent))
    console.print(table)
    write(
        console,
        f"Latents: nats, on {latents.n_rows:,} random rows. KL is information plus gap, but for noise.",
    )
    cap = ", which is all that so many rows can show" if latents.is_capped else ""
    write(
        console,
        f"All latents together tell {_number(latents.total_information)} nats about which row it is (at most "
        f"{_number(latents.most_information)}{cap}); the gap between all rows' codes and the prior lies between "
        f"{_number(max(latents.gap_at_least, 0.0))} and {_number(max(latents.total_gap, 0.0))} nats.",
    )


def _show_gaps(console: Console, e: "Evaluation") -> None:
    if (gaps := e.gaps) is not None:
        table = _table("", "nats", "error")
        kind = "searched" if gaps.amortization is None else "refined"
        if gaps.amortization is not None:
            table.add_row("bound at the encoder's posterior", _number(gaps.amortized_bound), "")
            _add_gap(table, "amortization gap", gaps.amortization.value, gaps.amortization.sampling_error)
        table.add_row(f"bound at {kind} posteriors", _number(gaps.refined_bound), "")
        _add_gap(table, "approximation gap", gaps.approximation.value, gaps.approximation.sampling_error)
        name = "log p(x)" if e.is_normalized else "importance weighted"
        table.add_row(f"{name}, from {kind} posteriors", _number(gaps.log_p), "")
        console.print(table)
        write(
            console,
            f"Gaps: on {gaps.n_rows:,} random rows, their errors over rows. The last level is biased down, and so is "
            "the gap to it.",
        )
    error = e.reconstruction
    explained = (
        ""
        if math.isnan(error.share_explained)
        else "; more than that of the columns' means: reconstructions explain nothing"
        if error.share_explained < 0
        else f", {_percent(error.share_explained)} of the variance of the columns explained"
    )
    write(
        console, f"Reconstruction error, at the mean code: RMSE {error.rmse:.4g} in {error.unit}{explained}."
    )
    if (gap := e.training) is not None:
        write(
            console,
            f"Training rows ({gap.n_rows:,}): mean bound {_number(gap.bound.value)}; less that of these rows "
            f"{_number(gap.gap)} (standard error {_number(gap.gap_error)}).",
        )


def _add_gap(table: Table, name: str, value: float, error: float) -> None:
    table.add_row(f"  {name}", _number(value, 3), _number(error, 3))


def _show_findings(console: Console, e: "Evaluation") -> None:
    for line in e.not_checked:
        write(console, f"Not checked: {line}.")
    if not e.findings:
        write(console, "Nothing wrong was found.")
    for finding in e.findings:
        write(console, f"\n{finding.kind.capitalize()}. {finding.text}")
        write(console, f"  Try: {finding.advice}")
    if e.findings:
        write(console, "")


def _number(value: float, digits: int = 2) -> str:
    return "" if not math.isfinite(value) else f"{value:.{digits}f}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f}%" if share in (0, 1) or 0.005 < share < 0.995 else f"{100 * share:.2g}%"
