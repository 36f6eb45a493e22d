"""Imputation by Markov chains that fill a row in and encode it, in turn."""

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
from aevb.models import CodeSpace, Recognition
from aevb.typing import Codes, PRNGKey, Scalar

BLOCK_ROWS = 32
MIXED = 1.1  # up to this potential scale reduction, chains are taken to have found the same values
Chains = Float[Array, "chains features"]


@dataclasses.dataclass(frozen=True)
class _ChainImputation:
    """What both methods have in common; `accept_all` is in what they differ."""

    n_steps: int = 500
    burn_in: int = 100
    n_chains: int = 4
    accept_all: ClassVar[bool]

    def __post_init__(self):
        for value, least, what in (
            (self.n_steps, 2, "steps of a chain, whose halves are compared,"),
            (self.burn_in, 0, "steps before those that count"),
            (self.n_chains, 2, "chains, which are compared with each other,"),
        ):
            if value < least:
                raise InvalidRecipeError(f"the number of {what} must be at least {least}, not {value}")

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
        steps = (jnp.asarray(self.n_steps), jnp.asarray(self.burn_in), self.n_chains)

        def block(batch: Batch) -> Found:
            return _impute(observation, recognition, batch, key, *steps, n_draws, accept_all=self.accept_all)

        return map_rows(block, x, BLOCK_ROWS, show)


class PseudoGibbs(_ChainImputation):
    """z ~ q(z | x), then x_missing ~ p(x_missing | z), and so on (Rezende et al. 2014, section 5.4 and Appendix F).

    In the long run exact where q(z|x) is the posterior, and as far off as q is where it is not.

    Args:
        n_steps: steps that count.
        burn_in: steps before, which do not.
        n_chains: chains per row, which are compared with each other.

    Raises:
        InvalidRecipeError: fewer than 2 steps, fewer than 0 before, or fewer than 2 chains.
    """

    name: ClassVar[str] = "pseudo-gibbs"
    accept_all: ClassVar[bool] = True


class MetropolisWithinGibbs(_ChainImputation):
    """The same with z accepted or refused, so that it is exact in the long run (Mattei & Frellsen 2018, algorithm 2).

    A draw z' ~ q(z | x) takes the place of z with probability min(1, p(x, z') q(z|x) / (p(x, z) q(z'|x))). In the first
    half of the steps before those that count, every draw is accepted, as is needed to get away from a bad start.

    Args:
        n_steps: steps that count.
        burn_in: steps before, which do not.
        n_chains: chains per row, which are compared with each other.

    Raises:
        InvalidRecipeError: fewer than 2 steps, fewer than 0 before, or fewer than 2 chains.
    """

    name: ClassVar[str] = "metropolis"
    accept_all: ClassVar[bool] = False


class _State(eqx.Module):
    """A row's chains and what is added up over their steps.

    Args:
        x: the row as each chain has filled it in.
        z: its code in each chain.
        moments: of E[x|z], for the first and the second half of each chain's steps.
        within: the sum of Var[x|z] over steps, for each chain.
        kept: codes for the draws.
        accepted: how many draws of z were accepted.
    """

    x: Chains
    z: Codes
    moments: Moments
    within: Chains
    kept: Kept
    accepted: Scalar


