"""Codes in coordinates without limits, in which Hamiltonian chains move."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float
from numpyro.distributions import biject_to

from aevb.batch import Batch
from aevb.distributions import CategoricalCodes
from aevb.errors import InvalidRecipeError
from aevb.models import LatentVariableModel
from aevb.objectives.bound import Posterior, Recognition
from aevb.typing import PRNGKey, Scalar

Code = Float[Array, " latents"]
Point = Float[Array, " dims"]

# In place of the infinite coordinate of a code that was rounded to the edge of its support; exp(-80) is a float32.
EDGE = 80.0


class Target:
    """log p(x, z) of one row over unconstrained coordinates u: z = T(u), with log |det dT/du| added.

    Args:
        model: p(z) p(x|z).
        row: a batch of one row.
    """

    def __init__(self, model: LatentVariableModel, row: Batch):
        self.model, self.row = model, row
        self._transform = biject_to(model.prior(row).support)

    def code(self, u: Point) -> Code:
        """z = T(u)."""
        return self._transform(u)

    def point(self, z: Code) -> Point:
        """u, of which z is the code."""
        u = self._transform.inv(z)
        return jnp.nan_to_num(u, nan=0.0, posinf=EDGE, neginf=-EDGE)

    def log_volume(self, u: Point) -> Scalar:
        """log |det dT/du|."""
        return self._transform.log_abs_det_jacobian(u, self.code(u))

    def log_likelihood(self, u: Point) -> Scalar:
        """log p(x|z)."""
        return self.model.log_likelihood(self.row, self.code(u)[None])[0]

    def log_prior(self, u: Point) -> Scalar:
        """The log density of u under p(z)."""
        return self.model.log_prior(self.code(u)[None], self.row)[0] + self.log_volume(u)

    def log_joint(self, u: Point) -> Scalar:
        """The log density of x and u."""
        return self.log_likelihood(u) + self.log_prior(u)

    def log_posterior(self, posterior: Posterior, u: Point) -> Scalar:
        """The log density of u under q(z|x)."""
        return posterior.log_prob(self.code(u)[None])[0] + self.log_volume(u)

    def start(self, posterior: Posterior | None, key: PRNGKey) -> Point:
        """A draw of u from q(z|x), or from p(z) where there is none."""
        if posterior is not None:
            return self.point(posterior.sample(key)[0])
        return self.point(self.model.prior(self.row).sample(key, (1,))[0])


def require_continuous(model: LatentVariableModel, method: str) -> None:
    """Refuse codes that have no gradient.

    Raises:
        InvalidRecipeError: the codes are discrete.
    """
    if not is_continuous(model):
        raise InvalidRecipeError(
            f"{method} moves codes along gradients of log p(x, z), and the codes of this model are discrete: "
            "use importance sampling, or quadrature where there are few"
        )


def is_continuous(model: LatentVariableModel) -> bool:
    """Whether codes have a density."""
    prior = model.prior(model.example())
    return not (isinstance(prior, CategoricalCodes) or prior.support.is_discrete)


def require_equal_support(model: LatentVariableModel, recognition: Recognition, method: str) -> None:
    """Refuse a q(z|x) that has no density on a part of where p(z) has some, or the other way round.

    Raises:
        InvalidRecipeError: their supports differ, or that of q depends on x.
    """
    if not has_equal_support(model, recognition):
        raise InvalidRecipeError(
            f"{method} from q(z|x) needs codes with density under q(z|x) wherever they have any under p(z), and the "
            "supports of the two differ: start it from the prior (start='prior'), or use importance sampling"
        )


def has_equal_support(model: LatentVariableModel, recognition: Recognition | None) -> bool:
    """Whether there is a q(z|x), and with density wherever p(z) has some and nowhere else, whatever x is."""
    return recognition is not None and bool(_equal_supports(model, recognition))


@eqx.filter_jit
def _equal_supports(model: LatentVariableModel, recognition: Recognition) -> Bool[Array, ""]:
    """Whether the same map leads from unconstrained coordinates to both supports, tried at a few points."""
    row = model.example()
    posterior, prior = recognition(row), model.prior(row)
    q = getattr(posterior, "distribution", prior)  # of a posterior without one nothing more is known
    to_q, to_p = biject_to(q.support), biject_to(prior.support)
    shape = to_p.inverse_shape(prior.event_shape)
    if (
        posterior.support_moves
        or q.event_shape != prior.event_shape
        or to_q.inverse_shape(q.event_shape) != shape
    ):
        return jnp.asarray(False)
    u = jnp.linspace(-2.0, 2.0, 5).reshape(5, *(1 for _ in shape)) * jnp.ones(shape)
    return jnp.allclose(to_q(u), to_p(u))
