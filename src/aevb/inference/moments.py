"""Weighted means and variances that are added up block by block, and draws that are kept on the way."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from aevb.typing import PRNGKey


class Moments(eqx.Module):
    """The weighted mean of vectors and their squared deviations from it (Chan, Golub & LeVeque 1983, equation 1.5).

    Sums of squares that are taken around the mean lose nothing to cancellation in single precision.

    Args:
        weight: the sum of the weights.
        mean: of each feature.
        spread: the weighted sum of squared deviations from the mean, of each feature.
    """

    weight: Float[Array, "*chains"]
    mean: Float[Array, "*chains features"]
    spread: Float[Array, "*chains features"]

    @classmethod
    def none(cls, *shape: int) -> "Moments":
        """Those of no vector; `shape` ends in the number of features."""
        return Moments(jnp.zeros(shape[:-1]), jnp.zeros(shape), jnp.zeros(shape))

    @classmethod
    def of(cls, weight: Float[Array, " samples"], x: Float[Array, "samples features"]) -> "Moments":
        """Those of a block of vectors."""
        total = jnp.sum(weight)
        mean = _ratio(weight, total) @ x
        return Moments(total, mean, weight @ jnp.square(x - mean))

    def __add__(self, other: "Moments") -> "Moments":
        """Those of both sets of vectors together."""
        total = self.weight + other.weight
        share = _ratio(other.weight, total)[..., None]
        step = other.mean - self.mean
        between = self.weight[..., None] * share * jnp.square(step)
        return Moments(total, self.mean + share * step, self.spread + other.spread + between)

    def times(self, factor: Float[Array, ""]) -> "Moments":
        """Those of the same vectors with all weights multiplied."""
        return Moments(factor * self.weight, self.mean, factor * self.spread)

    @property
    def variance(self) -> Float[Array, "*chains features"]:
        """The weighted mean of squared deviations from the mean."""
        return _ratio(self.spread, self.weight[..., None])


class Kept(eqx.Module):
    """Codes drawn with replacement from a stream, each with the probability that its weight is of the sum.

    Args:
        weight: the sum of the weights that went by.
        z: the codes.
    """

    weight: Float[Array, ""]
    z: Float[Array, "draws latents"]

    def offer(
        self, key: PRNGKey, weight: Float[Array, " samples"], z: Float[Array, "samples latents"]
    ) -> "Kept":
        """The same after a block of the stream: each draw is replaced with the probability that the block is due."""
        replace_key, choose_key = jax.random.split(key)
        n, cumulated = self.z.shape[0], jnp.cumsum(weight)
        block = cumulated[-1]
        total = self.weight + block
        replaced = jax.random.uniform(replace_key, (n,)) * total < block
        below = jax.random.uniform(choose_key, (n,)) * block
        chosen = jnp.minimum(jnp.searchsorted(cumulated, below, side="right"), len(weight) - 1)
        return Kept(total, jnp.where(replaced[:, None], z[chosen], self.z))


def _ratio(a: Float[Array, "..."], b: Float[Array, "..."]) -> Float[Array, "..."]:
    """a / b, and 0 where b is."""
    return jnp.where(b > 0, a / jnp.where(b > 0, b, 1.0), 0.0)
