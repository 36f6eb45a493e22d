"""log p(x) by importance sampling from the recognition model."""

import dataclasses
import itertools
import math
import warnings
from collections.abc import Iterator
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from aevb.batch import Batch, each_row, map_rows, row_keys
from aevb.errors import InvalidRecipeError
from aevb.inference.marginal import MarginalEstimate, Rows, Show
from aevb.models import LatentVariableModel
from aevb.objectives import Recognition
from aevb.objectives.bound import Posterior
from aevb.typing import Codes, PRNGKey

LogWeights = Float[np.ndarray, "rows draws"]

BLOCK_ROWS = 16
BLOCK_DRAWS = 250
# Draws of one call of the compiled program, which are kept, a number each; more come in further calls.
CALL_DRAWS = 40 * BLOCK_DRAWS
# Weights of which no more are kept than this, or than one block's, before they are summarized.
KEPT_WEIGHTS = 2**20
# Numbers in one array of a decoder's outputs, 16 MB in single precision, of which few exist at a time. Rows, then
# draws, are fewer per block where the data are wider.
BLOCK_VALUES = 2**22
# With fewer draws the largest fifth of the weights are under five, too few to fit a tail to.
FEWEST_DRAWS = 25
# log weights farther apart than this have no ratio in double precision.
LARGEST_SPREAD = 500.0
# log weights that differ by no more than this share of their size differ by rounding.
ROUNDING = 1e-5


def curve_sizes(n_samples: int) -> list[int]:
    """The k of the curve L_k: 1, 10, 100, ..., and K itself."""
    powers = [10**i for i in range(len(str(n_samples)))]
    return [*powers, *({n_samples} - set(powers))]


def largest_k_hat(n_samples: int) -> float:
    """Below which k-hat the estimate from K weights can be trusted: 0.7, and less for K below 2200.

    min(1 - 1 / log10 K, 0.7) (Vehtari et al. 2024, "Pareto smoothed importance sampling", equation 13).
    """
    return min(1 - 1 / math.log10(n_samples), 0.7) if n_samples > 1 else -math.inf