class _Chains(eqx.Module):
    """The chains of one row.

    Args:
        observation: how the row came about.
        recognition: from rows to q(z|x).
        row: the row, once for each chain.
        burn_in: steps that do not count.
        n_steps: steps that do.
        accept_all: whether every draw of z is accepted.
    """

    observation: Observation
    recognition: Recognition
    row: Batch
    burn_in: Array
    n_steps: Array
    accept_all: bool = eqx.field(static=True)

    @property
    def _space(self) -> CodeSpace:
        return self.observation.model.space

    def start(self, key: PRNGKey, n_draws: int) -> _State:
        """A code from q(z | x_observed), and the row filled in from it."""
        z_key, x_key = jax.random.split(key)
        z = self.recognition(self.row).sample(z_key)
        (n_chains, n_features), zero = self.row.x.shape, jnp.array(0.0)
        kept = Kept(zero, jnp.zeros((n_draws, self._space.width)))
        none = Moments.none(2, n_chains, n_features)
        return _State(self.fill(x_key, z)[0], z, none, jnp.zeros((n_chains, n_features)), kept, zero)

    def step(self, key: PRNGKey, t: Array, state: _State) -> _State:
        """z given x, then x given z."""
        z_key, x_key, keep_key = jax.random.split(jax.random.fold_in(key, t), 3)
        accept, z = self.encode(z_key, t, state)
        x, mean, variance = self.fill(x_key, z)
        counts = jnp.full(len(x), t >= self.burn_in, x.dtype)
        return _State(
            x,
            z,
            state.moments + self.at(t, counts, mean),
            state.within + counts[:, None] * variance,
            state.kept.offer(keep_key, counts, self._space.columns(z)),
            state.accepted + counts @ accept,
        )

    def at(self, t: Array, counts: Float[Array, " chains"], mean: Chains) -> Moments:
        """What a step adds to the moments of the half that it is in."""
        is_second = t >= self.burn_in + self.n_steps // 2
        weight = jnp.stack([1 - is_second, is_second])[:, None] * counts
        both = jnp.broadcast_to(mean, (2, *mean.shape))
        return Moments(weight, both, jnp.zeros_like(both))

    def encode(self, key: PRNGKey, t: Array, state: _State) -> tuple[Float[Array, " chains"], Codes]:
        """A draw of z from q(z|x), where it is accepted; the row is whole now, and q is told so."""
        z_key, accept_key = jax.random.split(key)
        x, model = self.row.whole(state.x), self.observation.model
        q = self.recognition(x)
        z = q.sample(z_key)
        if self.accept_all:
            return jnp.ones(x.n_rows), z
        new, old = (model.log_likelihood(x, z) + model.log_prior(z, x) - q.log_prob(z) for z in (z, state.z))
        accept = jnp.log(jax.random.uniform(accept_key, (x.n_rows,))) < new - old
        accept |= t < self.burn_in // 2
        chosen = jax.tree.map(
            lambda new, old: jnp.where(accept.reshape(-1, *(1 for _ in new.shape[1:])), new, old), z, state.z
        )
        return accept.astype(x.x.dtype), chosen

    def fill(self, key: PRNGKey, z: Codes) -> tuple[Chains, Chains, Chains]:
        """The row with a draw of p(x|z) where it is not known, and the mean and variance of that."""
        p = self.observation.rest(self.row, z)
        draw = p.sample(key).astype(self.row.x.dtype)
        return jnp.where(self.observation.known(self.row), self.row.x, draw), p.mean, p.variance


@eqx.filter_jit
def _impute(
    observation: Observation,
    recognition: Recognition,
    batch: Batch,
    key: PRNGKey,
    n_steps: Array,
    burn_in: Array,
    n_chains: int,
    n_draws: int,
    *,
    accept_all: bool,
) -> Found:
    def one_row(key: PRNGKey, row: Batch) -> Found:
        start_key, step_key, draw_key = jax.random.split(key, 3)
        copies = jax.tree.map(lambda leaf: jnp.repeat(leaf, n_chains, axis=0), row)
        chains = _Chains(observation, recognition, copies, burn_in, n_steps, accept_all)
        start = chains.start(start_key, n_draws)
        state = jax.lax.fori_loop(0, burn_in + n_steps, lambda t, s: chains.step(step_key, t, s), start)
        kept = observation.model.space.from_columns(state.kept.z[:, None])
        draws = observation.rest(row, kept).sample(draw_key)[:, 0]
        return _found(state, draws.astype(row.x.dtype), observation.known(row)[0], accept_all=accept_all)

    return each_row(one_row, key, batch)


def _found(state: _State, draws: Float[Array, "draws features"], known: Array, *, accept_all: bool) -> Found:
    """Means over chains, and by R-hat of their halves how much wider all are than each (Gelman et al. 2013, 11.4)."""
    halves = state.moments
    moments = jax.tree.map(lambda part: part[0], halves) + jax.tree.map(lambda part: part[1], halves)
    n_chains, total = len(moments.weight), jnp.sum(moments.weight)
    between = jnp.var(moments.mean, axis=0)
    by_chain = moments.variance + state.within / moments.weight[:, None]
    each = jnp.mean(by_chain, axis=0)
    around = by_chain + jnp.square(moments.mean - jnp.mean(moments.mean, axis=0))
    r_hat = _split_r_hat(halves, state.within / moments.weight[:, None])
    worst = jnp.max(jnp.where(known, 1.0, r_hat))
    diagnostics = {"r_hat": worst}
    if not accept_all:
        diagnostics["acceptance"] = state.accepted / total
    return Found(
        mean=jnp.mean(moments.mean, axis=0),
        variance=each + between,
        monte_carlo_error=jnp.sqrt(between / (n_chains - 1)),
        variance_error=jnp.std(around, axis=0) / jnp.sqrt(n_chains - 1.0),
        draws=draws,
        reliable=worst <= MIXED,
        diagnostics=diagnostics,
    )


def _split_r_hat(halves: Moments, within: Chains) -> Float[Array, " features"]:
    """Of each feature; near 1 where the halves of all chains agree.

    Args:
        halves: the moments of E[x|z] in both halves of each chain.
        within: the mean of Var[x|z] over each chain.
    """
    between = jnp.var(halves.mean, axis=(0, 1), ddof=1)
    each = jnp.mean(halves.variance + within, axis=(0, 1))
    return jnp.sqrt(1 + jnp.where(each > 0, between / each, 0.0))
