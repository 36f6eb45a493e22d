"""Pictures of a trained model, from plain arrays and records only: each function returns a `Figure`."""

from aevb.report.codes import codes_scatter
from aevb.report.completions import completions
from aevb.report.curves import kl_per_latent, learning_curve
from aevb.report.evaluation import bound_gaps, importance_curve, latent_information
from aevb.report.feature_maps import feature_manifold, feature_means
from aevb.report.features import feature_reconstructions, feature_samples
from aevb.report.gradients import gradient_variances
from aevb.report.images import image_grid, manifold, reconstructions
from aevb.report.quantiles import grid_probabilities, manifold_grid
from aevb.report.reproduce import (
    BoundCurve,
    BoundPanel,
    LatentCurve,
    bound_panels,
    bounds_by_latents,
    epoch_log,
    sample_panels,
)
from aevb.report.simplex import simplex_scatter
from aevb.report.style import save_figure

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
