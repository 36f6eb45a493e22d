"""Figure 2 of the AEVB paper: the lower bound against training samples seen, AEVB and wake-sleep."""

import functools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from matplotlib.figure import Figure

from aevb.experiments.reproduce.curve import is_here, sample_points, train_curve
from aevb.experiments.reproduce.experiment import Experiment, Job, Results, Setting, Size, Verdict
from aevb.experiments.reproduce.figure_2_results import bound_table, curves_of, panels_of, verdicts_of
from aevb.experiments.reproduce.networks import (
    BATCH,
    FREY_LATENTS,
    MNIST_LATENTS,
    STEP_SIZES,
    WARMUP,
    Panel,
    our_settings,
    paper_settings,
)
from aevb.plots import BoundPanel, bound_panels

SAMPLES = 10_000_000  # the paper's curves go on to some 4e8
EARLY = 200_000  # after which the step size is chosen
SEED_SAMPLES = 1_000_000  # to which further seeds are run
FURTHER_SEEDS = (1, 2)
SEEDED = ("aevb", "aevb-a")
# Below this share of the samples most of the time would go into compiling: fewer latents and methods are tried.
FEW = 0.05
FEW_METHODS = ("aevb", "wake-sleep")
FEW_PANELS = (Panel("mnist", 3), Panel("mnist", 20), Panel("frey", 2), Panel("frey", 10))
PANELS = (*(Panel("mnist", n) for n in MNIST_LATENTS), *(Panel("frey", n) for n in FREY_LATENTS))
TRIED = (3,)  # latents, on other data
USUAL_STEP = 0.02  # where none is chosen

# From the paper's settings, by method.
CHANGES: dict[str, dict[str, Any]] = {
    "aevb": {},
    "aevb-a": {"objective": "sgvb-a"},
    "wake-sleep": {"objective": "wake-sleep", "dreams": "sampled"},
    "wake-sleep-means": {"objective": "wake-sleep", "dreams": "means"},
}
# The second estimator has the first one's step, so that the two curves differ in nothing else.
STEP_OF = {"aevb-a": "aevb"}


class Figure2(Experiment):
    """The lower bound while it is trained, against the published curves."""

    name: ClassVar[str] = "figure-2"
    title: ClassVar[str] = "The lower bound against training samples seen, AEVB and wake-sleep"
    source: ClassVar[str] = (
        "Kingma & Welling (2014), Auto-Encoding Variational Bayes, arXiv:1312.6114v10, figure 2"
    )
    full_minutes: ClassVar[float] = 180.0
    parts: ClassVar[tuple[str, ...]] = tuple(panel.name for panel in PANELS)

    def jobs(self, size: Size, data_dir: Path | None) -> Sequence[Job]:
        """For each panel the choice of a step size, then the curve, of each method."""
        panels = FEW_PANELS if size.share < FEW else PANELS
        if size.data:
            panels = [Panel(size.data, n) for n in TRIED]
        return [
            job for panel in panels if is_here(panel.dataset, data_dir) for job in _panel_jobs(panel, size)
        ]

    def verdicts(self, results: Results, size: Size) -> Sequence[Verdict]:
        """Ours minus published at 1e6 and 1e7 samples; AEVB minus wake-sleep; our recipe minus the paper's."""
        return [
            verdict
            for panel in panels_of(results)
            for verdict in verdicts_of(panel, results, is_full=size.is_full)
        ]

    def figures(self, results: Results, size: Size) -> Mapping[str, Figure]:
        """One for each data set."""
        drawn: dict[str, list[BoundPanel]] = {}
        for panel in panels_of(results):
            drawn.setdefault(f"{self.name}-{panel.dataset}", []).append(curves_of(panel, results))
        return {name: bound_panels(panels) for name, panels in drawn.items()}

    def tables(self, results: Results, size: Size) -> str:
        """The bounds at 1e6 and 1e7 samples, and the steps that were chosen."""
        return bound_table(results)

    def notes(self, size: Size) -> str:
        """What the paper leaves open."""
        return NOTES


