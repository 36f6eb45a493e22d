"""log p(x) by importance sampling from the recognition model."""

import dataclasses
import itertools
from collections.abc import Callable, Iterator
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from aevb.batch import Batch, each_row, map_rows, row_keys
from aevb.errors import InvalidRecipeError
from aevb.inference.marginal import MarginalEstimate, Rows, Show
from aevb.inference.pareto import k_hat, largest_k_hat
from aevb.inference.proposals import PROPOSALS
from aevb.models import Model, Posterior, Recognition
from aevb.typing import Codes, PRNGKey

LogWeights = Float[np.ndarray, "rows draws"]

BLOCK_ROWS = 16
BLOCK_DRAWS = 250
# Draws per row and block where K is smaller, with more rows to a block. Few shapes mean few compiled programs.
SMALLER_DRAWS = (10, 50, 100, 200)
# Draws of one call of the compiled program, which are kept, a number each; more come in further calls.
CALL_DRAWS = 40 * BLOCK_DRAWS
# Weights of which no more are kept than this, or than one block's, before they are summarized.
KEPT_WEIGHTS = 2**18
# Numbers in one array of a decoder's outputs, 16 MB in single precision, of which few exist at a time. Rows, then
# draws, are fewer per block where the data are wider.
BLOCK_VALUES = 2**22
# K where nobody says another.
DEFAULT_SAMPLES = 200


def curve_sizes(n_samples: int) -> list[int]:
    """The k of the curve L_k: 1, 10, 100, ..., and K itself."""
    powers = [10**i for i in range(len(str(n_samples)))]
    return [*powers, *({n_samples} - set(powers))]


