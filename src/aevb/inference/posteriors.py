"""One door to p(z|x) of each row: as the recognition model gives it, optimized for the row, or by simulation."""

import dataclasses

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Bool, Float

from aevb.batch import Batch, each_row, map_rows
from aevb.errors import InvalidRecipeError
from aevb.inference.marginal import Rows, Show, show_nothing
from aevb.inference.refined import Refined
from aevb.inference.sampled import HMC, sample_posterior
from aevb.models import AutoEncoder, Recognition
from aevb.typing import PRNGKey

BLOCK_ROWS = 250

Codes = Float[np.ndarray, "rows latents"]


@dataclasses.dataclass(frozen=True)
class PosteriorEstimate:
    """What is known of z for each row by one method.

    Args:
        method: its name: "amortized", "refined" or "hmc".
        mean: of z (of families that may have no mean, the median).
        sd: the standard deviation; NaN or infinite where the family has none.
        draws: draws of z.
        reliable: whether a row's chains mixed; None for q(z|x), which has no diagnostics of its own: compare it with
            "hmc".
        diagnostics: R-hat and effective samples per latent, for "hmc".
    """

    method: str
    mean: Codes
    sd: Codes
    draws: Float[np.ndarray, "rows draws latents"]
    reliable: Bool[np.ndarray, " rows"] | None = None
    diagnostics: dict[str, Float[np.ndarray, "rows ..."]] = dataclasses.field(default_factory=dict)


def posterior(
    autoencoder: AutoEncoder,
    x: Rows,
    key: PRNGKey,
    method: str | Refined | HMC = "amortized",
    n_draws: int = 100,
    show: Show = show_nothing,
) -> PosteriorEstimate:
    """What z may be for each row.

    "amortized" is q(z|x) as trained; "refined" the member of the same family that is best for the row, see `Refined`;
    "hmc" draws from p(z|x) itself by Hamiltonian Monte Carlo, see `aevb.inference.HMC`, as many orders of magnitude
    slower. A row's result depends on the key and its own values only.

    Args:
        autoencoder: the model and its recognition model.
        x: the rows, scaled units; NaN where a value is missing.
        key: random key.
        method: one of these names, or `Refined` or `HMC` with settings of their own.
        n_draws: draws to return for each row. Of chains, so many at equal distances.
        show: called with the share of the work that is done.

    Raises:
        InvalidRecipeError: no draw, an unknown method, or discrete codes for another one than "amortized".
    """
    if n_draws < 1:
        raise InvalidRecipeError(f"the number of draws must be at least 1, not {n_draws}")
    refine_key, draw_key = jax.random.split(key)
    if method == "amortized":
        return _from_recognition("amortized", autoencoder.posterior, x, draw_key, n_draws, show)
    chosen = Refined(autoencoder, refine_key) if method == "refined" else HMC() if method == "hmc" else method
    if isinstance(chosen, Refined):
        return _from_recognition("refined", chosen, x, draw_key, n_draws, show)
    if isinstance(chosen, HMC):
        return _from_chains(autoencoder, x, draw_key, chosen, n_draws, show)
    raise InvalidRecipeError(f"a posterior is 'amortized', 'refined' or 'hmc', not {method!r}")


def _from_recognition(
    name: str, recognition: Recognition, x: Rows, key: PRNGKey, n_draws: int, show: Show
) -> PosteriorEstimate:
    found = map_rows(lambda batch: _summary(recognition, batch, key, n_draws), x, BLOCK_ROWS, show)
    return PosteriorEstimate(name, **found)


@eqx.filter_jit
def _summary(recognition: Recognition, batch: Batch, key: PRNGKey, n_draws: int) -> dict[str, Array]:
    def one_row(key: PRNGKey, row: Batch) -> dict[str, Array]:
        q = recognition(row)
        z = jax.vmap(q.sample)(jax.random.split(key, n_draws))
        found = {"mean": q.summary(), "sd": q.spread(), "draws": z}
        # The rows are the last axis before those of a code.
        return {name: q.space.columns(codes)[..., 0, :] for name, codes in found.items()}

    return each_row(one_row, key, batch)


def _from_chains(
    autoencoder: AutoEncoder, x: Rows, key: PRNGKey, method: HMC, n_draws: int, show: Show
) -> PosteriorEstimate:
    n_kept = method.n_chains * method.n_samples
    if n_draws > n_kept:
        raise InvalidRecipeError(
            f"{n_draws} draws of each row, and its {method.n_chains} chains of {method.n_samples} have {n_kept} "
            "together: ask for fewer, or give HMC(n_samples=...) more"
        )
    found = sample_posterior(autoencoder.model, autoencoder.posterior, x, key, method, show)
    z = found.z.reshape(len(x), n_kept, -1)
    at = np.linspace(0, n_kept - 1, n_draws).round().astype(int)
    about = {"r_hat": found.r_hat, "effective_samples": found.effective_samples}
    return PosteriorEstimate(
        method.name, found.mean, found.standard_deviation, z[:, at], found.reliable, about
    )
