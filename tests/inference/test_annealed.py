"""Annealed importance sampling and its two-sided check, against models whose log p(x) is known."""

import dataclasses
import logging

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import chi2, multivariate_normal, norm, t

from aevb import inference
from aevb.batch import Batch
from aevb.chains.chunks import BLOCK_ROWS, CHUNK
from aevb.errors import InvalidRecipeError
from aevb.inference import Annealed, sandwich
from aevb.inference.annealing import FORWARD, PRELIMINARY_STEPS, REVERSE
from oracles import LinearGaussian, tiny
from positive_codes import with_codes_of
from short_suite import short

KEY = jax.random.key(0)
D, K = 5, 2
METHOD = Annealed(256, 32)
FEW = Annealed(3, 32)


def log_marginal(autoencoder, x, method=METHOD, key=KEY, show=inference.show_nothing):
    return inference.log_marginal(autoencoder.model, autoencoder.posterior, x, key, method, show)


def correlated():
    """W's columns are not orthogonal: the posterior's covariance is full, and q's diagonal."""
    oracle = LinearGaussian.random(D, K)
    return dataclasses.replace(oracle, weight=0.3 * oracle.weight)


ORACLES = {"orthogonal": LinearGaussian.random(D, K, orthogonal=True), "correlated": correlated()}


def imperfect(oracle):
    return oracle.autoencoder(oracle.imperfect_encoder())


@pytest.fixture(scope="module", params=short("correlated", of=ORACLES))
def oracle(request):
    return ORACLES[request.param]


def assert_right(log_p, error, exact, n_chains=METHOD.n_chains):
    """An error from `n_chains` log weights makes a Student's t. False alarms: 1e-6 of the largest, and of the sum."""
    z = (log_p - exact) / error
    assert np.abs(z).max() < t.isf(1e-6 / 2 / len(z), n_chains - 1)
    scale = (n_chains - 1) / (n_chains - 3)  # the variance of Student's t
    assert chi2.ppf(1e-6, len(z)) < np.sum(z**2) / scale < 1.3 * chi2.isf(1e-6, len(z))


@pytest.mark.long
def test_is_right_within_its_stated_error(oracle):
    x = oracle.sample(BLOCK_ROWS)
    estimate = log_marginal(imperfect(oracle), x)
    exact = oracle.log_marginal(x)
    assert_right(estimate.log_p, estimate.monte_carlo_error, exact)
    assert np.mean(np.abs(estimate.log_p - exact)) < 0.01
    assert estimate.reliable.all()
    assert estimate.bias == "down"
    assert np.all(np.abs(estimate.diagnostics["acceptance"] - 0.8) < 0.1)
    assert np.all(estimate.diagnostics["effective_chains"] <= METHOD.n_chains * (1 + 1e-9))


@pytest.mark.long
def test_strongly_correlated_latents_take_more_temperatures():
    """The posterior's correlation is -0.69; the default path, and four times the chains."""
    oracle = LinearGaussian.random(D, K)
    covariance = oracle.encoder_map[2]
    correlation = covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])
    assert correlation < -0.6
    x = oracle.sample(BLOCK_ROWS)
    estimate = log_marginal(imperfect(oracle), x, Annealed(n_chains=64))
    assert_right(estimate.log_p, estimate.monte_carlo_error, oracle.log_marginal(x), 64)
    assert np.mean(np.abs(estimate.log_p - oracle.log_marginal(x))) < 0.01


def test_from_the_prior_with_values_missing():
    """A third of the values is not there: log p of the others, whose covariance is a part of the whole."""
    oracle = ORACLES["correlated"]
    x = oracle.sample(BLOCK_ROWS)
    x[np.random.default_rng(3).uniform(size=x.shape) < 0.3] = np.nan
    x[0] = np.nan  # nothing observed: p(x) = 1
    model = imperfect(oracle).model
    method = dataclasses.replace(METHOD, start="prior")
    estimate = inference.log_marginal(model, None, x, KEY, method)
    seen = ~np.isnan(x)
    exact = [
        multivariate_normal(oracle.bias[s], oracle.covariance[np.ix_(s, s)]).logpdf(row[s].astype(float))
        if s.any()
        else 0.0
        for row, s in zip(x, seen, strict=True)
    ]
    assert estimate.log_p[0] == estimate.monte_carlo_error[0] == 0.0
    assert np.mean(np.abs(estimate.log_p - exact)) < 0.03
    assert_right(estimate.log_p[1:], estimate.monte_carlo_error[1:], exact[1:])


N_REPEATS = 30


