"""The report of an experiment: what the results say, as Markdown, and the figures."""

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from aevb.experiments.reproduce.experiment import Experiment, Results, Size, Verdict
from aevb.plots import save_figure
from aevb.storage import write_file

MARKS = {True: "✓", False: "✗", None: "·"}
LEGEND = "✓ as published, within the tolerance stated, or better; ✗ not so; · not judged"


def write_report(
    experiment: Experiment,
    size: Size,
    record: Mapping[str, Any],
    path: Path,
    figures: Path,
    data_dir: Path | None = None,
) -> None:
    """Write `REPORT.md` to `path`, and the figures that it shows into their folder.

    Args:
        experiment: what was done.
        size: how much of it.
        record: the content of `results.json`.
        path: of the report.
        figures: a folder.
        data_dir: where data sets were looked for that are not bundled.
    """
    order = [job.key for job in experiment.jobs(size, data_dir)]  # parts may have been done in any other
    done = sorted(record["jobs"], key=lambda key: order.index(key) if key in order else len(order))
    results: Results = {key: record["jobs"][key]["result"] for key in done}
    figures.mkdir(parents=True, exist_ok=True)
    drawn = experiment.figures(results, size)
    for name, figure in drawn.items():
        save_figure(figure, figures / f"{name}.png")
    parts = [
        f"# {experiment.title}",
        f"Source: {experiment.source}.",
        _length(experiment, size) + _missing(experiment, size, record, data_dir),
        *(f"![{name}]({figures.name}/{name}.png)" for name in drawn),
        _verdicts(experiment.verdicts(results, size)),
        experiment.tables(results, size),
        f"## Notes\n\n{experiment.notes(size).strip()}",
        _how(experiment, size, record),
    ]
    text = "\n\n".join(part.strip() for part in parts if part) + "\n"
    write_file(path, with_minus_signs(text).encode())


def with_minus_signs(text: str) -> str:
    """A true minus in place of the hyphen before a number, where the hyphen joins nothing.

    Example:
        >>> with_minus_signs("-120.6 (-124.2) in figure-2 with 1e-3")
        '−120.6 (−124.2) in figure-2 with 1e-3'
    """
    return re.sub(r"(?<![\w-])-(?=\d)", "−", text)


def _length(experiment: Experiment, size: Size) -> str:
    """Whether this can be held against what was published."""
    if size.is_full:
        return "Done at full length."
    data = f" On `{size.data}` in place of the experiment's own data." if size.data else ""
    return (
        f"Done at {percentage(size.share)} of full length, a budget of {minutes(experiment, size)}.{data} "
        "Results at the end are not comparable with published ones."
    )


def _missing(experiment: Experiment, size: Size, record: Mapping[str, Any], data_dir: Path | None) -> str:
    """How many of the experiment's jobs were left out or are yet to be done."""
    every = {job.key for job in experiment.jobs(size, data_dir)}
    left = every - record["jobs"].keys()
    return f" Of its {len(every)} jobs {len(every) - len(left)} are done." if left else ""


def percentage(share: float) -> str:
    """A share in percent, with two digits.

    Example:
        >>> percentage(0.0305), percentage(1.0)
        ('3%', '100%')
    """
    return f"{100 * share:.2g}%" if share < 0.995 else "100%"


def minutes(experiment: Experiment, size: Size) -> str:
    """The budget that a size stands for."""
    budget = f"{size.share * experiment.full_minutes:.3g}"
    return f"{budget} minute{'s' * (budget != '1')}"


def _verdicts(verdicts: Sequence[Verdict]) -> str:
    """A line each; a mark says how it stands against what was published."""
    if not verdicts:
        return ""
    lines = [f"- {MARKS[verdict.holds]} {verdict.text}" for verdict in verdicts]
    return "\n".join(["## Verdicts", "", LEGEND, "", *lines])


def _how(experiment: Experiment, size: Size, record: Mapping[str, Any]) -> str:
    seconds = sum(job["seconds"] for job in record["jobs"].values())
    budget = "" if size.share >= 1 else f" --budget {size.share * experiment.full_minutes:.6g}"
    data = f" --data {size.data}" if size.data else ""
    parts = "".join(f" --only {part}" for part in record["only"])
    versions = ", ".join(f"{name} {number}" for name, number in record["versions"].items())
    return (
        f"## How\n\n```\naevb reproduce {experiment.name}{budget}{parts}{data}\n```\n\n"
        f"{_counted(len(record['jobs']), 'job')} took {seconds / 60:.1f} minutes in all, with {versions}. Every number "
        "above is computed from `results.json`."
    )


def _counted(n: int, what: str) -> str:
    return f"{n} {what}{'s' * (n != 1)}"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown, its first column to the left and the others to the right.

    Example:
        >>> print(table(("N_z", "bound"), [("3", "-133.2")]))
        | N_z | bound |
        |:---|---:|
        | 3 | -133.2 |
    """
    lines = [header, [":---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(
        f"|{'|'.join(line)}|" if line is lines[1] else f"| {' | '.join(line)} |" for line in lines
    )


def nats(value: float | int | None, digits: int = 1) -> str:
    """A bound; a dash for none.

    Example:
        >>> nats(-133.24), nats(None)
        ('-133.2', '–')
    """
    return "–" if value is None else f"{value:.{digits}f}"


def with_error(value: float | int, error: float | int) -> str:
    """A number and its error, both to the error's first digit, but with one to three decimals.

    Example:
        >>> with_error(-113.5412, 0.0037), with_error(-140.3, 2.1)
        ('-113.541 ± 0.004', '-140.3 ± 2.1')
    """
    digits = min(3, max(1, -math.floor(math.log10(error)))) if error > 0 else 1
    return f"{value:.{digits}f} ± {error:.{digits}f}"
