"""Distributions over codes: p(z) and q(z|x) of the rows of a batch, whatever codes are."""

from abc import abstractmethod

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float
from numpyro.distributions import Independent

from aevb.distributions import FAMILIES, CategoricalCodes, Distribution, kl_divergence
from aevb.models.space import CodeSpace, Site
from aevb.typing import Codes, PerRow, PRNGKey

# How many draws stand for a distribution that has no formula for its mean or standard deviation.
SUMMARY_DRAWS = 256

Parts = dict[str, Float[Array, "*samples batch parts"]]


class CodeDistribution(eqx.Module):
    """A distribution over codes for each row of a batch: what objectives and inference need of p(z) and q(z|x).

    A subclass says `space`, `sample` and `log_prob`; the other methods have defaults that hold for any distribution.
    """

    @property
    @abstractmethod
    def space(self) -> CodeSpace:
        """Where its codes lie."""

    @abstractmethod
    def sample(self, key: PRNGKey) -> Codes:
        """One draw of z per row."""

    @abstractmethod
    def log_prob(self, z: Codes) -> PerRow:
        """The log density at any z, nats per row; `z` may have further axes before those of the rows."""

    def log_prob_by_part(self, z: Codes) -> Parts:
        """The log density by site, kept apart by latent where latents are independent; all terms add up to `log_prob`.

        By default it is one part, named `z`.
        """
        return {"z": self.log_prob(z)[..., None]}

    def quantiles(self, levels: Float[Array, " levels"]) -> Codes | None:
        """Quantiles of every entry, first axis the levels; None if no formula is known."""
        return None

    def summary(self) -> Codes:
        """One code for each row: the mean, by default that of draws."""
        return jax.tree.map(lambda draws: jnp.mean(draws, axis=0), self._draws())

    @property
    def summary_name(self) -> str:
        """What `summary` is."""
        return "mean"

    def spread(self) -> Codes:
        """The standard deviation of every entry, by default that of draws."""
        return jax.tree.map(lambda draws: jnp.std(draws, axis=0), self._draws())

    def _draws(self) -> Codes:
        return jax.vmap(self.sample)(jax.random.split(jax.random.key(0), SUMMARY_DRAWS))


class Posterior(CodeDistribution):
    """q(z|x) for each row of a batch.

    It is a tree of arrays to JAX, as some objectives stop the gradient of a copy.
    """

    @property
    def is_reparameterized(self) -> bool:
        """Whether `sample` is differentiable in the parameters of q; by default if no site is discrete."""
        return self.space.is_continuous

    @property
    def closed(self) -> bool:
        """Whether `divergence` has a closed form in place of draws."""
        return False

    def divergence(self, z: Codes) -> Parts:
        """KL(q(z|x) || p(z)) by site and latent, nats per row, in closed form.

        Args:
            z: a draw from q(z|x), for a site whose divergence depends on the sites before it.

        Raises:
            NotImplementedError: no closed form is known.
        """
        raise NotImplementedError(f"the divergence of a {type(self).__name__} has no closed form")

    def relaxed(self, key: PRNGKey, temperature: float) -> tuple[Codes, Codes]:
        """For discrete codes, a relaxed draw that is differentiable in q, and the discrete one in the same noise.

        Raises:
            NotImplementedError: this posterior has no relaxation.
        """
        raise NotImplementedError(f"a {type(self).__name__} has no Concrete relaxation")


class OneFamily(CodeDistribution):
    """Codes whose distribution is one of NumPyro's.

    Args:
        distribution: of one code per row, batch shape `(batch,)`.
    """

    distribution: eqx.AbstractVar[Distribution]

    @property
    def space(self) -> CodeSpace:
        """One site."""
        return CodeSpace(Site.of(self.distribution))

    def log_prob(self, z: Codes) -> PerRow:
        """The log density, nats per row, at any z."""
        return self.distribution.log_prob(z)

    def log_prob_by_part(self, z: Codes) -> Parts:
        """That of each latent; one part for latents that hang together, as those of a Dirichlet."""
        p = self.distribution
        if isinstance(p, Independent):
            return {"z": jnp.asarray(p.base_dist.log_prob(z))}
        if isinstance(p, CategoricalCodes):
            return {"z": p.log_prob_by_variable(z)}
        return {"z": p.log_prob(z)[..., None]}

    def quantiles(self, levels: Float[Array, " levels"]) -> Codes | None:
        """By the inverse of each latent's distribution function, where the family has one."""
        p = self.distribution
        if not isinstance(p, Independent):
            return None
        try:
            return jnp.asarray(p.base_dist.icdf(levels.reshape(-1, *(1 for _ in p.base_dist.batch_shape))))
        except NotImplementedError:
            return None

    def spread(self) -> Codes:
        """The standard deviation; infinite or NaN if the family has none."""
        return jnp.sqrt(jnp.asarray(self.distribution.variance))


