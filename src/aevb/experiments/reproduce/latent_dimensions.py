"""Does more latent space overfit? Final bounds and active units against N_z."""

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import jax
from matplotlib.figure import Figure

from aevb.evaluation import latent_diagnostics
from aevb.experiments.reproduce.curve import (
    TRAIN_ROWS,
    dataset_for,
    is_here,
    mean_bounds,
)
from aevb.experiments.reproduce.experiment import Experiment, Job, Results, Setting, Size, Verdict
from aevb.experiments.reproduce.networks import (
    BATCH,
    FREY_LATENTS,
    MNIST_LATENTS,
    TITLES,
    Panel,
    our_settings,
)
from aevb.experiments.reproduce.published import figure_2_best, figure_2_curve
from aevb.experiments.reproduce.training_jobs import trained
from aevb.experiments.reproduce.written import nats, table
from aevb.plots import LatentCurve, bounds_by_latents

SAMPLES = 5_000_000
LATENTS = {"mnist": (2, 3, 5, 10, 20, 50, 200), "frey": (2, 5, 10, 20, 50)}
FEW = 0.2  # below this share, fewer are tried
FEW_LATENTS = {"mnist": (2, 20), "frey": (2, 20)}
TRIED = (2, 20)  # latents, on other data
DIAGNOSED = 1000  # test rows whose codes tell which units are active
PUBLISHED = {"mnist": MNIST_LATENTS, "frey": FREY_LATENTS}


class LatentDimensions(Experiment):
    """Final bounds on training and test rows, and active units, against N_z."""

    name: ClassVar[str] = "latent-dimensions"
    title: ClassVar[str] = "Does more latent space overfit? Final bounds and active units against N_z"
    source: ClassVar[str] = (
        "Kingma & Welling (2014), Auto-Encoding Variational Bayes, arXiv:1312.6114v10, section 5 and figure 2"
    )
    full_minutes: ClassVar[float] = 25.0
    parts: ClassVar[tuple[str, ...]] = ("mnist", "frey")

    def jobs(self, size: Size, data_dir: Path | None) -> Sequence[Job]:
        """A model for each data set and N_z."""
        latents = {size.data: TRIED} if size.data else FEW_LATENTS if size.share < FEW else LATENTS
        total = BATCH * max(10, size.of(SAMPLES // BATCH))
        panels = [Panel(data, n) for data, ns in latents.items() if is_here(data, data_dir) for n in ns]
        return [Job(f"{panel.name}-ours", functools.partial(_model, panel, total), total) for panel in panels]

    def verdicts(self, results: Results, size: Size) -> Sequence[Verdict]:
        """For each data set, how test and training bound go with N_z."""
        return [verdict for data in _datasets(results) for verdict in _verdicts(data, results)]

    def figures(self, results: Results, size: Size) -> Mapping[str, Figure]:
        """One, a panel for each data set."""
        panels = []
        for data in _datasets(results):
            found = _of(data, results)
            ours = _curve("our recipe", {n: (r["train_bound"], r["test_bound"]) for n, r in found.items()})
            published = _published(data)
            curves = [ours, _curve("published best", published, is_published=True)] if published else [ours]
            active = [(n, result["active_units"]) for n, result in found.items()]
            panels.append((TITLES.get(data, data), curves, active))
        return {self.name: bounds_by_latents(panels)}

    def tables(self, results: Results, size: Size) -> str:
        """Bounds and active units."""
        rows = []
        for data in _datasets(results):
            published = _published(data)
            for n, r in _of(data, results).items():
                paper = published.get(n, (None, None))
                bounds = (
                    nats(r["train_bound"]),
                    nats(r["test_bound"]),
                    nats(r["train_bound"] - r["test_bound"]),
                )
                active = f"{r['active_units']} of {n}"
                rows.append((TITLES.get(data, data), str(n), *bounds, active, nats(paper[0]), nats(paper[1])))
        header = ("data", "N_z", "train", "test", "gap", "active units", "published train", "published test")
        return "## Bounds, nats per data point\n\n" + table(header, rows)

    def notes(self, size: Size) -> str:
        """What was done."""
        return NOTES


NOTES = f"""\
- Networks are the paper's (one hidden layer of 500 tanh units, 200 for Frey Face), trained by our recipe to
  {SAMPLES:,} samples at full length, without a choice of the best moment on any rows.
- The training bound is that of the first {TRAIN_ROWS:,} training rows at the last weights.
- A unit is active where the variance over test rows of its posterior mean exceeds 0.01 (Burda et al. 2016), on the
  first {DIAGNOSED:,} test rows.
- Published values are the best of each curve in figure 2, up to about 4e8 samples.
"""


def _model(panel: Panel, total: int, setting: Setting, _: Results) -> dict[str, Any]:
    """Bounds and active units at the end."""
    dataset = dataset_for(panel.dataset, setting.data_dir)
    settings = our_settings(panel, total) | {"steps": total // BATCH}
    model = trained(settings, dataset, setting)
    assert dataset.x_test is not None
    rows = model.prepare(dataset.x_test[:DIAGNOSED])
    used = latent_diagnostics(model.autoencoder, rows, jax.random.key(0), n_draws=2)
    return {**mean_bounds(model, dataset), "active_units": int(used.is_active.sum())}


def _datasets(results: Results) -> list[str]:
    panels = (Panel.of(key) for key in results)
    return list(dict.fromkeys(panel.dataset for panel in panels if panel is not None))


def _of(data: str, results: Results) -> dict[int, Mapping[str, Any]]:
    """The results of a data set by N_z, increasing."""
    found = {
        panel.n_latents: results[key] for key in results if (panel := Panel.of(key)) and panel.dataset == data
    }
    return dict(sorted(found.items()))


def _published(data: str) -> dict[int, tuple[float | None, float | None]]:
    """By N_z the best training and test bound of AEVB."""
    return {
        n: (figure_2_best(data, n, "aevb", "train"), figure_2_best(data, n, "aevb", "test"))
        for n in PUBLISHED.get(data, ())
        if figure_2_curve(data, n, "aevb", "test") is not None
    }


def _curve(
    name: str, bounds: Mapping[int, tuple[float | None, float | None]], *, is_published: bool = False
) -> LatentCurve:
    train, test = zip(*bounds.values(), strict=True)
    return LatentCurve(name, list(bounds), train, test, is_published)


def _verdicts(data: str, results: Results) -> list[Verdict]:
    found, name = _of(data, results), TITLES.get(data, data)
    best = max(found, key=lambda n: found[n]["test_bound"])
    most = max(found)
    lost = found[best]["test_bound"] - found[most]["test_bound"]
    gaps = {n: found[n]["train_bound"] - found[n]["test_bound"] for n in sorted({min(found), most})}
    said = f"the test bound is highest at N_z = {best} ({nats(found[best]['test_bound'])})"
    at_most = "" if best == most else f", and at N_z = {most} {nats(lost, 2)} nats lower"
    above = " and by ".join(f"{nats(gap, 2)} nats at N_z = {n}" for n, gap in gaps.items())
    return [
        Verdict(f"{name}: {said}{at_most}."),
        Verdict(f"{name}: the training bound is above the test bound by {above}."),
        Verdict(f"{name}: of {most} latents {found[most]['active_units']} are active."),
    ]
