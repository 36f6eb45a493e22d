"""The estimator of the AEVB paper's Appendix D against log p(x) that is known, and beside the other methods."""

import jax
import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import chi2, multivariate_normal

from aevb import inference
from aevb.chains.chunks import BLOCK_ROWS
from aevb.errors import InvalidRecipeError
from aevb.inference import Annealed, HMCDensity, Importance
from aevb.inference.hmc_density import _log_terms, _reciprocal_mean
from aevb.models import LatentVariableModel, Prior
from oracles import LinearGaussian, tiny
from positive_codes import log_marginal_of_exponential_codes, with_codes_of

KEY = jax.random.key(0)
D, K = 5, 2
ORACLE = LinearGaussian.random(D, K)
METHOD = HMCDensity(n_samples=400, n_chains=4, n_warmup=120)


def log_marginal(autoencoder, x, method=METHOD, key=KEY):
    return inference.log_marginal(autoencoder.model, autoencoder.posterior, x, key, method)


@pytest.fixture(scope="module")
def autoencoder():
    return ORACLE.autoencoder(ORACLE.imperfect_encoder())


def test_is_right_within_its_stated_error(autoencoder):
    """The posterior's covariance is full. False alarms: 1e-6 for the sum of squares, each way."""
    x = ORACLE.sample(2 * BLOCK_ROWS)
    exact = ORACLE.log_marginal(x)
    seen = [0, 1, 2, 4]
    part = multivariate_normal(ORACLE.bias[seen], ORACLE.covariance[np.ix_(seen, seen)])
    exact[BLOCK_ROWS:] = part.logpdf(x[BLOCK_ROWS:, seen].astype(float))
    x[BLOCK_ROWS:, 3] = np.nan
    estimate = log_marginal(autoencoder, x)
    z = (estimate.log_p - exact) / estimate.monte_carlo_error
    # The number of effective draws that a standard error is made of is itself known to a few tenths.
    assert chi2.ppf(1e-6, len(z)) < np.sum(z**2) < 1.3 * chi2.isf(1e-6, len(z))
    assert np.mean(np.abs(estimate.log_p - exact)) < 0.01
    assert estimate.bias == "up"
    assert estimate.reliable.all()
    assert np.all(np.abs(estimate.diagnostics["inside"] - 0.99) < 0.03)
    assert estimate.diagnostics["r_hat"].shape == (len(x), K)


@pytest.mark.long
@pytest.mark.parametrize(
    "method", [METHOD, Annealed(64, 32), Importance(5000)], ids=lambda method: method.name
)
def test_all_methods_are_right_on_a_model_that_is_not_gaussian(method):
    """Codes are positive, chains move in their logarithms. Where diagnostics pass, estimates are within their errors:
    chi-square of up to 16 rows, false alarm 1e-6 for each method."""
    autoencoder = with_codes_of("exponential")
    x = (np.random.default_rng(0).uniform(size=(BLOCK_ROWS, D)) < 0.5).astype(np.float32)
    exact = log_marginal_of_exponential_codes(autoencoder, x)
    estimate = log_marginal(autoencoder, x, method)
    passed = estimate.reliable
    z = (estimate.log_p - exact)[passed] / estimate.monte_carlo_error[passed]
    assert passed.mean() > 0.5
    assert np.sum(z**2) < 1.3 * chi2.isf(1e-6, len(z))


def test_terms_are_those_of_a_gaussian_cut_to_an_ellipsoid():
    """log q integrates to one; q / p of draws from p, with log p known, to 1 / Z."""
    rng = np.random.default_rng(0)
    covariance = np.array([[1.0, 0.6, 0.0], [0.6, 2.0, -0.5], [0.0, -0.5, 0.5]])
    u = rng.multivariate_normal([1.0, -2.0, 3.0], covariance, (4, 4000))
    log_p = multivariate_normal([1.0, -2.0, 3.0], covariance).logpdf(u) - 7.0
    terms = _log_terms(u, log_p, 2000)
    assert terms.shape == (4, 2000)
    assert np.mean(np.isneginf(terms)) == pytest.approx(0.01, abs=0.005)
    assert logsumexp(terms) - np.log(terms.size) == pytest.approx(7.0, abs=0.01)
    inside = u[:, 2000:][np.isfinite(terms)]
    fitted = multivariate_normal(u[:, :2000].reshape(-1, 3).mean(0), np.cov(u[:, :2000].reshape(-1, 3).T))
    expected = fitted.logpdf(inside) - log_p[:, 2000:][np.isfinite(terms)] - np.log(0.99)
    np.testing.assert_allclose(terms[np.isfinite(terms)], expected, atol=1e-9)
    assert np.isnan(_log_terms(np.zeros((2, 8, 2)), np.zeros((2, 8)), 4)).all()  # chains that never moved


