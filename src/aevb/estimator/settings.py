"""The constructor's arguments of `VAE` as settings of a recipe, and the way back."""

from collections.abc import Callable, Mapping
from typing import Any

from aevb.errors import InvalidRecipeError
from aevb.estimator.networks import Networks
from aevb.models import Conditional, Likelihood
from aevb.parts import Parts
from aevb.recipe import CUSTOM, Recipe
from aevb.specs import CHOICES, MLP, Spec, flat_settings, flattened

# What Python calls settings that go by another name in a recipe.
ARGUMENT_NAMES = {"latents": "n_latents", "samples": "n_samples", "seed": "random_state"}
# Arguments that are no settings of a recipe under the same name.
_NOT_IN_RECIPE = ("n_latents", "hidden", "model", "n_importance_samples", "random_state", "verbose")
# Arguments that a model of the user's own takes the place of.
_OF_THE_MODEL = ("n_latents", "hidden", "likelihood", "posterior", "prior")
# Arguments that are settings of a recipe, and no choice.
_PLAIN = (
    *("likelihood", "prior", "image_shape", "missing"),
    *("validation", "batch_size", "epochs", "patience"),
)
# What the pieces of `partial_fit` need not have in common.
_OF_ONE_FIT = ("epochs", "validation", "patience")


