"""What the settings that a recipe leaves open come to, once the data are known.

Data sets with a name keep the budget of the published figures. A user's own data get as many steps as tables took to
converge, in whole epochs; a share of the rows, where there are enough, to choose the best model and stop early by; and
steps that become smaller.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

from aevb.models import Posterior, Prior, choose_prior
from aevb.recipe import CUSTOM, Recipe
from aevb.selection import automatic_objective, family_posterior
from aevb.specs import CONSTANT_RATE, OBJECTIVES
from aevb.training.optimizers import DEFAULT_CLIP_NORMS

# Steps of a user's own data, rounded up to whole epochs. What a network takes to converge depends little on the number
# of rows: of six tables of 300 to 7,000 rows, the validation bound after 6,000 steps was 1.7 to 5.6 nats above that
# after 2,000, and two others of under 350 rows, which were learned by heart sooner, were ended by patience.
STEPS = 6000
# Passes over data sets with a name.
NAMED_EPOCHS = 10
# Below so many rows, those that would be held out are too few to choose by, and missed in training.
LEAST_ROWS = 50
VALIDATION = 0.1
EVALUATIONS = 50
PATIENCE = 15


@dataclasses.dataclass(frozen=True)
class Facts:
    """What open settings depend on.

    Args:
        n_rows: of the training data, before validation rows are held out.
        is_named: whether it is one of the data sets that aevb knows by name.
        likelihood: the name of the likelihood that was chosen for the data.
        clip_norm: the longest gradient that this likelihood asks for with a user's own data.
        posterior: gives q(z|x) of a row, of a model or prior of the user's own.
    """

    n_rows: int
    is_named: bool = False
    likelihood: str = "gaussian"
    clip_norm: float = 0.0
    posterior: Callable[[], Posterior] | None = None


def settle(recipe: Recipe, facts: Facts) -> Recipe:
    """The recipe with every setting settled that it leaves open: each `auto`, and each None that stands for a default.

    What the user set stays. Settling again changes nothing.

    Raises:
        InvalidRecipeError: a setting does not go with what another one, left open, comes to.
    """
    recipe = _with_open(recipe, {**_of_the_model(recipe, facts), **_of_the_budget(recipe, facts)})
    # What an objective, now that it is known, takes if nothing is said.
    return _with_open(recipe, {"samples": recipe.objective.draws})


def _of_the_model(recipe: Recipe, facts: Facts) -> dict[str, Any]:
    prior = CUSTOM if recipe.prior == CUSTOM else choose_prior(recipe.prior, recipe.posterior.name)
    found = {
        "likelihood": facts.likelihood,
        "prior": prior,
        "clip_norm": DEFAULT_CLIP_NORMS.get(
            recipe.optimizer.name, 0.0 if facts.is_named else facts.clip_norm
        ),
    }
    if recipe.objective.name == OBJECTIVES.default:
        found["objective"] = automatic_objective(facts.posterior or (lambda: _posterior(recipe, prior)))
    return found


def _posterior(recipe: Recipe, prior: str) -> Posterior:
    n_categories = recipe.posterior.n_categories
    return family_posterior(recipe.posterior, Prior(prior, recipe.latents, n_categories), recipe.latents)


def _of_the_budget(recipe: Recipe, facts: Facts) -> dict[str, Any]:
    as_published = facts.is_named or not recipe.has_encoder or not recipe.objective.in_small_steps
    if not (recipe.has_budget or as_published):
        return _by_size(recipe, facts.n_rows)
    found = {"validation": 0.0, "schedule": "constant", "evaluate_every": 1, "learning_rate": CONSTANT_RATE}
    return found if recipe.has_budget else found | {"epochs": NAMED_EPOCHS}


def _by_size(recipe: Recipe, n_rows: int) -> dict[str, Any]:
    validation = VALIDATION if n_rows >= LEAST_ROWS else 0.0
    share = validation if recipe.validation is None else recipe.validation
    kept = max(1, n_rows - round(share * n_rows))
    per_epoch = math.ceil(kept / recipe.batch_size)
    epochs = math.ceil(STEPS / per_epoch)
    found = {
        "epochs": epochs,
        "validation": validation,
        "schedule": "cosine",
        "learning_rate": recipe.optimizer.decaying_rate,
        "evaluate_every": max(1, epochs // EVALUATIONS),
    }
    return {**found, "patience": PATIENCE} if share else found


def _with_open(recipe: Recipe, found: dict[str, Any]) -> Recipe:
    """The recipe with these settings where it leaves them open."""
    flat = recipe.model_dump()
    return recipe.replaced(**{k: v for k, v in found.items() if flat.get(k) in (None, "auto")})
