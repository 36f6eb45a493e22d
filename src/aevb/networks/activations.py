"""The activations that a network can be given by name."""

from collections.abc import Callable
from typing import Literal

import jax
from jaxtyping import Array

Activation = Literal["relu", "tanh", "silu", "gelu"]

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "relu": jax.nn.relu,
    "tanh": jax.numpy.tanh,
    "silu": jax.nn.silu,
    "gelu": jax.nn.gelu,
}
