"""Hamiltonian Monte Carlo over any log density, by BlackJAX's kernel; it knows no model.

A transition is of one chain, to be mapped by `jax.vmap` over chains and rows inside a caller's compiled loop.
BlackJAX is imported when a transition is first traced: importing it takes most of a second, which is nobody's else.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from aevb.typing import PRNGKey, Scalar

Position = Float[Array, " dims"]
LogDensity = Callable[[Position], Scalar]

# A trajectory of one length for ever comes back to where it began for some densities, and never mixes: of ten steps at
# 90% acceptance that is a Gaussian's in some twenty dimensions. Steps drawn anew for each transition prevent that
# (Neal 2011, section 3.2).
SHORTEST = 0.5


class Chain(eqx.Module):
    """Where a chain is.

    Args:
        position: u, shape `(dims,)`.
        log_density: log f(u), of a density f that need not be normalized.
        gradient: of it at u, shape `(dims,)`.
    """

    position: Position
    log_density: Scalar
    gradient: Position


class Kernel(eqx.Module):
    """The settings of a transition, which leaves f invariant whatever they are.

    Args:
        log_step: log of the longest leapfrog step, in units of the square root of `inverse_mass`.
        inverse_mass: the diagonal of the inverse mass matrix, shape `(dims,)`; the variances of f are a good one.
        n_leapfrog: leapfrog steps of a transition.
    """

    log_step: Scalar
    inverse_mass: Float[Array, " dims"]
    n_leapfrog: int = eqx.field(static=True, default=10)

    def __call__(self, key: PRNGKey, log_density: LogDensity, chain: Chain) -> tuple[Chain, Scalar]:
        """One transition (Duane et al. 1987; Neal 2011, figure 2), its step drawn from [1/2, 1] times the longest.

        A trajectory to where f is zero, infinite or not a number is rejected.

        Args:
            key: random key.
            log_density: log f, of the density for which `chain` was begun.
            chain: where the chain is.

        Returns:
            Where the chain goes, and the probability with which the trajectory's end was accepted.
        """
        from blackjax.mcmc import hmc

        step_key, key = jax.random.split(key)
        step = jnp.exp(self.log_step) * jax.random.uniform(step_key, minval=SHORTEST)
        kernel: Any = hmc.build_kernel()  # annotated as of floats
        state_type: Any = hmc.HMCState
        state = state_type(chain.position, chain.log_density, chain.gradient)
        state, info = kernel(
            key, state, _without_poles(log_density), step, self.inverse_mass, self.n_leapfrog
        )
        return Chain(state.position, state.logdensity, state.logdensity_grad), info.acceptance_rate

    def adapted(self, acceptance: Scalar, target: float, gain: Scalar | float) -> "Kernel":
        """The kernel with its step moved towards the acceptance rate that is wanted: log step += gain (rate - target).

        Robbins & Monro (1951). Dual averaging remembers all that went before, and does not follow a density that
        changes, as along an annealing path or in training. What this is fed with must not be part of a
        result: a chain whose step depends on its own past does not leave f invariant.

        Args:
            acceptance: the rate with the present step, averaged over whatever chains share it.
            target: the rate that is wanted.
            gain: how far to move; one that falls like n^-0.6 over n transitions lets the step settle.
        """
        moved = self.log_step + gain * (jnp.nan_to_num(acceptance) - target)
        return Kernel(moved, self.inverse_mass, self.n_leapfrog)


def begin(log_density: LogDensity, position: Position) -> Chain:
    """A chain at a position."""
    value, gradient = jax.value_and_grad(_without_poles(log_density))(position)
    return Chain(position, value, gradient)


def robust_variance(u: Float[Array, "draws dims"]) -> Float[Array, " dims"]:
    """The variance of each coordinate if it were Gaussian, from its interquartile range: finite for heavy tails too."""
    low, high = jnp.quantile(u, jnp.array([0.25, 0.75]), axis=0)
    spread = (high - low) / 1.3489795
    return jnp.where(jnp.isfinite(spread) & (spread > 0), jnp.square(spread), 1.0)


def split_r_hat(draws: Float[Array, "chains draws *rest"]) -> Float[Array, "*rest"]:
    """The potential scale reduction of split, rank-normalized and folded draws (Vehtari et al. 2021, section 4).

    Near 1 where the chains agree; above 1.01 they have not mixed. At least two chains of four draws.
    """
    from blackjax.diagnostics import rhat

    return rhat(draws).reshape(draws.shape[2:])


def effective_draws(draws: Float[Array, "chains draws *rest"]) -> Float[Array, "*rest"]:
    """How many independent draws would give as good a mean (Geyer's monotone sequence over all chains)."""
    from blackjax.diagnostics import effective_sample_size

    return effective_sample_size(draws).reshape(draws.shape[2:])


def _without_poles(log_density: LogDensity) -> LogDensity:
    """The log density with minus infinity wherever it is plus infinity or not a number: no chain goes there."""

    def guarded(u: Position) -> Scalar:
        value = log_density(u)
        return jnp.where(jnp.isnan(value) | jnp.isposinf(value), -jnp.inf, value)

    return guarded