def test_the_mean_and_its_error():
    """Independent draws, and draws of which each comes ten times: the error is larger by the square root of ten."""
    rng = np.random.default_rng(0)
    independent = rng.normal(-1000.0, 0.5, size=(6, 4, 500))
    repeated = np.repeat(rng.normal(-1000.0, 0.5, size=(6, 4, 50)), 10, axis=2)
    terms = np.concatenate([independent, repeated])
    log_p, error, diagnostics = _reciprocal_mean(terms)
    exact = 1000.0 - 0.5**2 / 2
    deviation = np.sqrt(np.expm1(0.5**2))  # of a log-normal, relative to its mean
    np.testing.assert_allclose(error[:6].mean(), deviation / np.sqrt(2000), rtol=0.15)
    np.testing.assert_allclose(error[6:].mean(), deviation / np.sqrt(200), rtol=0.25)
    z = (log_p - exact) / error
    assert np.sum(z**2) < chi2.isf(1e-6, 12)
    np.testing.assert_allclose(diagnostics["equal_share"], 1 / np.exp(0.5**2), rtol=0.1)
    np.testing.assert_array_equal(diagnostics["inside"], 1.0)


@pytest.mark.long
def test_errors_cover_as_often_as_they_should(autoencoder):
    """95% intervals of 16 rows over 60 repeats: 960 estimates, of which 92.5 to 97% is within four standard errors."""
    x = ORACLE.sample(BLOCK_ROWS)
    estimates = [log_marginal(autoencoder, x, key=jax.random.key(i)) for i in range(60)]
    z = np.array([(e.log_p - ORACLE.log_marginal(x)) / e.monte_carlo_error for e in estimates])
    assert 0.92 < np.mean(np.abs(z) < 1.96) < 0.975


def test_refuses_many_latents_unless_forced(monkeypatch):
    autoencoder, x = tiny(k=9), np.zeros((1, D), np.float32)
    with pytest.raises(InvalidRecipeError, match=r"up to about 8 latents, and this model has 9.*force=True"):
        log_marginal(autoencoder, x)

    def found(model, recognition, x, key, method, keep, show):
        return {
            "u": rng.normal(size=(1, 2, 64, 9)),
            "z": np.zeros((1, 2, 64, 9)),
            "log_joint": rng.normal(size=(1, 2, 64)),
            "r_hat": np.full((1, 9), 1.001),
            "effective_samples": np.full((1, 9), 64.0),
            "acceptance": np.full(1, 0.9),
        }

    rng = np.random.default_rng(0)
    monkeypatch.setattr("aevb.inference.hmc_density.run_chains", found)
    forced = log_marginal(autoencoder, x, HMCDensity(64, 2, 20, force=True))
    assert np.isfinite(forced.log_p).all()
    assert not forced.reliable.any()


def test_refuses_what_has_no_gradient_and_too_few_draws():
    model = tiny().model
    discrete = LatentVariableModel(Prior("bernoulli", K), model.decoder, model.log_scale)
    with pytest.raises(InvalidRecipeError, match="discrete: use importance sampling"):
        inference.log_marginal(discrete, None, np.zeros((1, D), np.float32), KEY, METHOD)
    with pytest.raises(InvalidRecipeError, match="at least 16 of each chain, not 15"):
        HMCDensity(15)
    with pytest.raises(InvalidRecipeError, match="must be at least 2, not 1"):
        HMCDensity(n_chains=1)
