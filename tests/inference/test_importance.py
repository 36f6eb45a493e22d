"""Importance sampling against log p(x), which is known for linear-Gaussian models."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import chi2, multivariate_normal

from aevb import inference
from aevb.datasets import Scaling
from aevb.errors import InvalidRecipeError
from aevb.inference import Importance
from aevb.inference.importance import (
    BLOCK_DRAWS,
    BLOCK_ROWS,
    BLOCK_VALUES,
    CALL_DRAWS,
    _block_shape,
    curve_sizes,
    summarize,
)
from aevb.inference.pareto import k_hat, largest_k_hat
from aevb.models import (
    LIKELIHOODS,
    AutoEncoder,
    Constant,
    Decoder,
    Encoder,
    LatentVariableModel,
    Prior,
    choose_prior,
)
from aevb.networks import MLP
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
    assert estimate.reliable.all()
    assert estimate.bias == "down"


def test_rows_with_missing_values_have_the_density_of_the_others(oracle, imperfect, assert_jointly_normal):
    x = oracle.sample(N_ROWS)
    x[:16, 0], x[10:30, 1:3], x[40:, :3] = np.nan, np.nan, np.nan
    exact = []
    for row in x.astype(float):
        seen = ~np.isnan(row)
        gaussian = multivariate_normal(oracle.bias[seen], oracle.covariance[np.ix_(seen, seen)])
        exact.append(gaussian.logpdf(row[seen]))
    estimate = log_marginal(imperfect, x, KEY, 4000)
    good = estimate.reliable
    # The encoder takes a missing value for a 0, and some of its posteriors are then far off.
    assert good.sum() > N_ROWS / 2
    assert_jointly_normal(((estimate.log_p - exact) / estimate.monte_carlo_error)[good])


def test_a_row_in_the_users_units(oracle, x):
    scaling = Scaling((3.0, -1.0, 0.0, 100.0), (2.0, 0.01, 1.0, 1000.0))
    got = log_marginal(oracle.autoencoder(scaling=scaling), x, KEY, 3).log_p
    np.testing.assert_allclose(got, oracle.log_marginal(x, scaling.loc, scaling.scale), rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("k", [1, 2, BLOCK_DRAWS - 1, BLOCK_DRAWS, 3 * BLOCK_DRAWS + 27, CALL_DRAWS + 1])
def test_every_number_of_samples_at_the_exact_posterior(oracle, x, k):
    """All weights are equal: exact for any K, and exactly K samples count, whatever the block."""
    estimate = log_marginal(oracle.autoencoder(), x, KEY, k)
    np.testing.assert_allclose(estimate.log_p, oracle.log_marginal(x), rtol=2e-5, atol=2e-5)
    np.testing.assert_allclose(estimate.diagnostics["effective_samples"], k, rtol=1e-4)
    assert estimate.diagnostics["iwae"].shape == (N_ROWS, len(curve_sizes(k)))
    if k == 1:
        assert np.all(np.isnan(estimate.monte_carlo_error))
    else:
        assert np.all(estimate.monte_carlo_error < 1e-3)
    assert np.all(estimate.reliable == (k >= 25))


@pytest.mark.parametrize("k", [0, -1])
def test_needs_a_sample(imperfect, x, k):
    with pytest.raises(InvalidRecipeError, match=f"at least 1, not {k}"):
        log_marginal(imperfect, x, KEY, k)


def test_needs_a_recognition_model(imperfect, x):
    with pytest.raises(InvalidRecipeError, match="recognition model to draw from"):
        inference.log_marginal(imperfect.model, None, x, KEY, Importance(10))


def repeats(autoencoder, x, k, n):
    """`n` independent estimates of each row."""
    return [log_marginal(autoencoder, x, jax.random.key(100 + i), k) for i in range(n)]


def test_the_curve_rises_from_the_bound_to_log_p(oracle, x, assert_jointly_normal):
    """With K = 1 the expectation is the bound; it rises with K to log p(x) (Burda et al. 2016, theorem 1)."""
    x, n = x[:BLOCK_ROWS], 100
    encoder = oracle.imperfect_encoder(shift=0.3, stretch=1.0)
    estimates = repeats(oracle.autoencoder(encoder), x, 100, n)
    curves = np.array([e.diagnostics["iwae"] for e in estimates])
    assert curve_sizes(100) == [1, 10, 100]
    np.testing.assert_array_equal(curves[:, :, -1], [e.log_p for e in estimates])
    bound, _, _ = oracle.bound(x, encoder)
    l_1 = curves[:, :, 0]
    assert_jointly_normal((l_1.mean(0) - bound) / (l_1.std(0, ddof=1) / np.sqrt(n)))
    gaps = (oracle.log_marginal(x)[:, None] - curves).mean(1)
    mean, error = gaps.mean(0), gaps.std(0, ddof=1) / np.sqrt(n)
    assert mean[0] - mean[1] > 5 * np.hypot(*error[:2])
    assert mean[1] - mean[2] > 5 * np.hypot(*error[1:])
    assert -5 * error[2] < mean[2] < mean[0] / 20


@pytest.mark.long
def test_errors_cover_as_often_as_they_should(oracle, imperfect, x):
    """95% intervals over 200 repeats of 16 rows: 3,200 draws have an error of 0.4%, and 5 of these are 2%."""
    x = x[:BLOCK_ROWS]
    estimates = repeats(imperfect, x, 400, 200)
    log_p, errors = (
        np.array([getattr(e, name) for e in estimates]) for name in ("log_p", "monte_carlo_error")
    )
    covered = np.mean(np.abs(log_p - oracle.log_marginal(x)) < 1.96 * errors)
    assert 0.93 < covered < 0.97
    means = np.array([e.mean for e in estimates]) - oracle.log_marginal(x).mean()
    stated = np.array([e.mean_monte_carlo_error for e in estimates])
    assert abs(np.std(means) / stated.mean() - 1) < 5 / np.sqrt(2 * 200)


def test_the_error_falls_with_the_root_of_the_number_of_samples(oracle, imperfect, x):
    """Slope -1/2; at K = 250 the error itself is known to 5% in each of 48 rows, so the slope to 0.002."""
    sizes = [250, 1000, 4000, 16000]
    logs = [np.log(log_marginal(imperfect, x, KEY, k).monte_carlo_error).mean() for k in sizes]
    slope, _ = np.polyfit(np.log(sizes), logs, 1)
    assert slope == pytest.approx(-0.5, abs=0.01)


def narrow(oracle, ratio):
    """The exact posterior but with variances too small by a factor: weights have a Pareto tail of shape 1 - ratio."""
    a, c, log_v = oracle.exact_encoder
    return oracle.autoencoder((a, c, log_v + np.log(ratio)))


def test_weights_with_a_heavy_tail_are_not_relied_on(oracle, x):
    """For N(m, v) and q = N(m, r v), w^(1 / (1 - r)) is exp(chi-square / 2): a tail of shape 1 - r, up to logs."""
    light, heavy = (log_marginal(narrow(oracle, ratio), x, KEY, 4000) for ratio in (0.7, 0.02))
    assert light.reliable.all()
    assert heavy.reliable.sum() < N_ROWS / 10
    off = np.abs(heavy.log_p - oracle.log_marginal(x)) / heavy.monte_carlo_error
    assert np.mean(off < 1.96) < 0.8  # the stated error does not hold what it promises there
    assert np.mean(light.diagnostics["k_hat"]) < 0.4 < 0.8 < np.mean(heavy.diagnostics["k_hat"])


def test_a_posterior_that_leaves_out_a_part_of_the_prior_is_not_relied_on():
    key = jax.random.key(0)
    prior, decoder = (
        Prior(choose_prior("auto", "uniform"), 1),
        Decoder(LIKELIHOODS["gaussian"], MLP(1, (), key=key), 1, 3, key=key),
    )
    encoder = Encoder(MLP(3, (), key=key), 3, 1, "uniform", key=key)
    autoencoder = AutoEncoder(LatentVariableModel(prior, decoder, Constant(jnp.zeros(3))), encoder)
    estimate = log_marginal(autoencoder, np.zeros((2, 3), np.float32), KEY, 200)
    assert np.all(estimate.diagnostics["k_hat"] < 0.5)
    assert not estimate.reliable.any()


@pytest.mark.parametrize("k", [0.3, 0.8, 1.5])
def test_k_hat_is_the_shape_of_the_tail(k):
    """Pareto weights, 20 times 5,000; k-hat of one has an error of about (1 + k) / sqrt(212)."""
    log_w = k * np.random.default_rng(0).exponential(size=(20, 5000))
    assert np.mean(k_hat(log_w)) == pytest.approx(k, abs=5 * (1 + k) / np.sqrt(20 * 212) + 0.02)


@pytest.mark.parametrize(
    ("log_w", "expected"),
    [
        (np.zeros(100), 0.0),
        (np.where(np.arange(5000) < 900, 1.0, 0.0), 0.0),  # the largest weight is seen often
        (np.where(np.arange(5000) < 3, 3.0, 0.0), np.nan),  # it is seen thrice, the others tie
        (np.random.default_rng(0).normal(size=24), np.nan),
        (np.full(50, -np.inf), np.nan),
        (np.concatenate([[0.0], np.random.default_rng(0).normal(size=999) - 1e4]), 1e4 / np.log(94)),
    ],
)
def test_k_hat_where_no_tail_can_be_fitted(log_w, expected):
    assert k_hat(log_w[None])[0] == pytest.approx(expected, rel=0.05, nan_ok=True)


def test_what_passes_as_light_depends_on_the_number_of_samples():
    assert largest_k_hat(5000) == 0.7
    assert largest_k_hat(100) == pytest.approx(0.5)
    assert largest_k_hat(1) == -np.inf


@pytest.mark.parametrize("n", [1, 9, 10, 19, 100, 137])
def test_a_summary_is_what_its_definitions_say(n):
    log_w = np.random.default_rng(0).normal(-100, 10, size=(3, n)).astype(np.float32)
    log_w[1, : n // 2] = -np.inf
    log_w[2] -= 1e5
    found, w = summarize(log_w), log_w.astype(float)
    np.testing.assert_allclose(found["log_p"], logsumexp(w, axis=1) - np.log(n), rtol=1e-12)
    share = np.exp(w - logsumexp(w, axis=1, keepdims=True))
    np.testing.assert_allclose(found["effective_samples"], 1 / np.sum(share**2, axis=1), rtol=1e-10)
    if n > 1:
        error = np.std(share * n, axis=1) / np.sqrt(n)
        np.testing.assert_allclose(found["monte_carlo_error"], error, rtol=1e-8)
    for column, k in enumerate(curve_sizes(n)):
        groups = [w[:, i * k : (i + 1) * k] for i in range(n // k)]
        expected = np.mean([logsumexp(group, axis=1) - np.log(k) for group in groups], axis=0)
        np.testing.assert_allclose(found["iwae"][:, column], expected, rtol=1e-12)


def test_the_sizes_of_the_curve():
    assert [curve_sizes(k) for k in (1, 7, 10, 5000)] == [[1], [1, 7], [1, 10], [1, 10, 100, 1000, 5000]]


@pytest.mark.parametrize("n_features", [1, 784, 10**5, 10**8])
def test_blocks_keep_to_the_memory_they_may_take(n_features):
    rows, draws = _block_shape(n_features)
    assert 1 <= rows <= BLOCK_ROWS
    assert 1 <= draws <= BLOCK_DRAWS
    assert rows * draws * n_features <= max(BLOCK_VALUES, n_features)


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