@dataclasses.dataclass(frozen=True)
class Importance:
    """log p(x) = log E_q(z|x)[p(x, z) / q(z|x)] with K samples (Burda et al. 2016, theorem 1).

    The expectation of the estimate lies below log p(x), and rises to it with K. Diagnostics of each row:

    - `effective_samples`: (sum w)^2 / sum w^2 of the weights w = p(x, z) / q(z|x).
    - `k_hat`: the shape of the generalized Pareto distribution that fits the largest weights (Vehtari et al. 2024);
      0 where these are all equal, NaN where it cannot be told, as for K below 25 or where many weights are equal.
      A row is reliable if it is below `largest_k_hat(K)`. Above, few weights dominate, others yet larger are likely
      to come, and the stated error is too small. No row is where q(z|x) has no density on a part of where p(z) has
      some, as a uniform q: the estimate then lacks that part for any K, and no weight shows it.
    - `iwae`: L_k = E[log((w_1 + ... + w_k) / k)] for the k of `curve_sizes(K)`, shape `(rows, sizes)`: the mean over
      disjoint groups of k of the same draws, which is unbiased. L_1 is the evidence lower bound; the last is the
      estimate itself.

    The Monte Carlo error is that of the delta method, sqrt(var(w) / K) / mean(w). Draws are the same for every K: those
    for a smaller K are the first of those for a larger one.

    Args:
        n_samples: K.

    Raises:
        InvalidRecipeError: K below 1.
    """

    n_samples: int = 1000
    name: ClassVar[str] = "importance"

    def __post_init__(self):
        if self.n_samples < 1:
            raise InvalidRecipeError(
                f"the number of importance samples must be at least 1, not {self.n_samples}"
            )

    def __call__(
        self, model: LatentVariableModel, recognition: Recognition | None, x: Rows, key: PRNGKey, show: Show
    ) -> MarginalEstimate:
        """The estimates; see `aevb.inference.log_marginal`.

        Raises:
            InvalidRecipeError: there is no recognition model.
        """
        if recognition is None:
            raise InvalidRecipeError("importance sampling needs a recognition model to draw from")

        def estimate(batch: Batch) -> dict[str, Float[np.ndarray, "rows ..."]]:
            return _estimate(model, recognition, batch, key, self.n_samples)

        block_rows, _ = _block_shape(model.n_features)
        n_blocks = max(KEPT_WEIGHTS // (self.n_samples * block_rows), 1)
        # As many blocks as the rows fill, so that a call with few rows does not wait for the padding of many.
        found = map_rows(estimate, x, block_rows * min(n_blocks, -(-len(x) // block_rows)), show)
        log_p, error = found.pop("log_p"), found.pop("monte_carlo_error")
        reliable = (found["k_hat"] < largest_k_hat(self.n_samples)) & covers(model, recognition)
        return MarginalEstimate(self.name, "down", log_p, error, reliable, found)


def summarize(log_w: LogWeights) -> dict[str, Float[np.ndarray, "rows ..."]]:
    """The estimate of each row from its log weights, its error and its diagnostics, by name; see `Importance`."""
    n = log_w.shape[1]
    log_w = log_w.astype(np.float64)
    with np.errstate(all="ignore"):  # a row whose weights are all 0 has neither an error nor diagnostics
        largest = np.max(log_w, axis=1, keepdims=True)
        w = np.exp(log_w - largest)
        first, second = np.sum(w, axis=1), np.sum(np.square(w), axis=1)
        log_p = np.where(first > 0, largest[:, 0] + np.log(first / n), largest[:, 0])
        # Delta method: the variance of log(mean w) is var(w) / (K mean(w)^2), about 1/ESS - 1/K.
        variance = np.maximum(second / first**2 - 1 / n, 0.0) if n > 1 else np.full(len(log_w), np.nan)
        return {
            "log_p": log_p,
            "monte_carlo_error": np.sqrt(variance),
            "effective_samples": first**2 / second,
            "k_hat": np.array([k_hat(row) for row in log_w]),
            "iwae": np.stack(
                [*itertools.islice(_means_over_groups(log_w), len(curve_sizes(n)) - 1), log_p], axis=1
            ),
        }


def _means_over_groups(log_w: LogWeights) -> Iterator[Float[np.ndarray, " rows"]]:
    """The means over disjoint groups of k draws of log((w_1 + ... + w_k) / k), for k = 1, 10, 100, ..."""
    log_means = log_w
    while log_means.shape[1] > 0:
        yield np.mean(log_means, axis=1)
        tens = log_means[:, : log_means.shape[1] // 10 * 10].reshape(len(log_w), -1, 10)
        largest = np.max(tens, axis=2, initial=-np.inf)
        sums = np.sum(np.exp(tens - largest[:, :, None]), axis=2)
        log_means = np.where(sums > 0, largest + np.log(sums / 10), largest)


def k_hat(log_w: Float[np.ndarray, " draws"]) -> float:
    """The Pareto shape of the largest weights; NaN where there are too few, or too many ties, to tell."""
    from arviz_stats.base.array import array_stats  # takes half a second

    n = len(log_w)
    n_tail = int(3 * math.sqrt(n)) if n > 225 else n // 5  # as `psislw` has it
    if n < FEWEST_DRAWS or not np.isfinite(np.max(log_w)):
        return math.nan
    tail = np.sort(np.partition(log_w, n - n_tail - 1)[n - n_tail - 1 :])
    cutoff, quarter, largest = tail[0], tail[n_tail // 4], tail[-1]
    if largest - tail[1] < ROUNDING * max(1.0, abs(largest)):
        return 0.0
    if largest - cutoff > LARGEST_SPREAD:
        # The largest of n draws from a Pareto tail of shape k is about n^k times the cutoff.
        return float((largest - cutoff) / math.log(n_tail))
    if math.exp(quarter - largest) == math.exp(cutoff - largest):  # the fit is scaled by their difference
        return math.nan
    with warnings.catch_warnings(action="ignore"):
        return float(array_stats.psislw(-log_w)[1])


def covers(model: LatentVariableModel, recognition: Recognition) -> bool:
    """Whether q(z|x) has density wherever p(z) may have some, tried at a few z."""
    blank = Batch(jnp.zeros((1, model.n_features)))
    # What is fixed about a support is known without a search that a recognition model may be.
    posterior, prior = eqx.filter_eval_shape(recognition, blank), model.prior(blank)
    q = getattr(posterior, "distribution", None)
    if posterior.support_moves or q is None:
        return not posterior.support_moves
    z = jnp.asarray([-2.0, 0.25, 0.75, 1.5, 3.0])[:, None] * jnp.ones(prior.event_shape)
    return bool(np.all(np.asarray(q.support(z)) | ~np.asarray(prior.support(z))))


def _block_shape(n_features: int) -> tuple[int, int]:
    """Rows and draws per row that are decoded at a time."""
    draws = min(BLOCK_DRAWS, max(BLOCK_VALUES // n_features, 1))
    return max(1, min(BLOCK_ROWS, BLOCK_VALUES // (draws * n_features))), draws


def _estimate(
    model: LatentVariableModel, recognition: Recognition, batch: Batch, key: PRNGKey, n_samples: int
) -> dict[str, Float[np.ndarray, "rows ..."]]:
    """Blocks of rows one after the other, each summarized while the next is computed."""
    n_rows, n_draws = _block_shape(model.n_features)
    n_call = CALL_DRAWS // n_draws * n_draws
    calls = []
    for start in range(0, batch.n_rows, n_rows):
        block = jax.tree.map(lambda leaf, start=start: np.asarray(leaf)[start : start + n_rows], batch)
        # The numbers of draws and of blocks are arrays, so that every K shares one compiled program.
        calls.append(
            [
                _log_weights(
                    model, recognition, block, key, jnp.asarray(first), jnp.asarray(-(-n // n_draws))
                )
                for first in range(0, n_samples, n_call)
                for n in [min(n_samples - first, n_call)]
            ]
        )
    summaries = []
    for parts in calls:
        log_w = np.concatenate([np.asarray(part).reshape(-1, n_rows) for part in parts])[:n_samples]
        summaries.append(summarize(np.ascontiguousarray(log_w.T)))
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *summaries)


@eqx.filter_jit
def _log_weights(
    model: LatentVariableModel,
    recognition: Recognition,
    batch: Batch,
    key: PRNGKey,
    first: Array,
    n_blocks: Array,
) -> Float[Array, "blocks draws rows"]:
    """The log weights of draws number `first` and following; what is behind the last of `n_blocks` means nothing."""
    _, n_draws = _block_shape(model.n_features)
    keys = row_keys(key, batch)
    posteriors = each_row(lambda key, row: recognition(row), key, batch)

    def block(number: Array, log_w: Float[Array, "blocks draws rows"]) -> Float[Array, "blocks draws rows"]:
        numbers = first + number * n_draws + jnp.arange(n_draws)

        def one_row(key: PRNGKey, posterior: Posterior) -> tuple[Codes, Float[Array, " draws"]]:
            z = jax.vmap(lambda draw: posterior.sample(jax.random.fold_in(key, draw)))(numbers)
            return z[:, 0], posterior.log_prob(z)[:, 0]

        # The decoder sees draws before rows: on a CPU that takes a third less time than row by row.
        z, log_q = jax.vmap(one_row, out_axes=1)(keys, posteriors)
        return log_w.at[number].set(model.log_likelihood(batch, z) + model.log_prior(z, batch) - log_q)

    start = jnp.zeros((CALL_DRAWS // n_draws, n_draws, batch.n_rows), batch.x.dtype)
    return jax.lax.fori_loop(0, n_blocks, block, start)
