"""What pydantic finds wrong with settings, in words and under the names that the user knows."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from aevb.specs.flat import CHOICES, flat_name
from aevb.specs.spec import Choice, Spec
from aevb.specs.types import did_you_mean

MOST_SHOWN = 100  # characters of a wrong value


def explain(
    error: ValidationError,
    *,
    owner: type[Spec] | None = None,
    given: Mapping[str, Any] | None = None,
    names: Mapping[str, str] | None = None,
    known: Sequence[str] = (),
) -> str:
    """All mistakes in a line.

    Args:
        error: what pydantic found.
        owner: the spec that was made, if it was none inside a recipe.
        given: the flat settings of the recipe.
        names: what the user calls a setting, if that is not its flat name.
        known: the settings that there are.
    """
    if owner is None:
        found = [_in_recipe(mistake, given or {}, names or {}, known) for mistake in error.errors()]
    else:
        choice = next(choice for choice in CHOICES.values() if owner in choice.specs)
        found = [
            _in_spec(m, m["loc"], choice, owner, owner.model_fields["name"].default, {})
            for m in error.errors()
        ]
    return "; ".join(found)


def _in_recipe(mistake: Any, given: Mapping[str, Any], names: Mapping[str, str], known: Sequence[str]) -> str:
    loc = mistake["loc"]
    if loc and (choice := CHOICES.get(loc[0])) is not None:
        chosen = given.get(choice.kind, choice.default)
        if len(loc) == 1:
            label, known = names.get(choice.kind, choice.kind), choice.names
            close = did_you_mean(chosen, known) if isinstance(chosen, str) else ""
            return _wrong(label, chosen, f"no such {choice.kind} ({close}Known: {', '.join(known)})")
        spec = next(spec for spec in choice.specs if spec.__name__ == loc[1])
        called = {setting: flat_name(setting) for setting in choice.settings} | {"name": choice.kind}
        called = {setting: names.get(flat, flat) for setting, flat in called.items()}
        return _in_spec(mistake, loc[2:], choice, spec, chosen, called, names.get(choice.kind, choice.kind))
    name = names.get(loc[0], str(loc[0])) if loc else ""
    if mistake["type"] == "extra_forbidden":
        return _unknown(name, known)
    return _wrong(name, mistake["input"], _said(mistake)) if name else _said(mistake)


def _in_spec(
    mistake: Any,
    loc: tuple[Any, ...],
    choice: Choice,
    spec: type[Spec],
    chosen: str,
    called: Mapping[str, str],
    kind: str = "",
) -> str:
    if not loc:
        return _said(mistake)
    setting = str(loc[0])
    label = called.get(setting, setting)
    if mistake["type"] != "extra_forbidden":
        return _wrong(label, mistake["input"], _said(mistake))
    if setting not in choice.settings:
        return _unknown(setting, tuple(spec.settings()))
    useless = f"{label} {mistake['input']} has no use with {kind or choice.kind} {chosen}"
    if why := spec.refuses.get(setting):
        return f"{useless}, which {why}: leave {label} out"
    owners = [name for name in choice.owners(setting) if name != choice.default]
    return f"{useless}: it is for {', '.join(owners)}"


def _said(mistake: Any) -> str:
    return mistake["msg"].removeprefix("Value error, ")


def _unknown(name: str, known: Sequence[str]) -> str:
    return f"unknown setting {name!r} ({did_you_mean(name, known)}Known: {', '.join(known)})"


def _wrong(name: str, value: Any, said: str) -> str:
    """An option of the command line stands before its value as it is typed."""
    return f"{name}{' ' if name.startswith('--') else ' = '}{_shown(value)}: {said}"


def _shown(value: Any) -> str:
    """What was given, unless it is too large to be written out."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):
        return f"<{type(value).__name__}>"
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}…"
