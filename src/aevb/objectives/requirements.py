"""What objectives ask of their settings and of a posterior, and the errors that say so."""

from aevb.errors import InvalidRecipeError
from aevb.models import Posterior
from aevb.objectives.bound import Objective


def require_draws(objective: Objective, n_samples: int, at_least: int = 1, reason: str = "") -> None:
    """Refuse too small a number of samples.

    Raises:
        InvalidRecipeError: with the least number, and the reason if one is given.
    """
    if not isinstance(n_samples, int) or n_samples < at_least:
        because = f": {reason}" if reason else ""
        raise InvalidRecipeError(
            f"{type(objective).__name__} needs at least {at_least} sample{'s' * (at_least > 1)} per row, "
            f"not {n_samples}{because}"
        )


def require_fixed_support(objective: Objective, posterior: Posterior) -> None:
    """Refuse a posterior whose support depends on its parameters.

    The mean of grad log q is then not zero: the boundary adds a term of its own. (Where the density ends at zero, as
    the triangular's does, the mean is zero and the variance infinite.)

    Raises:
        InvalidRecipeError: with the reason and what to use.
    """
    if posterior.space.moves:
        raise InvalidRecipeError(
            f"{type(objective).__name__} counts on the mean of the gradient of log q(z|x) being zero. Where the "
            "support of q moves with its parameters, as that of this posterior does, it is not, or its variance is "
            "infinite: use the objective sgvb-a, or a posterior on a fixed support"
        )


def require_closed_kl(objective: Objective, posterior: Posterior, instead: str) -> None:
    """Refuse a posterior whose divergence from the prior has no closed form.

    Args:
        objective: on whose behalf.
        posterior: is traced for its shapes only.
        instead: the name of the objective to use.

    Raises:
        InvalidRecipeError: with the reason and what to use.
    """
    if not posterior.closed:
        raise InvalidRecipeError(
            f"{type(objective).__name__} needs KL(q(z|x) || p(z)) in closed form, and none is known for this posterior "
            f"and prior: use the objective {instead}"
        )
