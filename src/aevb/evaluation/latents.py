"""What the latents of a trained model do: which are active, what they tell about x, and whether they fill the prior."""

import dataclasses
import functools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp
from jaxtyping import Array, Bool, Float

from aevb.batch import Batch, each_row, map_rows
from aevb.inference.codes import BLOCK_ROWS, encode, kl_per_latent
from aevb.inference.marginal import Show, show_nothing
from aevb.models import AutoEncoder, joined
from aevb.typing import PRNGKey, Tree

ACTIVE_VARIANCE = 0.01
# Draws that are compared with all rows at a time; with 2000 rows of 20 latents 10 MB.
BLOCK_DRAWS = 64
# The least size to which the components of a mixture are padded; sizes are powers of two, so programs are few.
LEAST_COMPONENTS = 256

PerLatent = Float[np.ndarray, " latents"]


@dataclasses.dataclass(frozen=True)
class LatentDiagnostics:
    r"""How a model's latents are used by the rows given, nats where nothing else is said.

    With $q_N(z) = 1/N \sum_i q(z|x_i)$ the mixture of all N rows' posteriors, the mean divergence splits into
    $1/N \sum_i KL(q(z|x_i) || p(z)) = I_N(x; z) + KL(q_N(z) || p(z))$ (Hoffman & Johnson 2016, "ELBO surgery"):
    what z tells about which row it is, and how far the codes of all rows together are from the prior.

    Both are exact for these N rows but for the Monte Carlo error. As estimates for all rows of their kind,
    information is biased down, to at most log N, and the gap up by the same amount. The gap of all latents together
    is at least the sum of those of the single latents, where the prior's latents are independent.

    Args:
        n_rows: N.
        code_variance: Var_x(E[z_j|x]) for each entry of a code (medians in place of means for families without).
        is_active: whether it exceeds `ACTIVE_VARIANCE` times the prior's variance (Burda et al. 2016, section 5.1,
            whose prior has variance 1).
        kl: the mean of KL(q(z_j|x) || p(z_j)), one entry for latents that hang together.
        information: I_N(x; z_j).
        information_error: its Monte Carlo error.
        gap: KL(q_N(z_j) || p(z_j)).
        gap_error: its Monte Carlo error.
        total_information: I_N(x; z).
        total_information_error: its Monte Carlo error.
        total_gap: KL(q_N(z) || p(z)).
        total_gap_error: its Monte Carlo error.
    """

    n_rows: int
    code_variance: Float[np.ndarray, " width"]
    is_active: Bool[np.ndarray, " width"]
    kl: PerLatent
    information: PerLatent
    information_error: PerLatent
    gap: PerLatent
    gap_error: PerLatent
    total_information: float
    total_information_error: float
    total_gap: float
    total_gap_error: float

    @property
    def most_information(self) -> float:
        """log N, above which no estimate from N rows can lie."""
        return float(np.log(self.n_rows))

    @property
    def gap_at_least(self) -> float:
        """The sum of the single latents' gaps, below the total one; 0 for latents that hang together."""
        return float(self.gap.sum()) if len(self.gap) > 1 or len(self.code_variance) == 1 else 0.0

    @property
    def is_capped(self) -> bool:
        """Whether the total information is within 1 nat of its cap, so that the total gap is an upper bound only."""
        return self.total_information > self.most_information - 1.0


def latent_diagnostics(
    autoencoder: AutoEncoder,
    x: Float[np.ndarray, "rows features"],
    key: PRNGKey,
    n_draws: int = 4,
    show: Show = show_nothing,
) -> LatentDiagnostics:
    """Compute `LatentDiagnostics`, in time that grows with the square of the number of rows.

    Args:
        autoencoder: the model and its encoder.
        x: the rows, scaled units, NaN where a value is missing.
        key: random key.
        n_draws: of z per row, two or more for errors.
        show: called with the share of the work that is done.
    """
    components = _padded(map_rows(lambda batch: _features(autoencoder, batch), x, BLOCK_ROWS))
    n_rows = jnp.asarray(len(x))
    draws = []
    for i in range(n_draws):
        draw_key = jax.random.fold_in(key, i)
        compare = functools.partial(_log_ratios, autoencoder, components, n_rows, draw_key)
        draws.append(map_rows(compare, x, BLOCK_DRAWS, lambda share, i=i: show((i + share) / n_draws)))
    means, errors = _means_and_errors(jax.tree.map(lambda *leaves: np.stack(leaves), *draws))
    variance = np.var(encode(autoencoder, x), axis=0, dtype=np.float64)
    return LatentDiagnostics(
        n_rows=len(x),
        code_variance=variance,
        is_active=variance > ACTIVE_VARIANCE * _prior_variance(autoencoder),
        kl=kl_per_latent(autoencoder, x, key),
        **means,
        **errors,
    )


