"""Functions that families share, where plain formulas cancel, overflow or round to an end."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import gammaln

from aevb.distributions import LogUniform
from aevb.distributions.numerics import (
    hold_between,
    lgamma_half_step,
    log1p_square,
    log_ratio,
    open_uniform,
    times_log,
)
from family_table import compiled


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_open_uniform_is_strictly_inside_and_symmetric(dtype, monkeypatch):
    with jax.enable_x64(dtype == np.float64):
        eps = np.finfo(dtype).eps
        ends = jnp.array([0.0, 1 - eps], dtype)
        monkeypatch.setattr(jax.random, "uniform", lambda *_: ends)
        u = open_uniform(jax.random.key(0), (2,), dtype)
        assert u.dtype == dtype
        np.testing.assert_array_equal(u, [eps / 2, 1 - eps / 2])


def test_log_ratio_is_exact_of_nearly_equal_numbers_and_of_distant_ones():
    with jax.enable_x64(True):
        a, b = jnp.array([1 + 1e-12, 3.0, 1e300]), jnp.array([1.0, 1.0, 1e-300])
        value, slopes = jax.vmap(jax.value_and_grad(log_ratio, argnums=(0, 1)))(a, b)
    a, b = np.asarray(a), np.asarray(b)
    exact = np.log1p(np.longdouble(a[0]) - 1)
    np.testing.assert_allclose(value, [float(exact), np.log(3), 600 * np.log(10)], rtol=1e-15)
    np.testing.assert_allclose(slopes, (1 / a, -1 / b), rtol=1e-15)


def test_a_narrow_reciprocal_distribution_is_nearly_uniform():
    low = 3.0
    with jax.enable_x64(True):
        high = low * (1 + 1e-10)
        d = LogUniform(jnp.asarray(low), jnp.asarray(high))
        width = high - low
        assert float(d.variance) == pytest.approx(width**2 / 12, rel=1e-9)
        assert float(d.cdf(low + width / 4)) == pytest.approx(
            0.25, abs=1e-6
        )  # as well as the argument is rounded
        assert float(d.log_prob(low + width / 4)) == pytest.approx(-np.log(width), rel=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_log1p_square(dtype):
    z = np.array([0.0, 1e-10, -0.5, 1.0, -3.0, 1e15, -1e30])
    with jax.enable_x64(dtype == np.float64):
        value, slope = compiled(jax.vmap(jax.value_and_grad(log1p_square)))(z.astype(dtype))
    precision = 10 * np.finfo(dtype).eps
    np.testing.assert_allclose(value, np.log1p(z**2), rtol=precision)
    np.testing.assert_allclose(slope, 2 * z / (1 + z**2), rtol=precision)


def test_lgamma_half_step():
    a = np.array([0.01, 0.5, 3.0, 15.9, 16.1, 100.0, 1e4, 1e10])
    with jax.enable_x64(True):
        value, slope = compiled(jax.vmap(jax.value_and_grad(lgamma_half_step)))(a)
    np.testing.assert_allclose(value[:6], (gammaln(a + 0.5) - gammaln(a))[:6], rtol=1e-12)
    np.testing.assert_allclose(value[6:], 0.5 * np.log(a[6:]) - 1 / (8 * a[6:]), rtol=1e-13)
    np.testing.assert_allclose(slope[5:], (1 / (2 * a) + 1 / (8 * a**2))[5:], rtol=1e-7)


def test_times_log_has_finite_gradients_at_the_edge():
    exponents = jnp.array([-0.5, 0.0, 0.5])
    np.testing.assert_array_equal(times_log(exponents, jnp.zeros(3)), [np.inf, 0, -np.inf])
    for arguments in ((0, 1), (0,)):
        slopes = compiled(jax.vmap(jax.grad(times_log, argnums=arguments)))(exponents, jnp.zeros(3))
        np.testing.assert_array_equal(np.stack(slopes), 0)


def test_hold_between_moves_values_and_not_gradients():
    value, slope = jax.value_and_grad(hold_between)(jnp.asarray(1.5), 0.0, 1.0)
    assert (value, slope) == (1, 1)
