"""Bounds from K draws of z: importance-weighted (Burda et al. 2016) and Rényi's (Li & Turner 2016)."""

import math
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from aevb.batch import Batch
from aevb.errors import InvalidRecipeError
from aevb.models import Model, Posterior
from aevb.objectives.bound import Bound, Objective
from aevb.objectives.draws import PerDraw, draw, log_densities, stopped
from aevb.objectives.requirements import require_draws, require_fixed_support
from aevb.typing import Codes, PerRow, PRNGKey


class ImportanceWeighted(Objective):
    """L_K = log 1/K sum_k w_k, w_k = p(x, z_k) / q(z_k|x), z_k ~ q(z|x) (Burda et al. 2016).

    E[L_K] rises with K from the evidence lower bound to log p(x). Three gradients of it, with v_k = w_k / sum w:

    - "plain": that of L_K itself, sum_k v_k grad log w_k. For the encoder its signal drowns in noise as K grows.
    - "dreg": doubly reparameterized (Tucker et al. 2018). For the encoder sum_k v_k^2 grad log w_k along
      the path of z_k only; for the decoder the same as plain. Unbiased, and its signal keeps up.
    - "stl": plain with the parameters of q stopped inside log q (Roeder et al. 2017). Unbiased for K = 1 only.

    The parts `reconstruction` and `kl` are those of the evidence lower bound at the same draws, so that their
    difference is less than the value.

    Args:
        n_samples: K, draws of z per row.
        gradient: which of the three.

    Raises:
        InvalidRecipeError: `n_samples` under 1, or another setting that is none.
    """

    n_samples: int = eqx.field(static=True, default=5)
    gradient: Literal["plain", "dreg", "stl"] = eqx.field(static=True, default="plain")

    def __check_init__(self):
        require_draws(self, self.n_samples)
        if self.gradient not in ("plain", "dreg", "stl"):
            raise InvalidRecipeError(f"the gradient must be 'plain', 'dreg' or 'stl', not {self.gradient!r}")

    @property
    def estimand(self) -> str:
        """The bound for this K."""
        return f"importance-weighted bound (K = {self.n_samples})"

    @property
    def is_biased(self) -> bool:
        """Whether it is sticking the landing with several draws."""
        return self.gradient == "stl" and self.n_samples > 1

    @property
    def value_name(self) -> str:
        """The bound for this K."""
        return self.estimand

    def check(self, posterior: Posterior) -> None:
        """Refuse discrete codes, and but for the plain gradient a support that moves with the parameters of q."""
        super().check(posterior)
        if self.gradient != "plain":
            require_fixed_support(self, posterior)

    def __call__(self, key: PRNGKey, model: Model, posterior: Posterior, batch: Batch) -> Bound:
        """The bound on each row."""
        z = draw(posterior, key, self.n_samples)
        q = posterior if self.gradient == "plain" else stopped(posterior)
        log_p = log_densities(model, q, batch, z)
        surrogate = value = log_power_mean(log_p.log_weight, 1.0)
        if self.gradient == "dreg":
            # The gradient of L_K brings one v_k, and this the other. XLA sees that both forward passes are the same.
            z = scale_gradient(z, jax.nn.softmax(log_p.log_weight, axis=0))
            surrogate = log_power_mean(log_densities(model, q, batch, z).log_weight, 1.0)
        return Bound(value, log_p.bound().parts, surrogate)


class Renyi(Objective):
    """1/(1 - alpha) log 1/K sum_k w_k^(1 - alpha), w_k = p(x, z_k) / q(z_k|x), z_k ~ q(z|x).

    Li & Turner 2016. The gradient is unbiased for the expectation of this K-sample value, not of its limit
    for large K. A power mean of order 1 - alpha <= 1 is at most the mean, so for alpha >= 0 the value is at most L_K
    of `ImportanceWeighted`, and a lower bound of log p(x) in expectation at every K; with K = 1 it is the evidence
    lower bound whatever alpha. For alpha < 0 and K > 1 it is not known to be a bound, lower or upper.

    Args:
        alpha: order of the divergence; 0 gives the importance-weighted bound, 1 (as the limit) the evidence lower
            bound, greater values weigh the worst draw more.
        n_samples: K, draws of z per row.

    Raises:
        InvalidRecipeError: `n_samples` under 1, or another setting that is none.
    """

    alpha: float = eqx.field(static=True, default=0.5)
    n_samples: int = eqx.field(static=True, default=5)

    def __check_init__(self):
        require_draws(self, self.n_samples)
        if not math.isfinite(self.alpha):
            raise InvalidRecipeError(f"alpha must be a finite number, not {self.alpha}")

    @property
    def estimand(self) -> str:
        """The expectation of the value for this alpha and K."""
        return self.value_name

    @property
    def value_name(self) -> str:
        """Called a bound only where it is one."""
        kind = "bound" if self.is_bound else "objective"
        return f"Rényi {kind} (alpha = {self.alpha:g}, K = {self.n_samples})"

    @property
    def is_bound(self) -> bool:
        """Not known for alpha < 0 and K > 1."""
        return self.alpha >= 0 or self.n_samples == 1

    def __call__(self, key: PRNGKey, model: Model, posterior: Posterior, batch: Batch) -> Bound:
        """The value of each row; parts as in `ImportanceWeighted`."""
        z = draw(posterior, key, self.n_samples)
        log_p = log_densities(model, posterior, batch, z)
        value = log_power_mean(log_p.log_weight, 1.0 - self.alpha)
        return Bound(value, log_p.bound().parts, surrogate=value)


def log_power_mean(log_w: PerDraw, order: float) -> PerRow:
    """1/order log 1/K sum_k w_k^order over the first axis; the mean of log w for order 0.

    Through expm1 and log1p, which keep their digits at orders near 0.
    """
    if order == 0:
        return jnp.mean(log_w, axis=0)
    largest = jnp.max(log_w, axis=0) if order > 0 else jnp.min(log_w, axis=0)  # of w^order
    shift = jax.lax.stop_gradient(jnp.where(jnp.isfinite(largest), largest, 0.0))
    return shift + jnp.log1p(jnp.mean(jnp.expm1(order * (log_w - shift)), axis=0)) / order


def scale_gradient(z: Codes, factor: PerDraw) -> Codes:
    """`z` itself, whose gradient reaches what `z` was computed from multiplied by `factor`."""
    return jax.tree.map(lambda leaf: _scale_gradient(leaf, factor), z)


@jax.custom_jvp
def _scale_gradient(z: Float[Array, "draws batch ..."], factor: PerDraw) -> Float[Array, "draws batch ..."]:
    return z


@_scale_gradient.defjvp
def _(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    (z, factor), (tangent, _) = primals, tangents
    return z, tangent * factor.reshape(factor.shape + (1,) * (z.ndim - factor.ndim))
