"""`VAEImputer`: missing values filled in by a variational auto-encoder, as a step of a scikit-learn pipeline."""

from typing import Any

import numpy as np
from jaxtyping import Float
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin, clone
from sklearn.utils.validation import check_is_fitted

from aevb.estimator.vae import VAE


class VAEImputer(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Fills missing values with their conditional means E[x_missing | x_observed] under a variational auto-encoder.

    It learns from rows that lack values themselves, by the bound on what is observed of them (MIWAE, Mattei & Frellsen
    2019, where the objective is "iwae"). This assumes values missing at random: given what is observed, whether a value
    is missing does not depend on it.

    Args:
        vae: a `VAE` with the settings to train with, which stays as it is: a copy with missing="nan" is trained.
            None for one with the default settings.
        method: "importance", "pseudo-gibbs" or "metropolis", see `VAE.impute`, which also draws multiple imputations.

    Attributes:
        vae_: the trained `VAE`.
        n_features_in_: the number of features.
        feature_names_in_: their names, when fitted on a data frame.

    >>> x = np.array([[0.0, 1.0], [1.0, np.nan], [2.0, 3.0], [np.nan, 4.0]])
    >>> VAEImputer(VAE(n_latents=1, hidden=(4,), epochs=2, random_state=0)).fit_transform(x)[0]
    array([0., 1.])
    """

    def __init__(self, vae: VAE | None = None, method: str = "importance"):
        self.vae = vae
        self.method = method

    def fit(self, X: Any, y: Any = None) -> "VAEImputer":
        """Train on the rows of `X`, NaN or masked where a value is missing, as `VAE.fit` takes them; `y` is ignored.

        Raises:
            AevbError: as `VAE.fit`; also for a feature that no row has a value of.
        """
        vae: Any = VAE() if self.vae is None else clone(self.vae)
        self.vae_ = vae.set_params(missing="nan").fit(X)
        self.n_features_in_ = self.vae_.n_features_in_
        if hasattr(self.vae_, "feature_names_in_"):
            self.feature_names_in_ = self.vae_.feature_names_in_
        return self

    def transform(self, X: Any) -> Float[np.ndarray, "rows features"]:
        """The rows with their missing values filled in, in the input's float type; observed values stay as they are.

        Raises:
            AevbError: as `VAE.impute`.
        """
        check_is_fitted(self)
        return self.vae_.impute(X, method=self.method)

    def __sklearn_tags__(self) -> Any:
        """What scikit-learn should know: NaN and sparse matrices are welcome, and rows keep their float type."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
