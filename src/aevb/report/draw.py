"""All the pictures of a run."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from aevb import plots
from aevb.datasets import Dataset
from aevb.report.codes import codes_figure, divergence_figure, mean_divergences, unbroken
from aevb.report.decoded import decoded_figure
from aevb.selection import bound_name, build_objective
from aevb.trained import TrainedModel

N_IMAGES = 100
N_RECONSTRUCTIONS = 10
N_SCATTER = 10_000
N_TABLE_ROWS = 2000


def draw_figures(
    model: TrainedModel, dataset: Dataset, records: list[dict[str, Any]], folder: Path
) -> list[Path]:
    """Draw and save all the pictures that suit data and codes; test rows where there are any, else training rows.

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
    colours = None if y is None else y[:N_SCATTER]
    codes = model.encode(x[:N_SCATTER])
    kl = mean_divergences(model, x[:N_SCATTER])
    figures: dict[str, Figure | None] = {
        "kl_per_latent": divergence_figure(model, kl),
        "codes": codes_figure(model, codes, kl, colours, rows),
        "manifold": decoded_figure(model, codes, kl),
    }
    if records:
        figures["learning_curve"] = plots.learning_curve(
            records,
            _bound_label(_trained_value(model)),
            "Learning curve (training values are means while learning)",
        )
    figures |= _reconstructions_and_samples(model, x, dataset.x_train, rows)
    return [plots.save_figure(figure, folder / f"{name}.png") for name, figure in figures.items() if figure]


def _reconstructions_and_samples(
    model: TrainedModel, x: np.ndarray, x_train: np.ndarray, rows: str
) -> dict[str, Figure]:
    names, shape = model.feature_names, model.image_shape
    if shape is None:
        x = x[:N_TABLE_ROWS].astype(np.float64)
        return {
            "reconstructions": plots.feature_reconstructions(
                x, model.reconstruct(x), names, title=f"{rows} rows and their reconstructions"
            ),
            "samples": plots.feature_samples(
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
        "reconstructions": plots.reconstructions(shown, means, shape, value_range=value_range),
        "samples": plots.image_grid(
            samples, shape, "Random samples: means of p(x|z), z ~ p(z)", value_range=value_range
        ),
    }


def _trained_value(model: TrainedModel) -> str:
    """What the values in a run's records are called: those of the objective that was trained, bound or not."""
    return bound_name(build_objective(model.recipe, model.autoencoder), normalized=model.is_normalized)


def _bound_label(bound: str) -> str:
    """What the bound is, and its unit; settings it depends on, which are in parentheses, stay with its name."""
    name, _, settings = bound.removesuffix(")").partition(" (")
    settings = ", ".join(map(unbroken, settings.split(", ")))
    if name.startswith("cross-entropy"):
        settings = ", ".join(filter(None, (settings, "not of a density")))
        return f"{_capital(name)}, {settings} (nats per data point)"
    return f"{_capital(name)}{', ' * bool(settings)}{settings} (nats per data point)"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
