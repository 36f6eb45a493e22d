"""The multilayer perceptron against the same arithmetic in NumPy."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import norm

from aevb.networks import ACTIVATIONS, MLP, OverRows

REFERENCE = {
    "relu": lambda x: np.maximum(x, 0),
    "tanh": np.tanh,
    "silu": lambda x: x * expit(x),
    "gelu": lambda x: x * norm.cdf(x),
}


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_every_layer_is_followed_by_the_activation(activation):
    network = MLP(3, (5, 4), activation, key=jax.random.key(0))
    x = np.linspace(-2, 2, 3)
    h = x
    for layer in network.layers:
        h = REFERENCE[activation](np.asarray(layer.weight, float).T @ h + np.asarray(layer.bias, float))
    # gelu is the usual tanh approximation, off by up to 5e-4
    np.testing.assert_allclose(network(jnp.asarray(x)), h, atol=1e-3 if activation == "gelu" else 1e-6)
    assert len(network.layers) == 2


def test_every_activation_has_a_reference():
    assert set(ACTIVATIONS) == set(REFERENCE)


def test_no_hidden_layers_are_the_identity():
    x = jnp.arange(3.0)
    np.testing.assert_array_equal(MLP(3, (), key=jax.random.key(0))(x), x)


def test_initial_weights_are_uniform_within_one_over_root_inputs():
    layer = MLP(100, (400,), key=jax.random.key(0)).layers[0]
    bound = 0.1
    assert np.abs(layer.weight).max() <= bound
    assert np.abs(layer.bias).max() <= bound
    spread = float(jnp.std(layer.weight)) / (bound / np.sqrt(3))  # 40,000 weights: standard error 0.0022
    assert abs(spread - 1) < 0.011


def test_layers_start_with_different_weights():
    first, second = MLP(4, (4, 4), key=jax.random.key(0)).layers
    assert not np.any(np.asarray(first.weight) == np.asarray(second.weight))


@pytest.mark.parametrize("shape", [(3,), (2, 3), (4, 2, 3)])
@pytest.mark.parametrize("kind", ["MLP", "OverRows"])
def test_leading_dimensions_are_rows(kind, shape):
    key = jax.random.key(0)
    of_a_row = eqx.nn.MLP(3, 5, 4, 1, key=key) if kind == "OverRows" else MLP(3, (5,), key=key)
    network = OverRows(of_a_row) if kind == "OverRows" else of_a_row
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    out = network(jnp.asarray(x))
    assert out.shape == (*shape[:-1], 5)
    rows = np.stack([of_a_row(jnp.asarray(row)) for row in x.reshape(-1, 3)]).reshape(out.shape)
    np.testing.assert_allclose(out, rows, atol=1e-6)


def test_normal_weights_do_not_depend_on_the_number_of_inputs():
    layer = MLP(400, (400,), initialization="normal", key=jax.random.key(0)).layers[0]
    # 160,000 weights and 400 biases: standard errors of 0.0018 and 0.035 of the spread
    assert abs(float(jnp.std(layer.weight)) / 0.01 - 1) < 0.009
    assert abs(float(jnp.std(layer.bias)) / 0.01 - 1) < 0.18
