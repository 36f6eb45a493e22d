"""Special functions of the divergences: written so that nothing cancels, differentiated by plain arithmetic."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from aevb.distributions import gamma_derivative, numerics

Value = Float[Array, "..."]
Numeric = Any  # what NumPyro's distributions hold: arrays, NumPy's or JAX's, or Python's numbers

# Where the asymptotic series of log Gamma begin: there their terms up to x^-13 leave an error below 1e-15.
_SHIFT = 9
_STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156)
# Exact to machine precision for the smooth integrands below, see the tests.
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(48)


def excess(ratio: Numeric, difference: Numeric) -> Value:
    """r - 1 - log r >= 0, the divergence between two scales, without cancellation near r = 1.

    With s = (r - 1) / (r + 1), log r = 2 (s + s^3 / 3 + s^5 / 5 + ...) and r - 1 - 2 s = s (r - 1).

    Args:
        ratio: r, positive.
        difference: r - 1, as exactly as the caller has it. The derivative is taken through `ratio` alone.
    """
    return _excess(jnp.asarray(ratio), jnp.asarray(difference))


@jax.custom_jvp
def _excess(ratio: Array, difference: Array) -> Array:
    s = difference / (2 + difference)
    series = s * (difference - 2 * s**2 * polynomial(s**2, [1 / (2 * k + 3) for k in range(10)]))
    return jnp.where(jnp.abs(difference) < 0.25, series, difference - jnp.log(ratio))


_excess.defjvps(lambda tangent, _, ratio, difference: tangent * (difference / ratio), None)


def scale_divergence(x: Numeric, y: Numeric) -> Value:
    """`excess` at r = x / y."""
    return excess(x / y, (x - y) / y)


def where_it_fits(function: Callable[..., Value], x: Value, *others: Value) -> Value:
    """function(x, *others) where e^x does not overflow, else infinity with derivatives of zero instead of NaN."""
    fits = x < math.log(jnp.finfo(x.dtype).max)
    return jnp.where(fits, function(*(jnp.where(fits, part, 0.0) for part in (x, *others))), jnp.inf)


def lgamma(x: Numeric) -> Value:
    """log Gamma(x)."""
    return gamma_derivative.lgamma(_floating(x))


def digamma(x: Numeric) -> Value:
    """The derivative of log Gamma."""
    return gamma_derivative.digamma(_floating(x))


def trigamma(x: Numeric) -> Value:
    """The derivative of `digamma`."""
    return gamma_derivative.trigamma(_floating(x))


def betaln(a: Numeric, b: Numeric) -> Value:
    """log B(a, b)."""
    return lgamma(a) + lgamma(b) - lgamma(a + b)


def lgamma_half_step(a: Numeric) -> Value:
    """log Gamma(a + 1/2) - log Gamma(a)."""
    return numerics.lgamma_half_step(_floating(a))


def _floating(x: Numeric) -> Value:
    return jnp.asarray(x, numerics.float_dtype(x))


def shape_divergence(x: Numeric, y: Numeric) -> Value:
    """G(x) - G(y) - G'(y) (x - y) >= 0, with G(x) = log Gamma(x) - x log x + x: what only shapes contribute.

    G(x) - G(x + 1) = (x + 1) log(1 + 1 / x) - 1, whose own such difference is (x + 1) `excess` at
    r = 1 + (x - y) / (y (x + 1)); so small arguments are moved up term by term to where Stirling's series holds.
    """
    x, y = _floating(x), _floating(y)
    d, steps = x - y, np.arange(_SHIFT).astype(jnp.result_type(x, y))
    x_k, y_k = x[..., None] + steps, y[..., None] + steps
    ratio = (x_k / y_k) * ((y_k + 1) / (x_k + 1))
    below = jnp.sum((x_k + 1) * excess(ratio, d[..., None] / y_k / (x_k + 1)), axis=-1)
    x, y = x + _SHIFT, y + _SHIFT
    rest = _stirling_rest(x) - _stirling_rest(y) - _stirling_rest_slope(y) * d
    return below + 0.5 * scale_divergence(x, y) + _STIRLING[0] * (d / x) * (d / y / y) + rest


def log_gamma_divergence(x: Numeric, y: Numeric) -> Value:
    """log Gamma(x) - log Gamma(y) - digamma(y) (x - y) >= 0."""
    return x * scale_divergence(y, x) + shape_divergence(x, y)


def log_gamma_step(x: Numeric, d: Numeric) -> Value:
    """log Gamma(x + d) - log Gamma(x)."""
    return log_gamma_divergence(x + d, x) + d * digamma(x)


def _stirling_rest(x: Numeric) -> Numeric:
    inverse = 1 / x
    return polynomial(inverse * inverse, _STIRLING[1:]) * inverse * inverse * inverse


def _stirling_rest_slope(x: Numeric) -> Numeric:
    slopes = [-(2 * k + 3) * c for k, c in enumerate(_STIRLING[1:])]
    inverse = 1 / x
    return polynomial(inverse * inverse, slopes) * inverse * inverse * inverse * inverse


def growth_integral(power: Numeric, rate: Numeric) -> Value:
    """J = int_0^inf (1 + t)^(power - 1) e^(-rate t) dt = e^rate rate^-power Gamma(power, rate).

    At power 0 this is the scaled exponential integral e^rate E1(rate). With 1 + t = e^v the integrand is entire,
    and is cut where it has fallen below rounding; so it neither over- nor underflows at large rates.
    """
    power, rate = (jnp.asarray(part)[..., None] for part in (power, rate))
    peak = jnp.maximum(power, 0.0)
    end = jnp.log1p((40.0 + peak + 10.0 * jnp.sqrt(peak)) / rate)
    v = jax.lax.stop_gradient(end) * (0.5 * (_NODES + 1)).astype(end.dtype)
    weights = jax.lax.stop_gradient(end) * (0.5 * _WEIGHTS).astype(end.dtype)
    exponent = power * v - rate * jnp.expm1(v)
    fits = jnp.max(exponent, axis=-1, keepdims=True) < math.log(jnp.finfo(end.dtype).max) - 10
    integral = jnp.sum(weights * jnp.exp(jnp.where(fits, exponent, 0.0)), axis=-1)
    return jnp.where(fits[..., 0], integral, jnp.inf)


def tilted_mean_log(logit: Numeric) -> Value:
    """E[log z] of a density proportional to e^(logit z) on [0, 1].

    By parts, -int_0^1 (e^(logit z) - 1) / (z (e^logit - 1)) dz, an exponential integral. Nodes crowd at both ends,
    where the integrand has layers of width 1 / |logit|.
    """
    logit = jnp.asarray(logit)[..., None]
    s = 0.5 * (_NODES + 1)
    z, weights = (part.astype(logit.dtype) for part in (s * s * (3 - 2 * s), 3 * s * (1 - s) * _WEIGHTS))
    falling = jnp.where(logit > 0, -logit, logit)
    reversal = jnp.exp(jnp.where(logit > 0, falling * (1 - z), 0.0))
    return -jnp.sum(weights * reversal * expm1_ratio(falling * z) / expm1_ratio(falling), axis=-1)


def expm1_ratio(x: Numeric) -> Value:
    """(e^x - 1) / x, which is 1 at 0."""
    small = jnp.abs(x) < 0.1
    series = polynomial(x, [1 / math.factorial(k + 1) for k in range(10)])
    safe = jnp.where(small, 1.0, x)
    return jnp.where(small, series, jnp.expm1(safe) / safe)


def polynomial(x: Numeric, coefficients: Sequence[float]) -> Numeric:
    """Sum of coefficients[k] x^k, by Horner's rule."""
    total: Numeric = 0.0
    for coefficient in reversed(coefficients):
        total = coefficient + x * total
    return total


EULER_GAMMA = float(np.euler_gamma)
HALF_LOG_TAU = 0.5 * math.log(2 * math.pi)
