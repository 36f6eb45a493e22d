"""What self-normalized importance sampling adds up, block by block: means, variances, and the errors of both."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from aevb.inference.moments import Kept
from aevb.typing import PRNGKey, Scalar

Features = Float[Array, " features"]
Samples = Float[Array, "samples features"]


class Sums(eqx.Module):
    """Of one row: sums over codes of what p(x|z) says of each feature, with weights relative to the largest so far.

    With c the mean of x given a code less `near`, v its variance, and y = c^2 + v, E[x] is near + E[c] and Var[x] is
    E[y] - E[c]^2. Errors need sums under the squares of the weights.

    Args:
        near: a point near the means, so that little is lost to cancellation.
        largest: the log of the largest weight.
        weight: the sum of the weights.
        squares: the sum of their squares.
        first: of c and y under the weights.
        second: of c, c^2, y, c y and y^2 under the squares of the weights.
        kept: codes for the draws.
    """

    near: Features
    largest: Scalar
    weight: Scalar
    squares: Scalar
    first: Float[Array, "2 features"]
    second: Float[Array, "5 features"]
    kept: Kept

    @classmethod
    def none(cls, near: Features, n_draws: int, n_latents: int) -> "Sums":
        """Those of no code."""
        zero = jnp.zeros((), near.dtype)
        kept = Kept(zero, jnp.zeros((n_draws, n_latents), near.dtype))
        first, second = (jnp.zeros((n, *near.shape), near.dtype) for n in (2, 5))
        return cls(near, jnp.full_like(zero, -jnp.inf), zero, zero, first, second, kept)

    @property
    def effective(self) -> Scalar:
        """Effective samples, (sum w)^2 / sum w^2."""
        return self.weight**2 / self.squares

    def relative_to(self, largest: Scalar) -> "Sums":
        """The same with weights relative to another one."""
        shrink = jnp.where(self.largest == largest, 1.0, jnp.exp(self.largest - largest))
        kept = Kept(shrink * self.kept.weight, self.kept.z)
        once, twice = shrink, shrink**2
        return Sums(
            self.near,
            largest,
            once * self.weight,
            twice * self.squares,
            once * self.first,
            twice * self.second,
            kept,
        )

    def added(
        self,
        log_w: Float[Array, " samples"],
        mean: Samples,
        variance: Samples,
        z: Float[Array, "samples latents"],
        key: PRNGKey,
    ) -> "Sums":
        """With a block of codes: their log weights, and the means and variances of x given them."""
        largest = jnp.maximum(self.largest, jnp.max(log_w))
        sums, w = self.relative_to(largest), jnp.exp(log_w - largest)
        c = mean - self.near
        y = jnp.square(c) + variance
        return Sums(
            self.near,
            largest,
            sums.weight + jnp.sum(w),
            sums.squares + jnp.sum(w**2),
            sums.first + jnp.stack([w @ c, w @ y]),
            sums.second + jnp.stack([w**2 @ part for part in (c, c * c, y, c * y, y * y)]),
            sums.kept.offer(key, w, z),
        )

    def estimates(self) -> tuple[Features, Features, Features, Features]:
        """E[x], Var[x], and the standard errors of both, by the delta method around the ratios themselves."""
        m, y_mean = self.first / self.weight
        variance = jnp.maximum(y_mean - m**2, 0.0)
        c, cc, y, cy, yy = self.second
        # Each code's influence is c - m on the mean, and y - 2 m c + k on the variance.
        k = m**2 - variance
        of_mean = cc - 2 * m * c + m**2 * self.squares
        of_variance = yy + 4 * m**2 * cc + k**2 * self.squares - 4 * m * cy + 2 * k * y - 4 * m * k * c
        mean_error, variance_error = (
            jnp.sqrt(jnp.maximum(part, 0.0)) / self.weight for part in (of_mean, of_variance)
        )
        return self.near + m, variance, mean_error, variance_error
