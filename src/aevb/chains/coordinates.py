"""Codes in coordinates without limits, in which Hamiltonian chains move."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from aevb.batch import Batch
from aevb.errors import InvalidRecipeError
from aevb.models import Model, Posterior, Recognition
from aevb.typing import Codes, PRNGKey, Scalar

Point = Float[Array, " dims"]


class Target:
    """log p(x, z) of one row over unconstrained coordinates u: z = T(u), with log |det dT/du| added.

    Args:
        model: p(z) p(x|z).
        row: a batch of one row.
    """

    def __init__(self, model: Model, row: Batch):
        self.model, self.row, self.space = model, row, model.space

    def code(self, u: Point) -> Codes:
        """z = T(u)."""
        return self.space.code(u)

    def point(self, z: Codes) -> Point:
        """u, of which z is the code."""
        return self.space.point(z)

    def log_volume(self, u: Point) -> Scalar:
        """log |det dT/du|."""
        return self.space.log_volume(u)

    def log_likelihood(self, u: Point) -> Scalar:
        """log p(x|z)."""
        return self.model.log_likelihood(self.row, self._codes(u))[0]

    def log_prior(self, u: Point) -> Scalar:
        """The log density of u under p(z)."""
        return self.model.log_prior(self._codes(u), self.row)[0] + self.log_volume(u)

    def log_joint(self, u: Point) -> Scalar:
        """The log density of x and u."""
        return self.log_likelihood(u) + self.log_prior(u)

    def log_posterior(self, posterior: Posterior, u: Point) -> Scalar:
        """The log density of u under q(z|x)."""
        return posterior.log_prob(self._codes(u))[0] + self.log_volume(u)

    def start(self, posterior: Posterior | None, key: PRNGKey) -> Point:
        """A draw of u from q(z|x), or from p(z) where there is none."""
        codes = self.model.prior_of(self.row) if posterior is None else posterior
        return self.space.point(codes.sample(key))[0]

    def _codes(self, u: Point) -> Codes:
        """z = T(u) of a batch of one row."""
        return self.space.code(u[None])


def require_continuous(model: Model, method: str) -> None:
    """Refuse codes that have no gradient.

    Raises:
        InvalidRecipeError: a site of codes is discrete.
    """
    if not model.space.is_continuous:
        few = "" if model.space.n_codes is None else ", or quadrature if there are few"
        raise InvalidRecipeError(
            f"{method} moves codes along gradients of log p(x, z), and codes of this model are discrete: "
            f"use importance sampling{few}"
        )


def require_equal_support(model: Model, recognition: Recognition, method: str) -> None:
    """Refuse a q(z|x) that has no density on a part of where p(z) has some, or the other way round.

    Raises:
        InvalidRecipeError: their supports differ, or that of q depends on x.
    """
    if not has_equal_support(model, recognition):
        raise InvalidRecipeError(
            f"{method} from q(z|x) needs codes with density under q(z|x) wherever they have any under p(z), and the "
            "supports of the two differ: start it from the prior (start='prior'), or use importance sampling"
        )


def has_equal_support(model: Model, recognition: Recognition | None) -> bool:
    """Whether there is a q(z|x), and with density wherever p(z) has some and nowhere else, whatever x is."""
    return recognition is not None and bool(_equal_supports(model, recognition))


@eqx.filter_jit
def _equal_supports(model: Model, recognition: Recognition) -> Bool[Array, ""]:
    """Whether the same map leads from unconstrained coordinates to both supports, tried at a few points."""
    q, p = recognition(model.example()).space, model.space
    if q.moves or q.site_names != p.site_names or q.width != p.width or q.n_dims != p.n_dims:
        return jnp.asarray(False)
    u = jnp.linspace(-2.0, 2.0, 5)[:, None, None] * jnp.ones((1, p.n_dims))
    return jnp.allclose(q.columns(q.code(u)), p.columns(p.code(u)))
