"""What the results of figure 3 say: verdicts, table and figure."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from aevb.experiments.reproduce.experiment import Results, Verdict
from aevb.experiments.reproduce.published import Points, published, value_at
from aevb.experiments.reproduce.written import nats, table, with_error
from aevb.plots.comparisons import Panel, Series, curves_beside_published

NAMES = {"aevb": "AEVB", "wake-sleep": "wake-sleep", "mcem": "Monte Carlo EM"}
SPLITS = ("train", "test")
TOLERANCE = 2.0  # nats, between ours and the published value: runs differ, and it was read off a figure


def published_curve(n_train: int, method: str, split: str) -> Points | None:
    """Samples seen and log p(x), nats per data point, of a curve in the paper's figure."""
    wanted = {"n_train": n_train, "method": method, "split": split}
    curves = published()["aevb"]["figure_3"]
    found = next((curve["points"] for curve in curves if wanted.items() <= curve.items()), None)
    return None if found is None else np.array(found, dtype=float)


def curves_in(results: Results) -> dict[int, dict[str, Mapping[str, Any]]]:
    """By number of training rows and method."""
    found: dict[int, dict[str, Mapping[str, Any]]] = {}
    for key, result in results.items():
        method = key.partition("-")[2]
        if method in NAMES:
            found.setdefault(result["n_train"], {})[method] = result
    return found


def verdicts_of(results: Results, *, on_mnist: bool) -> list[Verdict]:
    """The order of the methods, ours minus published where the data are the paper's, and the estimator's check."""
    verdicts = []
    for n, methods in curves_in(results).items():
        verdicts += [_order(n, split, methods, on_mnist) for split in SPLITS if len(methods) > 1]
        for method, result in methods.items():
            if on_mnist:
                verdicts += [_against_published(n, method, split, result["points"]) for split in SPLITS]
            verdicts.append(_check(n, method, result["points"][-1]["check"]))
    return [verdict for verdict in verdicts if verdict is not None]


def _order(n: int, split: str, methods: Mapping[str, Mapping[str, Any]], on_mnist: bool) -> Verdict:
    """The methods from the best, at the last number of samples, and whether the paper has them in this order there."""
    last = {method: result["points"][-1] for method, result in methods.items()}
    samples = min(point["samples"] for point in last.values())
    ours = sorted(last, key=lambda method: -last[method][split]["mean"])
    curves = {method: published_curve(n, method, split) if on_mnist else None for method in methods}
    values = {method: value_at(points, samples) for method, points in curves.items()}
    theirs = sorted((m for m in ours if values[m] is not None), key=lambda m: -(values[m] or 0.0))
    shown = ", ".join(f"{NAMES[m]} {_shown(last[m][split])}" for m in ours)
    text = f"N_train = {n:,}, {split} rows after {_samples(samples)} samples, from the best: {shown}"
    if len(theirs) < 2:
        return Verdict(f"{text}.")
    order = ", ".join(f"{NAMES[m]} {nats(values[m])}" for m in theirs)
    hidden = [NAMES[m] for m in ours if m not in theirs]
    unshown = f" ({' and '.join(hidden)}: not shown there)" if hidden else ""
    return Verdict(f"{text}; published: {order}{unshown}.", [m for m in ours if m in theirs] == theirs)


def _against_published(
    n: int, method: str, split: str, points: Sequence[Mapping[str, Any]]
) -> Verdict | None:
    last = points[-1]
    theirs = value_at(published_curve(n, method, split), last["samples"])
    if theirs is None:
        return None
    ahead = last[split]["mean"] - theirs
    where = "ahead of" if ahead >= 0 else "behind"
    near = "within" if abs(ahead) <= TOLERANCE else "not within"
    text = (
        f"N_train = {n:,}, {NAMES[method]}, {split} rows: {where} the paper at {_samples(last['samples'])} samples by "
        f"{abs(ahead):.1f} nats ({_shown(last[split])}, published {theirs:.1f}), {near} "
        f"{TOLERANCE:g} of it."
    )
    return Verdict(text, ahead >= -TOLERANCE)


def _check(n: int, method: str, check: Mapping[str, Mapping[str, float]]) -> Verdict:
    """The estimator of Appendix D against annealed importance sampling, on the same rows."""
    one, other = check["hmc-density"], check["annealed"]
    apart, error = one["mean"] - other["mean"], math.hypot(one["error"], other["error"])
    allowed = max(3 * error, 0.5)
    text = (
        f"N_train = {n:,}, {NAMES[method]}: on {other['rows']} test rows the estimator of Appendix D lies "
        f"{apart:+.2f} ± {error:.2f} nats from annealed importance sampling; up to {allowed:.2g} "
        "counts as equal."
    )
    return Verdict(text, abs(apart) <= allowed)


def table_of(results: Results, *, on_mnist: bool) -> str:
    """log p(x) of training and test rows at every point, in Markdown."""
    header = (
        "N_train",
        "method",
        "step",
        "samples",
        *SPLITS,
        "published train / test",
        "rows with good chains",
    )
    found, rows = curves_in(results), []
    for n, methods in found.items():
        for method, result in methods.items():
            for point in result["points"]:
                curves = [published_curve(n, method, split) if on_mnist else None for split in SPLITS]
                values = [value_at(points, point["samples"]) for points in curves]
                theirs = " / ".join(nats(value) for value in values)
                ours = (_shown(point[s]) for s in SPLITS)
                good = " / ".join(f"{point[split]['reliable']:.0%}" for split in SPLITS)
                rate, samples = result["learning_rate"], _samples(point["samples"])
                rows.append((f"{n:,}", NAMES[method], f"{rate:g}", samples, *ours, theirs, good))
    counts = {
        point[split]["rows"]
        for m in found.values()
        for r in m.values()
        for point in r["points"]
        for split in SPLITS
    }
    means = " to ".join(f"{n:,}" for n in sorted({min(counts), max(counts)}))
    return f"## log p(x), nats per data point\n\nMeans over {means} rows.\n\n" + table(header, rows)


def figure_of(results: Results, *, on_mnist: bool) -> Figure:
    """A panel for each number of training rows and split, with the published curves."""
    panels = []
    for n, methods in curves_in(results).items():
        for split in SPLITS:
            series = []
            for method, result in methods.items():
                points = np.array([[p["samples"], p[split]["mean"]] for p in result["points"]], dtype=float)
                errors = np.array([p[split]["error"] for p in result["points"]], dtype=float)
                series.append(Series(NAMES[method], points, errors))
                theirs = published_curve(n, method, split)
                if theirs is not None and on_mnist:
                    series.append(Series(NAMES[method], _thinned(theirs), is_published=True))
            title = f"N_train = {n:,}, {split} rows"
            panels.append(Panel(title, series, "training samples seen", "log p(x) (nats per data point)"))
    return curves_beside_published(panels)


def _thinned(points: Points, per_decade: int = 12) -> Float[np.ndarray, "kept 2"]:
    """Points no closer than a twelfth of a power of ten: hollow circles are to be told apart."""
    kept: list[np.ndarray] = []
    for point in points:
        if not kept or point[0] >= kept[-1][0] * 10 ** (1 / per_decade):
            kept.append(point)
    return np.stack(kept)


def _shown(found: Mapping[str, float | int]) -> str:
    return with_error(found["mean"], found["error"])


def _samples(n: float) -> str:
    return f"{n:,.0f}"
