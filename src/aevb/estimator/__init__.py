"""The scikit-learn face of the library: `VAE`, `VAEImputer`, `VAEOutlierDetector`, and `load`."""

from aevb.estimator.imputer import VAEImputer
from aevb.estimator.loading import load
from aevb.estimator.outliers import VAEOutlierDetector
from aevb.estimator.vae import VAE

__all__ = ["VAE", "VAEImputer", "VAEOutlierDetector", "load"]
