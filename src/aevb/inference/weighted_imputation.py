"""Imputation by self-normalized importance sampling, with as many samples as a row needs."""

import dataclasses
from collections.abc import Iterator
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from aevb.batch import Batch, batch_of, each_row, has_missing, map_rows
from aevb.errors import InvalidRecipeError
from aevb.inference.imputation import Found, Observation
from aevb.inference.marginal import Rows, Show
from aevb.inference.proposals import Widened
from aevb.inference.weighted_sums import Sums
from aevb.models import Recognition
from aevb.typing import PRNGKey, Scalar

BLOCK_ROWS = 32
BLOCK_SAMPLES = 125
# Rows whose posteriors are found at a time.
SEARCH_ROWS = 64
# What the search is of all work, as far as progress is concerned.
SEARCH_SHARE = 0.4
# Effective samples below which the stated errors are not well known themselves.
ENOUGH_EFFECTIVE = 100
# An error of so many scaled units is one of rounding.
ROUNDING = 1e-6


@dataclasses.dataclass(frozen=True)
class ImportanceImputation:
    """E[x_missing | x_observed] = sum_k w_k E[x_missing | z_k] / sum_k w_k, w_k = p(x_observed, z_k) / r(z_k).

    The codes z_k are drawn from r(z) = (1 - a) q(z | x_observed) + a p(z), where a is `prior_share` and q is widened:
    the estimate of Mattei & Frellsen (2019, equation 12) with another proposal. The prior bounds the weights where q is
    far off (Hesterberg 1995), as it may be for rows unlike those it was trained on; see
    `aevb.inference.proposals.Widened`. The variance is that of E[x|z_k] between the codes and the mean of Var[x|z_k].
    Imputations take a code in proportion to its weight, then x_missing from p(x|z).

    Codes are drawn until, in every missing cell of a row, the errors of the mean and of the standard deviation are at
    most `tolerance` times the latter, or there are `n_samples` of them. Both errors are those of the delta method. A
    row is reliable where they came to be so small.

    Args:
        n_samples: K, codes per row at most. There are 125 at first, and twice as many at every further look.
        prior_share: a.
        tolerance: as a share of the standard deviation; 0 for K codes in any case, and no row is reliable then.

    Raises:
        InvalidRecipeError: K below 1, a outside [0, 1], or a negative tolerance.
    """

    n_samples: int = 8000
    prior_share: float = 0.1
    tolerance: float = 0.1
    name: ClassVar[str] = "importance"

    def __post_init__(self):
        if self.n_samples < 1:
            raise InvalidRecipeError(
                f"the number of importance samples must be at least 1, not {self.n_samples}"
            )
        if not 0 <= self.prior_share <= 1:
            raise InvalidRecipeError(
                f"the share of samples from the prior must lie between 0 and 1, not {self.prior_share:g}"
            )
        if not self.tolerance >= 0:
            raise InvalidRecipeError(
                f"the tolerance, a share of a standard deviation, must be at least 0, not {self.tolerance:g}"
            )

    def __call__(
        self,
        observation: Observation,
        recognition: Recognition,
        x: Rows,
        key: PRNGKey,
        n_draws: int,
        show: Show,
    ) -> Found:
        """What is found out about rows; see `aevb.inference.impute`."""
        share = jnp.asarray(self.prior_share)
        work = map_rows(
            lambda batch: _begin(observation, recognition, batch, key, share, n_draws),
            x,
            SEARCH_ROWS,
            lambda done: show(SEARCH_SHARE * done),
        )
        found = map_rows(lambda batch: _blank(batch, n_draws), x[:1], 1)
        found = jax.tree.map(lambda leaf: np.repeat(leaf, len(x), axis=0), found)
        settings = jnp.asarray(self.n_samples), jnp.asarray(self.tolerance)
        active, n_done = np.arange(len(x)), 0
        for first, last in _looks(-(-self.n_samples // BLOCK_SAMPLES)):
            limits = jnp.asarray(first), jnp.asarray(last)
            for rows in np.array_split(active, range(BLOCK_ROWS, len(active), BLOCK_ROWS)):
                block = np.resize(rows, BLOCK_ROWS)  # of one shape for all, so that it compiles once
                batch = batch_of(x[block], missing=has_missing(x))
                given = jax.tree.map(lambda leaf, block=block: leaf[block], work)
                after = _advance(observation, batch, key, given, *limits, *settings)
                _put(rows, work, found, after)
                n_done += int(found.reliable[rows].sum())
                show(SEARCH_SHARE + (1 - SEARCH_SHARE) * n_done / len(x))
            active = active[~found.reliable[active]]
            if not len(active):
                break
        show(1.0)
        return found


class _Work(eqx.Module):
    """What is kept of rows from one look at them to the next: where codes are drawn from, and what was added up."""

    proposal: Widened
    sums: Sums


def _looks(n_blocks: int) -> Iterator[tuple[int, int]]:
    """The blocks of samples after which a row is looked at: 1, 2, 4, ... and the last."""
    first = 0
    while first < n_blocks:
        last = min(max(2 * first, 1), n_blocks)
        yield first, last
        first = last


def _put(rows: Int[np.ndarray, " rows"], work: _Work, found: Found, after: tuple[Sums, Found]) -> None:
    """Write what became of some rows to where all rows' is kept."""
    for whole, part in zip(jax.tree.leaves((work.sums, found)), jax.tree.leaves(after), strict=True):
        whole[rows] = np.asarray(part)[: len(rows)]


@eqx.filter_jit
def _begin(
    observation: Observation,
    recognition: Recognition,
    batch: Batch,
    key: PRNGKey,
    prior_share: Scalar,
    n_draws: int,
) -> _Work:
    def one_row(key: PRNGKey, row: Batch) -> _Work:
        q = recognition(row)
        z = q.sample(key)
        near = observation.rest(row, z).mean[0]
        proposal = Widened.of(observation.model, q, row, prior_share)
        sums = Sums.none(near.astype(row.x.dtype), n_draws, observation.model.space.width)
        # The prior, the same for all rows, is put back when it is used.
        return _Work(dataclasses.replace(proposal, prior=None), sums)

    return each_row(one_row, key, batch)


def _blank(batch: Batch, n_draws: int) -> Found:
    """The shapes of what is found, of rows of which nothing was found yet."""
    n, cells = batch.n_rows, np.zeros_like(batch.x)
    nothing = {"effective_samples": cells[:, 0], "samples": cells[:, 0]}
    return Found(
        cells,
        cells,
        cells,
        cells,
        np.zeros((n, n_draws, cells.shape[1]), cells.dtype),
        np.zeros(n, bool),
        nothing,
    )


@eqx.filter_jit
def _advance(
    observation: Observation,
    batch: Batch,
    key: PRNGKey,
    work: _Work,
    first: Array,
    last: Array,
    n_samples: Array,
    tolerance: Scalar,
) -> tuple[Sums, Found]:
    """The sums with the samples of blocks `first` to `last` added, and what they say."""

    def one_row(key: PRNGKey, row: Batch, work: _Work) -> tuple[Sums, Found]:
        space = observation.model.space
        proposal = dataclasses.replace(work.proposal, prior=observation.model.prior_of(row))

        def add_block(block: Array, sums: Sums) -> Sums:
            sample_key, keep_key = jax.random.split(jax.random.fold_in(key, block))
            z = jax.vmap(proposal.sample)(jax.random.split(sample_key, BLOCK_SAMPLES))
            log_w = observation.log_joint(row, z)[:, 0] - proposal.log_prob(z)[:, 0]
            counts = block * BLOCK_SAMPLES + jnp.arange(BLOCK_SAMPLES) < n_samples
            p = observation.rest(row, z)
            return sums.added(
                jnp.where(counts, log_w, -jnp.inf),
                p.mean[:, 0],
                p.variance[:, 0],
                space.columns(z)[:, 0],
                keep_key,
            )

        sums = jax.lax.fori_loop(first, last, add_block, work.sums)
        x_key = jax.random.fold_in(key, 2**31)  # of no block
        draws = (
            observation.rest(row, space.from_columns(sums.kept.z[:, None]))
            .sample(x_key)[:, 0]
            .astype(row.x.dtype)
        )
        n_drawn = jnp.minimum(last * BLOCK_SAMPLES, n_samples)
        return sums, _found(sums, draws, observation.known(row)[0], n_drawn, tolerance)

    return each_row(one_row, key, batch, work)


def _found(
    sums: Sums,
    draws: Float[Array, "draws features"],
    known: Array,
    n_drawn: Array,
    tolerance: Scalar,
) -> Found:
    mean, variance, mean_error, variance_error = sums.estimates()
    sd = jnp.sqrt(variance)
    within = tolerance * sd + jnp.where(tolerance > 0, ROUNDING, 0.0)
    small = (mean_error <= within) & (variance_error <= 2 * sd * within)
    return Found(
        mean=mean,
        variance=variance,
        monte_carlo_error=mean_error,
        variance_error=variance_error,
        draws=draws,
        reliable=jnp.all(known | small) & (sums.effective >= ENOUGH_EFFECTIVE) & (tolerance > 0),
        diagnostics={"effective_samples": sums.effective, "samples": n_drawn.astype(mean.dtype)},
    )
