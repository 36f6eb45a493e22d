"""What importance samples are drawn from: the recognition model's q(z|x), or a mixture that is wider than it."""

import math
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float
from numpyro.distributions import biject_to

from aevb.batch import Batch
from aevb.distributions import Distribution
from aevb.models import LatentVariableModel
from aevb.objectives import Recognition
from aevb.objectives.bound import Posterior
from aevb.objectives.coordinates import EDGE, is_continuous
from aevb.typing import Codes, PerRow, PRNGKey

Points = Float[Array, "*samples batch dims"]

# How much wider than q(z|x) the parts of the mixture are, and what share of the draws each has.
SCALES, SHARES = (1.2, 1.6), (0.65, 0.3)
PRIOR_SHARE = 0.05
# Draws from which the centre and the width of q(z|x) are told where no formula does. Any would do, they are no part of
# the estimate.
CENTRE_DRAWS = 64


class Widened(eqx.Module):
    """A mixture of q(z|x) at several widths and the prior, one per row of a batch.

    A q(z|x) that maximizes the evidence lower bound is narrower than p(z|x), most of all where latents depend on each
    other given x. Weights then have a heavy tail: few draws decide, and the error that the others state is too small.
    Wider parts bring draws where those weights are large, and the prior bounds all weights (Hesterberg 1995, "Weighted
    average importance sampling and defensive mixture distributions").

    The widening is by a factor, around the median and in coordinates without limits; along none of them does a part
    become wider than the prior by it. Discrete codes are drawn from q(z|x) and the prior only.

    Args:
        posterior: q(z|x).
        prior: p(z).
        prior_share: of the draws that come from it.
        centre: the median of q(z|x) in coordinates without limits; None for discrete codes.
        log_scales: the logarithms of the factors, by part.
    """

    posterior: Posterior
    prior: Distribution
    prior_share: Float[Array, " batch"]
    centre: Float[Array, "batch dims"] | None = None
    log_scales: Float[Array, "batch parts dims"] | None = None

    @classmethod
    def of(
        cls,
        model: LatentVariableModel,
        posterior: Posterior,
        batch: Batch,
        prior_share: float | Float[Array, ""] = PRIOR_SHARE,
    ) -> "Widened":
        """The mixture around a posterior of the rows of a batch."""
        prior, n = model.prior(batch), batch.n_rows
        share = jnp.full(n, prior_share, batch.x.dtype)
        if not is_continuous(model):
            return cls(posterior, prior, share)
        inner, outer = quartiles_of(posterior, prior, n), quartiles_of(Drawn(prior), prior, n)
        # Half the distance between the quartiles is a width that families without a variance have, too.
        width, room = (jnp.maximum(q[2] - q[0], jnp.finfo(batch.x.dtype).tiny) for q in (inner, outer))
        most = jnp.maximum(jnp.log(room / width), 0.0)[:, None]
        scales = jnp.minimum(jnp.log(jnp.asarray(SCALES))[:, None], most)
        return cls(posterior, prior, share, inner[1], scales)

    @property
    def is_reparameterized(self) -> bool:
        """Whether `sample` is differentiable; which part a draw comes from is not."""
        return False

    @property
    def support_moves(self) -> bool:
        """Whether the support depends on q: no, as the prior has a share everywhere."""
        return False

    def sample(self, key: PRNGKey) -> Codes:
        """One draw of z per row."""
        z_key, part_key = jax.random.split(key)
        n = self.prior_share.shape[0]
        # One of the two is used, so they may share their noise, which often is most of their work.
        z, other = self.posterior.sample(z_key), self.prior.sample(z_key, (n,))
        from_prior = jax.random.uniform(part_key, (n,))
        if self.centre is not None and self.log_scales is not None:
            # Of what is not the prior's, the rest says from which part.
            rest = (from_prior - self.prior_share) / (1 - self.prior_share)
            part = jnp.searchsorted(jnp.cumsum(jnp.asarray(SHARES[:-1])) / sum(SHARES), rest)
            scale = jnp.exp(jnp.take_along_axis(self.log_scales, part[:, None, None], axis=1)[:, 0])
            wide = self.centre + scale * (_point(self.prior, z) - self.centre)
            z = _transform(self.prior)(wide)
        is_prior = from_prior < self.prior_share
        return jnp.where(is_prior[:, None], other, z)

    def log_prob(self, z: Codes) -> PerRow:
        """The log density of the mixture at any z."""
        own = jnp.log1p(-self.prior_share) + self._log_wide(z)
        return jnp.logaddexp(own, jnp.log(self.prior_share) + self.prior.log_prob(z))

    def _log_wide(self, z: Codes) -> PerRow:
        """That of the parts that are not the prior."""
        if self.centre is None or self.log_scales is None:
            return _log_density(self.posterior, z)
        u, transform = _point(self.prior, z), _transform(self.prior)
        parts = []
        for i, share in enumerate(SHARES):
            log_scale = self.log_scales[:, i]
            v = self.centre + (u - self.centre) * jnp.exp(-log_scale)
            code = transform(v)
            volume = transform.log_abs_det_jacobian(v, code) - transform.log_abs_det_jacobian(u, z)
            log_q = _log_density(self.posterior, code) + volume - jnp.sum(log_scale, axis=-1)
            parts.append(math.log(share / sum(SHARES)) + log_q)
        return jax.nn.logsumexp(jnp.stack(parts), axis=0)

    def kl(self) -> PerRow:
        """The divergence from the prior, which has no closed form.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError("the divergence of a mixture has no closed form")


def widened(model: LatentVariableModel, recognition: Recognition) -> Recognition:
    """The recognition model that gives the mixture around each row's posterior."""
    return lambda batch: Widened.of(model, recognition(batch), batch)


