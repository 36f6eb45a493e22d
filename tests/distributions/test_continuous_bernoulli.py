"""The continuous Bernoulli around p = 1/2, where its formulas are 0 / 0, and far from it, in both precisions."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad

from aevb.distributions import ContinuousBernoulli
from family_table import compiled

LOGITS = np.array([0.0, 1e-12, 1e-6, 1e-3, 0.0999, 0.1, 0.5, 0.9999, 1.0, 1.0001, 5.0, 30.0, 80.0])
LOGITS = np.concatenate([-LOGITS[:0:-1], LOGITS])
X = np.array([0.0, 1e-3, 0.3, 0.5, 0.9, 1.0])[:, None]
Q = np.array([1e-4, 0.1, 0.5, 0.7, 0.9999])[:, None]
PRECISIONS = [(np.float32, 3e-6), (np.float64, 2e-13)]


def exactly(h):
    """log((e^h - 1) / h) and its first two derivatives, in extended precision: by series up to |h| = 1/4."""
    h = np.asarray(h, np.longdouble)
    far = np.where(np.abs(h) < 0.25, 1, h)
    e = np.expm1(np.abs(far))
    value = np.log(e / np.abs(far)) + np.minimum(far, 0)
    first, second = 1 - 1 / far + 1 / np.expm1(far), 1 / far**2 - (1 + 1 / e) / e
    coefficients = [1 / np.longdouble(d) for d in (24, -2880, 181440, -9676800, 479001600)]
    near = [sum(c * h ** (2 * k) for k, c in enumerate(coefficients, 1)) + h / 2]
    near += [sum(2 * k * c * h ** (2 * k - 1) for k, c in enumerate(coefficients, 1)) + 0.5]
    near += [sum(2 * k * (2 * k - 1) * c * h ** (2 * k - 2) for k, c in enumerate(coefficients, 1))]
    return [
        np.where(np.abs(h) < 0.25, a, b).astype(float)
        for a, b in zip(near, (value, first, second), strict=True)
    ]


@functools.cache
def results(dtype):
    """Log densities and quantiles, each with two derivatives in the logits, moments, and log C."""

    @compiled
    def program(h):
        def twice(function):
            ones = jnp.ones_like(h)
            first = lambda h: jax.jvp(function, (h,), (ones,))[1]  # noqa: E731
            return function(h), first(h), jax.jvp(first, (h,), (ones,))[1]

        d = ContinuousBernoulli(h)
        return {
            "log_prob": twice(
                lambda h: ContinuousBernoulli(h, validate_args=False).log_prob(X.astype(dtype))
            ),
            "icdf": twice(lambda h: ContinuousBernoulli(h).icdf(Q.astype(dtype))),
            "moments": (d.mean, d.variance, d.entropy()),
            "log_normalizer": twice(lambda h: ContinuousBernoulli(h).log_normalizer),
        }

    with jax.enable_x64(dtype == np.float64):
        values = jax.device_get(program(LOGITS.astype(dtype)))
    assert all(leaf.dtype == dtype for leaf in jax.tree.leaves(values))
    return values


@pytest.mark.parametrize(("dtype", "precision"), PRECISIONS)
def test_densities_and_moments_are_exact(dtype, precision):
    h = LOGITS.astype(dtype).astype(float)
    x = X.astype(dtype).astype(float)
    value, first, second = exactly(h)
    got = results(dtype)
    size = 1 + np.abs(h)
    np.testing.assert_allclose(got["log_prob"][0] / size, (h * x - value) / size, atol=precision)
    np.testing.assert_allclose(got["log_prob"][1], x - first, atol=precision)
    np.testing.assert_allclose(got["log_prob"][2], -second * np.ones_like(x), atol=10 * precision)
    np.testing.assert_allclose(got["moments"][0], first, atol=precision)
    np.testing.assert_allclose(got["moments"][1], second, rtol=100 * precision)
    np.testing.assert_allclose(got["moments"][2] / size, (value - h * first) / size, atol=precision)


@pytest.mark.parametrize(("dtype", "precision"), PRECISIONS)
def test_the_normalizer_is_the_papers(dtype, precision):
    """log C(p) = log(2 atanh(1 - 2 p) / (1 - 2 p)), and log 2 at 1/2 (Loaiza-Ganem & Cunningham 2019, equation 6)."""
    value, slope, _ = results(dtype)["log_normalizer"]
    middle = np.abs(LOGITS) <= 5
    h = LOGITS.astype(dtype).astype(np.longdouble)[middle]
    safe = np.where(np.abs(h) < 1e-4, 1, h)
    exact = np.where(np.abs(h) < 1e-4, np.log(2) + h**2 / 12, np.log(safe / np.tanh(safe / 2)))
    np.testing.assert_allclose(value[middle], exact.astype(float), atol=precision)
    exact = np.where(np.abs(h) < 1e-4, h / 6, 1 / safe - 1 / np.sinh(safe))
    np.testing.assert_allclose(slope[middle], exact.astype(float), atol=precision)


@pytest.mark.parametrize(("dtype", "precision"), [(np.float32, 2e-5), (np.float64, 1e-12)])
def test_quantiles_and_their_gradients_are_exact(dtype, precision):
    """x = log(1 + q (e^h - 1)) / h, dx/dh = (q e^h / (1 + q (e^h - 1)) - x) / h, and q (1 - q) / 2 at h = 0."""
    h = LOGITS.astype(dtype).astype(np.longdouble)
    q = Q.astype(dtype).astype(np.longdouble)
    near = np.abs(h) < 1e-4
    far = np.where(near, 1, h)
    grown = q * np.exp(far)
    x = np.log1p(q * np.expm1(far)) / far
    slope = (grown / (1 - q + grown) - x) / far
    # To second order.
    third = q * (1 - q) * (1 - 2 * q) / 6
    x = np.where(near, q + h * q * (1 - q) / 2 + h**2 * third, x)
    slope = np.where(near, q * (1 - q) / 2 + 2 * h * third, slope)
    got = results(dtype)["icdf"]
    np.testing.assert_allclose(got[0], x.astype(float), atol=precision / 10)
    np.testing.assert_allclose(got[1], slope.astype(float), atol=precision)
    assert np.all(np.isfinite(got[2]))


@pytest.mark.parametrize("logit", [-80.0, -3.0, 0.0, 1e-5, 0.7, 80.0])
def test_is_normalized(logit):
    with jax.enable_x64(True):
        density = jax.jit(lambda x: jnp.exp(ContinuousBernoulli(logit).log_prob(x)))
        total, _ = quad(lambda x: float(density(x)), 0, 1, points=(0.05, 0.95))
    assert total == pytest.approx(1, abs=1e-9)


def test_takes_python_numbers():
    @compiled
    def program(key):
        d = ContinuousBernoulli(0.0)
        return d.log_prob(0.3), d.mean, d.sample(key)

    log_prob, mean, x = program(jax.random.key(0))
    assert (log_prob, mean) == (0, 0.5)
    assert 0 < x < 1
