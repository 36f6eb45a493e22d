"""Draws from p(z|x) by Hamiltonian Monte Carlo, row by row, with the diagnostics that say whether they can be used."""

import dataclasses
from collections.abc import Callable
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from aevb.batch import Batch, each_row, map_rows
from aevb.chains.chunks import BLOCK_ROWS, CHUNK, Ticks, chunks
from aevb.chains.coordinates import Target, require_continuous
from aevb.chains.hmc import Kernel, begin, effective_draws, robust_variance, split_r_hat
from aevb.errors import InvalidRecipeError
from aevb.inference.marginal import Rows, Show, show_nothing
from aevb.models import Model, Recognition
from aevb.typing import PRNGKey

PerRow = Float[np.ndarray, " rows"]
PerLatent = Float[np.ndarray, "rows latents"]

MASS_DRAWS = 256
TARGET_ACCEPTANCE = 0.9
SPREAD = 2.0  # chains start so much wider than q, for R-hat to tell chains that stay where they start
R_HAT_LIMIT, LEAST_EFFECTIVE = 1.05, 100.0
WARM_UP, SAMPLING = range(2)  # each in randomness of its own


@dataclasses.dataclass(frozen=True)
class HMC:
    """Hamiltonian Monte Carlo for p(z|x) of each row (Neal 2011), in unconstrained coordinates.

    The warm-up moves the step size towards an acceptance rate of 0.9 and takes the mass matrix from the spread of the
    chains in the middle of it; both are then kept. Chains start from q(z|x), its spread doubled, or from p(z).

    Args:
        n_samples: draws to keep of each chain.
        n_chains: chains per row, at least 2.
        n_warmup: transitions before the first draw.
        n_leapfrog: leapfrog steps of a transition.

    Raises:
        InvalidRecipeError: a number is too small.
    """

    n_samples: int = 500
    n_chains: int = 8
    n_warmup: int = 300
    n_leapfrog: int = 10
    name: ClassVar[str] = "hmc"

    def __post_init__(self):
        for value, least, what in (
            (self.n_samples, 4, "draws of each chain"),
            (self.n_chains, 2, "chains, which R-hat compares,"),
            (self.n_warmup, 20, "warm-up transitions"),
            (self.n_leapfrog, 1, "leapfrog steps"),
        ):
            if value < least:
                raise InvalidRecipeError(
                    f"Hamiltonian Monte Carlo: the number of {what} must be at least {least}, not {value}"
                )


@dataclasses.dataclass(frozen=True)
class PosteriorSamples:
    """Draws from p(z|x) of each row.

    Args:
        z: the draws.
        r_hat: of each latent, split and rank-normalized; near 1 where chains agree.
        effective_samples: as good as how many independent draws the mean of each latent is.
        acceptance: the mean acceptance probability of each row's transitions.
    """

    z: Float[np.ndarray, "rows chains draws latents"]
    r_hat: PerLatent
    effective_samples: PerLatent
    acceptance: PerRow

    @property
    def reliable(self) -> Bool[np.ndarray, " rows"]:
        """Whether all of a row's latents have R-hat below 1.05 and at least 100 effective draws."""
        passed = (self.r_hat < R_HAT_LIMIT) & (self.effective_samples >= LEAST_EFFECTIVE)
        return np.all(passed, axis=1)

    @property
    def mean(self) -> PerLatent:
        """E[z|x]."""
        return self.z.mean(axis=(1, 2))

    @property
    def standard_deviation(self) -> PerLatent:
        """Of z given x, per latent."""
        return self.z.std(axis=(1, 2))


def sample_posterior(
    model: Model,
    recognition: Recognition | None,
    x: Rows,
    key: PRNGKey,
    method: HMC,
    show: Show = show_nothing,
) -> PosteriorSamples:
    """Draw from p(z|x) of each row.

    A row's draws depend on `key` and its own values only.

    Args:
        model: p(z) p(x|z).
        recognition: from rows to q(z|x), where chains start; None for p(z).
        x: the rows, scaled units; NaN where a value is missing.
        key: random key.
        method: the settings.
        show: called with the share of the work that is done, from time to time.

    Raises:
        InvalidRecipeError: the codes are discrete.
    """
    found = run_chains(model, recognition, x, key, method, ("z",), show)
    return PosteriorSamples(found["z"], found["r_hat"], found["effective_samples"], found["acceptance"])


