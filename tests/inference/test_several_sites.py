"""All of inference on models whose codes are a tree, against exact answers."""

import jax
import numpy as np
import pytest

from aevb import evaluation, inference
from aevb.errors import InvalidRecipeError
from own_models import KindsExact, TwoLayersExact, kinds, two_layers
from short_suite import short

KEY = jax.random.key(0)
RNG = np.random.default_rng(0)
X = (RNG.normal(size=(12, 3)) * 1.2).astype(np.float32)
GAPS = np.where(np.arange(36).reshape(12, 3) % 3 == np.arange(12)[:, None] % 3, np.nan, X).astype(np.float32)
CASES = {"two layers": (two_layers(), TwoLayersExact()), "kinds": (kinds(), KindsExact())}
# Stated errors are asymptotic, so a score counts as one of N(0, 1) with a tenth added: the bound of a sum of squares
# that assert_jointly_normal sets is exceeded by right code once in a million.
METHODS = {
    "importance": inference.Importance(2000),
    "widened": inference.Importance(2000, "widened"),
    "annealed": inference.Annealed(100, 8),
    "annealed from the prior": inference.Annealed(200, 16, start="prior"),
    "hmc-density": inference.HMCDensity(400, 4, 100),
    "quadrature": inference.Quadrature(),
}
DISCRETE = {"importance", "widened"}


@pytest.mark.parametrize("method", short("widened", "annealed", "hmc-density", "quadrature", of=METHODS))
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(
    "x", [pytest.param(X[:6], marks=pytest.mark.long, id="whole"), pytest.param(GAPS[:6], id="gaps")]
)
def test_log_p_is_exact_within_its_stated_error(case, method, x, assert_jointly_normal):
    autoencoder, exact = CASES[case]
    if case == "kinds" and method not in DISCRETE:
        with pytest.raises(InvalidRecipeError, match="discrete"):
            inference.log_marginal(autoencoder.model, autoencoder.posterior, x, KEY, METHODS[method])
        return
    found = inference.log_marginal(autoencoder.model, autoencoder.posterior, x, KEY, METHODS[method])
    difference = found.log_p - exact.log_p(x)
    if method == "quadrature":
        np.testing.assert_allclose(difference, 0, atol=1e-4)
        return
    assert np.all(found.monte_carlo_error < 0.3)
    assert_jointly_normal(difference / (1.1 * found.monte_carlo_error))


@pytest.mark.parametrize("method", short("importance", of=["importance", "metropolis"]))
@pytest.mark.parametrize("case", CASES)
def test_imputations_are_exact_within_their_stated_errors(case, method, assert_jointly_normal):
    autoencoder, exact = CASES[case]
    settings = {
        "importance": inference.ImportanceImputation(4000, tolerance=0.0),
        "metropolis": inference.MetropolisWithinGibbs(2000, 200, 8),
    }
    found = inference.impute(autoencoder.model, autoencoder.posterior, GAPS, KEY, settings[method], n_draws=3)
    mean, sd = exact.missing(GAPS)
    where = np.isnan(GAPS)
    assert np.all(found.draws[:, ~where] == GAPS[~where])
    scores = (found.mean - mean)[where] / (1.2 * found.monte_carlo_error[where])
    assert_jointly_normal(np.clip(scores, -4, 4))
    np.testing.assert_allclose(found.sd[where], sd[where], rtol=0.15)


@pytest.mark.parametrize("method", ["amortized", "refined", inference.HMC(200, 4, 100)], ids=str)
def test_posteriors_of_two_layers(method):
    autoencoder, exact = CASES["two layers"]
    found = inference.posterior(autoencoder, X[:4], KEY, method, n_draws=400)
    mean, sd = exact.codes(X[:4])
    assert found.draws.shape == (4, 400, 2)
    atol = 5 * np.max(sd) / np.sqrt(150)  # 5 standard errors of the least of the three
    np.testing.assert_allclose(found.mean, mean, atol=atol)
    np.testing.assert_allclose(found.draws.std(1), np.tile(sd, (4, 1)), rtol=0.3)


def test_posteriors_of_discrete_codes_are_amortized():
    autoencoder, _ = CASES["kinds"]
    found = inference.posterior(autoencoder, X[:4], KEY, "amortized", n_draws=50)
    assert found.draws.shape == (4, 50, 4)
    np.testing.assert_array_equal(found.draws[..., :3].sum(-1), 1)
    for method in ("refined", "hmc"):
        with pytest.raises(InvalidRecipeError, match="discrete"):
            inference.posterior(autoencoder, X[:4], KEY, method)


def test_the_sandwich_encloses():
    autoencoder, exact = CASES["two layers"]
    found = inference.sandwich(autoencoder.model, autoencoder.posterior, 6, KEY, inference.Annealed(100, 8))
    truth = exact.log_p(found.x)
    assert found.z.shape == (6, 2)
    np.testing.assert_allclose(found.lower.log_p, truth, atol=0.2)
    np.testing.assert_allclose(found.upper.log_p, truth, atol=0.2)


@pytest.mark.parametrize("case", CASES)
def test_codes_and_diagnostics(case):
    autoencoder, _ = CASES[case]
    width = autoencoder.model.space.width
    codes = inference.encode(autoencoder, X)
    assert codes.shape == (12, width)
    means = inference.decode(autoencoder, codes)
    assert means.shape == X.shape
    draws, averages = inference.sample(autoencoder, 2000, KEY)
    assert (
        np.abs(draws.mean(0) - averages.mean(0)).max() < 0.1
    )  # noise of sd 0.5 over 2000 rows: 9 standard errors
    kl = inference.kl_per_latent(autoencoder, X, KEY)
    assert kl.shape == (1,)
    assert kl[0] > 0.1
    found = evaluation.latent_diagnostics(autoencoder, X, KEY)
    assert found.code_variance.shape == (width,)
    # ELBO surgery: the mean divergence is information and gap together.
    total = found.total_information + found.total_gap
    error = np.hypot(found.total_information_error, found.total_gap_error)
    assert abs(total - kl[0]) < 5 * error + 0.3


def test_the_gaps_are_those_of_the_recognition_model():
    autoencoder, exact = CASES["two layers"]
    levels = evaluation.inference_gaps(autoencoder, X, KEY)
    np.testing.assert_allclose(levels["log_p"].mean(), exact.log_p(X).mean(), atol=0.05)
    assert levels["amortized"].mean() < levels["refined"].mean() < exact.log_p(X).mean() + 0.02
    # Refining widths of both layers is not in reach: the upper one is shared by all rows.
    with pytest.raises(InvalidRecipeError, match="discrete"):
        evaluation.inference_gaps(CASES["kinds"][0], X, KEY)
