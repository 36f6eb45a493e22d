"""EM for linear-Gaussian models, in double precision on the host: a few matrix products of the columns' covariance."""

import dataclasses
import math
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from aevb.models import AutoEncoder
from aevb.models.conditional import LOG_VARIANCE_LIMITS, inverse_soft_clip, soft_clip

Matrix = Float[np.ndarray, "_ _"]
Vector = Float[np.ndarray, "_"]
# Inside the limits of a log-variance, where a noise variance that wants to be 0 (a Heywood case), or that of columns
# of enormous numbers, comes to rest.
VARIANCES = math.exp(LOG_VARIANCE_LIMITS[0] + 1), math.exp(LOG_VARIANCE_LIMITS[1] - 1)


@dataclasses.dataclass(frozen=True)
class FactorModel:
    """x = W z + mean + noise, z ~ N(0, I), noise ~ N(0, diag(variance)).

    Args:
        weight: W, features by latents.
        variance: of the noise, one per feature.
        shared: whether these are all equal.
    """

    weight: Matrix
    variance: Vector
    shared: bool

    @property
    def posterior(self) -> tuple[Matrix, Matrix]:
        """B and C of p(z|x) = N(B (x - mean), C)."""
        scaled = self.weight.T / self.variance
        covariance = np.linalg.inv(np.eye(self.weight.shape[1]) + scaled @ self.weight)
        return covariance @ scaled, covariance

    def log_likelihood(self, covariance: Matrix) -> float:
        """The mean of log p(x) over rows with this covariance about their mean, nats."""
        n_features = len(self.variance)
        own = self.weight @ self.weight.T + np.diag(self.variance)
        log_det = np.linalg.slogdet(own)[1]
        return -0.5 * (
            n_features * math.log(2 * math.pi) + log_det + np.trace(np.linalg.solve(own, covariance))
        )

    def divergence(self, covariance: Matrix) -> float:
        """The mean of KL(p(z|x) || p(z)) over these rows, nats."""
        b, c = self.posterior
        second_moment = np.trace(c) + np.trace(b @ covariance @ b.T)
        return 0.5 * (second_moment - len(c) - np.linalg.slogdet(c)[1])

    def improved(self, covariance: Matrix) -> "FactorModel":
        """One iteration: the expected moments of z given the rows, and the weights and variances they make best."""
        b, c = self.posterior
        with_x = covariance @ b.T
        weight = np.linalg.solve(c + b @ with_x, with_x.T).T
        variance = np.clip(np.diag(covariance) - np.sum(weight * with_x, axis=1), *VARIANCES)
        if self.shared:
            variance = np.full_like(variance, variance.mean())
        return FactorModel(weight, variance, self.shared)

    def rotated(self) -> "FactorModel":
        """The same density with a W whose posterior covariance is diagonal, as an encoder's is."""
        _, axes = np.linalg.eigh((self.weight.T / self.variance) @ self.weight)
        return FactorModel(self.weight @ axes[:, ::-1], self.variance, self.shared)


def log_volume(autoencoder: AutoEncoder) -> float:
    """Of the scaling of columns."""
    model: Any = autoencoder.model
    return float(np.sum(model.log_scale.value))


def read(autoencoder: AutoEncoder) -> FactorModel:
    """The factor model that a linear decoder is."""
    decoder: Any = autoencoder.model.decoder  # pyright: ignore[reportAttributeAccessIssue]
    weight = np.asarray(decoder.heads["loc"].weight, np.float64).T  # pyright: ignore[reportAttributeAccessIssue]
    log_variance = soft_clip(decoder.free["log_variance"], *LOG_VARIANCE_LIMITS)  # pyright: ignore[reportAttributeAccessIssue]
    variance = np.exp(np.asarray(log_variance, np.float64))
    return FactorModel(weight, np.broadcast_to(variance, len(weight)).copy(), variance.size == 1)


def written(autoencoder: AutoEncoder, model: FactorModel, mean: Vector) -> AutoEncoder:
    """The autoencoder with this decoder, and with its exact posterior for an encoder."""
    model = model.rotated()
    b, c = model.posterior
    log_variance = np.log(model.variance[:1] if model.shared else model.variance)
    heads = autoencoder.encoder.heads  # pyright: ignore[reportAttributeAccessIssue]
    flat = np.zeros(heads["log_variance"].weight.shape)
    arrays = (
        *(model.weight.T, mean, inverse_soft_clip(log_variance, *LOG_VARIANCE_LIMITS)),
        *(b.T, -b @ mean, flat, inverse_soft_clip(np.log(np.diag(c)), *LOG_VARIANCE_LIMITS)),
    )

    def where(a: AutoEncoder) -> list[object]:
        p: Any = a.model.decoder  # pyright: ignore[reportAttributeAccessIssue]
        q: Any = a.encoder
        loc, spread = q.heads["loc"], q.heads["log_variance"]
        return [
            *(p.heads["loc"].weight, p.heads["loc"].bias, p.free["log_variance"]),
            *(loc.weight, loc.bias, spread.weight, spread.bias),
        ]

    dtype = heads["loc"].weight.dtype
    return eqx.tree_at(where, autoencoder, [jnp.asarray(array, dtype) for array in arrays])
