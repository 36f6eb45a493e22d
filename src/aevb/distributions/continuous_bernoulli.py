"""The continuous Bernoulli: a proper density for values in [0, 1], such as grey pixels."""
# NumPyro annotates its methods with ArrayLike and `support` as a property, which no subclass of its own follows.
# pyright: reportIncompatibleMethodOverride=false, reportAssignmentType=false

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool
from numpyro.distributions import Distribution, constraints
from numpyro.distributions.util import validate_sample

from aevb.distributions.numerics import (
    Floats,
    Numeric,
    cdf_on,
    float_dtype,
    hold_in_unit,
    log_density_on,
    open_uniform,
)
from aevb.typing import PRNGKey


class ContinuousBernoulli(Distribution):
    """f(x) = C(p) p^x (1 - p)^(1 - x), 0 <= x <= 1 (Loaiza-Ganem & Cunningham 2019).

    With logits h = log(p / (1 - p)) that is f(x) = h exp(h x) / (exp(h) - 1), an exponential law cut off at 1, and
    x = log(1 + u (exp(h) - 1)) / h, u ~ Uniform(0, 1). All is computed for the end at which the density is greatest,
    and by series around h = 0, where it is uniform: values and gradients are exact there, too.

    Args:
        logits: h, real; p is not the mean.
    """

    logits: Numeric

    arg_constraints = {"logits": constraints.real}  # noqa: RUF012
    support = constraints.unit_interval
    reparametrized_params = ["logits"]  # noqa: RUF012

    def __init__(self, logits: Numeric, *, validate_args: bool | None = None):
        self.logits = logits
        super().__init__(jnp.shape(logits), validate_args=validate_args)

    def _falling(self) -> tuple[Floats, Bool[Array, "..."]]:
        """-|h|, whose gradient at 0 is not lost, and where x has to be replaced by 1 - x for it."""
        logits = jnp.asarray(self.logits, float_dtype(self.logits))
        flip = logits > 0
        return jnp.where(flip, -logits, logits), flip

    def sample(self, key: PRNGKey, sample_shape: tuple[int, ...] = ()) -> Floats:
        """Draws by the inverse CDF."""
        u = open_uniform(key, self.shape(sample_shape), float_dtype(self.logits))
        return hold_in_unit(self.icdf(u))

    @validate_sample
    def log_prob(self, value: Numeric, intermediates: None = None) -> Floats:
        """h x - log((exp(h) - 1) / h)."""
        h, flip = self._falling()
        normalizer = _log_exprel(h)
        return log_density_on(0.0, 1.0, lambda x: h * jnp.where(flip, 1 - x, x) - normalizer, value)

    @property
    def log_normalizer(self) -> Floats:
        """log C(p)."""
        h, _ = self._falling()
        return jax.nn.softplus(h) - _log_exprel(h)

    def cdf(self, value: Numeric) -> Floats:
        """(exp(h x) - 1) / (exp(h) - 1)."""
        h, flip = self._falling()

        def cdf(x: Array) -> Array:
            return (
                jnp.exp(jnp.where(flip, h * (1 - x), 0.0)) * x * jnp.exp(_log_exprel(h * x) - _log_exprel(h))
            )

        return cdf_on(0.0, 1.0, cdf, value)

    def icdf(self, q: Numeric) -> Floats:
        """log(1 + q (exp(h) - 1)) / h."""
        q, near = jnp.asarray(q), jnp.abs(self.logits) < 0.1
        h = jnp.where(near, 1.0, self.logits)
        far = jnp.logaddexp(jnp.log1p(-q), jnp.log(q) + h) / h
        return jnp.where(near, _icdf_near_zero(jnp.where(near, self.logits, 0.0), q), far)

    @property
    def mean(self) -> Floats:
        """1 / (1 - exp(-h)) - 1 / h."""
        h, flip = self._falling()
        mean = _derivative(_log_exprel)(h)
        return jnp.where(flip, 1 - mean, mean)

    @property
    def variance(self) -> Floats:
        """1 / h^2 - 1 / (4 sinh(h / 2)^2)."""
        h, _ = self._falling()
        return _derivative(_derivative(_log_exprel))(h)

    def entropy(self) -> Floats:
        """log((exp(h) - 1) / h) - h mean."""
        h, _ = self._falling()
        return _log_exprel(h) - h * _derivative(_log_exprel)(h)


def _derivative(function: Callable[[Floats], Floats]) -> Callable[[Floats], Floats]:
    return lambda x: jax.jvp(function, (x,), (jnp.ones_like(x),))[1]


# log(sinh(t) / t) = sum_n 2^(2n - 1) B_2n t^(2n) / (n (2n)!), with B the Bernoulli numbers.
_BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798)
_LOG_SINHC = [2.0 ** (2 * n - 1) * b / (n * math.factorial(2 * n)) for n, b in enumerate(_BERNOULLI, 1)]


def _log_exprel(h: Floats) -> Floats:
    """log((exp(h) - 1) / h) of h <= 0."""
    near = h > -1
    t = jnp.square(0.5 * jnp.where(near, h, 0.0))
    series = jnp.zeros_like(t)
    for coefficient in reversed(_LOG_SINHC):
        series = t * (coefficient + series)
    far = jnp.where(near, -1.0, h)
    return jnp.where(near, 0.5 * h + series, jnp.log(-jnp.expm1(far)) - jnp.log(-far))


def _cumulant_polynomials(n: int) -> list[list[float]]:
    """Coefficients in v of the cumulants of a variate of +1 and -1 with mean v, from the second to the n-th.

    Divided by their factorials and by 1 - v^2. Each cumulant is 1 - v^2 times the derivative of the one before.
    """
    polynomials, variance = [np.polynomial.Polynomial([1])], np.polynomial.Polynomial([1, 0, -1])
    for _ in range(n - 2):
        polynomials.append((variance * polynomials[-1]).deriv())
    return [[float(c) / math.factorial(k) for c in p.coef.tolist()] for k, p in enumerate(polynomials, 2)]


_CUMULANTS = _cumulant_polynomials(9)


def _icdf_near_zero(h: Floats, q: Array) -> Floats:
    """With t = h / 2, v = 2 q - 1 and s = 2 x - 1: t s = log(cosh t + v sinh t), a cumulant generating function."""
    t, v = 0.5 * h, 2 * q - 1
    series = jnp.zeros_like(t * v)
    for polynomial in reversed(_CUMULANTS):
        cumulant = jnp.zeros_like(v)
        for coefficient in reversed(polynomial):
            cumulant = coefficient + v * cumulant
        series = t * (cumulant + series)
    return q + 2 * q * (1 - q) * series
