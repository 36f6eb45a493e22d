"""The Batch's weighted reductions, the randomness that belongs to a row, and mapping over rows in blocks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import kstest

from aevb.batch import Batch, map_rows, row_keys

KEY = jax.random.key(0)


draw_keys = jax.jit(lambda key, x: row_keys(key, Batch(x)))


def digests(x):
    return {tuple(d) for d in np.asarray(jax.random.key_data(draw_keys(KEY, jnp.asarray(x)))).tolist()}


def test_reductions_are_weighted():
    per_row = jnp.array([[1.0, 2.0, 4.0], [10.0, 20.0, 40.0]])
    plain, weighted = Batch(jnp.zeros((3, 1))), Batch(jnp.zeros((3, 1)), weight=jnp.array([1.0, 0.5, 0.0]))
    np.testing.assert_allclose(plain.total(per_row), [7, 70])
    np.testing.assert_allclose(plain.mean(per_row), [7 / 3, 70 / 3])
    np.testing.assert_allclose(weighted.total(per_row), [2, 20])
    np.testing.assert_allclose(weighted.mean(per_row), [2 / 1.5, 20 / 1.5])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_padding_rows_are_not_seen_whatever_they_hold(bad):
    batch = Batch(jnp.zeros((2, 1)), weight=jnp.array([1.0, 0.0]))
    total, gradient = jax.value_and_grad(batch.total)(jnp.array([3.0, bad]))
    assert total == 3
    np.testing.assert_array_equal(gradient, [1, 0])


def test_missing_values_are_replaced():
    x = jnp.array([[1.0, jnp.nan], [jnp.inf, 4.0]])
    batch = Batch(x, mask=jnp.array([[True, False], [False, True]]))
    np.testing.assert_array_equal(batch.observed, [[1, 0], [0, 4]])
    np.testing.assert_array_equal(Batch(jnp.ones((2, 2))).observed, np.ones((2, 2)))


def test_equal_rows_have_equal_keys_and_other_rows_other_keys():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2000, 3)).astype(np.float32)
    assert len(digests(x)) == 2000
    assert len(digests(np.concatenate([x, x[::-1]]))) == 2000
    binary = ((np.arange(1024)[:, None] >> np.arange(10)) & 1).astype(
        np.float32
    )  # all patterns of ten pixels
    assert len(digests(binary)) == 1024
    one_pixel = 1.0 - np.eye(300, dtype=np.float32)  # the same values at other places
    assert len(digests(one_pixel)) == 300


def test_the_smallest_change_of_a_value_changes_the_key():
    x = np.full((3, 2), 0.1, np.float32)
    x[1, 0] = np.nextafter(x[1, 0], np.float32(1))
    x[2] = x[2, ::-1] * np.array([1, -1], np.float32)
    assert len(digests(x)) == 3


def test_a_key_depends_on_the_seed_and_not_on_the_neighbours():
    x = jnp.asarray(np.random.default_rng(0).normal(size=(5, 3)), jnp.float32)
    keys = jax.random.key_data(row_keys(KEY, Batch(x)))
    np.testing.assert_array_equal(jax.random.key_data(row_keys(KEY, Batch(x[2:3]))), keys[2:3])
    assert not np.any(np.all(keys == jax.random.key_data(row_keys(jax.random.key(1), Batch(x))), axis=1))


def test_rows_in_double_precision_have_keys_of_their_own():
    """Round numbers differ only in the upper half of their 64 bits."""
    with jax.enable_x64(True):
        keys = jax.random.key_data(row_keys(KEY, Batch(jnp.array([[1.0, 2.0], [0.5, 4.0], [3.0, 8.0]]))))
        assert len(np.unique(np.asarray(keys), axis=0)) == 3


def test_noise_of_neighbouring_rows_is_independent():
    """One uniform draw per row, for rows that differ in one bit: uniform (Kolmogorov-Smirnov, false alarm 1e-6)."""
    x = jnp.asarray(np.arange(4000, dtype=np.float32)[:, None])
    u = np.asarray(jax.vmap(jax.random.uniform)(row_keys(KEY, Batch(x))), float)
    assert kstest(u, "uniform").pvalue > 1e-6
    assert abs(np.corrcoef(u[:-1], u[1:])[0, 1]) < 4.9 / np.sqrt(4000)


@pytest.mark.parametrize("block_rows", [1, 3, 4, 7, 50])
def test_map_rows_gives_every_row_once_in_order(block_rows):
    x = np.random.default_rng(0).normal(size=(7, 2)).astype(np.float32)
    shapes = set()

    def function(batch):
        shapes.add(batch.x.shape)
        return {"x": batch.x, "sum": (batch.x.sum(1), batch.weight)}

    result = map_rows(function, x, block_rows)
    np.testing.assert_array_equal(result["x"], x)
    np.testing.assert_allclose(result["sum"][0], x.sum(1), rtol=1e-6)
    np.testing.assert_array_equal(result["sum"][1], np.ones(7))
    assert shapes == {(block_rows, 2)}


def test_map_rows_marks_padding():
    weights = []
    map_rows(
        lambda batch: weights.append(np.asarray(batch.weight)) or batch.x, np.ones((5, 1), np.float32), 4
    )
    np.testing.assert_array_equal(weights, [[1, 1, 1, 1], [1, 0, 0, 0]])