@eqx.filter_jit
def _features(autoencoder: AutoEncoder, batch: Batch) -> Tree:
    return autoencoder.encoder.features(batch)


@eqx.filter_jit
def _log_ratios(
    autoencoder: AutoEncoder, components: Tree, n_rows: Array, key: PRNGKey, batch: Batch
) -> dict[str, Float[Array, "batch ..."]]:
    """At a draw of z for each row: log q(z|x) - log q_N(z) and log q_N(z) - log p(z), by latent and for all."""
    model, posterior = autoencoder.model, autoencoder.posterior(batch)
    n_components = len(jax.tree.leaves(components)[0])
    mixture = autoencoder.posterior_of(components, model.example(n_components))
    z = each_row(lambda key, row: autoencoder.posterior(row).sample(key), key, batch)  # (batch, 1, ...)
    z, singly = jax.tree.map(lambda code: code[:, 0], z), z
    pairs = joined(mixture.log_prob_by_part(singly))  # (batch, components, latents)
    is_row = jnp.arange(n_components) < n_rows

    def log_mixture(log_q: Float[Array, "batch components ..."], axis: int = 1) -> Float[Array, "batch ..."]:
        counted = is_row.reshape(-1, *(1 for _ in log_q.shape[2:]))
        return logsumexp(jnp.where(counted, log_q, -jnp.inf), axis=axis) - jnp.log(n_rows)

    single, joint = log_mixture(pairs), log_mixture(jnp.sum(pairs, axis=-1))
    own, log_p = (joined(p.log_prob_by_part(z)) for p in (posterior, model.prior_of(batch)))
    split_alike = own.shape == log_p.shape
    return {
        "information": own - single,
        "gap": single - log_p if split_alike else jnp.sum(single - log_p, axis=-1, keepdims=True),
        "total_information": jnp.sum(own, axis=-1) - joint,
        "total_gap": joint - jnp.sum(log_p, axis=-1),
    }


def _padded(components: Tree) -> Tree:
    """The features of all rows, filled up to a power of two of them."""
    n = len(jax.tree.leaves(components)[0])
    size = max(LEAST_COMPONENTS, 1 << (n - 1).bit_length())
    return jax.tree.map(
        lambda h: jnp.asarray(np.pad(h, [(0, size - n)] + [(0, 0)] * (h.ndim - 1))), components
    )


def _means_and_errors(draws: dict[str, np.ndarray]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Means over draws and rows, and their Monte Carlo errors from the spread of a row's draws."""
    means, errors = {}, {}
    for name, values in draws.items():
        n_draws, n_rows, *_ = values.shape
        mean = np.mean(values, axis=(0, 1), dtype=np.float64)
        spread = (
            np.var(values, axis=0, ddof=1, dtype=np.float64)
            if n_draws > 1
            else np.full(values.shape[1:], np.nan)
        )
        error = np.sqrt(np.mean(spread, axis=0) / (n_draws * n_rows))
        means[name], errors[f"{name}_error"] = (part if part.ndim else float(part) for part in (mean, error))
    return means, errors


def _prior_variance(autoencoder: AutoEncoder) -> Float[np.ndarray, " width"]:
    """Of each entry of a code; 1 where the prior has none, as Burda's criterion assumes."""
    model = autoencoder.model
    spread = model.space.columns(model.prior_of(model.example()).spread())
    variance = np.square(np.asarray(spread[0], np.float64))
    return np.where(np.isfinite(variance) & (variance > 0), variance, 1.0)
