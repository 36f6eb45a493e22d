"""Elliptical distributions: a radius of any law, in a direction that is uniform, under an affine map."""
# NumPyro annotates its methods with ArrayLike and `support` as a property, which no subclass of its own follows.
# pyright: reportIncompatibleMethodOverride=false, reportAssignmentType=false

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from numpyro.distributions import Distribution, constraints
from numpyro.distributions.util import promote_shapes, validate_sample

from aevb.distributions.numerics import Floats, Numeric, float_dtype
from aevb.distributions.radii import ChiRadius, RadialLaw, StudentTRadius, log_sphere_area
from aevb.typing import PRNGKey


class Elliptical(Distribution):
    """z = loc + r L u: u uniform on the unit sphere, the radius r > 0 of any law, L lower triangular.

    f(z) = f_r(r) / (r^(d - 1) |S| det L) at r = ||L^-1 (z - loc)||, with |S| the area of the unit sphere
    (Cambanis, Huang and Simons 1981). `Elliptical.normal` and `EllipticalStudentT` are the two usual cases.

    Args:
        radius: the law of r, a NumPyro distribution of positive numbers whose batch shape broadcasts. Samples are
            differentiable in its parameters if its own are.
        loc: centre, shape `(..., d)`.
        scale_tril: L, shape `(..., d, d)`, with a positive diagonal.
    """

    radius: Any
    loc: Numeric
    scale_tril: Numeric

    arg_constraints = {"loc": constraints.real_vector, "scale_tril": constraints.lower_cholesky}  # noqa: RUF012
    support = constraints.real_vector
    reparametrized_params = ["loc", "scale_tril"]  # noqa: RUF012
    pytree_data_fields = ("radius", "loc", "scale_tril")

    def __init__(
        self, radius: Distribution, loc: Numeric, scale_tril: Numeric, *, validate_args: bool | None = None
    ):
        d = jnp.shape(scale_tril)[-1]
        batch_shape = jnp.broadcast_shapes(
            radius.batch_shape, jnp.shape(loc)[:-1], jnp.shape(scale_tril)[:-2]
        )
        self.radius = radius
        (self.loc,) = promote_shapes(loc, shape=(*batch_shape, d))
        (self.scale_tril,) = promote_shapes(scale_tril, shape=(*batch_shape, d, d))
        super().__init__(batch_shape, (d,), validate_args=validate_args)

    @classmethod
    def normal(cls, loc: Numeric, scale_tril: Numeric, *, validate_args: bool | None = None) -> "Elliptical":
        """N(loc, L L^T), by the chi law of its radius."""
        return cls(ChiRadius(jnp.shape(scale_tril)[-1]), loc, scale_tril, validate_args=validate_args)

    def sample(self, key: PRNGKey, sample_shape: tuple[int, ...] = ()) -> Floats:
        """Draws, with u = n / ||n||, n ~ N(0, I)."""
        direction_key, radius_key = jax.random.split(key)
        dtype = float_dtype(self.loc, self.scale_tril)
        r = self.radius.expand(self.batch_shape).sample(radius_key, sample_shape)
        n = jax.random.normal(direction_key, self.shape(sample_shape), dtype)
        length = jnp.linalg.norm(n, axis=-1, keepdims=True)
        u = n / jnp.maximum(length, jnp.finfo(dtype).tiny)
        return self.loc + jnp.einsum(
            "...ij,...j->...i", self.scale_tril, jnp.asarray(r, dtype)[..., None] * u
        )

    @validate_sample
    def log_prob(self, value: Numeric, intermediates: None = None) -> Floats:
        """log f_r(r) - (d - 1) log r - log |S| - log det L, and its limit at the centre."""
        squared = jnp.sum(jnp.square(_solve(jnp.asarray(self.scale_tril), value - self.loc)), axis=-1)
        return _log_spherical(self.radius, self.event_shape[0], squared) - self._log_det()

    def _log_det(self) -> Floats:
        return jnp.sum(jnp.log(jnp.diagonal(self.scale_tril, axis1=-2, axis2=-1)), axis=-1)

    @property
    def median(self) -> Floats:
        """loc, the centre of symmetry."""
        return jnp.broadcast_to(self.loc, self.shape())

    @property
    def mean(self) -> Floats:
        """loc; NaN where the radius has no finite mean."""
        finite = jnp.isfinite(self.radius.mean)
        return jnp.where(jnp.broadcast_to(finite, self.batch_shape)[..., None], self.median, jnp.nan)

    @property
    def variance(self) -> Floats:
        """E[r^2] / d times the diagonal of L L^T."""
        square = (self.radius.variance + jnp.square(self.radius.mean)) / self.event_shape[0]
        diagonal = jnp.sum(jnp.square(self.scale_tril), axis=-1)
        return jnp.broadcast_to(jnp.asarray(square)[..., None] * diagonal, self.shape())

    def entropy(self) -> Floats:
        """That of the spherical law, plus log det L.

        Raises:
            NotImplementedError: the law of the radius is not one of this package's.
        """
        if not isinstance(self.radius, RadialLaw):
            raise NotImplementedError
        return jnp.broadcast_to(self.radius.spherical_entropy() + self._log_det(), self.batch_shape)


