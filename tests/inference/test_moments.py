"""Sums that are added up block by block, against NumPy on everything at once."""

import jax
import jax.numpy as jnp
import numpy as np

from aevb.inference.moments import Kept, Moments

RNG = np.random.default_rng(0)


def test_moments_of_blocks_are_those_of_all():
    """Means of 1e4 and deviations of 1e-1: in single precision sums of squares would leave nothing of them."""
    x = RNG.normal(size=(4, 50, 3)).astype(np.float32) * [0.1, 1.0, 10.0] + [1e4, 0.0, -5.0]
    w = RNG.uniform(size=(4, 50)).astype(np.float32)
    w[2] = 0  # a block that does not count
    total = Moments.none(3)
    for block_w, block in zip(w, x.astype(np.float32), strict=True):
        total = total + Moments.of(jnp.asarray(block_w), jnp.asarray(block))
    total = total.times(jnp.array(0.5))
    flat_w, flat = w.ravel().astype(float), x.astype(np.float32).reshape(-1, 3).astype(float)
    mean = np.average(flat, axis=0, weights=flat_w)
    np.testing.assert_allclose(total.weight, 0.5 * flat_w.sum(), rtol=1e-5)
    np.testing.assert_allclose(total.mean, mean, rtol=1e-5, atol=1e-5)
    variance = np.average((flat - mean) ** 2, axis=0, weights=flat_w)
    np.testing.assert_allclose(total.variance, variance, rtol=2e-2)
    np.testing.assert_allclose(total.variance[1:], variance[1:], rtol=1e-4)


def test_moments_of_nothing_are_zero():
    nothing = Moments.none(2) + Moments.of(jnp.zeros(3), jnp.ones((3, 2)))
    assert not np.any(nothing.mean)
    assert not np.any(nothing.variance)


def test_codes_are_kept_in_proportion_to_their_weights(assert_jointly_normal):
    """20,000 draws from a stream of 12 codes in 4 blocks, one of them without weight."""
    w = RNG.uniform(size=(4, 3)).astype(np.float32)
    w[0] = 0
    w[2, 1] = 0
    kept, n = Kept(jnp.array(0.0), jnp.zeros((20_000, 1))), 20_000
    for i, block in enumerate(w):
        codes = jnp.arange(3.0)[:, None] + 3 * i
        kept = kept.offer(jax.random.fold_in(jax.random.key(0), i), jnp.asarray(block), codes)
    p = w.ravel().astype(float) / w.sum()
    counts = np.bincount(np.asarray(kept.z[:, 0]).astype(int), minlength=12)
    assert not counts[p == 0].any()
    some = p > 0
    assert_jointly_normal((counts[some] - n * p[some]) / np.sqrt(n * p[some] * (1 - p[some])))
