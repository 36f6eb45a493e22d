"""The one idea: a `Conditional`, called with what it is conditioned on, returns a distribution."""

from abc import abstractmethod
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float

from aevb.distributions import Distribution
from aevb.networks import Network

# Where a head's log-variance is held. Beyond these limits a standard deviation of under 1/400 or over 400 scaled
# units no longer improves a fit, but its gradient, which grows as exp(|log-variance|), throws plain SGD off for good.
LOG_VARIANCE_LIMITS = (-12.0, 12.0)


class Conditional(eqx.Module):
    """A conditional distribution: called with what it is conditioned on, returns a distribution.

    Sample, batch and event shapes are those of `numpyro.distributions`.
    """

    @abstractmethod
    def __call__(self, *args: Any, **kwargs: Any) -> Distribution:
        """The distribution, given the arguments."""


def soft_clip(x: Float[Array, "..."], lower: float, upper: float) -> Float[Array, "..."]:
    """`x` held smoothly inside `(lower, upper)`: the identity to within exp(-distance) away from the limits."""
    x = upper - jax.nn.softplus(upper - x)
    return lower + jax.nn.softplus(x - lower)


def inverse_soft_clip(y: Float[np.ndarray, "..."], lower: float, upper: float) -> Float[np.ndarray, "..."]:
    """What `soft_clip` maps to `y`, a number inside the limits."""
    below = lower + np.log(np.expm1(y - lower))
    return upper - np.log(np.expm1(upper - below))


def output_width(network: Network, n_inputs: int) -> int:
    """The number of features that a network gives for `n_inputs` features."""
    features = jax.ShapeDtypeStruct((n_inputs,), jax.numpy.zeros(()).dtype)
    return eqx.filter_eval_shape(network, features).shape[-1]
