"""LogVarianceNormal against SciPy, over extremes, in its moments and its gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpyro.distributions import Independent
from scipy.stats import norm

from aevb.distributions import LogVarianceNormal

LOG_VARIANCES = np.array([-60.0, -20, -3, 0, 3, 20, 60])
LOCS = np.array([-1e4, -1.0, 0, 1.0, 1e4])
VALUES = np.array([-1e4, -2.0, 0, 0.5, 1e4])
GRID = np.meshgrid(LOCS, LOG_VARIANCES, VALUES, indexing="ij")


def test_log_prob_is_scipys_in_double_precision():
    loc, log_variance, value = GRID
    expected = norm.logpdf(value, loc, np.exp(log_variance / 2))
    with jax.enable_x64(True):
        got = LogVarianceNormal(jnp.asarray(loc), jnp.asarray(log_variance)).log_prob(jnp.asarray(value))
        assert got.dtype == jnp.float64
    np.testing.assert_allclose(got, expected, rtol=1e-12)


def test_log_prob_and_gradients_are_finite_and_right_in_single_precision():
    """Everywhere on the grid, where the true value can be held: the largest is (2e4)^2 e^60, 5e34."""
    loc, log_variance, value = (jnp.asarray(part.ravel(), jnp.float32) for part in GRID)

    def log_prob(loc, log_variance, value):
        return LogVarianceNormal(loc, log_variance).log_prob(value)

    got, gradients = jax.vmap(jax.value_and_grad(log_prob, argnums=(0, 1, 2)))(loc, log_variance, value)
    loc, log_variance, value = (part.ravel() for part in GRID)
    np.testing.assert_allclose(got, norm.logpdf(value, loc, np.exp(log_variance / 2)), rtol=2e-5)
    slope = (value - loc) * np.exp(-log_variance)
    np.testing.assert_allclose(gradients[0], slope, rtol=2e-5)
    np.testing.assert_allclose(gradients[1], 0.5 * ((value - loc) * slope - 1), rtol=2e-5)
    np.testing.assert_allclose(gradients[2], -slope, rtol=2e-5)


def test_the_smallest_variance_is_one_whose_inverse_root_can_be_held():
    log_prob = LogVarianceNormal(jnp.zeros(()), jnp.float32(-170.0)).log_prob
    assert float(log_prob(jnp.zeros(()))) == pytest.approx(85 - 0.5 * np.log(2 * np.pi), rel=1e-6)
    assert float(jax.grad(log_prob)(jnp.zeros(()))) == 0


def test_moments_of_samples(assert_jointly_normal):
    n = 20_000
    loc, log_variance = np.array([-3.0, 0.0, 100.0]), np.array([-4.0, 0.0, 4.0])
    q = LogVarianceNormal(jnp.asarray(loc), jnp.asarray(log_variance))
    z = np.asarray(q.sample(jax.random.key(0), (n,)), float)
    assert z.shape == (n, 3)
    variance = np.exp(log_variance)
    assert_jointly_normal((z.mean(0) - loc) / np.sqrt(variance / n))
    assert_jointly_normal((z.var(0) / variance - 1) / np.sqrt(2 / n))
    standardized = (z - loc) / np.sqrt(variance)
    assert_jointly_normal(np.mean(standardized**4 - 3, 0) / np.sqrt(96 / n))
    np.testing.assert_allclose(q.mean, loc)
    np.testing.assert_allclose(q.variance, variance, rtol=1e-6)


def test_samples_are_reparameterized():
    """dz/dloc = 1 and dz/dlog_variance = (z - loc) / 2."""

    def draw(loc, log_variance):
        return LogVarianceNormal(loc, log_variance).sample(jax.random.key(3))

    arguments = (jnp.float32(0.7), jnp.float32(-1.2))
    z, (d_loc, d_log_variance) = jax.value_and_grad(draw, argnums=(0, 1))(*arguments)
    assert d_loc == 1
    assert float(d_log_variance) == pytest.approx((float(z) - 0.7) / 2, rel=1e-5)


def test_shapes_follow_numpyro():
    q = LogVarianceNormal(jnp.zeros((4, 1)), jnp.zeros(3))
    assert q.batch_shape == (4, 3)
    assert q.mean.shape == q.variance.shape == (4, 3)
    joint = q.to_event(1)
    assert isinstance(joint, Independent)
    assert (joint.batch_shape, joint.event_shape) == ((4,), (3,))
    z = joint.sample(jax.random.key(0), (7,))
    assert z.shape == (7, 4, 3)
    assert joint.log_prob(z).shape == (7, 4)
    np.testing.assert_allclose(joint.log_prob(z), q.log_prob(z).sum(-1), rtol=1e-6)
    wide = LogVarianceNormal(jnp.zeros(()), jnp.zeros(())).expand((2, 3))
    assert wide.sample(jax.random.key(0)).shape == (2, 3)


def test_goes_through_transformations():
    def scores(loc, x):
        return jax.vmap(lambda q, x: q.log_prob(x))(LogVarianceNormal(loc, jnp.zeros(3)).to_event(0), x)

    loc, x = jnp.arange(3.0), jnp.ones(3)
    np.testing.assert_allclose(jax.jit(scores)(loc, x), norm.logpdf(1, np.arange(3)), rtol=1e-6)
