"""Pictures of a trained model, from plain arrays and records only: each function returns a `Figure`."""

from aevb.plots.codes import codes_scatter
from aevb.plots.completions import completions
from aevb.plots.curves import kl_per_latent, learning_curve
from aevb.plots.evaluation import bound_gaps, importance_curve, latent_information
from aevb.plots.feature_maps import feature_manifold, feature_means
from aevb.plots.features import feature_reconstructions, feature_samples
from aevb.plots.gradients import gradient_variances
from aevb.plots.images import image_grid, manifold, reconstructions
from aevb.plots.quantiles import grid_probabilities, manifold_grid
from aevb.plots.reproduce import (
    BoundCurve,
    BoundPanel,
    LatentCurve,
    bound_panels,
    bounds_by_latents,
    epoch_log,
    sample_panels,
)
from aevb.plots.simplex import simplex_scatter
from aevb.plots.style import save_figure

__all__ = [
    "BoundCurve",
    "BoundPanel",
    "LatentCurve",
    "bound_gaps",
    "bound_panels",
    "bounds_by_latents",
    "codes_scatter",
    "completions",
    "epoch_log",
    "feature_manifold",
    "feature_means",
    "feature_reconstructions",
    "feature_samples",
    "gradient_variances",
    "grid_probabilities",
    "image_grid",
    "importance_curve",
    "kl_per_latent",
    "latent_information",
    "learning_curve",
    "manifold",
    "manifold_grid",
    "reconstructions",
    "sample_panels",
    "save_figure",
    "simplex_scatter",
]
