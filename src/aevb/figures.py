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


def draw_figures(
    model: TrainedModel, dataset: Dataset, records: list[dict[str, Any]], folder: Path
) -> list[Path]:
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
    figures: dict[str, Figure] = {"kl_per_latent": report.kl_per_latent(kl)}
    if records:
        figures["learning_curve"] = report.learning_curve(
            records, _bound_label(model.bound), "Learning curve (training values are means while learning)"
        )
    if len(kl) > 1:
        pair, labels = _two_latents(kl)
        codes = model.encode(x[:N_SCATTER])[:, pair]
        colours = None if y is None else y[:N_SCATTER]
        title = f"{rows} rows: means of q(z|x)"
        figures["codes"] = report.codes_scatter(
            codes, colours, labels, label_name=model.recipe.label, title=title
        )
        figures["manifold"] = _manifold(model, pair, labels)
    elif model.image_shape is not None:
        figures["manifold"] = _images_along_one_latent(model, model.image_shape)
    figures |= _reconstructions_and_samples(model, x, dataset.x_train, rows)
    return [report.save_figure(figure, folder / f"{name}.png") for name, figure in figures.items()]


def _two_latents(kl: np.ndarray) -> tuple[list[int], tuple[str, str]]:
    """The two latents to draw, in their order, with axis labels that say why these where there are more."""
    pair = sorted(np.argsort(-kl, kind="stable")[:2].tolist())
    if len(kl) == 2:
        return pair, ("z 1", "z 2")
    first, second = (f"z {j + 1} (KL {kl[j]:.2g} nats, top 2 of {len(kl)})" for j in pair)
    return pair, (first, second)


def _manifold(model: TrainedModel, pair: list[int], labels: tuple[str, str]) -> Figure:
    """The decoder's means over a plane of two latents; any others are at 0, their prior mean."""
    codes = np.zeros((GRID * GRID, model.recipe.latents))
    codes[:, pair] = report.manifold_grid(GRID)
    x = model.decode(codes)
    title = "Means of p(x|z) over the latent plane" + ("" if len(codes[0]) == 2 else ", other latents at 0")
    if model.image_shape is not None:
        return report.manifold(x, model.image_shape, labels, value_range=model.pixel_range, title=title)
    return report.feature_manifold(x.reshape(GRID, GRID, -1), model.feature_names, labels, title=title)


def _images_along_one_latent(model: TrainedModel, shape: tuple[int, int]) -> Figure:
    """The decoder's means at codes that are even in the prior's probability."""
    codes = report.manifold_grid(GRID)[:GRID, :1]
    low, high = (f"{z:.2f}".replace("-", "−") for z in codes[[0, -1], 0])
    title = f"Means of p(x|z), z from {low} to {high} by even steps of the prior's probability"
    return report.image_grid(model.decode(codes), shape, title, value_range=model.pixel_range, columns=10)


def _reconstructions_and_samples(
    model: TrainedModel, x: np.ndarray, x_train: np.ndarray, rows: str
) -> dict[str, Figure]:
    names, shape = model.feature_names, model.image_shape
    if shape is None:
        x = x[:N_TABLE_ROWS].astype(np.float64)
        return {
            "reconstructions": report.feature_reconstructions(
                x, model.reconstruct(x), names, title=f"{rows} rows and their reconstructions"
            ),
            "samples": report.feature_samples(
                x_train[:N_TABLE_ROWS].astype(np.float64),
                model.sample(N_TABLE_ROWS, model.recipe.seed),
                names,
                title="Training rows and samples of the model",
            ),
        }
    value_range = model.pixel_range
    shown = model.given(x[:N_RECONSTRUCTIONS])
    means = model.reconstruct(x[:N_RECONSTRUCTIONS])
    samples = model.sample(N_IMAGES, model.recipe.seed, means=True)
    return {
        "reconstructions": report.reconstructions(shown, means, shape, value_range=value_range),
        "samples": report.image_grid(
            samples, shape, "Random samples: means of p(x|z), z ~ p(z)", value_range=value_range
        ),
    }


def _bound_label(bound: str) -> str:
    if bound == "cross-entropy bound":
        return "Cross-entropy bound, not of a density (nats per data point)"
    return "Evidence lower bound (nats per data point)"
