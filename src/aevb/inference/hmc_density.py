"""log p(x) from draws of the posterior and a density fitted to them: the estimator of the AEVB paper's Appendix D."""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.special import chdtri

from aevb.chains.coordinates import require_continuous
from aevb.chains.hmc import effective_draws
from aevb.errors import InvalidRecipeError
from aevb.inference.marginal import MarginalEstimate, PerRow, Rows, Show
from aevb.inference.sampled import HMC, PosteriorSamples, run_chains
from aevb.models import Model, Recognition
from aevb.typing import PRNGKey

MOST_LATENTS = 8
INSIDE = 0.99  # of the fitted Gaussian's mass is inside the ellipsoid to which it is cut
LEAST_SHARE = 0.1  # of the draws that count must be as good as independent with equal weights


@dataclasses.dataclass(frozen=True)
class HMCDensity:
    """1 / p(x) = E_p(z|x)[q(z) / p(x, z)], for any density q with mass only where p(x, z) has some.

    The estimator of Kingma & Welling (2014), Appendix D: draws from p(z|x) by Hamiltonian Monte Carlo, q fitted to the
    first half of each chain, the mean over the second half. q is a Gaussian with a full covariance in unconstrained
    coordinates, cut to its ellipsoid of 99% of the mass, so that no draw from where q's tail is heavier than the
    posterior's can have an unbounded weight (Geweke 1999, section 3.2). The expectation of the estimate lies above
    log p(x). It needs posterior draws that a Gaussian describes, and with many latents it never has them.

    Args:
        n_samples: draws of each chain, half of which the density is fitted to.
        n_chains: chains per row.
        n_warmup: transitions before the first draw.
        force: go on with more than 8 latents.

    Raises:
        InvalidRecipeError: a number is too small.
    """

    n_samples: int = 1000
    n_chains: int = 8
    n_warmup: int = 300
    force: bool = False
    name: ClassVar[str] = "hmc-density"

    def __post_init__(self):
        if self.n_samples < 16:
            raise InvalidRecipeError(
                "hmc-density fits a density to half of the draws and averages over the other: it needs at least "
                f"16 of each chain, not {self.n_samples}"
            )
        _ = self._hmc

    @property
    def _hmc(self) -> HMC:
        return HMC(self.n_samples, self.n_chains, self.n_warmup)

    def __call__(
        self, model: Model, recognition: Recognition | None, x: Rows, key: PRNGKey, show: Show
    ) -> MarginalEstimate:
        """The estimates; see `aevb.inference.log_marginal`.

        Raises:
            InvalidRecipeError: the codes are discrete, or more than 8 without `force`.
        """
        require_continuous(model, "hmc-density")
        self._require_few_latents(model)
        found = run_chains(model, recognition, x, key, self._hmc, ("u", "z", "log_joint"), show)
        samples = PosteriorSamples(
            found["z"], found["r_hat"], found["effective_samples"], found["acceptance"]
        )
        half = self.n_samples // 2
        terms = [
            _log_terms(u, log_joint, half)
            for u, log_joint in zip(found["u"], found["log_joint"], strict=True)
        ]
        log_p, error, diagnostics = _reciprocal_mean(np.stack(terms))
        reliable = (
            samples.reliable
            & np.isfinite(log_p)
            & (error < 1)
            & (diagnostics["effective_draws"] >= 100)
            & (diagnostics["equal_share"] >= LEAST_SHARE)
        )
        diagnostics |= {
            "r_hat": samples.r_hat,
            "effective_samples": samples.effective_samples,
            "acceptance": samples.acceptance,
        }
        return MarginalEstimate(self.name, "up", log_p, error, reliable, diagnostics)

    def _require_few_latents(self, model: Model) -> None:
        n = model.space.width
        if n > MOST_LATENTS and not self.force:
            raise InvalidRecipeError(
                f"hmc-density is dependable up to about {MOST_LATENTS} latents, and this model has {n}: the density "
                "fitted to the draws no longer resembles the posterior. Use annealed importance sampling, "
                "or in Python HMCDensity(force=True)"
            )


def _log_terms(
    u: Float[np.ndarray, "chains draws dims"], log_joint: Float[np.ndarray, "chains draws"], half: int
) -> Float[np.ndarray, "chains others"]:
    """log q(u) / p(x, u) of draws from `half` on, q fitted to those before; minus infinity outside the ellipsoid."""
    n_dims = u.shape[-1]
    fitted, u = u[:, :half].reshape(-1, n_dims).astype(np.float64), u[:, half:].astype(np.float64)
    mean = fitted.mean(axis=0)
    covariance = np.atleast_2d(np.cov(fitted.T))
    try:
        factor = np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError:  # chains that never moved
        return np.full(u.shape[:2], np.nan)
    distance = np.sum(np.square(np.linalg.solve(factor, (u - mean).reshape(-1, n_dims).T)), axis=0)
    distance = distance.reshape(u.shape[:2])
    log_det = 2 * np.sum(np.log(np.diag(factor)))
    log_q = -0.5 * (distance + log_det + n_dims * np.log(2 * np.pi)) - np.log(INSIDE)
    return np.where(
        distance <= chdtri(n_dims, 1 - INSIDE), log_q - log_joint[:, half:].astype(np.float64), -np.inf
    )


def _reciprocal_mean(
    terms: Float[np.ndarray, "rows chains draws"],
) -> tuple[PerRow, PerRow, dict[str, Float[np.ndarray, "rows ..."]]]:
    """log p(x) = -log mean exp(terms), its error, and what the error was judged by."""
    largest = terms.max(axis=(1, 2), keepdims=True)
    w = np.exp(terms - np.where(np.isfinite(largest), largest, 0.0))
    mean = w.mean(axis=(1, 2))
    effective = np.asarray(_effective(jnp.asarray(w)), np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        log_p = -(largest[:, 0, 0] + np.log(mean))
        # Delta method; draws of one chain hang together, so that their number is the effective one.
        error = w.std(axis=(1, 2), ddof=1) / mean / np.sqrt(effective)
        share = np.nan_to_num(mean**2 / np.mean(w**2, axis=(1, 2)))
    inside = np.mean(np.isfinite(terms), axis=(1, 2))
    return log_p, error, {"effective_draws": effective, "equal_share": share, "inside": inside}


@jax.jit
def _effective(w: Float[Array, "rows chains draws"]) -> Float[Array, " rows"]:
    return jax.vmap(effective_draws)(w)
