"""The pictures of an evaluation."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from aevb import plots
from aevb.evaluation import Evaluation


def draw_evaluation(evaluation: Evaluation, rows: str, folder: Path) -> list[Path]:
    """Draw and save the pictures that an evaluation has the numbers for.

    Args:
        evaluation: the numbers.
        rows: what was evaluated.
        folder: where the PNG files go.

    Returns:
        The files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    figures: dict[str, Figure] = {}
    unit = "nats per data point" if evaluation.is_normalized else "nats per data point, not of a density"
    for marginal in evaluation.marginals:
        if marginal.curve:
            title = f"Importance-weighted bounds, mean of {marginal.n_rows:,} rows\n{rows}"
            figures["iwae_curve"] = plots.importance_curve(
                marginal.curve_sizes, np.array(marginal.curve), unit, title
            )
    latents = evaluation.latents
    if len(latents.kl) > 1 or len(latents.code_variance) == 1:
        title = f"{rows}: what the KL of each latent is made of"
        figures["latents"] = plots.latent_information(
            latents.kl, latents.information, latents.gap, title=title
        )
    if (gaps := evaluation.gaps) is not None:
        levels = [gaps.refined_bound, gaps.log_p]
        errors = [gaps.approximation.sampling_error]
        if gaps.amortization is not None:
            levels, errors = [gaps.amortized_bound, *levels], [gaps.amortization.sampling_error, *errors]
        figures["gaps"] = plots.bound_gaps(
            levels,
            errors,
            label=unit,
            title=f"From the bound to the likelihood, mean of {gaps.n_rows} rows\n{rows}",
            top="log p(x)" if evaluation.is_normalized else "importance weighted",
        )
    return [plots.save_figure(figure, folder / f"{name}.png") for name, figure in figures.items()]
