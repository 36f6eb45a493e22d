"""Kullback-Leibler divergences in closed form, without touching NumPyro's own registry."""

import jax.numpy as jnp
import numpyro.distributions as dist
from jaxtyping import Array, Float

from aevb.distributions.normal import LogVarianceNormal


def kl_divergence(q: dist.Distribution, p: dist.Distribution) -> Float[Array, "..."]:
    """KL(q || p) in nats, of shape `batch_shape`; independent event dimensions are summed.

    For q = N(mu, s^2), p = N(0, 1) this is -1/2 sum(1 + log s^2 - mu^2 - s^2) (Kingma & Welling 2014,
    Appendix B).

    Raises:
        NotImplementedError: where no closed form is known.
    """
    if isinstance(q, dist.Independent) and isinstance(p, dist.Independent):
        n = q.reinterpreted_batch_ndims
        if n == p.reinterpreted_batch_ndims:
            return jnp.sum(kl_divergence(q.base_dist, p.base_dist), axis=tuple(range(-n, 0)))
    if isinstance(q, LogVarianceNormal) and isinstance(p, LogVarianceNormal):
        difference = q.log_variance - p.log_variance
        squared = jnp.square(q.loc - p.loc) * jnp.exp(-p.log_variance)
        return 0.5 * (jnp.expm1(difference) - difference + squared)
    return dist.kl_divergence(q, p)