def run_chains(
    model: Model,
    recognition: Recognition | None,
    x: Rows,
    key: PRNGKey,
    method: HMC,
    keep: tuple[str, ...],
    show: Show,
) -> dict[str, np.ndarray]:
    """As `sample_posterior`, with what there is to know of each draw, first axes `(rows, chains, draws)`.

    Args:
        model: p(z) p(x|z).
        recognition: from rows to q(z|x), or None.
        x: the rows.
        key: random key.
        method: the settings.
        keep: which of `z`, its unconstrained coordinates `u`, and `log_joint`, log p(x, u), of every draw.
        show: called with the share of the work that is done.

    Raises:
        InvalidRecipeError: the codes are discrete.
    """
    require_continuous(model, "Hamiltonian Monte Carlo")
    tick = Ticks(show, len(x), len(chunks(method.n_warmup)) + len(chunks(method.n_samples)))

    def block(batch: Batch) -> dict[str, np.ndarray | Array]:
        return _block(model, recognition, batch, key, method, keep, tick)

    return map_rows(block, x, BLOCK_ROWS)


class _State(eqx.Module):
    """Of one row: its chains, the transition they share, and what the warm-up gathers."""

    u: Float[Array, "chains dims"]
    kernel: Kernel
    sums: Float[Array, "3 dims"]  # of the positions and their squares, and how many there were


def _block(
    model: Model,
    recognition: Recognition | None,
    batch: Batch,
    key: PRNGKey,
    method: HMC,
    keep: tuple[str, ...],
    tick: Callable[[], None],
) -> dict[str, np.ndarray | Array]:
    state = _start(model, recognition, batch, key, method.n_chains, method.n_leapfrog)
    n_warmup = jnp.asarray(method.n_warmup)
    warm_key, key = (jax.random.fold_in(key, phase) for phase in (WARM_UP, SAMPLING))
    for first, last in chunks(method.n_warmup):
        state = _warm_up(model, batch, warm_key, state, jnp.asarray(first), jnp.asarray(last), n_warmup)
        state.u.block_until_ready()
        tick()
    parts = []
    for first, last in chunks(method.n_samples):
        state, drawn = _sample(model, batch, key, state, jnp.asarray(first))
        parts.append({name: np.asarray(values)[:, : last - first] for name, values in drawn.items()})
        tick()
    joined = {name: np.concatenate([part[name] for part in parts], axis=1) for name in parts[0]}
    acceptance = joined.pop("acceptance").mean(axis=1)
    # From (rows, draws, chains, ...) to (rows, chains, draws, ...).
    joined = {name: np.swapaxes(values, 1, 2) for name, values in joined.items()}
    r_hat, effective = _diagnose(jnp.asarray(joined["z"]))
    kept = {name: joined[name] for name in keep}
    return {**kept, "r_hat": r_hat, "effective_samples": effective, "acceptance": acceptance}


@eqx.filter_jit
def _start(
    model: Model,
    recognition: Recognition | None,
    batch: Batch,
    key: PRNGKey,
    n_chains: int,
    n_leapfrog: int,
) -> _State:
    """Chains at draws from q(z|x), twice as far from its median, or at draws from p(z)."""

    def one_row(key: PRNGKey, row: Batch) -> _State:
        target, posterior = Target(model, row), None if recognition is None else recognition(row)
        u = jax.vmap(lambda key: target.start(posterior, key))(jax.random.split(key, n_chains + MASS_DRAWS))
        u, others = u[:n_chains], u[n_chains:]
        if posterior is not None:
            u = u + (SPREAD - 1) * (u - jnp.median(others, axis=0))
        n_dims = u.shape[1]
        kernel = Kernel(jnp.asarray(-0.25 * np.log(n_dims), u.dtype), robust_variance(others), n_leapfrog)
        return _State(u, kernel, jnp.zeros((3, n_dims), u.dtype))

    return each_row(one_row, key, batch)


