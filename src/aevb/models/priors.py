"""Priors p(z)."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp

from aevb.distributions import Distribution, LogVarianceNormal
from aevb.models.conditional import Conditional


class StandardNormalPrior(Conditional):
    """p(z) = N(0, I), event shape `(latents,)`."""

    n_latents: int = eqx.field(static=True)

    def __call__(self, *given: Any) -> Distribution:
        """The same distribution whatever is given."""
        zeros = jnp.zeros(self.n_latents)
        return LogVarianceNormal(zeros, zeros).to_event(1)
