"""How `aevb lab` prints what it measured."""

from collections.abc import Sequence

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from aevb.cli.terminal import write
from aevb.experiments.gradients import Problem, Row
from aevb.experiments.gradients import Table as Measured


def show(console: Console, problem: Problem) -> None:
    """A problem's tables, and what they mean."""
    write(console, problem.title)
    for measured in problem.tables:
        console.print(_table(measured))
    if problem.approach:
        console.print(_approach(problem))
    for line in (*_explanation(problem), *problem.notes, ""):
        write(console, line)


def _table(measured: Measured) -> Table:
    rows, (factor, unit) = measured.rows, _time_unit(measured.rows)
    closed = any(row.closed_variance is not None for row in rows)
    title = ", ".join(word for word in (measured.part, measured.state) if word)
    table = _new_table(f"{title}: {measured.n_coordinates:,} coordinate{'s' * (measured.n_coordinates > 1)}")
    names = ["estimator", "L", "bias, %"]
    names += ["variance", "exact", "off"] if closed else ["detects", "variance"]
    for name in (*names, unit, f"var×{unit}"):
        table.add_column(name, justify="left" if name == "estimator" else "right", no_wrap=True)
    for i, row in enumerate(rows):
        cells = [row.estimator, str(row.samples), _bias(row)]
        if closed:
            off = "" if row.variance_score is None else f"{row.variance_score:+.1f}"
            cells += [_number(row.mean_variance), _number(row.closed_variance), off]
        else:
            detects = None if row.detectable is None else 100 * row.detectable
            cells += [_number(detects, 2), _number(row.mean_variance)]
        cells += [_number(factor * row.milliseconds), _number(factor * row.variance_times_milliseconds, 2)]
        table.add_row(*cells, end_section=i + 1 < len(rows) and rows[i + 1].samples != row.samples)
    return table


def _new_table(title: str) -> Table:
    return Table(
        title=title, title_justify="left", title_style="", box=SIMPLE, pad_edge=False, padding=(0, 1, 0, 0)
    )


def _time_unit(rows: Sequence[Row]) -> tuple[float, str]:
    return (1e3, "µs") if max(row.milliseconds for row in rows) < 0.1 else (1.0, "ms")


def _bias(row: Row) -> str:
    """In percent, to two digits of its standard error or none after the point; a star where a bias was found."""
    if row.bias is None or row.bias_error is None:
        return ""
    digits = 2 if row.bias_error < 0.01 else 1 if row.bias_error < 0.1 else 0
    return f"{100 * row.bias:.{digits}f} ± {100 * row.bias_error:.{digits}f}{'*' if row.bias_found else ' '}"


def _number(value: float | None, digits: int = 3) -> str:
    """With so many significant digits; a longer number below 100,000 as an integer."""
    if value is None:
        return ""
    return f"{value:.0f}" if 10**digits <= abs(value) < 1e5 else f"{value:.{digits}g}"


def _approach(problem: Problem) -> Table:
    table = _new_table("encoder, variance per coordinate at distances of q from the exact posterior")
    table.add_column("estimator", no_wrap=True)
    table.add_column("L", justify="right")
    for distance in problem.approach[0].distance:
        table.add_column(f"{distance:.2g}", justify="right", no_wrap=True)
    for curve in problem.approach:
        variances = (_number(variance, 2) for variance in curve.mean_variance)
        table.add_row(curve.estimator, str(curve.samples), *variances)
    return table


def _explanation(problem: Problem) -> list[str]:
    rows = [row for table in problem.tables for row in table.rows]
    limits = sorted({row.limit for row in rows if row.limit is not None})
    closed = any(row.closed_variance is not None for row in rows)
    lines = [
        f"L: draws of z per row. Bias: along the exact gradient, in percent of its length, ± its standard error, from "
        f"{rows[0].draws:,} gradients each. A star: some t-score of the joint test exceeds {limits[-1]:.1f}, which "
        f"without any bias happens in at most {problem.false_alarm:.0%} of all runs.",
        "Variance: per coordinate. Exact: its closed form. Off: its distance from there, in standard errors."
        if closed
        else f"Detects: the length, in percent, of a bias that is found with a probability of {problem.power:.0%} or "
        "more. Variance: per coordinate.",
    ]
    return lines + _estimands(rows) + _expected(rows)


def _estimands(rows: Sequence[Row]) -> list[str]:
    """What the estimators are held against, where it is not the same for all."""
    by_estimand: dict[str | None, dict[str, None]] = {}
    for row in rows:
        by_estimand.setdefault(row.held_against, {})[row.estimator] = None
    untested = by_estimand.pop(None, {})
    lines = [
        f"Not tested for bias: {', '.join(untested)}, of whose estimands no gradient is known here."
    ] * bool(untested)
    usual = max(by_estimand, key=lambda name: len(by_estimand[name]))
    others = [
        f"{', '.join(names)}: the {name}" for name, names in by_estimand.items() if name and name != usual
    ]
    if others:
        lines.append(
            f"Exact gradients are those of each estimator's estimand. {'; '.join(others)}; else: the {usual}."
        )
    return lines


def _expected(rows: Sequence[Row]) -> list[str]:
    declared = sorted({row.estimator for row in rows if row.declared_biased})
    surprising = sorted({row.estimator for row in rows if row.bias_found and not row.declared_biased})
    lines = [f"Declared biased: {', '.join(declared)}."] if declared else []
    return lines + (
        [f"A bias was found in {', '.join(surprising)}, which should have none."] if surprising else []
    )