class FamilyPrior(OneFamily):
    """p(z) of one of NumPyro's distributions, the same for every row.

    Args:
        distribution: of one code, batch shape `()`.
        n_rows: how many rows there are.
    """

    distribution: Distribution
    n_rows: int = eqx.field(static=True)

    def sample(self, key: PRNGKey) -> Codes:
        """One draw of z per row."""
        return self.distribution.sample(key, (self.n_rows,))

    def summary(self) -> Codes:
        """The mean; NaN if the family has none."""
        return self._of_each(jnp.asarray(self.distribution.mean))

    def spread(self) -> Codes:
        """The standard deviation."""
        return self._of_each(super().spread())

    def _of_each(self, code: Array) -> Array:
        return jnp.broadcast_to(code, (self.n_rows, *code.shape))


class AmortizedPosterior(OneFamily, Posterior):
    """q(z|x) of a family in `aevb.distributions.FAMILIES`.

    Args:
        distribution: q(z|x), batch shape `(batch,)`.
        prior: p(z), for the divergence.
        family: of q(z|x).
    """

    distribution: Distribution
    prior: CodeDistribution
    family: str = eqx.field(static=True, default="gaussian")

    @property
    def space(self) -> CodeSpace:
        """One site, whose support may move."""
        return CodeSpace(Site.of(self.distribution, moves=FAMILIES[self.family].support_moves))

    @property
    def is_reparameterized(self) -> bool:
        """Whether samples are differentiable in the parameters of q."""
        return FAMILIES[self.family].route != "discrete"

    def sample(self, key: PRNGKey) -> Codes:
        """One draw of z per row, reparameterized where the family is."""
        return self.distribution.sample(key)

    def relaxed(self, key: PRNGKey, temperature: float) -> tuple[Codes, Codes]:
        """For discrete codes, a relaxed draw that is differentiable in q, and the discrete one in the same noise."""
        return self._by_latent.relaxed_sample(key, temperature)

    @property
    def closed(self) -> bool:
        """Whether the divergence between the two families has a closed form."""
        try:
            eqx.filter_eval_shape(lambda q: q._divergence(), self)
        except NotImplementedError:
            return False
        return True

    def divergence(self, z: Codes) -> Parts:
        """KL(q(z|x) || p(z)), kept apart by latent; one part where codes hang together.

        Raises:
            NotImplementedError: no closed form is known.
        """
        return {"z": self._divergence()}

    def _divergence(self) -> Float[Array, "batch parts"]:
        if not isinstance(self.prior, OneFamily):
            raise NotImplementedError(f"no divergence from a {type(self.prior).__name__} has a closed form")
        q, p = self.distribution, self.prior.distribution
        if isinstance(q, Independent) and isinstance(p, Independent):
            return kl_divergence(q.base_dist, p.base_dist)
        if isinstance(q, CategoricalCodes) and isinstance(p, CategoricalCodes):
            return kl_divergence(q.by_variable, p.by_variable)
        return kl_divergence(q, p)[..., None]

    def summary(self) -> Codes:
        """One code for each row: the mean of q(z|x), or the median where the family may have no finite mean."""
        return FAMILIES[self.family].point_summary(self._by_latent)

    @property
    def summary_name(self) -> str:
        """The mean or the median."""
        return FAMILIES[self.family].summary

    @property
    def _by_latent(self) -> Distribution:
        q = self.distribution
        return q.base_dist if isinstance(q, Independent) else q


def joined(parts: Parts) -> Float[Array, "*samples batch parts"]:
    """The parts of all sites side by side."""
    values = list(parts.values())
    return values[0] if len(values) == 1 else jnp.concatenate(values, axis=-1)


def total(parts: Parts) -> PerRow:
    """The sum over all sites and latents, per row."""
    return jnp.sum(joined(parts), axis=-1)
