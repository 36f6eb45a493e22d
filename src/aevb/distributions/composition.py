"""Families whose samples are functions of other families' (Kingma & Welling 2014, section 2.4).

All but the log-normal come from Gamma variates, which are differentiable in their concentration by implicit gradients
(Figurnov, Mohamed and Mnih 2018) and are kept on a logarithmic scale: small ones would underflow.
"""
# NumPyro annotates its methods with ArrayLike and `support` as a property, which no subclass of its own follows.
# pyright: reportIncompatibleMethodOverride=false, reportAssignmentType=false

import math

import jax
import jax.numpy as jnp
import numpyro.distributions as dist
from jax.scipy.special import ndtr, ndtri
from jaxtyping import Array
from numpyro.distributions import constraints
from numpyro.distributions.util import lazy_property, promote_shapes, validate_sample

from aevb.distributions.gamma_derivative import digamma, lgamma
from aevb.distributions.gamma_sampler import log_gamma
from aevb.distributions.incomplete import beta_cdf, beta_quantile, betaln, gamma_quantile
from aevb.distributions.numerics import (
    DrawsItself,
    Floats,
    Numeric,
    cdf_on,
    exp_positive,
    float_dtype,
    hold_in_unit,
    log_density_on,
    times_log,
)
from aevb.typing import PRNGKey


class LogNormal(DrawsItself, dist.LogNormal):
    """x = exp(loc + scale epsilon), epsilon ~ N(0, 1).

    Args:
        loc: mean of log x.
        scale: standard deviation of log x, positive.
    """

    loc: Numeric
    scale: Numeric

    def sample(self, key: PRNGKey, sample_shape: tuple[int, ...] = ()) -> Floats:
        """Exponentials of normal variates."""
        epsilon = jax.random.normal(key, self.shape(sample_shape), float_dtype(self.loc, self.scale))
        return exp_positive(self.loc + self.scale * epsilon)

    @validate_sample
    def log_prob(self, value: Numeric, intermediates: None = None) -> Floats:
        """-log(x scale sqrt(2 pi)) - (log x - loc)^2 / (2 scale^2)."""

        def log_density(x: Array) -> Array:
            # At the density's limit of 0 the formula would be infinity minus infinity.
            log_x = jnp.log(jnp.where(x == 0, 1.0, x))
            z = (log_x - self.loc) / self.scale
            log_f = -0.5 * jnp.square(z) - log_x - jnp.log(self.scale) - 0.5 * math.log(2 * math.pi)
            return jnp.where(x == 0, -jnp.inf, log_f)

        return log_density_on(0.0, None, log_density, value)

    def cdf(self, value: Numeric) -> Floats:
        """Phi((log x - loc) / scale)."""
        return cdf_on(0.0, None, lambda x: ndtr((jnp.log(x) - self.loc) / self.scale), value)

    def icdf(self, q: Numeric) -> Floats:
        """exp(loc + scale Phi^-1(q))."""
        return jnp.exp(self.loc + self.scale * ndtri(q))

    @property
    def variance(self) -> Floats:
        """(exp(scale^2) - 1) exp(2 loc + scale^2)."""
        return jnp.expm1(jnp.square(self.scale)) * jnp.exp(2 * self.loc + jnp.square(self.scale))


class Gamma(dist.Gamma):
    """f(x) = rate^a x^(a - 1) exp(-rate x) / Gamma(a), x > 0; x = g / rate, g ~ Gamma(a, 1).

    Args:
        concentration: a, positive.
        rate: positive.
    """

    concentration: Numeric
    rate: Numeric

    def sample(self, key: PRNGKey, sample_shape: tuple[int, ...] = ()) -> Floats:
        """Draws with implicit gradients in the concentration."""
        a = jnp.asarray(self.concentration, float_dtype(self.concentration, self.rate))
        return exp_positive(log_gamma(key, a, self.shape(sample_shape)) - jnp.log(self.rate))

    @validate_sample
    def log_prob(self, value: Numeric, intermediates: None = None) -> Floats:
        """a log rate - log Gamma(a) + (a - 1) log x - rate x."""
        a = jnp.asarray(self.concentration, float_dtype(self.concentration, self.rate))
        normalizer = a * jnp.log(self.rate) - lgamma(a)
        return log_density_on(0.0, None, lambda x: times_log(a - 1, x) - self.rate * x + normalizer, value)

    def cdf(self, value: Numeric) -> Floats:
        """The regularized lower incomplete Gamma function of a at rate x."""
        return cdf_on(0.0, None, super().cdf, value)

    def icdf(self, q: Numeric) -> Floats:
        """The inverse of the regularized incomplete Gamma function, divided by the rate."""
        dtype = float_dtype(self.concentration, self.rate)
        a, q = jnp.broadcast_arrays(jnp.asarray(self.concentration, dtype), jnp.asarray(q, dtype))
        return jnp.exp(gamma_quantile(a, q)) / self.rate


