"""Gamma variates on a logarithmic scale, differentiable in their concentration, and fast in single precision."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float

from aevb.distributions.gamma_derivative import implicit_derivative
from aevb.typing import PRNGKey

# Of so many elements one redraws at a time: 5% at most are rejected, and random bits are what costs.
_GROUP = 8


def log_gamma(
    key: PRNGKey, concentration: Float[Array, "..."], shape: tuple[int, ...] | None = None
) -> Float[Array, "..."]:
    """Logarithms of Gamma(concentration, 1) variates, one per element, in the dtype of `concentration`.

    The derivative in `concentration` a is the implicit one of each variate z at its own quantile,
    d log z / da = -(dF/da) / (z f) with F the distribution function and f the density (Figurnov, Mohamed and
    Mnih 2018, equation 5): exact in float64, approximate in float32 (see `implicit_derivative`).

    Float64 variates are those of `jax.random.loggamma`; in float32 Marsaglia and Tsang's rejection runs on all
    elements at once instead of on one after the other.

    Args:
        key: source of randomness.
        concentration: shape parameters, positive.
        shape: shape of the result, to which `concentration` is broadcast; by default its own.
    """
    a = jnp.broadcast_to(concentration, jnp.shape(concentration) if shape is None else shape)
    draw = jax.random.loggamma if a.dtype == jnp.float64 else _marsaglia_tsang
    return _reparameterize(a, draw(key, lax.stop_gradient(a)))


@jax.custom_jvp
def _reparameterize(a: Float[Array, "..."], log_z: Float[Array, "..."]) -> Float[Array, "..."]:
    """`log_z`, as a function of the concentration at a fixed quantile."""
    return log_z


# By its value and not by `log_z`, so that second derivatives see that the value moves with a.
_reparameterize.defjvps(lambda tangent, value, a, log_z: tangent * implicit_derivative(a, value), None)


class _Proposal(NamedTuple):
    """Candidates (1 + t)^3 with the uniform variate that is left over: given acceptance, v = u / p is uniform."""

    t: Float[Array, "..."]
    log_v: Float[Array, "..."]
    accepted: Bool[Array, "..."]


@jax.jit  # without which every call outside of a compiled function would compile the loop
def _marsaglia_tsang(key: PRNGKey, a: Float[Array, "..."]) -> Float[Array, "..."]:
    """log z of z ~ Gamma(a, 1), in float32 (Marsaglia and Tsang 2000).

    z = d (1 + t)^3, d = a - 1/3. Where a < 1, a + 1 takes its place and z is multiplied by v^(1 / a), v uniform.
    """
    n = -(-a.size // _GROUP)
    padded = jnp.pad(a.astype(jnp.float32).ravel(), (0, n * _GROUP - a.size), constant_values=1.0)
    grouped = padded.reshape(_GROUP, n)
    d = jnp.where(grouped < 1, grouped + 1, grouped) - 1 / 3
    d = jnp.where(grouped < 0, jnp.nan, d)
    t, log_v = _accepted(key, lax.rsqrt(9 * d))
    log_z = jnp.log(d) + 3 * jnp.log1p(t) + jnp.where(grouped < 1, log_v / grouped, 0.0)
    return log_z.ravel()[: a.size].reshape(a.shape).astype(a.dtype)


def _accepted(key: PRNGKey, c: Float[Array, "group n"]) -> tuple[Array, Array]:
    """t and log v of a first accepted proposal for each element: while any column waits, its first element redraws."""
    order = lax.broadcasted_iota(jnp.int32, (_GROUP, 1), 0)

    def redraw(state: tuple[PRNGKey, _Proposal]) -> tuple[PRNGKey, _Proposal]:
        key, subkey = jax.random.split(state[0])
        old = state[1]
        turn = order == jnp.min(jnp.where(old.accepted, _GROUP, order), axis=0)
        new = _propose(subkey, jnp.sum(jnp.where(turn, c, 0.0), axis=0))
        taken = turn & new.accepted
        t, log_v = jnp.where(taken, new.t, old.t), jnp.where(taken, new.log_v, old.log_v)
        return key, _Proposal(t, log_v, old.accepted | taken)

    key, subkey = jax.random.split(key)
    state = (key, _propose(subkey, c))
    _, last = lax.while_loop(lambda state: ~jnp.all(state[1].accepted), redraw, state)
    return last.t, last.log_v


def _propose(key: PRNGKey, c: Float[Array, "..."]) -> _Proposal:
    """One candidate per element, t = c x with x normal and c = 1 / sqrt(9 d).

    It is accepted with probability p, log p = x^2 / 2 + d - z + d log(z / d); in terms of t, and without cancellation,
    3 d (log(1 + t) - t + t^2 / 2 - t^3 / 3).
    """
    bits = jax.random.bits(key, (2, *c.shape), jnp.uint32)
    # 23 bits as the mantissa of a number in [1, 2), from there to the middle of its step in (-1, 1).
    mantissa = lax.bitcast_convert_type((bits[0] >> 9) | jnp.uint32(0x3F800000), jnp.float32)
    t = c * math.sqrt(2) * lax.erf_inv(2 * mantissa - (3 - 2**-23))
    log_u = jnp.log((bits[1].astype(jnp.float32) + 0.5) * 2**-32)
    log_v = log_u - jnp.minimum(_log1p_remainder(t) / (3 * c**2), 0.0)
    # Both negated, so that NaN, from concentrations that are none, ends the loop.
    return _Proposal(t, log_v, ~((t <= -1) | (log_v > 0)))


def _log1p_remainder(t: Float[Array, "..."]) -> Float[Array, "..."]:
    """log(1 + t) - t + t^2 / 2 - t^3 / 3, by its series where these would cancel; -inf at t <= -1."""
    series = 0.0
    for k in range(13, 3, -1):
        series = (-1) ** (k + 1) / k + t * series
    direct = jnp.log1p(jnp.maximum(t, -1.0)) - t + t**2 / 2 - t**3 / 3
    return jnp.where(jnp.abs(t) < 0.25, t**4 * series, direct)
