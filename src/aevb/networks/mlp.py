"""The multilayer perceptron, and how a network of one row is applied to many."""

from collections.abc import Callable, Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from aevb.networks.activations import ACTIVATIONS
from aevb.typing import PRNGKey


class MLP(eqx.Module):
    """Linear layers, each followed by the activation: features in, hidden features out.

    Args:
        n_inputs: the number of input features.
        hidden: the width of each layer; empty gives the identity.
        activation: a name in `ACTIVATIONS`.
        key: random key for the initial weights, uniform on +-1/sqrt(inputs) as in Equinox and PyTorch.
    """

    layers: tuple[eqx.nn.Linear, ...]
    activation: str = eqx.field(static=True)

    def __init__(self, n_inputs: int, hidden: Sequence[int], activation: str = "relu", *, key: PRNGKey):
        widths = [n_inputs, *hidden]
        keys = jax.random.split(key, max(len(hidden), 1))
        self.layers = tuple(
            eqx.nn.Linear(n, m, key=k) for n, m, k in zip(widths, widths[1:], keys, strict=False)
        )
        self.activation = activation

    def __call__(self, x: Float[Array, " features"]) -> Float[Array, " hidden"]:
        """The last layer's features for one row."""
        for layer in self.layers:
            x = ACTIVATIONS[self.activation](layer(x))
        return x


def over_rows(
    network: Callable[[Array], Array], x: Float[Array, "*rows features"]
) -> Float[Array, "*rows outputs"]:
    """Apply a network of one row, as Equinox modules are, over any leading dimensions."""
    return jnp.vectorize(network, signature="(i)->(o)")(x)
