"""The three ways to p(z|x) against the exact posterior of a linear-Gaussian model."""

import importlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import chi2

from aevb.batch import Batch
from aevb.errors import InvalidRecipeError
from aevb.inference import HMC, PosteriorSamples, Refined, posterior
from oracles import LinearGaussian
from short_suite import short

MODULE = importlib.import_module("aevb.inference.posteriors")
KEY = jax.random.key(0)
SHORT = HMC(n_samples=150, n_chains=4, n_warmup=100)


@pytest.fixture(scope="module")
def oracle():
    return LinearGaussian.random(5, 2)


@pytest.fixture(scope="module")
def x(oracle):
    return oracle.sample(6)


@pytest.fixture(scope="module")
def imperfect(oracle):
    return oracle.autoencoder(oracle.imperfect_encoder())


def test_amortized_is_the_encoders(oracle, x, imperfect):
    a, c, log_v = oracle.imperfect_encoder()
    found = posterior(imperfect, x, KEY, "amortized", n_draws=2000)
    np.testing.assert_allclose(found.mean, x @ a.T + c, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found.sd, np.broadcast_to(np.exp(log_v / 2), found.sd.shape), rtol=1e-4)
    assert found.draws.shape == (6, 2000, 2)
    scores = (found.draws.mean(1) - found.mean) / found.sd * np.sqrt(2000)
    assert np.abs(scores).max() < 5.5  # of 12: false alarm 5e-7
    assert found.reliable is None
    np.testing.assert_array_equal(posterior(imperfect, x[2:3], KEY, n_draws=2000).draws[0], found.draws[2])


@pytest.mark.parametrize("given", ["refined", "settings"])
def test_refined_is_the_best_of_its_family(oracle, x, imperfect, given):
    a, c, covariance = oracle.encoder_map
    method = given if given == "refined" else Refined(imperfect, KEY, 300)
    found = posterior(imperfect, x, KEY, method, n_draws=10)
    best = 1 / np.sqrt(np.diag(np.linalg.inv(covariance)))
    np.testing.assert_allclose(found.mean, x @ a.T + c, atol=0.3 * best.max())
    np.testing.assert_allclose(found.sd, np.broadcast_to(best, found.sd.shape), rtol=0.2)
    assert found.method == "refined"


def rank_statistic(autoencoder, model, method, n=800, n_classes=8):
    """Chi-square of the ranks of codes among 31 draws given the rows that were drawn from them (Talts et al. 2018)."""
    z, batch = model.simulate(jax.random.key(7), Batch(jnp.zeros((n, 5))))
    x = batch.x
    found = posterior(autoencoder, np.asarray(x), KEY, method, n_draws=31)
    ranks = np.sum(found.draws < np.asarray(z)[:, None], axis=1)
    counts = np.stack([np.bincount(rank * n_classes // 32, minlength=n_classes) for rank in ranks.T])
    return np.sum((counts - n / n_classes) ** 2, axis=1) / (n / n_classes)


@pytest.mark.parametrize("method", short("amortized", of=["amortized", "refined"]))
def test_calibration_on_simulated_rows(method):
    """Where the family holds the posterior: an exact encoder's q, and the refined one of an encoder that is off, have
    uniform ranks; q of that encoder itself has not. False alarm 1e-6 for each of two latents."""
    oracle = LinearGaussian.random(5, 2, orthogonal=True)
    exact, off = oracle.autoencoder(), oracle.autoencoder(oracle.imperfect_encoder())
    limit = chi2.isf(1e-6, 7)
    assert rank_statistic(off if method == "refined" else exact, exact.model, method).max() < limit
    if method == "amortized":
        assert rank_statistic(off, exact.model, method).max() > limit


def test_hmc_hands_over_what_the_chains_have(x, imperfect, monkeypatch):
    """Draws from chain to chain at equal distances; how good chains are is tested with them."""
    z = np.arange(6 * 4 * 150 * 2, dtype=np.float32).reshape(6, 4, 150, 2)
    chains = PosteriorSamples(z, np.ones((6, 2)), np.full((6, 2), 90.0), np.full(6, 0.9))
    seen = []
    monkeypatch.setattr(MODULE, "sample_posterior", lambda *given: seen.append(given) or chains)
    found = posterior(imperfect, x, KEY, SHORT, n_draws=3)
    assert seen[0][4] == SHORT
    np.testing.assert_array_equal(found.draws, z.reshape(6, 600, 2)[:, [0, 300, 599]])
    np.testing.assert_allclose(found.mean, z.mean((1, 2)))
    np.testing.assert_allclose(found.sd, z.std((1, 2)))
    np.testing.assert_array_equal(found.reliable, np.zeros(6, bool))
    assert set(found.diagnostics) == {"r_hat", "effective_samples"}


@pytest.mark.parametrize(
    ("method", "n_draws", "message"),
    [
        ("amortized", 0, "at least 1, not 0"),
        ("exact", 1, "'amortized', 'refined' or 'hmc', not 'exact'"),
        (SHORT, 601, "601 draws of each row, and its 4 chains of 150 have 600"),
    ],
)
def test_wrong_requests_are_refused(x, imperfect, method, n_draws, message):
    with pytest.raises(InvalidRecipeError, match=message):
        posterior(imperfect, x, KEY, method, n_draws)