class Chi2(Gamma, dist.Chi2):
    """The Gamma with concentration df / 2 and rate 1/2: a sum of `df` squared normal variates.

    Args:
        df: degrees of freedom, positive.
    """

    df: Numeric

    arg_constraints = {"df": constraints.positive}  # noqa: RUF012
    reparametrized_params = ["df"]  # noqa: RUF012

    def __init__(self, df: Numeric, *, validate_args: bool | None = None):
        self.df = df
        dist.Distribution.__init__(self, jnp.shape(df), validate_args=validate_args)

    # NumPyro's keeps both as leaves of its tree, of different shapes, over which `jax.vmap` cannot map.
    @lazy_property
    def concentration(self) -> Floats:
        """df / 2."""
        return 0.5 * jnp.asarray(self.df, float_dtype(self.df))

    @lazy_property
    def rate(self) -> Floats:
        """1/2."""
        return jnp.full(jnp.shape(self.df), 0.5, float_dtype(self.df))


class Beta(dist.Beta):
    """f(x) = x^(a - 1) (1 - x)^(b - 1) / B(a, b), 0 < x < 1; x = g_a / (g_a + g_b), g_c ~ Gamma(c, 1).

    Args:
        concentration1: a, positive.
        concentration0: b, positive.
    """

    concentration1: Numeric
    concentration0: Numeric

    def sample(self, key: PRNGKey, sample_shape: tuple[int, ...] = ()) -> Floats:
        """Draws with implicit gradients in both concentrations."""
        shape = self.shape(sample_shape)
        a, b = (jnp.broadcast_to(c, shape) for c in self._concentrations())
        log_g = log_gamma(key, jnp.stack([a, b]), (2, *shape))
        return hold_in_unit(jax.nn.sigmoid(log_g[0] - log_g[1]))

    @validate_sample
    def log_prob(self, value: Numeric, intermediates: None = None) -> Floats:
        """(a - 1) log x + (b - 1) log(1 - x) - log B(a, b)."""
        a, b = self._concentrations()
        normalizer = betaln(a, b)

        def log_density(x: Array) -> Array:
            complement = times_log(b - 1, x, lambda x: jnp.log1p(-x), edge=1.0)
            return times_log(a - 1, x) + complement - normalizer

        return log_density_on(0.0, 1.0, log_density, value)

    def cdf(self, value: Numeric) -> Floats:
        """The regularized incomplete Beta function."""

        def cdf(x: Array) -> Array:
            return beta_cdf(*jnp.broadcast_arrays(*self._concentrations(), jnp.log(x) - jnp.log1p(-x)))

        return cdf_on(0.0, 1.0, cdf, value)

    def icdf(self, q: Numeric) -> Floats:
        """The inverse of the regularized incomplete Beta function."""
        a, b = self._concentrations()
        return jax.nn.sigmoid(beta_quantile(*jnp.broadcast_arrays(a, b, jnp.asarray(q, a.dtype))))

    def entropy(self) -> Floats:
        """log B(a, b) - (a - 1) psi(a) - (b - 1) psi(b) + (a + b - 2) psi(a + b)."""
        a, b = self._concentrations()
        total = (a + b - 2) * digamma(a + b)
        return betaln(a, b) - (a - 1) * digamma(a) - (b - 1) * digamma(b) + total

    def _concentrations(self) -> list[Floats]:
        dtype = float_dtype(self.concentration1, self.concentration0)
        a, b = (jnp.asarray(c, dtype) for c in (self.concentration1, self.concentration0))
        return jnp.broadcast_arrays(a, b)


class Dirichlet(dist.Dirichlet):
    """f(x) = prod_i x_i^(a_i - 1) / B(a), x_i > 0, sum_i x_i = 1; x = softmax(log g), g_i ~ Gamma(a_i, 1).

    Args:
        concentration: a, positive, shape `(..., categories)`.
    """

    concentration: Numeric

    def sample(self, key: PRNGKey, sample_shape: tuple[int, ...] = ()) -> Floats:
        """Draws with implicit gradients in all concentrations."""
        a = jnp.asarray(self.concentration, float_dtype(self.concentration))
        return hold_in_unit(jax.nn.softmax(log_gamma(key, a, self.shape(sample_shape))))

    @validate_sample
    def log_prob(self, value: Numeric, intermediates: None = None) -> Floats:
        """sum_i (a_i - 1) log x_i - log B(a), where the sum of x is 1 to within rounding."""
        a = jnp.asarray(self.concentration, float_dtype(self.concentration))
        n = a.shape[-1]
        value = jnp.asarray(value)
        tolerance = 1e-6 + n * jnp.finfo(value.dtype).eps
        off = jnp.any(value < 0, axis=-1) | (jnp.abs(jnp.sum(value, axis=-1) - 1) > tolerance)
        x = jnp.where(off[..., None], 1 / n, value)
        normalizer = jnp.sum(lgamma(a), axis=-1) - lgamma(jnp.sum(a, axis=-1))
        return jnp.where(off, -jnp.inf, jnp.sum(times_log(a - 1, x), axis=-1) - normalizer)


