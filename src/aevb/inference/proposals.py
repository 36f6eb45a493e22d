"""What importance samples are drawn from: the recognition model's q(z|x), or a mixture that is wider than it."""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from aevb.batch import Batch
from aevb.models import CodeDistribution, CodeSpace, Model, Posterior, Recognition
from aevb.typing import Codes, PerRow, PRNGKey

# How much wider than q(z|x) the parts of the mixture are, and what share of the draws each has.
SCALES, SHARES = (1.2, 1.6), (0.65, 0.3)
PRIOR_SHARE = 0.05
# Draws from which the centre and the width of q(z|x) are told where no formula does. Any would do, they are no part of
# the estimate.
CENTRE_DRAWS = 64


class Widened(Posterior):
    """A mixture of q(z|x) at several widths and the prior, one per row of a batch.

    A q(z|x) that maximizes the evidence lower bound is narrower than p(z|x), most of all where latents depend on each
    other given x. Weights then have a heavy tail: few draws decide, and the error that the others state is too small.
    Wider parts bring draws where those weights are large, and the prior bounds all weights (Hesterberg 1995, "Weighted
    average importance sampling and defensive mixture distributions").

    The widening is by a factor, around the median and in coordinates without limits; along none of them does a part
    become wider than the prior by it. Discrete codes are drawn from q(z|x) and the prior only.

    Args:
        posterior: q(z|x).
        prior: p(z); None while it is left out.
        prior_share: of the draws that come from it.
        centre: the median of q(z|x) in coordinates without limits; None for discrete codes.
        log_scales: the logarithms of the factors, by part.
    """

    posterior: Posterior
    prior: CodeDistribution | None
    prior_share: Float[Array, " batch"]
    centre: Float[Array, "batch dims"] | None = None
    log_scales: Float[Array, "batch parts dims"] | None = None

    @classmethod
    def of(
        cls,
        model: Model,
        posterior: Posterior,
        batch: Batch,
        prior_share: float | Float[Array, ""] = PRIOR_SHARE,
    ) -> "Widened":
        """The mixture around a posterior of the rows of a batch."""
        prior, n = model.prior_of(batch), batch.n_rows
        share = jnp.full(n, prior_share, batch.x.dtype)
        if not model.space.is_continuous:
            return cls(posterior, prior, share)
        inner, outer = (quartiles_of(codes, model.space, n) for codes in (posterior, prior))
        # Half the distance between the quartiles is a width that families without a variance have, too.
        width, room = (jnp.maximum(q[2] - q[0], jnp.finfo(batch.x.dtype).tiny) for q in (inner, outer))
        most = jnp.maximum(jnp.log(room / width), 0.0)[:, None]
        scales = jnp.minimum(jnp.log(jnp.asarray(SCALES))[:, None], most)
        return cls(posterior, prior, share, inner[1], scales)

    @property
    def space(self) -> CodeSpace:
        """The prior's, as the prior has a share everywhere."""
        return self._prior.space

    @property
    def is_reparameterized(self) -> bool:
        """Whether `sample` is differentiable; which part a draw comes from is not."""
        return False

    @property
    def _prior(self) -> CodeDistribution:
        assert self.prior is not None, "a mixture whose prior was left out is not asked for anything"
        return self.prior

    def sample(self, key: PRNGKey) -> Codes:
        """One draw of z per row."""
        z_key, part_key = jax.random.split(key)
        n = self.prior_share.shape[0]
        # One of the two is used, so they may share their noise, which often is most of their work.
        z, other = self.posterior.sample(z_key), self._prior.sample(z_key)
        from_prior = jax.random.uniform(part_key, (n,))
        if self.centre is not None and self.log_scales is not None:
            # Of what is not the prior's, the rest says from which part.
            rest = (from_prior - self.prior_share) / (1 - self.prior_share)
            part = jnp.searchsorted(jnp.cumsum(jnp.asarray(SHARES[:-1])) / sum(SHARES), rest)
            scale = jnp.exp(jnp.take_along_axis(self.log_scales, part[:, None, None], axis=1)[:, 0])
            wide = self.centre + scale * (self.space.point(z) - self.centre)
            z = self.space.code(wide)
        is_prior = from_prior < self.prior_share
        return jax.tree.map(
            lambda a, b: jnp.where(is_prior.reshape(-1, *(1 for _ in a.shape[1:])), a, b), other, z
        )

    def log_prob(self, z: Codes) -> PerRow:
        """The log density of the mixture at any z."""
        own = jnp.log1p(-self.prior_share) + self._log_wide(z)
        return jnp.logaddexp(own, jnp.log(self.prior_share) + self._prior.log_prob(z))

    def _log_wide(self, z: Codes) -> PerRow:
        """That of the parts that are not the prior."""
        if self.centre is None or self.log_scales is None:
            return _log_density(self.posterior, z)
        space = self.space
        u = space.point(z)
        parts = []
        for i, share in enumerate(SHARES):
            log_scale = self.log_scales[:, i]
            v = self.centre + (u - self.centre) * jnp.exp(-log_scale)
            code, volume = space.code(v), space.log_volume(v) - space.log_volume(u)
            log_q = _log_density(self.posterior, code) + volume - jnp.sum(log_scale, axis=-1)
            parts.append(math.log(share / sum(SHARES)) + log_q)
        return jax.nn.logsumexp(jnp.stack(parts), axis=0)


def widened(model: Model, recognition: Recognition) -> Recognition:
    """The recognition model that gives the mixture around each row's posterior."""
    return lambda batch: Widened.of(model, recognition(batch), batch)


def as_it_is(model: Model, recognition: Recognition) -> Recognition:
    """The recognition model itself."""
    return recognition


# Each from the model and its recognition model.
PROPOSALS: dict[str, Callable[[Model, Recognition], Recognition]] = {
    "posterior": as_it_is,
    "widened": widened,
}


def quartiles_of(codes: CodeDistribution, space: CodeSpace, n: int) -> Float[Array, "3 batch dims"]:
    """The quartiles of each coordinate without limits: exact, or told from draws if no formula is known."""
    found = codes.quantiles(jnp.asarray([0.25, 0.5, 0.75]))
    if found is None:
        keys = jax.random.split(jax.random.key(0), CENTRE_DRAWS)
        ordered = jnp.sort(space.point(jax.vmap(codes.sample)(keys)), axis=0)
        u = ordered[CENTRE_DRAWS // 4 :: CENTRE_DRAWS // 4]
    else:
        u = space.point(found)
    u = u.reshape(3, -1, u.shape[-1])
    return jnp.broadcast_to(u, (3, n, u.shape[-1]))


def _log_density(posterior: Posterior, z: Codes) -> PerRow:
    """log q(z|x), minus infinity where q has no density, which not every family says by itself."""
    return jnp.where(posterior.space.contains(z), posterior.log_prob(z), -jnp.inf)
