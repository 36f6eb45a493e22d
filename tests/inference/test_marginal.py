"""Importance sampling against log p(x), which is known for linear-Gaussian models."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import chi2

from aevb import inference
from aevb.datasets import Scaling
from aevb.errors import InvalidRecipeError
from aevb.inference import Importance, MarginalEstimate
from aevb.inference.importance import BLOCK_ROWS, BLOCK_SAMPLES, _log_mean_exp
from oracles import LinearGaussian, tiny

KEY = jax.random.key(0)
N_ROWS = 48


def log_marginal(autoencoder, x, key, k):
    return inference.log_marginal(autoencoder.model, autoencoder.posterior, x, key, Importance(k))


@pytest.fixture(scope="module")
def oracle():
    return LinearGaussian.random(4, 2, orthogonal=True)


@pytest.fixture(scope="module")
def x(oracle):
    return oracle.sample(N_ROWS)


@pytest.fixture(scope="module")
def imperfect(oracle):
    """A q with the wrong means and variances that are too wide, so that weights have finite moments."""
    return oracle.autoencoder(oracle.imperfect_encoder())


def test_is_right_within_its_stated_error(oracle, imperfect, assert_jointly_normal):
    x = oracle.sample(160)
    estimate = log_marginal(imperfect, x, KEY, 2000)
    z = (estimate.log_p - oracle.log_marginal(x)) / estimate.monte_carlo_error
    assert np.abs(z).max() < 5.7  # of 160 rows: false alarm 2e-6
    assert_jointly_normal(z)
    assert np.sum(z**2) > chi2.ppf(1e-6, 160)  # nor are the errors overstated
    exact = oracle.log_marginal(x).mean()
    assert abs(estimate.mean - exact) < 5 * estimate.mean_monte_carlo_error


def test_a_row_in_the_users_units(oracle, x):
    scaling = Scaling((3.0, -1.0, 0.0, 100.0), (2.0, 0.01, 1.0, 1000.0))
    got = log_marginal(oracle.autoencoder(scaling=scaling), x, KEY, 3).log_p
    np.testing.assert_allclose(got, oracle.log_marginal(x, scaling.loc, scaling.scale), rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize(
    "k", [1, 2, BLOCK_SAMPLES - 1, BLOCK_SAMPLES, BLOCK_SAMPLES + 1, 3 * BLOCK_SAMPLES + 27]
)
def test_every_number_of_samples_at_the_exact_posterior(oracle, x, k):
    """All weights are equal: exact for any K, and exactly K samples count, whatever the block."""
    estimate = log_marginal(oracle.autoencoder(), x, KEY, k)
    np.testing.assert_allclose(estimate.log_p, oracle.log_marginal(x), rtol=2e-5, atol=2e-5)
    np.testing.assert_allclose(estimate.diagnostics["effective_samples"], k, rtol=1e-4)
    if k == 1:
        assert np.all(np.isnan(estimate.monte_carlo_error))
    else:
        assert np.all(estimate.monte_carlo_error < 1e-3)


@pytest.mark.parametrize("k", [0, -1])
def test_needs_a_sample(imperfect, x, k):
    with pytest.raises(InvalidRecipeError, match=f"at least 1, not {k}"):
        log_marginal(imperfect, x, KEY, k)


def repeats(autoencoder, x, k, n):
    """`n` independent estimates of each row."""
    estimates = [log_marginal(autoencoder, x, jax.random.key(100 + i), k) for i in range(n)]
    return np.array([e.log_p for e in estimates], float), estimates


def test_the_bias_is_downward_and_vanishes(oracle, x, assert_jointly_normal):
    """With K = 1 the expectation is the bound; it rises with K to log p(x) (Burda et al. 2016, theorem 1)."""
    x = x[:BLOCK_ROWS]
    encoder = oracle.imperfect_encoder(shift=0.3, stretch=1.0)
    autoencoder = oracle.autoencoder(encoder)
    n, gaps, errors = 150, {}, {}
    for k in (1, 4, 16):
        log_p, _ = repeats(autoencoder, x, k, n)
        if k == 1:
            bound, _, _ = oracle.bound(x, encoder)
            assert_jointly_normal((log_p.mean(0) - bound) / (log_p.std(0, ddof=1) / np.sqrt(n)))
        per_repeat = (oracle.log_marginal(x) - log_p).mean(1)
        gaps[k], errors[k] = per_repeat.mean(), per_repeat.std(ddof=1) / np.sqrt(n)
    for k, larger in ((1, 4), (4, 16)):
        assert gaps[k] - gaps[larger] > 5 * np.hypot(errors[k], errors[larger])
    assert gaps[16] > -5 * errors[16]
    assert gaps[16] < gaps[1] / 6


@pytest.mark.long
def test_errors_cover_as_often_as_they_should(oracle, imperfect, x):
    """95% intervals over 400 repeats of 48 rows: between 93.5% and 96.5%, where 19,200 draws have an error of 0.16%."""
    log_p, estimates = repeats(imperfect, x, 1000, 400)
    errors = np.array([e.monte_carlo_error for e in estimates])
    covered = np.mean(np.abs(log_p - oracle.log_marginal(x)) < 1.96 * errors)
    assert 0.935 < covered < 0.965
    means = np.array([e.mean for e in estimates]) - oracle.log_marginal(x).mean()
    stated = np.array([e.mean_monte_carlo_error for e in estimates])
    assert abs(np.std(means) / stated.mean() - 1) < 5 / np.sqrt(2 * 400)


def test_a_row_depends_on_the_key_and_itself_alone():
    autoencoder = tiny("bernoulli")
    x = np.random.default_rng(0).uniform(size=(BLOCK_ROWS + 5, 5)).astype(np.float32)
    whole = log_marginal(autoencoder, x, KEY, 300)
    order = np.random.default_rng(1).permutation(len(x))
    shuffled = log_marginal(autoencoder, x[order], KEY, 300)
    twice = log_marginal(autoencoder, np.repeat(x[3:4], 20, axis=0), KEY, 300)
    for name in ("log_p", "monte_carlo_error"):
        values = getattr(whole, name)
        np.testing.assert_array_equal(getattr(shuffled, name), values[order])
        np.testing.assert_array_equal(getattr(twice, name), values[3])
        for i in (0, BLOCK_ROWS - 1, len(x) - 1):
            np.testing.assert_array_equal(
                getattr(log_marginal(autoencoder, x[i : i + 1], KEY, 300), name), values[i]
            )
    other = log_marginal(autoencoder, x, jax.random.key(1), 300)
    assert not np.any(other.log_p == whole.log_p)


def test_weights_too_small_or_large_for_single_precision(oracle):
    """log weights near -5e5: their exponentials are zero in float32, and the estimate is still right."""
    x = oracle.bias.astype(np.float32) + np.full((1, 4), 1000.0, np.float32)
    estimate = log_marginal(oracle.autoencoder(), x, KEY, 500)
    np.testing.assert_allclose(estimate.log_p, oracle.log_marginal(x), rtol=1e-4)


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("n", [BLOCK_SAMPLES - 3, 3 * BLOCK_SAMPLES - 7])
def test_sums_over_blocks_are_those_over_all_samples(order, n):
    """Weights over 200 nats, the largest in the last block or in the first."""
    log_w = np.full(3 * BLOCK_SAMPLES, -np.inf)
    log_w[:n] = np.sort(np.random.default_rng(0).uniform(-300, -100, size=n))[::order]
    log_w[:n:BLOCK_SAMPLES] = -101.5  # several blocks matter
    blocks = jnp.asarray(log_w.reshape(3, -1).astype(np.float32))
    got = jax.jit(lambda n: _log_mean_exp(lambda block: blocks[block], n))(n)
    assert float(got["log_p"]) == pytest.approx(logsumexp(log_w) - np.log(n), rel=1e-5)
    effective = np.exp(2 * logsumexp(log_w) - logsumexp(2 * log_w))
    assert float(got["effective_samples"]) == pytest.approx(effective, rel=1e-3)
    assert float(got["monte_carlo_error"]) == pytest.approx(np.sqrt(1 / effective - 1 / n), rel=1e-3)


def test_the_two_errors_of_a_mean():
    def estimate(log_p, errors):
        return MarginalEstimate(
            "any", "none", np.array(log_p), np.array(errors), np.ones(len(log_p), bool), {}
        )

    two, one = estimate([-1.0, -3.0], [0.3, 0.4]), estimate([-1.0], [0.3])
    assert two.mean == -2
    assert two.mean_monte_carlo_error == pytest.approx(0.25)
    assert two.sampling_error == pytest.approx(1.0)
    assert np.isnan(one.sampling_error)


def test_a_bernoulli_model_against_quadrature():
    """One latent dimension: log p(x) by the trapezoidal rule on a fine grid, in NumPy."""
    autoencoder = tiny("bernoulli", k=1)
    x = (np.random.default_rng(0).uniform(size=(16, 5)) < 0.5).astype(np.float32)
    z = np.linspace(-10, 10, 2001)
    network, head = autoencoder.model.decoder.network, autoencoder.model.decoder.logits
    h = np.tanh(
        z[:, None] @ np.asarray(network.layers[0].weight, float) + np.asarray(network.layers[0].bias, float)
    )
    logits = h @ np.asarray(head.weight, float) + np.asarray(head.bias, float)
    log_joint = (
        x.astype(float) @ logits.T - np.logaddexp(0, logits).sum(1) - 0.5 * z**2 - 0.5 * np.log(2 * np.pi)
    )
    exact = np.log(np.trapezoid(np.exp(log_joint), z, axis=1))
    estimate = log_marginal(autoencoder, x, KEY, 5000)
    assert np.all(np.abs(estimate.log_p - exact) < 5 * estimate.monte_carlo_error + 1e-5)
    assert jnp.all(estimate.monte_carlo_error < 0.05)