@eqx.filter_jit
def _warm_up(
    model: Model, batch: Batch, key: PRNGKey, state: _State, first: Array, last: Array, n: Array
) -> _State:
    """Transitions `first` to `last` of `n`: the step size in all, the mass matrix from the second and third quarter."""

    def one_row(key: PRNGKey, row: Batch, state: _State) -> _State:
        log_density = Target(model, row).log_joint

        def step(t: Array, state: _State) -> _State:
            u, _, acceptance = _transition(key, t, log_density, state)
            # The gain starts anew with the new mass matrix.
            since = jnp.where(t < 3 * n // 4, t, t - 3 * n // 4)
            kernel = state.kernel.adapted(jnp.mean(acceptance), TARGET_ACCEPTANCE, (1.0 + since) ** -0.6)
            counts = (t >= n // 4) & (t < 3 * n // 4)
            gathered = jnp.stack(
                [jnp.sum(u, axis=0), jnp.sum(u**2, axis=0), jnp.full(u.shape[1], len(u), u.dtype)]
            )
            sums = state.sums + jnp.where(counts, gathered, 0.0)
            is_time = t == 3 * n // 4
            inverse_mass = jnp.where(is_time, _variance(sums, kernel.inverse_mass), kernel.inverse_mass)
            # Steps are in units of the mass matrix: keep their length on the average coordinate.
            shift = 0.5 * jnp.mean(jnp.log(inverse_mass / kernel.inverse_mass))
            log_step = kernel.log_step - jnp.where(is_time, shift, 0.0)
            return _State(u, Kernel(log_step, inverse_mass, kernel.n_leapfrog), sums)

        return jax.lax.fori_loop(first, last, step, state)

    return each_row(one_row, key, batch, state)


def _variance(sums: Float[Array, "3 dims"], otherwise: Float[Array, " dims"]) -> Float[Array, " dims"]:
    """The variance of the positions that were gathered; what there was where it is no positive number."""
    first, second, n = sums
    variance = second / n - jnp.square(first / n)
    return jnp.where(jnp.isfinite(variance) & (variance > 1e-4 * otherwise), variance, otherwise)


@eqx.filter_jit
def _sample(
    model: Model, batch: Batch, key: PRNGKey, state: _State, first: Array
) -> tuple[_State, dict[str, Array]]:
    """`CHUNK` transitions, and the draws, shape `(rows, draws, chains, ...)`."""

    def one_row(key: PRNGKey, row: Batch, state: _State) -> tuple[_State, dict[str, Array]]:
        target = Target(model, row)

        def step(state: _State, t: Array) -> tuple[_State, dict[str, Array]]:
            u, log_joint, acceptance = _transition(key, t, target.log_joint, state)
            drawn = {"u": u, "z": target.space.columns(target.space.code(u)), "log_joint": log_joint}
            return _State(u, state.kernel, state.sums), {**drawn, "acceptance": jnp.mean(acceptance)}

        return jax.lax.scan(step, state, first + jnp.arange(CHUNK))

    return each_row(one_row, key, batch, state)


def _transition(
    key: PRNGKey, t: Array, log_density: Callable[[Array], Array], state: _State
) -> tuple[Float[Array, "chains dims"], Float[Array, " chains"], Float[Array, " chains"]]:
    """Positions, their log densities, and acceptance rates after one transition of all chains."""

    def one(key: PRNGKey, u: Float[Array, " dims"]) -> tuple[Array, Array, Array]:
        chain, acceptance = state.kernel(key, log_density, begin(log_density, u))
        return chain.position, chain.log_density, acceptance

    return jax.vmap(one)(jax.random.split(jax.random.fold_in(key, t), len(state.u)), state.u)


@jax.jit
def _diagnose(z: Float[Array, "rows chains draws latents"]) -> tuple[Float[Array, "rows latents"], ...]:
    return jax.vmap(split_r_hat)(z), jax.vmap(effective_draws)(z)