def repeated_ratios(phase, starts=lambda x: None):
    """Weights of a path of three temperatures, in new randomness on the same path, relative to their expectation."""
    oracle = ORACLES["correlated"]
    autoencoder = imperfect(oracle)
    x = oracle.sample(BLOCK_ROWS, seed=5)
    run = FEW.annealing(autoencoder.model, autoencoder.posterior, len(x), 1, KEY, inference.show_nothing)
    batch = Batch(jnp.asarray(x))
    path = run.path(batch)
    runs = [dataclasses.replace(run, key=jax.random.key(100 + i)) for i in range(N_REPEATS)]
    log_w = np.concatenate(
        [np.asarray(run.weights(batch, path, phase, starts(x))["log_w"], float) for run in runs], axis=1
    )
    sign = 1 if phase == FORWARD else -1
    return np.exp(log_w - sign * oracle.log_marginal(x)[:, None])


@pytest.mark.long
def test_weights_of_few_temperatures_are_unbiased(assert_jointly_normal):
    """E[w] = p(x) however short the path, as steps and spacing do not depend on the chains that are weighted."""
    ratio = repeated_ratios(FORWARD)
    assert ratio.std() > 0.2  # three temperatures are few
    assert_jointly_normal((ratio.mean(1) - 1) / (ratio.std(1) / np.sqrt(ratio.shape[1])))


@pytest.mark.long
def test_reverse_weights_of_few_temperatures_are_unbiased(assert_jointly_normal):
    """E[1/w] = 1 / p(x) of chains that start at exact draws from the posterior."""
    a, c, covariance = ORACLES["correlated"].encoder_map
    rng = np.random.default_rng(0)

    def starts(x):
        noise = rng.multivariate_normal(np.zeros(K), covariance, (len(x), FEW.n_chains))
        return jnp.asarray((x @ a.T + c)[:, None] + noise, jnp.float32)

    ratio = repeated_ratios(REVERSE, starts)
    assert ratio.std() > 0.2
    assert_jointly_normal((ratio.mean(1) - 1) / (ratio.std(1) / np.sqrt(ratio.shape[1])))


@pytest.mark.long
def test_errors_cover_as_often_as_they_should():
    """95% intervals of 16 rows over 60 repeats: errors from 32 weights make a Student's t, within 1.96 of which 94.1%
    lie; 960 estimates, whose share has a standard error of 0.8%."""
    oracle = ORACLES["correlated"]
    x, autoencoder = oracle.sample(BLOCK_ROWS), imperfect(oracle)
    method = dataclasses.replace(METHOD, n_temperatures=64)
    estimates = [log_marginal(autoencoder, x, method, jax.random.key(i)) for i in range(60)]
    z = np.array([(e.log_p - oracle.log_marginal(x)) / e.monte_carlo_error for e in estimates])
    assert 0.905 < np.mean(np.abs(z) < 1.96) < 0.975


def test_a_sandwich_holds_the_truth_and_closes():
    """With one temperature both sides are off by many standard errors, with 64 both by far less."""
    oracle = LinearGaussian.random(D, K, seed=2)
    autoencoder = oracle.autoencoder(oracle.imperfect_encoder(shift=1.0, stretch=0.5))
    n, gaps = BLOCK_ROWS, {}
    for n_temperatures in (1, 64):
        method = Annealed(n_temperatures, METHOD.n_chains)
        found = sandwich(autoencoder.model, autoencoder.posterior, n, KEY, method)
        exact = oracle.log_marginal(found.x)
        below, above = exact - found.lower.log_p, found.upper.log_p - exact
        gaps[n_temperatures] = [(gap.mean(), gap.std(ddof=1) / np.sqrt(n)) for gap in (below, above)]
        assert found.width == pytest.approx(np.mean(below + above), abs=1e-4)
        assert found.width_error == pytest.approx(np.std(below + above, ddof=1) / np.sqrt(n), rel=1e-3)
        assert (found.lower.bias, found.upper.bias) == ("down", "up")
        assert len(np.unique(found.x[:, 0])) == n
    for (gap, error), (less, its_error) in zip(gaps[1], gaps[64], strict=True):
        assert gap > 3 * error
        assert -5 * its_error < less < 0.3 * gap + 5 * its_error
    # The codes are those that the rows were drawn from.
    residual = (found.x - found.z @ oracle.weight.T - oracle.bias) / np.exp(oracle.log_variance / 2)
    assert norm.cdf(np.abs(residual.mean() * np.sqrt(residual.size))) < 1 - 1e-6
    assert 0.7 < residual.std() < 1.3


