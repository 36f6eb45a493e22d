"""The scikit-learn face of the library: `VAE`, `Networks`, `VAEImputer`, `VAEOutlierDetector`, and `load`."""

from aevb.estimator.imputer import VAEImputer
from aevb.estimator.loading import load
from aevb.estimator.networks import Networks
from aevb.estimator.outliers import VAEOutlierDetector
from aevb.estimator.vae import VAE

__all__ = ["VAE", "Networks", "VAEImputer", "VAEOutlierDetector", "load"]
