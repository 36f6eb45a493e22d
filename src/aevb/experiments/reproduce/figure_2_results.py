"""What the curves of figure 2 say: beside the published ones, and about each other."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from aevb.experiments.reproduce.experiment import Results, Verdict
from aevb.experiments.reproduce.networks import METHODS, Panel
from aevb.experiments.reproduce.published import (
    Method,
    Points,
    Split,
    figure_2_best,
    figure_2_curve,
    value_at,
)
from aevb.experiments.reproduce.written import nats, table
from aevb.plots import BoundCurve, BoundPanel

PUBLISHED: tuple[Method, ...] = ("aevb", "wake-sleep")
TOLERANCE = 2.0  # nats, between our curve and the published one
HELD_AT = (1_000_000, 10_000_000)
NAMES = {
    "aevb": "AEVB (estimator B)",
    "aevb-a": "AEVB (estimator A)",
    "wake-sleep": "wake-sleep (sampled dreams)",
    "wake-sleep-means": "wake-sleep (mean dreams)",
    "ours": "our recipe",
}


def panels_of(results: Results) -> list[Panel]:
    """Those of which there is a curve."""
    found = (Panel.of(key) for key in results)
    return list(dict.fromkeys(panel for panel in found if panel is not None))


def curve(results: Results, panel: Panel, method: str, split: Split = "test") -> Points | None:
    """Ours: samples seen and bound; None where it was not run."""
    result = results.get(f"{panel.name}-{method}")
    if result is None or not result["records"]:
        return None
    return np.array([(r["samples_seen"], r[f"{split}_bound"]) for r in result["records"]], dtype=float)


def curves_of(panel: Panel, results: Results) -> BoundPanel:
    """Everything that a panel shows."""
    drawn: list[BoundCurve] = []
    for method in PUBLISHED:
        points = figure_2_curve(panel.dataset, panel.n_latents, method, "test")
        if points is not None:
            drawn.append(BoundCurve(method, points, is_published=True))
    splits: tuple[Split, ...] = ("train", "test")
    for split in splits:
        for method in METHODS:
            points = curve(results, panel, method, split)
            if points is not None:
                drawn.append(BoundCurve(method, points, split))
    return BoundPanel(panel.title, drawn)


def verdicts_of(panel: Panel, results: Results, *, is_full: bool) -> list[Verdict]:
    """Sentences about one panel; those about the end of the curves are judged at full length only."""
    at_the_end = [*_against_wake_sleep(panel, results), *_of_our_recipe(panel, results)]
    if not is_full:
        at_the_end = [Verdict(verdict.text) for verdict in at_the_end]
    return [*_against_published(panel, results), *at_the_end]


def _against_published(panel: Panel, results: Results) -> list[Verdict]:
    verdicts = []
    paper = figure_2_curve(panel.dataset, panel.n_latents, "aevb", "test")
    for n in HELD_AT:
        for method in ("aevb", "aevb-a"):
            mine, theirs = value_at(curve(results, panel, method), n), value_at(paper, n)
            if mine is None or theirs is None:
                continue
            difference, spread = mine - theirs, _spread(panel, method, results, n)
            error = "" if spread is None else f" ± {spread:.1f} (one standard deviation over seeds)"
            where = "ahead of" if difference > 0 else "behind"
            near = "within" if abs(difference) <= TOLERANCE else "not within"
            bounds = f"{nats(mine)}, published {nats(theirs)}"
            text = (
                f"{panel.title}: {NAMES[method]} is {where} the paper's at {_power(n)} samples by "
                f"{abs(difference):.1f}{error} nats ({bounds}), {near} {TOLERANCE:g} of it."
            )
            # The paper does not say which of the two it shows: the second one is not held against it.
            verdicts.append(Verdict(text, difference >= -TOLERANCE if method == "aevb" else None))
    return verdicts


def _power(n: int) -> str:
    """A power of ten, as 1e6."""
    return f"{n:.0e}".replace("e+0", "e")


def _spread(panel: Panel, method: str, results: Results, samples: int) -> float | None:
    """The standard deviation over all seeds, the curve's own among them."""
    seeds = results.get(f"{panel.name}-{method}-seeds")
    mine = value_at(curve(results, panel, method), samples)
    if seeds is None or seeds["samples_seen"] != samples or mine is None or not seeds["test_bounds"]:
        return None
    return float(np.std([mine, *seeds["test_bounds"]], ddof=1))


