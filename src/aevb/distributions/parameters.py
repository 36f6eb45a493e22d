"""What a family's parameters must be, checked with messages that name the parameter."""

import dataclasses
import operator
from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from numpyro.distributions import constraints

from aevb.distributions.numerics import float_dtype
from aevb.errors import InvalidParameterError

_WORDS = (
    (constraints.real, "finite"),
    (constraints.positive, "positive and finite"),
    (constraints.lower_cholesky, "lower triangular and finite, with a positive diagonal"),
    (constraints.positive_integer, "an integer of at least 1"),
)


@dataclasses.dataclass(frozen=True)
class Relation:
    """A requirement that involves other parameters.

    Args:
        requirement: in words, after "must be".
        others: names of the other parameters.
        holds: from the value and those of the others to where it holds; all of them are finite where it does.
    """

    requirement: str
    others: tuple[str, ...]
    holds: Callable[..., Any]


@dataclasses.dataclass(frozen=True)
class Parameter:
    """One parameter of a family.

    Args:
        name: as the distribution's constructor has it.
        constraint: of NumPyro's, for the parameter alone, or a relation to others.
        static: whether it is a Python integer, known when JAX traces, that has no gradient.
        description: what it is, in a few words.
    """

    name: str
    constraint: constraints.Constraint | Relation
    static: bool = False
    description: str = ""

    @property
    def others(self) -> tuple[str, ...]:
        """Names of the parameters that this one depends on."""
        return self.constraint.others if isinstance(self.constraint, Relation) else ()

    @property
    def event_dim(self) -> int:
        """How many of its last dimensions belong to one event."""
        return 0 if isinstance(self.constraint, Relation) else self.constraint.event_dim

    @property
    def requirement(self) -> str:
        """What the value must be, in words."""
        if isinstance(self.constraint, Relation):
            return f"finite and {self.constraint.requirement}"
        base = getattr(self.constraint, "base_constraint", self.constraint)
        return next((words for known, words in _WORDS if known is base), repr(base))

    def valid(self, value: Any, others: Sequence[Any]) -> Any:
        """Element by element, where the requirement is met."""
        xp = jnp if any(isinstance(v, jax.Array) for v in (value, *others)) else np
        if isinstance(self.constraint, Relation):
            return xp.isfinite(value) & self.constraint.holds(value, *others)
        if self.constraint is constraints.lower_cholesky:
            row, column = np.indices(value.shape[-2:])
            in_place = xp.where(row == column, value > 0, (row > column) | (value == 0))
            return xp.isfinite(value) & in_place
        base = getattr(self.constraint, "base_constraint", self.constraint)
        return xp.isfinite(value) & base(value)


def check_parameters(family: str, parameters: Sequence[Parameter], values: dict[str, Any]) -> dict[str, Any]:
    """The values as floating-point arrays (or integers, the static ones), each held against its requirement.

    Names, shapes, static parameters and all values that are known are checked at once. JAX knows the values it traces
    only when the compiled program runs; there `equinox.error_if` checks them and raises a `RuntimeError` with the same
    message, under `equinox.filter_jit` with nothing else around it. That message cannot say what came, and nothing is
    checked if the program's result depends on none of the parameters.

    Raises:
        InvalidParameterError: an unknown or missing name, or a value that is not what the parameter must be.
    """
    _check_names(family, [p.name for p in parameters], list(values))
    converted = {p.name: _converted(family, p, values[p.name]) for p in parameters}
    arrays = {name: value for name, value in converted.items() if not isinstance(value, int)}
    # Those that depend on fewer first: a triangle's ends before its mode.
    ordered = sorted((p for p in parameters if not p.static), key=lambda p: len(p.others))
    valid = [_known_to_be_valid(family, p, converted) for p in ordered]
    arrays = {name: jnp.asarray(array) for name, array in arrays.items()}
    for p, where in zip(ordered, valid, strict=True):
        if where is not True:
            # On all arrays, because a result may depend on some only.
            arrays = eqx.error_if(arrays, ~where, f"{family}: {p.name} must be {p.requirement}")
    return converted | arrays


def _check_names(family: str, expected: list[str], given: list[str]) -> None:
    wrong = [f"does not know {name}" for name in given if name not in expected]
    wrong += [f"lacks {name}" for name in expected if name not in given]
    if wrong:
        raise InvalidParameterError(f"{family} {', '.join(wrong)}: its parameters are {', '.join(expected)}")


def _converted(family: str, p: Parameter, value: Any) -> Any:
    if p.static:
        return _static(family, p, value)
    try:
        array = value if isinstance(value, Tracer) else np.asarray(value)
        dtype = float_dtype(array)
    except (TypeError, ValueError):
        raise _refusal(family, p, repr(value)) from None
    if jnp.issubdtype(array.dtype, jnp.complexfloating) or not jnp.issubdtype(array.dtype, jnp.number):
        raise _refusal(family, p, repr(value))
    square = p.constraint is constraints.lower_cholesky
    if array.ndim < p.event_dim or (square and array.shape[-1] != array.shape[-2]):
        shape = ("a vector", "a square matrix" if square else "a matrix")[p.event_dim - 1]
        raise InvalidParameterError(
            f"{family}: {p.name} must be {shape}, or several, got shape {array.shape}"
        )
    return array.astype(dtype)


def _static(family: str, p: Parameter, value: Any) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        got = "a traced value" if isinstance(value, Tracer) else repr(value)
        raise _refusal(family, p, got) from None
    if not p.valid(np.asarray(number), ()):
        raise _refusal(family, p, repr(number))
    return number


def _known_to_be_valid(family: str, p: Parameter, values: dict[str, Any]) -> Any:
    """True, or where it is valid as far as JAX will know."""
    value, others = values[p.name], [values[name] for name in p.others]
    try:
        valid = p.valid(value, others)
    except ValueError as error:
        raise InvalidParameterError(f"{family}: {p.name} and {', '.join(p.others)}: {error}") from None
    if isinstance(valid, Tracer):
        return valid
    if not np.all(valid):
        raise _refusal(family, p, _first_offence(p, np.asarray(valid), value, others))
    return True


def _first_offence(p: Parameter, valid: np.ndarray, value: Any, others: list[Any]) -> str:
    index = tuple(int(i) for i in np.argwhere(~valid)[0])
    value, *others = (np.broadcast_to(v, valid.shape)[index] for v in (value, *others))
    where = f" at index {', '.join(map(str, index))}" if index else ""
    relations = [f"{name} is {other}" for name, other in zip(p.others, others, strict=True)]
    return f"{value}{where}" + (f", where {' and '.join(relations)}" if relations else "")


def _refusal(family: str, p: Parameter, got: str) -> InvalidParameterError:
    return InvalidParameterError(f"{family}: {p.name} must be {p.requirement}, got {got}")