class EllipticalStudentT(Elliptical):
    """The multivariate Student's t: elliptical with r^2 / d ~ F(d, df).

    f(z) proportional to (1 + r^2 / df)^(-(df + d) / 2).

    Args:
        df: degrees of freedom, positive, shape `(...)`; the mean is not finite up to 1, the variance up to 2.
        loc: centre, shape `(..., d)`.
        scale_tril: L, shape `(..., d, d)`, with a positive diagonal.
    """

    arg_constraints = {"df": constraints.positive, **Elliptical.arg_constraints}  # noqa: RUF012
    reparametrized_params = ["df", "loc", "scale_tril"]  # noqa: RUF012
    pytree_data_fields = ()  # the radius holds `df`

    def __init__(self, df: Numeric, loc: Numeric, scale_tril: Numeric, *, validate_args: bool | None = None):
        radius = StudentTRadius(df, jnp.shape(scale_tril)[-1])
        super().__init__(radius, loc, scale_tril, validate_args=validate_args)

    @property
    def df(self) -> Numeric:
        """Degrees of freedom."""
        return self.radius.df


def _log_spherical(radius: Distribution, d: int, squared: Floats) -> Floats:
    """The log density of r u, u uniform on the unit sphere, at a point of this squared length."""
    if isinstance(radius, RadialLaw):
        return radius.log_spherical(squared)
    # Near the centre f_r(r) is a power of r; if it is r^(d - 1) the density is finite there, and the same as nearby.
    least = jnp.finfo(squared.dtype).tiny
    central = squared <= least
    r = jnp.sqrt(jnp.where(central, least, squared))
    near = radius.log_prob(r) - (d - 1) * jnp.log(r) - log_sphere_area(d)
    _, slope = jax.jvp(radius.log_prob, (lax.stop_gradient(r),), (jnp.ones_like(r),))
    power = lax.stop_gradient(r * slope - (d - 1))
    limit = jnp.where(jnp.abs(power) < 1e-3, near, jnp.where(power > 0, -jnp.inf, jnp.inf))
    return jnp.where(central, limit, near)


def _solve(tril: Floats, y: Floats) -> Floats:
    """L^-1 y: the samples of each L are the columns of one right-hand side."""
    shape = np.broadcast_shapes(y.shape, tril.shape[:-1])
    n_samples = math.prod(shape[: len(shape) - (tril.ndim - 1)])
    batch = shape[len(shape) - (tril.ndim - 1) :]
    columns = jnp.moveaxis(jnp.broadcast_to(y, shape).reshape(n_samples, *batch), 0, -1)
    solved = lax.linalg.triangular_solve(
        jnp.broadcast_to(tril, (*batch, batch[-1])), columns, left_side=True, lower=True
    )
    return jnp.moveaxis(solved, -1, 0).reshape(shape)