def as_it_is(model: LatentVariableModel, recognition: Recognition) -> Recognition:
    """The recognition model itself."""
    return recognition


# Each from the model and its recognition model.
PROPOSALS: dict[str, Callable[[LatentVariableModel, Recognition], Recognition]] = {
    "posterior": as_it_is,
    "widened": widened,
}


def _transform(prior: Distribution):
    return biject_to(prior.support)


def _point(prior: Distribution, z: Codes) -> Points:
    """Codes in coordinates without limits."""
    return jnp.nan_to_num(_transform(prior).inv(z), nan=0.0, posinf=EDGE, neginf=-EDGE)


class Drawn(eqx.Module):
    """A distribution that is the same for every row, asked as a posterior is."""

    distribution: Distribution

    def sample(self, key: PRNGKey) -> Float[Array, " latents"]:
        """One draw."""
        return self.distribution.sample(key)


def quartiles_of(posterior: Posterior | Drawn, prior: Distribution, n: int) -> Float[Array, "3 batch dims"]:
    """The quartiles of each coordinate without limits: exact, or told from draws where no family says its own."""
    own = getattr(posterior, "quartiles", None)
    if own is not None:
        return own
    q: Any = getattr(posterior, "distribution", None)
    try:
        levels = jnp.asarray([0.25, 0.5, 0.75])[:, None, None]
        found = _point(prior, q.base_dist.icdf(levels))
    except (AttributeError, NotImplementedError):
        keys = jax.random.split(jax.random.key(0), CENTRE_DRAWS)
        ordered = jnp.sort(_point(prior, jax.vmap(posterior.sample)(keys)), axis=0)
        found = ordered[CENTRE_DRAWS // 4 :: CENTRE_DRAWS // 4]
    found = found.reshape(3, -1, found.shape[-1])
    return jnp.broadcast_to(found, (3, n, found.shape[-1]))


def _log_density(posterior: Posterior, z: Codes) -> PerRow:
    """log q(z|x), minus infinity where q has no density, which not every family says by itself."""
    log_q, q = posterior.log_prob(z), getattr(posterior, "distribution", None)
    return log_q if q is None else jnp.where(q.support(z), log_q, -jnp.inf)