NOTES = f"""\
- A full run goes to 1e7 samples; the paper's go on to about 4e8, which would take a day. Where our recipe is compared
  with the paper's best bound, that is the best of all its evaluations up to 4e8.
- Bounds are those of all test rows, and of the first 10,000 training rows at the weights of that moment.
- The paper's algorithm takes the estimator A or B, and does not say which one its figure shows. The first curve is B,
  whose divergence is in closed form, as in the paper's section 3; that of A, with the same step, shows the other.
- The prior N(0, 1) of AEVB is on the generative weights; that of the published code (see below) on both networks'.
- Weights and biases start from N(0, 0.01), the second number read as a standard deviation.
- Adagrad's step rises over the first {WARMUP} minibatches. The paper does not mention it; the code that its first
  author published (anglepy, wzoptim.py) takes no step in so many and only sums squared gradients.
- Of the step sizes {", ".join(map(str, STEP_SIZES))} each curve has the one with the best training bound after
  {EARLY:,} samples. Runs under {FEW:.0%} of full length have {USUAL_STEP} everywhere, and fewer models and methods.
- The sleep phase's gradient goes to the recognition weights only, the wake phase's to the generative ones, so that
  the two have Adagrad states of their own. Both have a prior N(0, 1) on their weights. Dreams are samples of the model,
  or in the variant the means of p(x|z).
- Pixels of MNIST are grey and the likelihood is Bernoulli, as in the paper: the bound is one on a cross-entropy. That
  of Frey Face is on a density of pixels in [0, 1].
- The paper does not say which frames of Frey Face are its test rows; here they are every tenth.
- Each curve is one run. {len(FURTHER_SEEDS)} further seeds of AEVB to {SEED_SAMPLES:,} samples tell how far runs
  differ.
"""


def _panel_jobs(panel: Panel, size: Size) -> list[Job]:
    total = BATCH * max(10, size.of(SAMPLES // BATCH))
    jobs = [Job(f"{panel.name}-ours", functools.partial(_our_curve, panel, total), total)]
    for method in CHANGES if size.share >= FEW else FEW_METHODS:
        key, needs = f"{panel.name}-{method}", ()
        if size.share >= FEW and method in STEP_OF:
            needs = (f"{panel.name}-{STEP_OF[method]}-step",)
        elif size.share >= FEW:
            choice = functools.partial(_choose_step, panel, method, total)
            jobs.append(Job(f"{key}-step", choice, len(STEP_SIZES) * _early(total)))
            needs = (f"{key}-step",)
        jobs.append(Job(key, functools.partial(_curve, panel, method, total), total, needs))
        if method in SEEDED and size.share >= FEW:
            n = min(total, SEED_SAMPLES)
            seeds = functools.partial(_further_seeds, panel, method, n)
            jobs.append(Job(f"{key}-seeds", seeds, len(FURTHER_SEEDS) * n, needs))
    return jobs


def _early(total: int) -> int:
    return min(EARLY, total)


def _choose_step(panel: Panel, method: str, total: int, setting: Setting, _: Results) -> dict[str, Any]:
    """The step size with the best training bound early on; one that diverges has none."""
    bounds: dict[str, float | None] = {}
    for i, rate in enumerate(STEP_SIZES):
        part = setting.part(i, len(STEP_SIZES))
        settings = paper_settings(panel, rate) | CHANGES[method]
        curve = train_curve(settings, [_early(total)], part)
        bounds[str(rate)] = None if curve.message else curve.records[-1]["train_bound"]
    best = max(bounds, key=lambda rate: -math.inf if (bound := bounds[rate]) is None else bound)
    return {"bounds": bounds, "learning_rate": float(best)}


def _rate(needed: Results) -> float:
    return next(iter(needed.values()))["learning_rate"] if needed else USUAL_STEP


def _curve(panel: Panel, method: str, total: int, setting: Setting, needed: Results) -> dict[str, Any]:
    settings = paper_settings(panel, _rate(needed)) | CHANGES[method]
    curve = train_curve(settings, sample_points(total, BATCH), setting)
    return curve.result | {"learning_rate": _rate(needed)}


def _further_seeds(panel: Panel, method: str, n: int, setting: Setting, needed: Results) -> dict[str, Any]:
    """The test bounds of other seeds after `n` samples."""
    bounds = []
    for i, seed in enumerate(FURTHER_SEEDS):
        settings = paper_settings(panel, _rate(needed)) | CHANGES[method] | {"seed": seed}
        curve = train_curve(settings, [n], setting.part(i, len(FURTHER_SEEDS)))
        bounds += [] if curve.message else [curve.records[-1]["test_bound"]]
    return {"samples_seen": n, "test_bounds": bounds}


def _our_curve(panel: Panel, total: int, setting: Setting, _: Results) -> dict[str, Any]:
    return train_curve(our_settings(panel, total), sample_points(total, BATCH), setting).result
