"""Which pictures a run gets, and the numbers that go into them."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from aevb import inference, report
from aevb.datasets import Dataset
from aevb.trained import TrainedModel

N_IMAGES = 100
N_RECONSTRUCTIONS = 10
N_SCATTER = 10_000
N_TABLE_ROWS = 2000
GRID = 20


def draw_figures(model: TrainedModel, dataset: Dataset, records: list[dict[str, Any]], folder: Path) -> list[Path]:
    """Draw and save all the pictures that suit the data; test rows where there are any, else training rows.

    Args:
        model: what was trained.
        dataset: on what.
        records: a run's evaluations.
        folder: where the PNG files go.

    Returns:
        The files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    has_test = dataset.x_test is not None and len(dataset.x_test) > 0
    x, y = (dataset.x_test, dataset.y_test) if has_test else (dataset.x_train, dataset.y_train)
    assert x is not None
    rows = "Test" if has_test else "Training"
    kl = inference.kl_per_latent(model.autoencoder, model.prepare(x[:N_SCATTER]))
    pair, labels = _two_latents(kl)
    figures: dict[str, Figure] = {
        "learning_curve": report.learning_curve(records, _bound_label(model.bound)),
        "kl_per_latent": report.kl_per_latent(kl),
        "codes": report.codes_scatter(
            model.encode(x[:N_SCATTER])[:, pair],
            None if y is None else y[:N_SCATTER],
            labels,
            title=f"{rows} rows: means of q(z|x)",
        ),
    }
    if len(kl) > 1:
        figures["manifold"] = _manifold(model, pair, labels)
    figures |= _reconstructions_and_samples(model, x, rows)
    return [report.save_figure(figure, folder / f"{name}.png") for name, figure in figures.items()]


def _two_latents(kl: np.ndarray) -> tuple[list[int], tuple[str, str]]:
    """The two latents to draw, in their order, with axis labels that say why these where there are more."""
    pair = sorted(np.argsort(-kl, kind="stable")[:2].tolist())
    if len(kl) == 1:
        return [0, 0], ("z 1", "z 1")
    if len(kl) == 2:
        return pair, ("z 1", "z 2")
    first, second = (f"z {j + 1} (KL {kl[j]:.1f} nats, among the two largest of {len(kl)})" for j in pair)
    return pair, (first, second)


def _manifold(model: TrainedModel, pair: list[int], labels: tuple[str, str]) -> Figure:
    """The decoder's means over a plane of two latents; any others are at 0, their prior mean."""
    codes = np.zeros((GRID * GRID, model.recipe.latents))
    codes[:, pair] = report.manifold_grid(GRID)
    x = model.decode(codes)
    title = "Means of p(x|z) over the latent plane" + ("" if len(codes[0]) == 2 else ", other latents at 0")
    if model.image_shape is not None:
        return report.manifold(x, model.image_shape, labels, value_range=_value_range(model), title=title)
    return report.feature_manifold(x.reshape(GRID, GRID, -1), model.feature_names, labels, title=title)


def _reconstructions_and_samples(model: TrainedModel, x: np.ndarray, rows: str) -> dict[str, Figure]:
    names, shape = model.feature_names, model.image_shape
    if shape is None:
        x = x[:N_TABLE_ROWS].astype(np.float64)
        return {
            "reconstructions": report.feature_reconstructions(x, model.reconstruct(x), names),
            "samples": report.feature_samples(x, model.sample(N_TABLE_ROWS, model.recipe.seed), names),
        }
    value_range = _value_range(model)
    shown = model.given(x[:N_RECONSTRUCTIONS])
    means = model.reconstruct(x[:N_RECONSTRUCTIONS])
    samples = model.sample(N_IMAGES, model.recipe.seed, means=True)
    return {
        "reconstructions": report.reconstructions(shown, means, shape, value_range=value_range),
        "samples": report.image_grid(samples, shape, "Random samples: means of p(x|z), z ~ p(z)", value_range=value_range),
    }


def _value_range(model: TrainedModel) -> tuple[float, float] | None:
    """Black and white in the user's units, for data that were in [0, 1] when scaled."""
    if model.likelihood == "gaussian":
        return None
    low, high = model.autoencoder.model.scaling.undo(np.array([[0.0], [1.0]]) * np.ones(model.n_features))[:, 0]
    return float(low), float(high)


def _bound_label(bound: str) -> str:
    if bound == "cross-entropy bound":
        return "Cross-entropy bound, not of a density (nats per image)"
    return "Evidence lower bound (nats per data point)"
