"""The compiled programs of annealed importance sampling: a preliminary run that finds a path, and runs along it."""

import dataclasses
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from aevb.batch import Batch, each_row
from aevb.chains.chunks import chunks
from aevb.chains.coordinates import Point, Target
from aevb.chains.hmc import Kernel, begin, robust_variance
from aevb.models import Model, Posterior, Recognition
from aevb.typing import PRNGKey, Scalar

MASS_DRAWS = 256
TARGET_ACCEPTANCE = 0.8
# The preliminary run: so many stations along the path, of so many transitions each, and some to settle in before.
STATIONS, STATION_STEPS, SETTLING_STEPS = 16, 8, 32
PRELIMINARY_STEPS = SETTLING_STEPS + STATIONS * STATION_STEPS
GAIN = 0.5
EVEN = 0.3  # so much of the spacing of powers is even, whatever was measured
PRELIMINARY, FORWARD, REVERSE = range(3)  # each in randomness of its own


class Path(eqx.Module):
    """The way of one row from where chains start to p(x, z), as the preliminary run found it.

    Args:
        share: the share of the transitions after which a station is passed, from 0 to 1, shape `(stations,)`.
        beta: the power to which p(x, z) / start is raised there, from 0 to 1.
        log_step: log of the longest leapfrog step there.
        inverse_mass: shape `(dims,)`.
    """

    share: Float[Array, " stations"]
    beta: Float[Array, " stations"]
    log_step: Float[Array, " stations"]
    inverse_mass: Float[Array, " dims"]

    def power(self, share: Scalar) -> Scalar:
        """beta after a share of the transitions."""
        return jnp.interp(share, self.share, self.beta)

    def kernel(self, beta: Scalar, n_leapfrog: int) -> Kernel:
        """The transition at a power, the same in both directions."""
        return Kernel(jnp.interp(beta, self.beta, self.log_step), self.inverse_mass, n_leapfrog)


@dataclasses.dataclass
class Annealing:
    """The compiled programs in their order, for blocks of rows."""

    model: Model
    recognition: Recognition | None
    key: PRNGKey
    n_temperatures: int
    n_chains: int
    n_leapfrog: int
    tick: Callable[[], None]

    def path(self, batch: Batch) -> Path:
        """The preliminary run."""
        key = jax.random.fold_in(self.key, PRELIMINARY)
        given = (self.model, self.recognition, batch, key)
        tuning = _begin_tuning(*given, self.n_chains, self.n_leapfrog)
        for first, last in chunks(PRELIMINARY_STEPS):
            tuning = _tune(*given, tuning, jnp.asarray(first), jnp.asarray(last))
            tuning.u.block_until_ready()
            self.tick()
        return _path(tuning)

    def weights(
        self, batch: Batch, path: Path, phase: int, u: Float[Array, "rows chains dims"] | None = None
    ) -> dict[str, Array | np.ndarray]:
        """The log weight of each chain, and the acceptance rate in each chunk.

        Args:
            batch: the rows.
            path: of each row.
            phase: `FORWARD`, or `REVERSE`, from p(x, z) to the start: then log 1/w.
            u: where chains begin; None for draws from the start.
        """
        given = (self.model, self.recognition, batch, jax.random.fold_in(self.key, phase))
        if u is None:
            u = _draw(*given, self.n_chains)
        log_w, n = jnp.zeros(u.shape[:2], u.dtype), jnp.asarray(self.n_temperatures)
        acceptance = []
        for first, last in chunks(self.n_temperatures):
            span = (jnp.asarray(first), jnp.asarray(last), n, jnp.asarray(phase == REVERSE))
            u, log_w, accepted = _anneal(*given, path, (u, log_w), span, self.n_leapfrog)
            acceptance.append(np.asarray(accepted))
            self.tick()
        return {"log_w": log_w, "acceptance": np.stack(acceptance, axis=1)}


def _bridge(target: Target, posterior: Posterior | None, u: Point) -> tuple[Scalar, Scalar]:
    """log start(u), and log p(x, u) / start(u)."""
    if posterior is None:
        return target.log_prior(u), target.log_likelihood(u)
    log_start = target.log_posterior(posterior, u)
    return log_start, target.log_joint(u) - log_start


def _transition(
    target: Target,
    posterior: Posterior | None,
    key: PRNGKey,
    u: Float[Array, "chains dims"],
    beta: Scalar,
    kernel: Kernel,
) -> tuple[Float[Array, "chains dims"], Float[Array, " chains"], Scalar]:
    """Where chains go at a power beta, the log ratio where they were, and the mean acceptance."""

    def log_density(u: Point) -> Scalar:
        log_start, log_ratio = _bridge(target, posterior, u)
        return log_start + beta * log_ratio

    def one(key: PRNGKey, u: Point) -> tuple[Point, Scalar, Scalar]:
        log_ratio = _bridge(target, posterior, u)[1]  # the compiler takes it from what `begin` computes
        chain, acceptance = kernel(key, log_density, begin(log_density, u))
        return chain.position, log_ratio, acceptance

    u, log_ratio, acceptance = jax.vmap(one)(jax.random.split(key, len(u)), u)
    return u, log_ratio, jnp.mean(acceptance)


def _starts(
    model: Model, recognition: Recognition | None, row: Batch, key: PRNGKey, n: int
) -> Float[Array, "draws dims"]:
    target, posterior = Target(model, row), None if recognition is None else recognition(row)
    return jax.vmap(lambda key: target.start(posterior, key))(jax.random.split(key, n))


@eqx.filter_jit
def _draw(
    model: Model, recognition: Recognition | None, batch: Batch, key: PRNGKey, n: int
) -> Float[Array, "rows draws dims"]:
    """Draws from the start."""
    return each_row(lambda key, row: _starts(model, recognition, row, key, n), key, batch)


