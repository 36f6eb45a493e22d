"""Settings as one flat list, in which every setting of every spec has a name of its own.

The command line and `recipe.toml` are flat: `--objective renyi --alpha 0.3`. A file may also nest a spec, and Python
hands in objects; both come to the same flat settings, from which a recipe makes its specs.
"""

from collections.abc import Mapping
from typing import Any

from pydantic.fields import FieldInfo

from aevb.errors import InvalidRecipeError
from aevb.specs.networks import NETWORKS
from aevb.specs.objectives import OBJECTIVES
from aevb.specs.optimizers import OPTIMIZERS
from aevb.specs.posteriors import POSTERIORS
from aevb.specs.scaling import SCALES
from aevb.specs.spec import Choice, Spec
from aevb.specs.types import did_you_mean

CHOICES: dict[str, Choice] = {
    choice.kind: choice for choice in (SCALES, NETWORKS, POSTERIORS, OBJECTIVES, OPTIMIZERS)
}
# Settings of specs that have another name where there is no spec around them.
FLAT_NAMES = {"n_samples": "samples"}


def flat_name(setting: str) -> str:
    """What a setting of a spec is called among the flat ones."""
    return FLAT_NAMES.get(setting, setting)


def flat_settings(kind: str) -> dict[str, FieldInfo]:
    """The flat settings of a choice: its own name if there is anything to choose, then those of all its specs."""
    choice = CHOICES[kind]
    own = {kind: choice.name_field} if choice.is_open else {}
    return own | {flat_name(name): info for name, info in choice.settings.items()}


def flattened(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings, some of them specs or mappings of a spec's settings, as flat ones.

    Raises:
        InvalidRecipeError: a setting is given twice, or is in a mapping whose spec has no such setting.

    >>> flattened({"latents": 2, "objective": {"name": "renyi", "alpha": 0.3}})
    {'latents': 2, 'objective': 'renyi', 'alpha': 0.3}
    """
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        for name, part in (_parts(key, value) if key in CHOICES else {key: value}).items():
            if name in flat:
                raise InvalidRecipeError(f"{name} is given twice, by itself and inside another setting")
            flat[name] = part
    return flat


def _parts(kind: str, value: Any) -> dict[str, Any]:
    if isinstance(value, Spec):
        if not isinstance(value, CHOICES[kind].specs):
            kinds = ", ".join(spec.__name__ for spec in CHOICES[kind].specs)
            raise InvalidRecipeError(f"{kind} is {value!r}: hand in a name, or one of {kinds}")
        value = {"name": value.name} | value.get_params()
    if not isinstance(value, Mapping):
        return {kind: value}
    known = CHOICES[kind].settings
    if unknown := [str(key) for key in value if key not in known and key != "name"]:
        close = did_you_mean(unknown[0], tuple(known))
        raise InvalidRecipeError(
            f"unknown setting {unknown[0]!r} of {kind} ({close}Known: {', '.join(known)})"
        )
    chosen = {kind: value["name"]} if "name" in value else {}
    return chosen | {flat_name(key): part for key, part in value.items() if key != "name"}


def nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Flat settings with those of each spec put together, under the field's name.

    A setting that the chosen spec does not have goes with it nevertheless, to be refused there, unless it is at the
    default that it has elsewhere: then nobody asked for anything.
    """
    rest = dict(flat)
    for kind, choice in CHOICES.items():
        name = rest.pop(kind, choice.default)
        spec, given = choice.spec(name), {"name": name}
        for setting, info in choice.settings.items():
            if (key := flat_name(setting)) in rest:
                value = rest.pop(key)
                if (spec and setting in spec.settings()) or value != info.get_default():
                    given[setting] = value
        rest[kind] = given
    return rest