class F(dist.Distribution):
    """The ratio of two chi-square variates, each divided by its degrees of freedom.

    f(x) = (d1 / d2)^(d1 / 2) x^(d1 / 2 - 1) (1 + d1 x / d2)^(-(d1 + d2) / 2) / B(d1 / 2, d2 / 2), x > 0;
    x = d2 g1 / (d1 g2), g_i ~ Gamma(d_i / 2, 1).

    Args:
        df1: d1, positive.
        df2: d2, positive; the mean is infinite up to 2, the variance up to 4.
    """

    df1: Numeric
    df2: Numeric

    arg_constraints = {"df1": constraints.positive, "df2": constraints.positive}  # noqa: RUF012
    support = constraints.positive
    reparametrized_params = ["df1", "df2"]  # noqa: RUF012

    def __init__(self, df1: Numeric, df2: Numeric, *, validate_args: bool | None = None):
        self.df1, self.df2 = promote_shapes(df1, df2)
        shape = jnp.broadcast_shapes(jnp.shape(df1), jnp.shape(df2))
        super().__init__(shape, validate_args=validate_args)

    def sample(self, key: PRNGKey, sample_shape: tuple[int, ...] = ()) -> Floats:
        """Draws with implicit gradients in both degrees of freedom."""
        shape = self.shape(sample_shape)
        a, b = (jnp.broadcast_to(half, shape) for half in self._halves())
        log_g = log_gamma(key, jnp.stack([a, b]), (2, *shape))
        return exp_positive(log_g[0] - log_g[1] - self._log_ratio())

    @validate_sample
    def log_prob(self, value: Numeric, intermediates: None = None) -> Floats:
        """a log r + (a - 1) log x - (a + b) log(1 + r x) - log B(a, b), a = d1 / 2, b = d2 / 2, r = d1 / d2."""
        a, b = self._halves()
        log_r, normalizer = self._log_ratio(), betaln(a, b)

        def log_density(x: Array) -> Array:
            log_x = jnp.log(jnp.maximum(x, jnp.finfo(x.dtype).tiny))
            return a * log_r + times_log(a - 1, x) - (a + b) * jax.nn.softplus(log_r + log_x) - normalizer

        return log_density_on(0.0, None, log_density, value)

    def cdf(self, value: Numeric) -> Floats:
        """The regularized incomplete Beta function of a and b at r x / (1 + r x)."""

        def cdf(x: Array) -> Array:
            return beta_cdf(*jnp.broadcast_arrays(*self._halves(), self._log_ratio() + jnp.log(x)))

        return cdf_on(0.0, None, cdf, value)

    def icdf(self, q: Numeric) -> Floats:
        """From the quantile of a Beta(a, b)."""
        a, b = self._halves()
        y = beta_quantile(*jnp.broadcast_arrays(a, b, jnp.asarray(q, a.dtype)))
        return jnp.exp(y - self._log_ratio())

    def _halves(self) -> list[Floats]:
        dtype = float_dtype(self.df1, self.df2)
        return jnp.broadcast_arrays(*(0.5 * jnp.asarray(df, dtype) for df in (self.df1, self.df2)))

    def _log_ratio(self) -> Floats:
        a, b = self._halves()
        return jnp.log(a) - jnp.log(b)

    @property
    def median(self) -> Floats:
        """The quantile of 1/2."""
        return self.icdf(jnp.asarray(0.5))

    @property
    def mean(self) -> Floats:
        """d2 / (d2 - 2); infinite up to d2 = 2."""
        _, b = self._halves()
        return jnp.where(b > 1, b / jnp.where(b > 1, b - 1, 1.0), jnp.inf)

    @property
    def variance(self) -> Floats:
        """2 d2^2 (d1 + d2 - 2) / (d1 (d2 - 2)^2 (d2 - 4)); infinite up to d2 = 4."""
        a, b = self._halves()
        finite = b > 2
        b = jnp.where(finite, b, 3.0)
        return jnp.where(finite, jnp.square(b / (b - 1)) * (a + b - 1) / (a * (b - 2)), jnp.inf)

    def entropy(self) -> Floats:
        """log B(a, b) + (1 - a) psi(a) - (1 + b) psi(b) + (a + b) psi(a + b) - log r."""
        a, b = self._halves()
        total = (a + b) * digamma(a + b) - self._log_ratio()
        return betaln(a, b) + (1 - a) * digamma(a) - (1 + b) * digamma(b) + total