class _Tuning(eqx.Module):
    """The preliminary run of one row.

    Args:
        u: where the chains are.
        kernel: the transition that they share.
        log_steps: at each station, the mean of its log step.
        variances: the mean over transitions of the chains' variance of log p(x, z) / start.
    """

    u: Float[Array, "chains dims"]
    kernel: Kernel
    log_steps: Float[Array, " stations"]
    variances: Float[Array, " stations"]


@eqx.filter_jit
def _begin_tuning(
    model: Model,
    recognition: Recognition | None,
    batch: Batch,
    key: PRNGKey,
    n_chains: int,
    n_leapfrog: int,
) -> _Tuning:
    """Chains at draws from the start, whose variances make the mass matrix."""

    def one_row(key: PRNGKey, row: Batch) -> _Tuning:
        u = _starts(model, recognition, row, key, n_chains + MASS_DRAWS)
        log_step = jnp.asarray(-0.25 * np.log(u.shape[1]), u.dtype)
        kernel = Kernel(log_step, robust_variance(u[n_chains:]), n_leapfrog)
        zeros = jnp.zeros(STATIONS, u.dtype)
        return _Tuning(u[:n_chains], kernel, zeros, zeros)

    return each_row(one_row, key, batch)


def _station_powers() -> Float[np.ndarray, " stations"]:
    """A sigmoid from 0 to 1, dense at both ends, where log p(x, z) / start changes fastest (Grosse et al. 2015)."""
    s = 1 / (1 + np.exp(-4 * np.linspace(-1, 1, STATIONS)))
    return (s - s[0]) / (s[-1] - s[0])


@eqx.filter_jit
def _tune(
    model: Model,
    recognition: Recognition | None,
    batch: Batch,
    key: PRNGKey,
    tuning: _Tuning,
    first: Array,
    last: Array,
) -> _Tuning:
    """Transitions `first` to `last` of the preliminary run, whose step size follows the acceptance of all chains."""

    def one_row(key: PRNGKey, row: Batch, tuning: _Tuning) -> _Tuning:
        target, posterior = Target(model, row), None if recognition is None else recognition(row)
        powers = jnp.asarray(_station_powers(), tuning.u.dtype)

        def step(t: Array, tuning: _Tuning) -> _Tuning:
            station = jnp.maximum(t - SETTLING_STEPS, 0) // STATION_STEPS
            key_t = jax.random.fold_in(key, t + 1)
            u, log_ratio, acceptance = _transition(
                target, posterior, key_t, tuning.u, powers[station], tuning.kernel
            )
            kernel = tuning.kernel.adapted(acceptance, TARGET_ACCEPTANCE, GAIN)
            share = jnp.where(t >= SETTLING_STEPS, 1 / STATION_STEPS, 0.0)
            variance = jnp.nan_to_num(jnp.var(log_ratio, ddof=1), posinf=0.0)
            log_steps = tuning.log_steps.at[station].add(share * kernel.log_step)
            return _Tuning(u, kernel, log_steps, tuning.variances.at[station].add(share * variance))

        return jax.lax.fori_loop(first, last, step, tuning)

    return each_row(one_row, key, batch, tuning)


@jax.jit
@jax.vmap
def _path(tuning: _Tuning) -> Path:
    """The path on which every step adds about the same variance to log w, as far as chains keep up.

    That variance is (db)^2 Var_b(log p / start), so that b is to pass a station in proportion to the standard
    deviation there (Gelman & Meng 1998, section 4.1).
    """
    powers = jnp.asarray(_station_powers(), tuning.u.dtype)
    deviation = jnp.sqrt(tuning.variances)
    # What was measured by few chains is not followed all the way.
    speed = deviation + EVEN * jnp.mean(deviation) + 1e-6
    lengths = 0.5 * (speed[1:] + speed[:-1]) * jnp.diff(powers)
    share = jnp.pad(jnp.cumsum(lengths), (1, 0))
    return Path(share / share[-1], powers, tuning.log_steps, tuning.kernel.inverse_mass)


@eqx.filter_jit
def _anneal(
    model: Model,
    recognition: Recognition | None,
    batch: Batch,
    key: PRNGKey,
    path: Path,
    state: tuple[Array, Array],
    span: tuple[Array, Array, Array, Array],
    n_leapfrog: int,
) -> tuple[Array, Array, Array]:
    """Steps `first` to `last` of `n` along the path, or back along it; also the mean acceptance of each row."""
    first, last, n, is_reverse = span

    def one_row(key: PRNGKey, row: Batch, path: Path, *state: Array) -> tuple[Array, Array, Scalar]:
        target, posterior = Target(model, row), None if recognition is None else recognition(row)

        def power(i: Array) -> Scalar:
            return path.power(jnp.where(is_reverse, n - i, i) / n)

        def step(i: Array, state: tuple[Array, Array, Scalar]) -> tuple[Array, Array, Scalar]:
            u, log_w, accepted = state
            beta = power(i + 1)
            key_i = jax.random.fold_in(key, i + 1)
            kernel = path.kernel(beta, n_leapfrog)
            u, log_ratio, acceptance = _transition(target, posterior, key_i, u, beta, kernel)
            log_w = log_w + (beta - power(i)) * log_ratio
            return u, jnp.where(jnp.isnan(log_w), -jnp.inf, log_w), accepted + acceptance

        u, log_w, accepted = jax.lax.fori_loop(first, last, step, (*state, jnp.zeros(())))
        return u, log_w, accepted / (last - first)

    return each_row(one_row, key, batch, path, *state)
