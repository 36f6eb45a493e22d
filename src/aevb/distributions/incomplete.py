"""The inverses of the regularized incomplete Gamma and Beta functions, and the derivatives that JAX lacks.

The Beta function takes log(x / (1 - x)) in place of x, which neither rounds to 0 nor to 1.
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_derivatives import SymbolicZero
from jax.nn import log_sigmoid, sigmoid
from jaxtyping import Array

from aevb.distributions.gamma_derivative import digamma, lgamma
from aevb.distributions.numerics import Floats, Numeric

_NEWTON_STEPS = 40
# Equidistant nodes s for integrals over v = exp(s - exp(-s)) from 0 to infinity (Takahasi and Mori 1974).
_FIRST_NODE, _NODE_STEP, _N_NODES = -3.75, 0.05, 240


def betaln(a: Numeric, b: Numeric) -> Floats:
    """log B(a, b). `jax.scipy.special.betaln` is off by up to 7e-7, also in float64."""
    return lgamma(a) + lgamma(b) - lgamma(a + b)


@jax.custom_jvp
def beta_cdf(a: Floats, b: Floats, y: Floats) -> Floats:
    """I_x(a, b) = 1 / B(a, b) int_0^x t^(a-1) (1-t)^(b-1) dt at x = sigmoid(y), differentiable in all three.

    Args:
        a: positive, of one shape and dtype with the others.
        b: positive.
        y: log(x / (1 - x)).
    """
    # From y = 5 on, 1 - x is no longer known well from x.
    flip = y > 5
    first, second = jnp.where(flip, b, a), jnp.where(flip, a, b)
    below = jax.scipy.special.betainc(first, second, sigmoid(jnp.where(flip, -y, y)))
    return jnp.where(flip, 1 - below, below)


def _beta_cdf_jvp(primals: tuple[Floats, ...], tangents: tuple[Any, ...]) -> tuple[Floats, Floats]:
    a, b, y = primals
    slopes: tuple[Callable[[], Floats], ...] = (
        lambda: _beta_cdf_in_a(a, b, y),
        lambda: -_beta_cdf_in_a(b, a, -y),
        lambda: jnp.exp(_log_density(a, b, y)),
    )
    return beta_cdf(a, b, y), _total(y, slopes, tangents)


def _total(
    like: Floats, slopes: tuple[Callable[[], Floats], ...], tangents: tuple[Floats | SymbolicZero, ...]
) -> Floats:
    """The sum of slopes times tangents; the slope of a constant is not computed."""
    pairs = zip(slopes, tangents, strict=True)
    return sum((slope() * t for slope, t in pairs if not isinstance(t, SymbolicZero)), jnp.zeros_like(like))


beta_cdf.defjvp(_beta_cdf_jvp, symbolic_zeros=True)


def _log_density(a: Floats, b: Floats, y: Floats) -> Floats:
    """Of y = log(x / (1 - x)), x ~ Beta(a, b). It is concave in y, with its mode at log(a / b)."""
    return a * log_sigmoid(y) + b * log_sigmoid(-y) - betaln(a, b)


def _beta_cdf_in_a(a: Floats, b: Floats, y: Floats) -> Floats:
    """dI/da = int_{-inf}^y (log sigmoid(s) - E[log x]) density(s) ds.

    Over all s the integral is 0, so that the side of y on which the density falls serves as well as the other: there
    the integrand decays at least exponentially in v = |s - y|, and a double exponential rule is exact to 1e-11.
    """
    y = jnp.clip(y, math.log(jnp.finfo(y.dtype).tiny), -math.log(jnp.finfo(y.dtype).tiny))
    side = jnp.where(y < jnp.log(a) - jnp.log(b), -1.0, 1.0).astype(y.dtype)
    slope = a * sigmoid(-y) - b * sigmoid(y)
    scale = 1 / (jnp.abs(slope) + jnp.sqrt((a + b) * sigmoid(y) * sigmoid(-y)))
    expected = digamma(a) - digamma(a + b)

    def add(i: Array, total: Floats) -> Floats:
        node = _FIRST_NODE + _NODE_STEP * i.astype(y.dtype)
        v = scale * jnp.exp(node - jnp.exp(-node))
        weight = _NODE_STEP * v * (1 + jnp.exp(-node))
        s = y + side * v
        return total + weight * (log_sigmoid(s) - expected) * jnp.exp(_log_density(a, b, s))

    return -side * lax.fori_loop(0, _N_NODES, add, jnp.zeros_like(y))


@jax.custom_jvp
def beta_quantile(a: Floats, b: Floats, p: Floats) -> Floats:
    """y at which `beta_cdf(a, b, y)` is p: the logit of a Beta's quantile; infinite where p is 0 or 1.

    Newton's method on the logarithm of the smaller tail, which is concave in y.

    Args:
        a: positive, of one shape and dtype with the others.
        b: positive.
        p: a probability.
    """
    swap = p > 0.5
    first, second, tail = jnp.where(swap, b, a), jnp.where(swap, a, b), jnp.where(swap, 1 - p, p)
    limit = jnp.full_like(p, -math.log(jnp.finfo(p.dtype).tiny))

    def excess(y: Floats) -> tuple[Floats, Floats]:
        log_cdf = jnp.log(beta_cdf(first, second, y))
        return log_cdf - jnp.log(tail), jnp.exp(_log_density(first, second, y) - log_cdf)

    y = _solve(excess, jnp.log(first) - jnp.log(second), -limit, limit)
    # The leading term, p = x^a / (a B(a, b)), is exact where x would underflow.
    leading = (jnp.log(tail) + jnp.log(first) + betaln(first, second)) / first
    y = jnp.where(leading < 1 - limit, leading, y)
    return jnp.where(swap, -y, y)


def _beta_quantile_jvp(primals: tuple[Floats, ...], tangents: tuple[Any, ...]) -> tuple[Floats, Floats]:
    a, b, p = primals
    y = beta_quantile(a, b, p)
    density = jnp.exp(_log_density(a, b, y))
    slopes: tuple[Callable[[], Floats], ...] = (
        lambda: -_beta_cdf_in_a(a, b, y) / density,
        lambda: _beta_cdf_in_a(b, a, -y) / density,
        lambda: 1 / density,
    )
    return y, _total(p, slopes, tangents)


beta_quantile.defjvp(_beta_quantile_jvp, symbolic_zeros=True)


@jax.custom_jvp
def gamma_quantile(a: Floats, p: Floats) -> Floats:
    """log x at which the distribution function of Gamma(a, 1) is p; infinite where p is 0 or 1.

    Newton's method on the logarithm of the smaller tail, which is concave in log x.

    Args:
        a: positive, of one shape and dtype with `p`.
        p: a probability.
    """
    upper = p > 0.5
    log_tail = jnp.log(jnp.where(upper, 1 - p, p))

    def excess(y: Floats) -> tuple[Floats, Floats]:
        x = jnp.exp(y)
        gammainc, gammaincc = jax.scipy.special.gammainc, jax.scipy.special.gammaincc
        log_cdf = jnp.log(jnp.where(upper, gammaincc(a, x), gammainc(a, x)))
        sign = jnp.where(upper, -1.0, 1.0)
        return sign * (log_cdf - log_tail), jnp.exp(a * y - x - lgamma(a) - log_cdf)

    # The leading term, p = x^a / Gamma(a + 1), is exact where x would underflow.
    leading = (jnp.log(p) + lgamma(a + 1)) / a
    least = math.log(jnp.finfo(p.dtype).tiny)
    greatest = jnp.log(a + 10 * jnp.sqrt(a) + 60)
    y = _solve(excess, jnp.where(upper, jnp.log(a + 1), leading), jnp.full_like(a, least), greatest)
    y = jnp.where(leading < least + 1, leading, y)
    return jnp.where(p < 1, y, jnp.inf)


def _gamma_quantile_jvp(primals: tuple[Floats, ...], tangents: tuple[Any, ...]) -> tuple[Floats, Floats]:
    a, p = primals
    y = gamma_quantile(a, p)
    x = jnp.exp(y)
    density = jnp.exp(a * y - x - lgamma(a))
    slopes: tuple[Callable[[], Floats], ...] = (
        lambda: -lax.igamma_grad_a(a, x) / density,
        lambda: 1 / density,
    )
    return y, _total(p, slopes, tangents)


gamma_quantile.defjvp(_gamma_quantile_jvp, symbolic_zeros=True)


def _solve(
    excess: Callable[[Floats], tuple[Floats, Floats]], start: Floats, low: Floats, high: Floats
) -> Floats:
    """The root of an increasing function, by Newton's method, with bisection where a step leaves the bracket.

    Args:
        excess: gives the function's value, whose sign narrows the bracket, and its slope.
        start: where to begin.
        low: below the root.
        high: above the root.
    """

    def improve(_: Any, state: tuple[Floats, Floats, Floats]) -> tuple[Floats, Floats, Floats]:
        y, low, high = state
        value, slope = excess(y)
        low, high = jnp.where(value < 0, y, low), jnp.where(value > 0, y, high)
        step = y - value / slope
        inside = (step >= low) & (step <= high)  # False for NaN
        return jnp.where(inside, step, 0.5 * (low + high)), low, high

    start = jnp.clip(start, low, high)
    return lax.fori_loop(0, _NEWTON_STEPS, improve, (start, low, high))[0]