def settings_of(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that are settings of a recipe, by their flat names there; an object of the user's is `custom`."""
    for name, value in arguments.items():
        if isinstance(value, type) and name != "model":
            raise InvalidRecipeError(
                f"{name} is a class: hand in an instance, VAE({name}={value.__name__}())"
            )
    settings = {k: v for k, v in arguments.items() if k not in _NOT_IN_RECIPE}
    settings |= {name: CUSTOM for name, part in _own_parts(arguments).items() if part is not None}
    hidden = arguments["hidden"]
    layers = hidden.mlp if isinstance(hidden, Networks) else hidden
    settings |= {"network" if isinstance(layers, Spec) else "hidden": layers}
    return flattened(settings | {"latents": arguments["n_latents"]})


def parts_of(arguments: Mapping[str, Any]) -> Parts:
    """The arguments that are objects of the user's own."""
    hidden = arguments["hidden"]
    networks = hidden if isinstance(hidden, Networks) else Networks()
    return Parts(networks.encoder, networks.decoder, **_own_parts(arguments))


def _own_parts(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What the user made for settings that else are names; None for a name."""
    kinds = {"likelihood": Likelihood, "prior": Conditional, "model": Callable}
    if not (arguments["model"] is None or callable(arguments["model"])):
        raise InvalidRecipeError(
            f"model is called with the number of columns and key=, and {arguments['model']!r:.80} cannot be called"
        )
    if callable(arguments["prior"]) and not isinstance(arguments["prior"], Conditional):
        raise InvalidRecipeError(
            "prior is a family's name or an aevb.models.Conditional, not another callable"
        )
    return {
        name: arguments[name] if isinstance(arguments[name], kind) else None for name, kind in kinds.items()
    }


def refuse_unused(arguments: Mapping[str, Any], defaults: Mapping[str, Any]) -> None:
    """Refuse arguments that a model of the user's own has no use for.

    Raises:
        InvalidRecipeError: naming them.
    """
    if arguments["model"] is None:
        return
    unused = [name for name in _OF_THE_MODEL if arguments[name] != defaults[name]]
    if unused:
        raise InvalidRecipeError(
            f"{', '.join(unused)} {'has' if len(unused) == 1 else 'have'} no effect with a model of your own: leave "
            f"{'it' if len(unused) == 1 else 'them'} out"
        )


def recipe_of(arguments: Mapping[str, Any], seed: int, **changes: Any) -> Recipe:
    """The recipe that a constructor's arguments stand for.

    Args:
        arguments: by name.
        seed: of all randomness.
        changes: settings of the recipe that are to differ, by their flat names.

    Raises:
        InvalidRecipeError: an argument is wrong, under the constructor's name for it.
    """
    settings = {"data": "X", "seed": seed, **settings_of(arguments), **changes}
    return Recipe.parse(settings, source="VAE", names=ARGUMENT_NAMES)


def arguments_of(recipe: Recipe) -> dict[str, Any]:
    """The arguments that stand for a recipe: for a choice its name if its settings are at their defaults."""
    arguments = {name: getattr(recipe, name) for name in _PLAIN}
    specs = {kind: getattr(recipe, kind) for kind in CHOICES}
    arguments |= {
        kind: spec.name if spec == spec_of(kind, spec.name) else spec for kind, spec in specs.items()
    }
    network = recipe.network
    del arguments["network"]
    hidden = network.hidden if network == MLP(hidden=network.hidden) else network
    arguments |= {"hidden": hidden, "n_latents": recipe.latents, "random_state": recipe.seed}
    return {k: v for k, v in arguments.items() if not (recipe.model == CUSTOM and k in _OF_THE_MODEL)}


def spec_of(argument: str, value: Any) -> Any:
    """The spec that a value of a constructor's argument stands for, whose settings can be replaced.

    Raises:
        InvalidRecipeError: it stands for none.
    """
    if hasattr(value, "replaced"):
        return value
    if argument == "hidden":
        return MLP(hidden=value)
    spec = CHOICES[argument].spec(value) if argument in CHOICES else None
    if spec is None:
        raise InvalidRecipeError(f"{argument} is {value!r}, which has no settings of its own")
    return spec(**{"name": value} if "name" in spec.settings() else {})


def replaced(argument: str, value: Any, changes: Mapping[str, Any]) -> Any:
    """The spec that an argument's value stands for, with some settings changed; `a__b` is the setting b of a.

    Raises:
        InvalidRecipeError: there is no such setting, or a value is wrong.
    """
    inner: dict[str, dict[str, Any]] = {}
    own = {name: change for name, change in changes.items() if "__" not in name}
    for name, change in changes.items():
        if "__" in name:
            outer, _, setting = name.partition("__")
            inner.setdefault(outer, {})[setting] = change
    spec = spec_of(argument, value)
    for name, parts in inner.items():
        own[name] = replaced(name, own.get(name, getattr(spec, name)), parts)
    return spec.replaced(**own)


def refuse_pieces(recipe: Recipe) -> None:
    """Refuse to train piece by piece where the settings do not allow it.

    Raises:
        InvalidRecipeError: the length of training must be known, or what is learned belongs to rows.
    """
    if recipe.optimizer.schedule not in ("auto", "constant"):
        raise InvalidRecipeError(
            f"partial_fit needs an optimizer with schedule='constant', not {recipe.optimizer.schedule!r}"
        )
    if not recipe.has_encoder:
        raise InvalidRecipeError(
            "partial_fit needs a posterior with recognition='amortized' and another objective than mcem: free "
            "parameters and chains belong to the rows of one fit"
        )


def refuse_changes(made: Recipe, arguments: Mapping[str, Any]) -> None:
    """Refuse to go on with other settings than those that a model was made with.

    Raises:
        InvalidRecipeError: naming the arguments that changed.
    """
    names = ["latents", *_PLAIN, *(name for kind in CHOICES for name in flat_settings(kind))]
    settings, now = made.model_dump(), recipe_of(arguments, made.seed).model_dump()
    # What is left open was settled by the data of the first call.
    changed = [
        name
        for name in names
        if name in settings
        and name not in _OF_ONE_FIT
        and now.get(name) not in (None, "auto", settings[name])
    ]
    if changed:
        said = ", ".join(ARGUMENT_NAMES.get(name, name) for name in changed)
        raise InvalidRecipeError(
            f"partial_fit goes on with the settings of the first call, but {said} changed since: call fit"
        )
