"""Figure 4 of the AEVB paper: the manifolds of models with two latents."""

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from matplotlib.figure import Figure

from aevb import plots
from aevb.experiments.reproduce.curve import dataset_for, is_here, mean_bounds
from aevb.experiments.reproduce.experiment import Experiment, Job, Results, Setting, Size, Verdict
from aevb.experiments.reproduce.images import packed, unpacked
from aevb.experiments.reproduce.networks import BATCH, TITLES, Panel, our_settings
from aevb.experiments.reproduce.training_jobs import trained
from aevb.experiments.reproduce.written import nats

SAMPLES = 5_000_000
GRID = {"mnist": 20, "frey": 12}
USUAL_GRID = 12


class Figure4(Experiment):
    """Means of p(x|z) over the plane of z, MNIST and Frey Face."""

    name: ClassVar[str] = "figure-4"
    title: ClassVar[str] = "The manifolds of models with two latents"
    source: ClassVar[str] = (
        "Kingma & Welling (2014), Auto-Encoding Variational Bayes, arXiv:1312.6114v10, figure 4"
    )
    full_minutes: ClassVar[float] = 5.0
    parts: ClassVar[tuple[str, ...]] = ("mnist", "frey")

    def jobs(self, size: Size, data_dir: Path | None) -> Sequence[Job]:
        """A model for each data set."""
        total = BATCH * max(10, size.of(SAMPLES // BATCH))
        names = [name for name in ([size.data] if size.data else GRID) if is_here(name, data_dir)]
        return [Job(f"{name}-manifold", functools.partial(_manifold, name, total), total) for name in names]

    def verdicts(self, results: Results, size: Size) -> Sequence[Verdict]:
        """The bounds of the models that are shown."""
        return [
            Verdict(
                f"{_title(r)}, N_z = 2: the model shown has a test bound of {nats(r['test_bound'])} nats."
            )
            for r in results.values()
        ]

    def figures(self, results: Results, size: Size) -> Mapping[str, Figure]:
        """One for each data set."""
        return {
            f"{self.name}-{r['data']}": plots.manifold(
                unpacked(r["images"]), tuple(r["image_shape"]), title=f"{_title(r)}: means of p(x|z)"
            )
            for r in results.values()
        }

    def notes(self, size: Size) -> str:
        """What is shown."""
        return NOTES


NOTES = """\
- As in the paper, a linear grid on the unit square goes through the inverse CDF of the Gaussian prior, and each code is
  decoded to the mean of p(x|z).
- The networks are the paper's, trained by our recipe. A manifold may come out turned or mirrored: the prior is the same
  in all directions.
"""


def _title(result: Mapping[str, Any]) -> str:
    name: str = result["data"]
    return TITLES.get(name, name)


def _manifold(name: str, total: int, setting: Setting, _: Results) -> dict[str, Any]:
    """The decoded grid, and the bounds."""
    dataset = dataset_for(name, setting.data_dir)
    model = trained(our_settings(Panel(name, 2), total) | {"steps": total // BATCH}, dataset, setting)
    images = packed(model.decode(plots.manifold_grid(GRID.get(name, USUAL_GRID))))
    assert dataset.image_shape is not None
    return {
        "data": name,
        "image_shape": list(dataset.image_shape),
        "images": images,
        **mean_bounds(model, dataset),
    }