@dataclasses.dataclass(frozen=True)
class Importance:
    """log p(x) = log E_r(z)[p(x, z) / r(z)] with K samples (Burda et al. 2016, theorem 1).

    The expectation of the estimate lies below log p(x), and rises to it with K. What r is, `proposal` says:

    - "posterior": q(z|x) itself. The estimate is the importance-weighted bound L_K, of interest in its own right. Where
      q is too narrow, as it often is, its stated errors are too small.
    - "widened": a mixture of q(z|x) at several widths and a little of the prior, whose stated errors hold more often,
      at no evaluation of the decoder; see `aevb.inference.proposals.Widened`.

    Diagnostics of each row:

    - `effective_samples`: (sum w)^2 / sum w^2 of the weights w = p(x, z) / r(z).
    - `k_hat`: the shape of the generalized Pareto distribution that fits the largest weights (Vehtari et al. 2024);
      0 where these are all equal, NaN where it cannot be told, as for K below 25 or where many weights are equal.
      A row is reliable if it is below `largest_k_hat(K)`. Above, few weights dominate, others yet larger are likely
      to come, and the stated error is too small. No row is where r has no density on a part of where p(z) has
      some, as a uniform q: the estimate then lacks that part for any K, and no weight shows it.
    - `iwae`, of the proposal "posterior": L_k = E[log((w_1 + ... + w_k) / k)] for the k of `curve_sizes(K)`, shape
      `(rows, sizes)`: the mean over disjoint groups of k of the same draws, which is unbiased. L_1 is the evidence
      lower bound; the last is the estimate itself.

    The Monte Carlo error is that of the delta method, sqrt(var(w) / K) / mean(w). Draws are the same for every K: those
    for a smaller K are the first of those for a larger one.

    Args:
        n_samples: K.
        proposal: a key of `aevb.inference.proposals.PROPOSALS`.

    Raises:
        InvalidRecipeError: K below 1, or an unknown proposal.
    """

    n_samples: int = 1000
    proposal: str = "posterior"
    name: ClassVar[str] = "importance"

    def __post_init__(self):
        if self.n_samples < 1:
            raise InvalidRecipeError(
                f"the number of importance samples must be at least 1, not {self.n_samples}"
            )
        if self.proposal not in PROPOSALS:
            raise InvalidRecipeError(f"no proposal {self.proposal!r}: choose {' or '.join(PROPOSALS)}")

    def __call__(
        self, model: Model, recognition: Recognition | None, x: Rows, key: PRNGKey, show: Show
    ) -> MarginalEstimate:
        """The estimates; see `aevb.inference.log_marginal`.

        Raises:
            InvalidRecipeError: there is no recognition model.
        """
        if recognition is None:
            raise InvalidRecipeError("importance sampling needs a recognition model to draw from")
        proposal = PROPOSALS[self.proposal]
        # The bound's own weights are those of the recognition model.
        keep_curve = proposal(model, recognition) is recognition

        def estimate(batch: Batch) -> dict[str, Float[np.ndarray, "rows ..."]]:
            found = _estimate(model, recognition, proposal, batch, key, self.n_samples)
            return found if keep_curve else {name: found[name] for name in found if name != "iwae"}

        block_rows, _ = _block_shape(model.n_features, self.n_samples)
        n_blocks = max(KEPT_WEIGHTS // (self.n_samples * block_rows), 1)
        # As many blocks as the rows fill, so that a call with few rows does not wait for the padding of many.
        found = map_rows(estimate, x, block_rows * min(n_blocks, -(-len(x) // block_rows)), show)
        log_p, error = found.pop("log_p"), found.pop("monte_carlo_error")
        reliable = (found["k_hat"] < largest_k_hat(self.n_samples)) & self.covers(model, recognition)
        return MarginalEstimate(self.name, "down", log_p, error, reliable, found)

    def covers(self, model: Model, recognition: Recognition) -> bool:
        """Whether what is drawn from has density wherever p(z) may have some, tried at a few z."""
        return covers(model, PROPOSALS[self.proposal](model, recognition))


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
            "k_hat": k_hat(log_w),
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


def covers(model: Model, recognition: Recognition) -> bool:
    """Whether q(z|x) has density wherever p(z) may have some, tried at a few z."""
    # What is fixed about a support is known without a search that a recognition model may be.
    q = eqx.filter_eval_shape(recognition, model.example()).space
    if q.moves:
        return False
    if any(isinstance(limit, jax.ShapeDtypeStruct) for limit in jax.tree.leaves(q)):
        q = eqx.filter_jit(lambda: recognition(model.example()).space)()
    z = model.space.from_columns(
        jnp.asarray([-2.0, 0.25, 0.75, 1.5, 3.0])[:, None] * jnp.ones(model.space.width)
    )
    return bool(np.all(np.asarray(q.contains(z)) | ~np.asarray(model.space.contains(z))))


def _block_shape(n_features: int, n_samples: int = BLOCK_DRAWS) -> tuple[int, int]:
    """Rows and draws per row that are decoded at a time, for K draws in all."""
    wanted = next((n for n in SMALLER_DRAWS if n >= n_samples), BLOCK_DRAWS)
    draws = min(wanted, max(BLOCK_VALUES // n_features, 1))
    codes = min(BLOCK_ROWS * BLOCK_DRAWS, BLOCK_VALUES // n_features)
    return max(codes // draws, 1), draws


def _estimate(
    model: Model,
    recognition: Recognition,
    proposal: Callable[[Model, Recognition], Recognition],
    batch: Batch,
    key: PRNGKey,
    n_samples: int,
) -> dict[str, Float[np.ndarray, "rows ..."]]:
    """Blocks of rows one after the other, each summarized while the next is computed."""
    n_rows, n_draws = _block_shape(model.n_features, n_samples)
    # Not more than are wanted of one call, as what a call could give takes its memory in any case.
    n_blocks = CALL_DRAWS // n_draws if n_samples > n_draws else 1
    n_call = n_blocks * n_draws
    n_real = batch.n_rows if batch.weight is None else int(np.sum(np.asarray(batch.weight) > 0))
    calls = []
    for start in range(0, n_real, n_rows):
        block = jax.tree.map(lambda leaf, start=start: np.asarray(leaf)[start : start + n_rows], batch)
        # The numbers of draws and of blocks are arrays, so that many K share one compiled program.
        calls.append(
            [
                _log_weights(
                    model,
                    recognition,
                    proposal,
                    block,
                    key,
                    jnp.asarray(first),
                    jnp.asarray(-(-n // n_draws)),
                    n_draws,
                    n_blocks,
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
    model: Model,
    recognition: Recognition,
    proposal: Callable[[Model, Recognition], Recognition],
    batch: Batch,
    key: PRNGKey,
    first: Array,
    n_filled: Array,
    n_draws: int,
    n_blocks: int,
) -> Float[Array, "blocks draws rows"]:
    """The log weights of draws number `first` and following; what is behind the last of `n_filled` means nothing."""
    keys = row_keys(key, batch)
    posteriors = each_row(lambda key, row: proposal(model, recognition)(row), key, batch)

    def block(number: Array, log_w: Float[Array, "blocks draws rows"]) -> Float[Array, "blocks draws rows"]:
        numbers = first + number * n_draws + jnp.arange(n_draws)

        def one_row(key: PRNGKey, posterior: Posterior) -> tuple[Codes, Float[Array, " draws"]]:
            z = jax.vmap(lambda draw: posterior.sample(jax.random.fold_in(key, draw)))(numbers)
            return jax.tree.map(lambda code: code[:, 0], z), posterior.log_prob(z)[:, 0]

        # The decoder sees draws before rows: on a CPU that takes a third less time than row by row.
        z, log_q = jax.vmap(one_row, out_axes=1)(keys, posteriors)
        return log_w.at[number].set(model.log_likelihood(batch, z) + model.log_prior(z, batch) - log_q)

    start = jnp.zeros((n_blocks, n_draws, batch.n_rows), batch.x.dtype)
    return jax.lax.fori_loop(0, n_filled, block, start)
