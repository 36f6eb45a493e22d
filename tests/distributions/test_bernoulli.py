"""The Bernoulli by its logits: against SciPy, and its gradient against p - x everywhere."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import expit, log_expit

from aevb.distributions import LogitBernoulli

LOGITS = np.array([-1e4, -90.0, -3.0, -1e-3, 0.0, 1e-3, 3.0, 90.0, 1e4], np.float32)


@pytest.mark.parametrize("x", [0.0, 0.25, 1.0])
def test_log_prob_is_scipys_cross_entropy(x):
    expected = x * log_expit(LOGITS.astype(float)) + (1 - x) * log_expit(-LOGITS.astype(float))
    log_prob = LogitBernoulli(jnp.asarray(LOGITS)).log_prob(jnp.full(len(LOGITS), x))
    np.testing.assert_allclose(log_prob, expected, rtol=1e-6, atol=2e-5)


@pytest.mark.parametrize("x", [0.0, 0.25, 1.0])
def test_gradient_is_x_minus_p_also_at_zero(x):
    gradient = jax.vmap(jax.grad(lambda logit: LogitBernoulli(logit).log_prob(jnp.asarray(x))))(LOGITS)
    np.testing.assert_allclose(gradient, x - expit(LOGITS.astype(float)), atol=1e-7)
