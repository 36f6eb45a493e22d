"""Laws of the radius of elliptical distributions whose density is known, with its gradient, at the centre, too."""
# NumPyro annotates its methods with ArrayLike and `support` as a property, which no subclass of its own follows.
# pyright: reportIncompatibleMethodOverride=false, reportAssignmentType=false

import math

import jax.numpy as jnp
import numpy as np
from jax.scipy.special import gammainc
from jaxtyping import Array
from numpyro.distributions import Distribution, constraints
from numpyro.distributions.util import validate_sample

from aevb.distributions.composition import F
from aevb.distributions.gamma_derivative import digamma
from aevb.distributions.gamma_sampler import log_gamma
from aevb.distributions.numerics import Floats, Numeric, cdf_on, float_dtype, lgamma_half_step, log_density_on
from aevb.typing import PRNGKey


def log_sphere_area(d: int) -> float:
    """log of 2 pi^(d / 2) / Gamma(d / 2), the area of the unit sphere in d dimensions."""
    return math.log(2) + 0.5 * d * math.log(math.pi) - math.lgamma(0.5 * d)


class RadialLaw(Distribution):
    """The law of the length of a spherical vector whose density is known as a function of its squared length."""

    dimension: int
    support = constraints.positive
    pytree_aux_fields = ("dimension",)

    def log_spherical(self, squared: Floats) -> Floats:
        """The log density of the vector at a point of this squared length."""
        raise NotImplementedError

    def spherical_entropy(self) -> Floats:
        """The entropy of the vector."""
        raise NotImplementedError

    @validate_sample
    def log_prob(self, value: Numeric, intermediates: None = None) -> Floats:
        """The vector's log density, plus that of the sphere's area."""
        d = self.dimension

        def log_density(r: Array) -> Array:
            area = (d - 1) * jnp.log(r) if d > 1 else 0.0
            return self.log_spherical(jnp.square(r)) + area + log_sphere_area(d)

        return log_density_on(0.0, None, log_density, value)


class ChiRadius(RadialLaw):
    """The length of a standard normal vector.

    Args:
        dimension: of the vector.
    """

    reparametrized_params = []  # noqa: RUF012

    def __init__(self, dimension: int):
        self.dimension = dimension
        super().__init__((), validate_args=False)

    def sample(self, key: PRNGKey, sample_shape: tuple[int, ...] = ()) -> Floats:
        """sqrt(2 g), g ~ Gamma(d / 2, 1)."""
        half = jnp.asarray(0.5 * self.dimension)
        return jnp.exp(0.5 * (math.log(2) + log_gamma(key, half, self.shape(sample_shape))))

    def log_spherical(self, squared: Floats) -> Floats:
        """-r^2 / 2 - d / 2 log(2 pi)."""
        return -0.5 * squared - 0.5 * self.dimension * math.log(2 * math.pi)

    def spherical_entropy(self) -> Floats:
        """d / 2 log(2 pi e)."""
        return jnp.asarray(0.5 * self.dimension * (1 + math.log(2 * math.pi)))

    def cdf(self, value: Numeric) -> Floats:
        """The regularized incomplete Gamma function of d / 2 at r^2 / 2."""
        return cdf_on(0.0, None, lambda r: gammainc(0.5 * self.dimension, 0.5 * jnp.square(r)), value)

    @property
    def mean(self) -> Floats:
        """sqrt(2) Gamma((d + 1) / 2) / Gamma(d / 2)."""
        half = 0.5 * self.dimension
        return jnp.asarray(math.sqrt(2) * math.exp(math.lgamma(half + 0.5) - math.lgamma(half)))

    @property
    def variance(self) -> Floats:
        """d minus the squared mean."""
        return self.dimension - jnp.square(self.mean)


class StudentTRadius(RadialLaw):
    """The length of a standard Student's t vector: r^2 / d ~ F(d, df).

    Args:
        df: degrees of freedom, positive.
        dimension: d.
    """

    df: Numeric

    arg_constraints = {"df": constraints.positive}  # noqa: RUF012
    reparametrized_params = ["df"]  # noqa: RUF012

    def __init__(self, df: Numeric, dimension: int, *, validate_args: bool | None = None):
        self.df = df
        self.dimension = dimension
        super().__init__(jnp.shape(df), validate_args=validate_args)

    def _half_df(self) -> Floats:
        return 0.5 * jnp.asarray(self.df, float_dtype(self.df))

    def sample(self, key: PRNGKey, sample_shape: tuple[int, ...] = ()) -> Floats:
        """sqrt(df g1 / g2), g1 ~ Gamma(d / 2, 1), g2 ~ Gamma(df / 2, 1), where its square can be held."""
        shape = self.shape(sample_shape)
        half_df = jnp.broadcast_to(self._half_df(), shape)
        halves = jnp.stack([jnp.full_like(half_df, 0.5 * self.dimension), half_df])
        log_g = log_gamma(key, halves, (2, *shape))
        log_squared = jnp.log(2 * half_df) + log_g[0] - log_g[1]
        return jnp.exp(0.5 * jnp.minimum(log_squared, 0.9 * math.log(jnp.finfo(half_df.dtype).max)))

    def log_spherical(self, squared: Floats) -> Floats:
        """-(df + d) / 2 log(1 + r^2 / df), normalized."""
        half_df = self._half_df()
        return self._log_normalizer() - (half_df + 0.5 * self.dimension) * jnp.log1p(squared / (2 * half_df))

    def _log_normalizer(self) -> Floats:
        """log Gamma((df + d) / 2) - log Gamma(df / 2) - d / 2 log(df pi), by a product over steps of 1."""
        half_df, odd = self._half_df(), self.dimension % 2
        start = half_df + 0.5 * odd
        steps = np.arange(self.dimension // 2).astype(half_df.dtype)
        product = jnp.sum(jnp.log(start[..., None] + steps), axis=-1)
        half_step = lgamma_half_step(half_df) if odd else 0.0
        return product + half_step - 0.5 * self.dimension * jnp.log(2 * math.pi * half_df)

    def spherical_entropy(self) -> Floats:
        """(df + d) / 2 (psi((df + d) / 2) - psi(df / 2)) minus the log normalizer."""
        a, b = self._half_df(), self._half_df() + 0.5 * self.dimension
        return b * (digamma(b) - digamma(a)) - self._log_normalizer()

    def cdf(self, value: Numeric) -> Floats:
        """That of an F(d, df) at r^2 / d."""
        ratio = F(float(self.dimension), self.df, validate_args=False)
        return cdf_on(0.0, None, lambda r: ratio.cdf(jnp.square(r) / self.dimension), value)

    @property
    def mean(self) -> Floats:
        """E[chi_d] sqrt(df / 2) Gamma((df - 1) / 2) / Gamma(df / 2); infinite up to df = 1."""
        half_df = self._half_df()
        finite = half_df > 0.5
        half_df = jnp.where(finite, half_df, 1.0)
        ratio = jnp.sqrt(half_df) * jnp.exp(-lgamma_half_step(half_df - 0.5))
        return jnp.where(finite, ChiRadius(self.dimension).mean * ratio, jnp.inf)

    @property
    def variance(self) -> Floats:
        """d df / (df - 2) minus the squared mean; infinite up to df = 2."""
        half_df = self._half_df()
        finite = half_df > 1
        half_df = jnp.where(finite, half_df, 2.0)
        square = self.dimension * half_df / (half_df - 1)
        return jnp.where(finite, square - jnp.square(jnp.where(finite, self.mean, 0.0)), jnp.inf)
