"""Imputation by self-normalized importance sampling from the recognition model."""

import dataclasses
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from aevb.batch import Batch, each_row, map_rows
from aevb.errors import InvalidRecipeError
from aevb.inference.imputation import Found, Observation
from aevb.inference.marginal import Rows, Show
from aevb.inference.moments import Kept, Moments
from aevb.objectives import Recognition
from aevb.objectives.bound import Posterior
from aevb.typing import PRNGKey, Scalar

BLOCK_ROWS = 16
BLOCK_SAMPLES = 250
ENOUGH_EFFECTIVE = 20  # samples, with which the error of a mean is under a quarter of the spread over codes
Codes = Float[Array, "samples latents"]
LogWeights = Float[Array, " samples"]


@dataclasses.dataclass(frozen=True)
class ImportanceImputation:
    """E[x_missing | x_observed] = sum_k w_k E[x_missing | z_k] / sum_k w_k, w_k = p(x_observed, z_k) / r(z_k).

    The codes z_k are drawn from r(z) = (1 - a) q(z | x_observed) + a p(z), where a is `prior_share`: with a = 0 the
    estimate of Mattei & Frellsen (2019, equation 12). A little of the prior bounds the weights where q is too narrow
    (Hesterberg 1995), as it may be for rows unlike those it was trained on. The variance is that of E[x|z_k] between
    the codes and the mean of Var[x|z_k]. Draws take a code in proportion to its weight, then x_missing from p(x|z).

    Args:
        n_samples: K.
        prior_share: a.

    Raises:
        InvalidRecipeError: K below 1, or a outside [0, 1].
    """

    n_samples: int = 1000
    prior_share: float = 0.1
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
        k, share = jnp.asarray(self.n_samples), jnp.asarray(self.prior_share)

        def block(batch: Batch) -> Found:
            return _impute(observation, recognition, batch, key, k, share, n_draws)

        return map_rows(block, x, BLOCK_ROWS, show)


class _Sums(eqx.Module):
    """What is added up over blocks of samples; weights are relative to the largest so far.

    Args:
        largest: the log of the largest weight.
        first: of E[x|z] under the weights.
        second: under the squares of the weights.
        within: the sum of weighted Var[x|z].
        kept: codes for the draws.
    """

    largest: Scalar
    first: Moments
    second: Moments
    within: Float[Array, " features"]
    kept: Kept

    @classmethod
    def none(cls, n_features: int, n_draws: int, n_latents: int) -> "_Sums":
        """Those of no sample."""
        none, kept = Moments.none(n_features), Kept(jnp.array(0.0), jnp.zeros((n_draws, n_latents)))
        return cls(jnp.array(-jnp.inf), none, none, jnp.zeros(n_features), kept)

    def relative_to(self, largest: Scalar) -> "_Sums":
        shrink = jnp.exp(self.largest - largest)
        kept = Kept(shrink * self.kept.weight, self.kept.z)
        first, second = self.first.times(shrink), self.second.times(shrink**2)
        return _Sums(largest, first, second, shrink * self.within, kept)


@eqx.filter_jit
def _impute(
    observation: Observation,
    recognition: Recognition,
    batch: Batch,
    key: PRNGKey,
    n_samples: Array,
    prior_share: Scalar,
    n_draws: int,
) -> Found:
    def one_row(key: PRNGKey, row: Batch) -> Found:
        q = recognition(row)

        def add_block(block: Array, sums: _Sums) -> _Sums:
            sample_key, keep_key = jax.random.split(jax.random.fold_in(key, block))
            z, log_r = _propose(observation, q, row, sample_key, prior_share)
            log_w = observation.log_joint(row, z)[:, 0] - log_r
            index = block * BLOCK_SAMPLES + jnp.arange(BLOCK_SAMPLES)
            return _added(sums, observation, row, z, jnp.where(index < n_samples, log_w, -jnp.inf), keep_key)

        start = _Sums.none(row.x.shape[-1], n_draws, q.sample(key).shape[-1])
        n_blocks = (n_samples + BLOCK_SAMPLES - 1) // BLOCK_SAMPLES
        sums = jax.lax.fori_loop(0, n_blocks, add_block, start)
        x_key = jax.random.fold_in(key, n_blocks)
        draws = observation.rest(row, sums.kept.z[:, None]).sample(x_key)[:, 0].astype(row.x.dtype)
        return _found(sums, draws)

    return each_row(one_row, key, batch)


def _propose(
    observation: Observation, q: Posterior, row: Batch, key: PRNGKey, prior_share: Scalar
) -> tuple[Float[Array, "samples 1 latents"], LogWeights]:
    """Draws of z from the mixture of q and the prior, and its log density there."""
    q_key, prior_key, choice_key = jax.random.split(key, 3)
    z_q = jax.vmap(q.sample)(jax.random.split(q_key, BLOCK_SAMPLES))
    model, keys = observation.model, jax.random.split(prior_key, BLOCK_SAMPLES)
    z_p = jax.vmap(lambda k: model.simulate(k, row)[0])(keys)
    from_prior = jax.random.uniform(choice_key, (BLOCK_SAMPLES, 1, 1)) < prior_share
    z = jnp.where(from_prior, z_p, z_q)
    parts = (q.log_prob(z) + jnp.log1p(-prior_share), model.log_prior(z, row) + jnp.log(prior_share))
    return z, jnp.logaddexp(*parts)[:, 0]


def _added(
    sums: _Sums, observation: Observation, row: Batch, z: Array, log_w: LogWeights, key: PRNGKey
) -> _Sums:
    largest = jnp.maximum(sums.largest, jnp.max(log_w))
    sums, w = sums.relative_to(largest), jnp.exp(log_w - largest)
    p = observation.rest(row, z)
    mean = p.mean[:, 0]
    return _Sums(
        largest,
        sums.first + Moments.of(w, mean),
        sums.second + Moments.of(w**2, mean),
        sums.within + w @ p.variance[:, 0],
        sums.kept.offer(key, w, z[:, 0]),
    )


def _found(sums: _Sums, draws: Float[Array, "draws features"]) -> Found:
    first, second = sums.first, sums.second
    effective = first.weight**2 / second.weight
    # Delta method: the error of a ratio of means, around the ratio itself.
    squares = second.spread + second.weight * jnp.square(second.mean - first.mean)
    return Found(
        mean=first.mean,
        variance=first.variance + sums.within / first.weight,
        monte_carlo_error=jnp.sqrt(squares) / first.weight,
        draws=draws,
        reliable=effective >= ENOUGH_EFFECTIVE,
        diagnostics={"effective_samples": effective},
    )
