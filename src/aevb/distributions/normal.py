"""The Gaussian as networks parameterize it: by its mean and its log-variance."""
# NumPyro annotates its methods with ArrayLike and `support` as a property, which no subclass of its own follows.
# pyright: reportIncompatibleMethodOverride=false, reportAssignmentType=false

import math

import jax
import jax.numpy as jnp
from jax.scipy.special import ndtr, ndtri
from jaxtyping import Array, Float
from numpyro.distributions import Distribution, constraints
from numpyro.distributions.util import promote_shapes

from aevb.distributions.numerics import Numeric
from aevb.typing import PRNGKey


class LogVarianceNormal(Distribution):
    """N(loc, exp(log_variance)), element by element.

    `numpyro.distributions.Normal` holds the standard deviation, and takes its logarithm in every `log_prob`; here the
    log-variance is used as the network gives it. In float32 a residual of 1 overflows at a log-variance of -88;
    models hold it within narrower limits (`aevb.models.conditional.LOG_VARIANCE_LIMITS`).

    Args:
        loc: mean.
        log_variance: natural logarithm of the variance; broadcasts against `loc`.
    """

    loc: Numeric
    log_variance: Numeric
    arg_constraints = {"loc": constraints.real, "log_variance": constraints.real}  # noqa: RUF012
    support = constraints.real
    reparametrized_params = ["loc", "log_variance"]  # noqa: RUF012

    def __init__(self, loc: Numeric, log_variance: Numeric, *, validate_args: bool | None = False):
        self.loc, self.log_variance = promote_shapes(loc, log_variance)
        shape = jnp.broadcast_shapes(jnp.shape(loc), jnp.shape(log_variance))
        super().__init__(batch_shape=shape, validate_args=validate_args)

    def sample(self, key: PRNGKey, sample_shape: tuple[int, ...] = ()) -> Float[Array, "..."]:
        """loc + exp(log_variance / 2) * epsilon, epsilon ~ N(0, 1) (Kingma & Welling 2014, section 2.4)."""
        epsilon = jax.random.normal(key, sample_shape + self.batch_shape, jnp.result_type(self.loc))
        return self.loc + jnp.exp(0.5 * self.log_variance) * epsilon

    def log_prob(self, value: Numeric, intermediates: None = None) -> Float[Array, "..."]:
        """The log density of each element."""
        standardized = (value - self.loc) * jnp.exp(-0.5 * self.log_variance)
        return -0.5 * (jnp.square(standardized) + self.log_variance + math.log(2 * math.pi))

    def cdf(self, value: Numeric) -> Float[Array, "..."]:
        """Phi((x - loc) / sqrt(variance))."""
        return ndtr((value - self.loc) * jnp.exp(-0.5 * self.log_variance))

    def icdf(self, q: Numeric) -> Float[Array, "..."]:
        """loc + sqrt(variance) Phi^-1(q)."""
        return self.loc + jnp.exp(0.5 * self.log_variance) * ndtri(q)

    @property
    def mean(self) -> Float[Array, "..."]:
        """The mean."""
        return jnp.broadcast_to(self.loc, self.batch_shape)

    @property
    def variance(self) -> Float[Array, "..."]:
        """The variance."""
        return jnp.broadcast_to(jnp.exp(self.log_variance), self.batch_shape)

    def entropy(self) -> Float[Array, "..."]:
        """(1 + log(2 pi) + log_variance) / 2."""
        return jnp.broadcast_to(0.5 * (1 + math.log(2 * math.pi) + self.log_variance), self.batch_shape)
