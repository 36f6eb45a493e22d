"""The constructor's arguments of `VAE` as settings of a recipe."""

from collections.abc import Mapping
from typing import Any

from aevb.assembly import Parts
from aevb.errors import InvalidRecipeError
from aevb.models import Likelihood
from aevb.recipe import CUSTOM, Recipe

# Constructor arguments that go by another name in a recipe.
RECIPE_NAMES = {"n_latents": "latents", "n_samples": "samples", "n_categories": "categories"}
ARGUMENT_NAMES = {name: argument for argument, name in RECIPE_NAMES.items()}
_NOT_IN_RECIPE = {"n_importance_samples", "encoder_network", "decoder_network", "random_state", "verbose"}
# What the pieces of `partial_fit` need not have in common.
_OF_ONE_FIT = {"epochs", "validation", "patience"}


def settings_of(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that are settings of a recipe, by their names there; an object of the user's is `custom`."""
    likelihood = arguments.get("likelihood")
    if isinstance(likelihood, type) and issubclass(likelihood, Likelihood):
        raise InvalidRecipeError(
            f"likelihood is a class: hand in an instance, VAE(likelihood={likelihood.__name__}())"
        )
    named = {k: CUSTOM if isinstance(v, Likelihood) else v for k, v in arguments.items()}
    return {RECIPE_NAMES.get(k, k): v for k, v in named.items() if k not in _NOT_IN_RECIPE}


def parts_of(arguments: Mapping[str, Any]) -> Parts:
    """The arguments that are objects of the user's own."""
    likelihood = arguments["likelihood"]
    own = likelihood if isinstance(likelihood, Likelihood) else None
    return Parts(arguments["encoder_network"], arguments["decoder_network"], own)


def recipe_of(arguments: Mapping[str, Any], seed: int, **changes: Any) -> Recipe:
    """The recipe that a constructor's arguments stand for.

    Args:
        arguments: by name.
        seed: of all randomness.
        changes: settings of the recipe that are to differ, by name.

    Raises:
        InvalidRecipeError: an argument is wrong, under the constructor's name for it.
    """
    settings = {"data": "X", "seed": seed, **settings_of(arguments), **changes}
    return Recipe.parse(settings, source="VAE", names={**ARGUMENT_NAMES, "seed": "random_state"})


def refuse_pieces(arguments: Mapping[str, Any]) -> None:
    """Refuse to train piece by piece where the settings do not allow it.

    Raises:
        InvalidRecipeError: the length of training must be known, or what is learned belongs to rows.
    """
    if arguments["schedule"] not in ("auto", "constant"):
        raise InvalidRecipeError(f"partial_fit needs schedule='constant', not {arguments['schedule']!r}")
    if arguments["recognition"] == "per-row" or arguments["objective"] == "mcem":
        raise InvalidRecipeError(
            "partial_fit needs recognition='amortized' and another objective than mcem: free parameters and chains "
            "belong to the rows of one fit"
        )


def refuse_changes(made: Recipe, arguments: Mapping[str, Any]) -> None:
    """Refuse to go on with other settings than those that a model was made with.

    Raises:
        InvalidRecipeError: naming the arguments that changed.
    """
    now = recipe_of(arguments, made.seed)
    # What is left open was settled by the data of the first call.
    settings = [name for name in settings_of(arguments) if getattr(now, name) not in (None, "auto")]
    changed = [
        name for name in settings if name not in _OF_ONE_FIT and getattr(made, name) != getattr(now, name)
    ]
    if changed:
        names = ", ".join(ARGUMENT_NAMES.get(name, name) for name in changed)
        raise InvalidRecipeError(
            f"partial_fit goes on with the settings of the first call, but {names} changed since: call fit"
        )
