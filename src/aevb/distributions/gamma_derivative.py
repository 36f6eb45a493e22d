"""Derivatives that Gamma distributions need, without loops over elements in single precision.

XLA's own (`lax.random_gamma_grad`, and `zeta` for trigamma) take several times as long on a CPU. They stay in use in
float64, where they are exact. Constants are printed by `scripts/fit_gamma_derivative.py`.
"""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

# Rows are powers of s from 1 on, columns powers of y from 0 on; see `_approximate_derivative`.
_CONSTANTS = (
    (-0.35871, -0.56243, 0.03014, 0.10192, -0.01766, 0.0186, 0.0771),
    (-0.04239, -0.11145, -0.03948, 0.03901, -0.00539, -0.04385, -0.08855),
    (0.02392, 0.04329, -0.01201, -0.05497, 0.02045, 0.06313, -0.01953),
)
_LAST_CONSTANT = 1.49373


def implicit_derivative(a: Float[Array, "..."], log_z: Float[Array, "..."]) -> Float[Array, "..."]:
    """d log z / da = -(dF/da) / (z f) of z ~ Gamma(a, 1) at a fixed quantile (Figurnov et al. 2018, equation 5).

    Exact in float64 (to 1e-10 up to a = 1e6). In any other dtype the relative error is below 1.2e-4 for a in
    [0.05, 1e4] and z between its quantiles 1e-6 and 1 - 1e-6; outside, the result is finite, not negative, and right
    in the limits a -> inf and z -> 0. Second derivatives are to be had in float32 only.

    Args:
        a: concentration, positive.
        log_z: log of the variate.
    """
    if a.dtype == jnp.float64:
        return _exact_derivative(a, log_z)
    return _approximate_derivative(a.astype(jnp.float32), log_z.astype(jnp.float32)).astype(a.dtype)


@jax.jit  # without which every call outside of a compiled function would compile XLA's loops
def _exact_derivative(a: Float[Array, "..."], log_z: Float[Array, "..."]) -> Float[Array, "..."]:
    """By XLA's series and continued fraction, except where they fail.

    They know z and not its logarithm. Where z would underflow, the leading term (psi(a + 1) - log z) / a is exact: the
    next is smaller by a factor z. Their relative error grows with a, from 1e-13 to 1e-10 at 1e6 and on to 6e-4 at 1e9.
    Beyond 1e6, with w = z / a, the derivative of Temme's expansion (1979) to second order,
    a d log z / da = log w / (w - 1) + (1/6 - (w - 1) / 12) / a + O((w - 1)^2 / a + 1 / a^2), where
    1 / (3 (w + 1)) stands for the bracket to stay bounded.
    """
    small, large = log_z < -50.0, a > 1e6
    log_w = log_z - jnp.log(a)
    for_large = (_log_over_difference(log_w)[0] + 1 / (3 * a * (1 + jnp.exp(jnp.minimum(log_w, 80.0))))) / a
    for_small = (lax.digamma(a + 1) - log_z) / a
    z = jnp.exp(jnp.where(small | large, 0.0, log_z))
    dz_da = lax.random_gamma_grad(jnp.where(large, 1.0, a), z)  # pyright: ignore[reportCallIssue]  (dtype is inferred)
    return jnp.where(large, for_large, jnp.where(small, for_small, dz_da / z))


@jax.jit
def _approximate_derivative(a: Float[Array, "..."], log_z: Float[Array, "..."]) -> Float[Array, "..."]:
    """By log w / (w - 1), w = z / b, which is a d log z / da both for a -> inf and, with b = e^psi(a + 1), for z -> 0.

    The first limit is that of F = Phi(sqrt(a) eta), eta^2 / 2 = z / a - 1 - log(z / a) (Temme 1979), the second that
    of F = z^a / Gamma(a + 1). What is left vanishes as s = 0.7 / (a + 0.7) does, and is smooth in s and
    y = (w - 1) / (w + 1.5):

        a d log z / da = (1 + sum_ij c_ij s^i y^j) log w / (w - 1) + c s w / (w + 1.5)^2.
    """
    b = a + 0.5 + 1 / (24 * a + 12 + 4.271 / (1 + a))
    leading, w_minus_1 = _log_over_difference(log_z - jnp.log(b))
    s, over = 0.7 / (a + 0.7), 1 / (w_minus_1 + 2.5)
    y = w_minus_1 * over
    factor = 0.0
    for row in reversed(_CONSTANTS):
        polynomial = 0.0
        for constant in reversed(row):
            polynomial = constant + y * polynomial
        factor = s * (polynomial + factor)
    return ((1 + factor) * leading + _LAST_CONSTANT * s * ((w_minus_1 + 1) * over) * over) / a


def _log_over_difference(log_w: Float[Array, "..."]) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    """log w / (w - 1), which is 1 at w = 1, and w - 1, both from log w, and finite."""
    log_w = jnp.minimum(log_w, 80.0)
    w_minus_1 = jnp.expm1(log_w)
    at_1 = w_minus_1 == 0
    return jnp.where(at_1, 1.0, log_w / jnp.where(at_1, 1.0, w_minus_1)), w_minus_1


@jax.custom_jvp
def lgamma(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """log Gamma(x) at positive x; its derivative is `digamma`."""
    return lax.lgamma(x)


lgamma.defjvps(lambda tangent, _, x: tangent * digamma(x))


@jax.custom_jvp
def digamma(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """psi(x), the derivative of log Gamma, at positive x; NaN elsewhere. Its derivative is `trigamma`.

    Exact in float64. Otherwise psi(x) = psi(x + 6) - sum_(k < 6) 1 / (x + k), and the asymptotic series at x + 6
    (Abramowitz and Stegun 1964, 6.3.5 and 6.3.18).
    """
    if x.dtype == jnp.float64:
        return lax.digamma(x)
    shifted, reciprocals = _shift(x, 1)
    u = 1 / shifted
    series = jnp.log(shifted) - u * (1 / 2 + u * (1 / 12 - u**2 / 120))
    return (series - reciprocals).astype(x.dtype)


digamma.defjvps(lambda tangent, _, x: tangent * trigamma(x))


def trigamma(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """The derivative of psi at positive x; NaN elsewhere.

    Exact in float64. Otherwise by recurrence and asymptotic series as in `digamma` (Abramowitz and Stegun 1964, 6.4.6
    and 6.4.12).
    """
    if x.dtype == jnp.float64:
        return jax.scipy.special.polygamma(1, x)
    shifted, reciprocals = _shift(x, 2)
    u = 1 / shifted
    series = u * (1 + u * (1 / 2 + u * (1 / 6 - u**2 / 30)))
    return (series + reciprocals).astype(x.dtype)


def _shift(x: Float[Array, "..."], power: int) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    """x + 6, where asymptotic series hold float32, and the sum of (x + k)^-power over k < 6."""
    x = jnp.where(x > 0, x.astype(jnp.float32), jnp.nan)
    return x + 6, sum(((1 / (x + k)) ** power for k in range(5, -1, -1)), jnp.zeros_like(x))
