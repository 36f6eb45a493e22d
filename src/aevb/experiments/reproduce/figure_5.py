"""Figure 5 of the AEVB paper: random samples of models with 2, 5, 10 and 20 latents."""

import functools
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from matplotlib.figure import Figure

from aevb.experiments.reproduce.curve import dataset_for, mean_bounds
from aevb.experiments.reproduce.experiment import Experiment, Job, Results, Setting, Size, Verdict
from aevb.experiments.reproduce.images import packed, unpacked
from aevb.experiments.reproduce.networks import BATCH, Panel, our_settings
from aevb.experiments.reproduce.published import figure_2_best
from aevb.experiments.reproduce.training_jobs import trained
from aevb.experiments.reproduce.written import nats, table
from aevb.plots import sample_panels

SAMPLES = 5_000_000
LATENTS = (2, 5, 10, 20)
N_IMAGES, COLUMNS = 100, 10


class Figure5(Experiment):
    """Means of p(x|z) at random z, for four numbers of latents."""

    name: ClassVar[str] = "figure-5"
    title: ClassVar[str] = "Random samples of models with 2, 5, 10 and 20 latents"
    source: ClassVar[str] = (
        "Kingma & Welling (2014), Auto-Encoding Variational Bayes, arXiv:1312.6114v10, figure 5"
    )
    full_minutes: ClassVar[float] = 10.0

    def jobs(self, size: Size, data_dir: Path | None) -> Sequence[Job]:
        """A model for each number of latents."""
        total = BATCH * max(10, size.of(SAMPLES // BATCH))
        panels = [Panel(size.data or "mnist", n) for n in LATENTS]
        return [
            Job(f"{panel.name}-ours", functools.partial(_samples, panel, total), total) for panel in panels
        ]

    def verdicts(self, results: Results, size: Size) -> Sequence[Verdict]:
        """How the test bound goes with the number of latents."""
        bounds = [result["test_bound"] for result in results.values()]
        rises = all(a < b for a, b in itertools.pairwise(bounds))
        how = "rises with every step" if rises else "does not rise with every step"
        return [
            Verdict(
                f"From N_z = {LATENTS[0]} to {LATENTS[-1]} the test bound {how} ({', '.join(map(nats, bounds))})."
            )
        ]

    def figures(self, results: Results, size: Size) -> Mapping[str, Figure]:
        """The four grids side by side."""
        grids = [(f"N_z = {result['n_latents']}", unpacked(result["images"])) for result in results.values()]
        shape = next(iter(results.values()))["image_shape"]
        return {self.name: sample_panels(grids, tuple(shape), COLUMNS)}

    def tables(self, results: Results, size: Size) -> str:
        """The bounds of the models shown."""
        rows = [
            (
                str(r["n_latents"]),
                nats(r["test_bound"]),
                nats(figure_2_best(r["data"], r["n_latents"], "aevb", "test")),
            )
            for r in results.values()
        ]
        return "## Test bounds, nats per data point\n\n" + table(
            ("N_z", "of the model shown", "published best"), rows
        )

    def notes(self, size: Size) -> str:
        """What is shown."""
        return (
            "- Codes are drawn from the prior; what is shown are the means of p(x|z), no draws of single "
            "pixels, as in the paper.\n- The networks are the paper's, trained by our recipe."
        )


def _samples(panel: Panel, total: int, setting: Setting, _: Results) -> dict[str, Any]:
    """Means at draws from the prior, and the bounds."""
    dataset = dataset_for(panel.dataset, setting.data_dir)
    model = trained(our_settings(panel, total) | {"steps": total // BATCH}, dataset, setting)
    images = packed(model.sample(N_IMAGES, seed=0, means=True))
    assert dataset.image_shape is not None
    about = {"data": panel.dataset, "n_latents": panel.n_latents, "image_shape": list(dataset.image_shape)}
    return {**about, "images": images, **mean_bounds(model, dataset)}
