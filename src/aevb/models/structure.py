"""A tree of modules as JSON and arrays, and back, building nothing but registered classes and functions."""

import dataclasses
import inspect
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from aevb.errors import UnsavableNetworkError
from aevb.models.auto_encoder import AutoEncoder
from aevb.models.bayesian import BayesianDecoder
from aevb.models.constant import Constant
from aevb.models.decoders import Decoder
from aevb.models.encoders import Encoder
from aevb.models.in_units import InUnits
from aevb.models.latent_variable_model import LatentVariableModel
from aevb.models.likelihoods import LIKELIHOODS
from aevb.models.priors import Prior
from aevb.models.row_table import RowTable
from aevb.networks import MLP, Linear, OverRows

_OWN = (
    *(AutoEncoder, LatentVariableModel, InUnits, Prior, Encoder, RowTable),
    *(Decoder, BayesianDecoder),
    *(type(likelihood) for likelihood in LIKELIHOODS.values()),
    *(MLP, Linear, OverRows, Constant),
)
# A user's network is usually made of Equinox's layers and JAX's activations: holders of data, and plain functions.
CLASSES: dict[str, type] = {f"aevb:{cls.__name__}": cls for cls in _OWN} | {
    f"equinox.nn:{name}": layer
    for name, layer in vars(eqx.nn).items()
    if inspect.isclass(layer) and issubclass(layer, eqx.Module)
}
FUNCTIONS: dict[str, Any] = {
    "equinox.nn:identity": inspect.signature(eqx.nn.MLP.__init__).parameters["final_activation"].default,
    **{f"jax.nn:{name}": function for name, function in vars(jax.nn).items() if callable(function)},
    **{f"jax.numpy:{name}": getattr(jnp, name) for name in ("tanh", "sin", "cos", "exp", "abs", "square")},
}


def class_name(cls: type) -> str:
    """The name under which a class is saved: the registry's, or `module:qualname` of a user's own."""
    registered = (name for name, known in CLASSES.items() if known is cls)
    return next(registered, f"{cls.__module__}:{cls.__qualname__}")


def describe(node: Any, path: str, arrays: dict[str, np.ndarray]) -> Any:
    """`node` as JSON; its arrays go into `arrays` under their path in the tree.

    Raises:
        UnsavableNetworkError: where something is neither a module, an array, a plain value nor a known function.
    """
    if isinstance(node, bool | int | float | str) or node is None:
        return node
    if isinstance(node, jax.Array | np.ndarray):
        arrays[path] = np.asarray(node, order="C")
        return {"array": path}
    if isinstance(node, tuple | list):
        kind = "tuple" if isinstance(node, tuple) else "list"
        return {kind: [describe(item, f"{path}.{i}", arrays) for i, item in enumerate(node)]}
    if isinstance(node, dict):
        return {"dict": {name: describe(item, f"{path}.{name}", arrays) for name, item in node.items()}}
    if dataclasses.is_dataclass(node) and not isinstance(node, type):
        fields = {f.name: getattr(node, f.name) for f in dataclasses.fields(node)}
        described = {
            name: describe(value, f"{path}.{name}".lstrip("."), arrays) for name, value in fields.items()
        }
        return {"class": class_name(type(node)), "fields": described}
    for name, function in FUNCTIONS.items():
        if function is node:
            return {"function": name}
    raise UnsavableNetworkError(
        f"cannot save {path} = {node!r}: a saved model is data only. Use a module from equinox.nn, a function from "
        "jax.nn, or a class of your own with arrays and plain values in its fields."
    )


def rebuild(node: Any, arrays: Mapping[str, np.ndarray], classes: Mapping[str, type]) -> Any:
    """The tree that `describe` wrote.

    Args:
        node: the JSON.
        arrays: the arrays by their path.
        classes: what may be built, by name.

    Raises:
        LookupError: a class, function or array that is not among those given; the argument names it.
        ValueError: a node of no known form, or fields that are not the class's.
    """
    if not isinstance(node, dict):
        return node
    match node:
        case {"array": str(path)}:
            return jnp.asarray(arrays[path])
        case {"tuple": list(items)}:
            return tuple(rebuild(item, arrays, classes) for item in items)
        case {"list": list(items)}:
            return [rebuild(item, arrays, classes) for item in items]
        case {"dict": dict(items)}:
            return {name: rebuild(item, arrays, classes) for name, item in items.items()}
        case {"function": str(name)}:
            return FUNCTIONS[name]
        case {"class": str(name), "fields": dict(fields)}:
            return _build(
                classes[name], {key: rebuild(value, arrays, classes) for key, value in fields.items()}
            )
    raise ValueError(f"a node of no known form, with keys {sorted(node)}")


def _build(cls: type, fields: dict[str, Any]) -> Any:
    """An instance with these fields, without calling `__init__`, whose arguments a saved model does not hold."""
    expected = {field.name for field in dataclasses.fields(cls)}
    if set(fields) != expected:
        raise ValueError(f"{cls.__name__} has fields {sorted(expected)}, not {sorted(fields)}")
    instance = object.__new__(cls)
    for name, value in fields.items():
        object.__setattr__(instance, name, value)
    return instance
