"""What the settings that a recipe leaves open come to, once the data are known.

Data sets with a name keep the budget of the published figures. A user's own data get as many steps as tables took to
converge, in whole epochs; a share of the rows, where there are enough, to choose the best model and stop early by; and
steps that become smaller.
"""

import dataclasses
import math

from aevb.models import AutoEncoder, Likelihood, choose_prior
from aevb.recipe import Recipe
from aevb.selection import draws_per_row, objective_name
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
# Where it ends at zero. Elsewhere it is that of the published figures.
DECAYING_RATE, CONSTANT_RATE = 3e-3, 1e-3
FULL_BATCH = ("em", "mcem")


@dataclasses.dataclass(frozen=True)
class Facts:
    """What a budget depends on.

    Args:
        n_rows: of the training data, before validation rows are held out.
        is_named: whether it is one of the data sets that aevb knows by name.
    """

    n_rows: int
    is_named: bool = False


def settle(recipe: Recipe, facts: Facts) -> Recipe:
    """The recipe with its budget, validation share, patience and schedule settled.

    What the user set stays. Settling again changes nothing.
    """
    as_published = facts.is_named or not recipe.has_encoder or recipe.objective in FULL_BATCH
    if recipe.has_budget or as_published:
        found = {
            "validation": 0.0,
            "schedule": "constant",
            "evaluate_every": 1,
            "learning_rate": CONSTANT_RATE,
        }
        if not recipe.has_budget:
            found["epochs"] = NAMED_EPOCHS
    else:
        found = _by_size(recipe, facts.n_rows)
    return _with_open(recipe, found)


def settle_model(
    recipe: Recipe, facts: Facts, name: str, likelihood: Likelihood, autoencoder: AutoEncoder
) -> Recipe:
    """The recipe with what depends on the model settled: the names behind `auto`, draws of z, and the clip norm."""
    objective = objective_name(recipe, autoencoder)
    clip_norm = 0.0 if facts.is_named else likelihood.clip_norm
    found = {
        "likelihood": name,
        "prior": choose_prior(recipe.prior, recipe.posterior),
        "objective": objective,
        "samples": draws_per_row(recipe, objective),
        "clip_norm": DEFAULT_CLIP_NORMS.get(recipe.optimizer, clip_norm),
    }
    return _with_open(recipe, found)


def _by_size(recipe: Recipe, n_rows: int) -> dict[str, object]:
    validation = VALIDATION if n_rows >= LEAST_ROWS else 0.0
    share = validation if recipe.validation is None else recipe.validation
    kept = max(1, n_rows - round(share * n_rows))
    per_epoch = math.ceil(kept / recipe.batch_size)
    epochs = math.ceil(STEPS / per_epoch)
    found = {
        "epochs": epochs,
        "validation": validation,
        "schedule": "cosine",
        "learning_rate": DECAYING_RATE if recipe.optimizer in ("adam", "adamw") else CONSTANT_RATE,
        "evaluate_every": max(1, epochs // EVALUATIONS),
    }
    return {**found, "patience": PATIENCE} if share else found


def _with_open(recipe: Recipe, found: dict[str, object]) -> Recipe:
    """The recipe with these settings where it leaves them open."""
    changes = {name: value for name, value in found.items() if getattr(recipe, name) in (None, "auto")}
    return Recipe.parse({**recipe.model_dump(exclude_none=True), **changes})