def _against_wake_sleep(panel: Panel, results: Results) -> list[Verdict]:
    verdicts = []
    for method in ("wake-sleep", "wake-sleep-means"):
        n = _last_common(results, panel, "aevb", method)
        ours, rival = (value_at(curve(results, panel, name), n) for name in ("aevb", method))
        if ours is None or rival is None:
            continue
        theirs, theirs_rival = (
            value_at(figure_2_curve(panel.dataset, panel.n_latents, name, "test"), n) for name in PUBLISHED
        )
        said = (
            ""
            if theirs is None or theirs_rival is None
            else f" (published: {theirs - theirs_rival:.1f} nats)"
        )
        verdicts.append(
            Verdict(
                f"{panel.title}: at {n:,.0f} samples AEVB is {_ahead(ours - rival)} {NAMES[method]}{said}.",
                ours >= rival,
            )
        )
    return verdicts


def _of_our_recipe(panel: Panel, results: Results) -> list[Verdict]:
    n = _last_common(results, panel, "aevb", "ours")
    ours, paper = (value_at(curve(results, panel, name), n) for name in ("ours", "aevb"))
    if ours is None or paper is None:
        return []
    said = f"our recipe ({nats(ours)}) is {_ahead(ours - paper)} the paper's settings."
    verdicts = [Verdict(f"{panel.title}: at {n:,.0f} samples {said}", ours >= paper)]
    best = figure_2_best(panel.dataset, panel.n_latents, "aevb", "test")
    if best is not None:
        said = (
            f"our recipe is {_ahead(ours - best)} the paper's best of AEVB ({nats(best)}, up to 4e8 samples)."
        )
        verdicts.append(Verdict(f"{panel.title}: {said}", ours >= best))
    return verdicts


def _last_common(results: Results, panel: Panel, *methods: str) -> float:
    ends = [points[-1, 0] for name in methods if (points := curve(results, panel, name)) is not None]
    return min(ends, default=0.0)


def _ahead(difference: float) -> str:
    return f"{abs(difference):.1f} nats {'ahead of' if difference >= 0 else 'behind'}"


def bound_table(results: Results) -> str:
    """Test bounds of every panel and method, with the published ones in parentheses, and the steps."""
    header = ("data, N_z", "method", "step", *(_power(n) for n in HELD_AT), "at the end")
    rows = [
        _row(panel, method, results)
        for panel in panels_of(results)
        for method in METHODS
        if f"{panel.name}-{method}" in results
    ]
    return (
        "## Test bounds\n\nNats per data point after so many training samples, published values in parentheses.\n\n"
        + table(header, rows)
    )


def _row(panel: Panel, method: str, results: Results) -> tuple[str, ...]:
    result: Mapping[str, Any] = results[f"{panel.name}-{method}"]
    points = curve(results, panel, method)
    rate = result.get("learning_rate")
    cells = []
    for n in HELD_AT:
        published = None
        if method in PUBLISHED:
            published = value_at(figure_2_curve(panel.dataset, panel.n_latents, method, "test"), n)
        cells.append(nats(value_at(points, n)) + ("" if published is None else f" ({nats(published)})"))
    end = "diverged" if result["message"] else nats(None if points is None else points[-1, 1])
    return (panel.title, NAMES[method], "falling" if rate is None else f"{rate:g}", *cells, end)