@pytest.mark.long
def test_a_row_depends_on_the_key_and_itself_alone():
    oracle = ORACLES["orthogonal"]
    autoencoder = imperfect(oracle)
    x = oracle.sample(BLOCK_ROWS + 3)
    seen = []
    whole = log_marginal(autoencoder, x, FEW, show=seen.append)
    few = np.random.default_rng(1).permutation(len(x))[:5]
    np.testing.assert_array_equal(log_marginal(autoencoder, x[few], FEW).log_p, whole.log_p[few])
    other = log_marginal(autoencoder, x[:5], FEW, jax.random.key(1))
    assert not np.any(other.log_p == whole.log_p[:5])
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    assert len(seen) >= 2 * (1 + PRELIMINARY_STEPS // CHUNK)  # often enough in each of two blocks


def test_the_number_of_temperatures_and_rows_compiles_nothing():
    messages = []
    handler, logger = logging.Handler(), logging.getLogger("jax")
    handler.emit = lambda record: messages.append(record.getMessage())
    autoencoder, x = imperfect(ORACLES["orthogonal"]), ORACLES["orthogonal"].sample(4)
    log_marginal(autoencoder, x, FEW)
    logger.addHandler(handler)
    try:
        with jax.log_compiles():
            log_marginal(autoencoder, x[:3], dataclasses.replace(FEW, n_temperatures=70))
            jax.jit(lambda x: x + 7)(1.0)
    finally:
        logger.removeHandler(handler)
    compiled = {message.split()[1] for message in messages if message.startswith("Compiling")}
    assert "jit(<lambda>)" in compiled  # it is seen where something is compiled
    assert not compiled & {f"jit({name})" for name in ("_begin_tuning", "_tune", "_path", "_draw", "_anneal")}


def test_estimates_from_known_weights():
    """Log weights far from zero, and rows whose weights are all zero, equal, or carried by one chain."""
    log_w = np.full((4, 8), -5000.0)
    log_w[0] += np.random.default_rng(0).normal(size=8)
    log_w[1, 1:] = -np.inf
    log_w[2] = -np.inf
    acceptance = np.full((4, 3), 0.8)
    acceptance[3, 1] = 0.1
    for bias, sign in (("down", 1), ("up", -1)):
        estimate = Annealed(5, 8).estimate(bias, log_w.astype(np.float32), acceptance)
        expected = sign * (logsumexp(log_w[0].astype(np.float32).astype(float)) - np.log(8))
        assert estimate.log_p[0] == pytest.approx(expected, rel=1e-9)
        w = np.exp(log_w[0].astype(np.float32) + 5000.0)
        assert estimate.monte_carlo_error[0] == pytest.approx(w.std(ddof=1) / w.mean() / np.sqrt(8), rel=1e-4)
        assert estimate.diagnostics["effective_chains"] == pytest.approx(
            [w.sum() ** 2 / (w**2).sum(), 1, 0, 8], rel=1e-4
        )
        np.testing.assert_array_equal(estimate.reliable, [True, False, False, False])


@pytest.mark.parametrize(
    ("settings", "fragment"),
    [
        ({"n_temperatures": 0}, "number of temperatures must be at least 1, not 0"),
        ({"n_chains": 1}, "chains, .* at least 2, not 1"),
        ({"n_leapfrog": 0}, "leapfrog steps must be at least 1, not 0"),
    ],
)
def test_settings_out_of_range(settings, fragment):
    with pytest.raises(InvalidRecipeError, match=fragment):
        Annealed(**settings)


def test_what_it_cannot_be_used_with():
    x = np.zeros((2, D), np.float32)
    with pytest.raises(InvalidRecipeError, match=r"no recognition model.*start='prior'"):
        inference.log_marginal(tiny().model, None, x, KEY, Annealed(start="posterior"))
    for family in ("bernoulli", "categorical"):
        for start in ("posterior", "prior"):
            with pytest.raises(InvalidRecipeError, match=r"discrete: use importance sampling"):
                log_marginal(with_codes_of(family), x, Annealed(start=start))
    for family, prior in (("uniform", "gaussian"), ("gamma", "gaussian"), ("beta", "gamma")):
        with pytest.raises(InvalidRecipeError, match=r"supports of the two differ: start it from the prior"):
            log_marginal(with_codes_of(family, prior), x, Annealed(start="posterior"))
    with pytest.raises(InvalidRecipeError, match="simulated rows must be at least 1, not 0"):
        sandwich(tiny().model, tiny().posterior, 0, KEY, METHOD)
