"""Missing values against what they are given the others, which is known for linear-Gaussian and tiny models."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import binom, kstest, norm, t

from aevb import inference
from aevb.batch import Batch
from aevb.errors import InvalidRecipeError
from aevb.inference import ImportanceImputation, MetropolisWithinGibbs, PseudoGibbs
from aevb.inference.chain_imputation import _split_r_hat
from aevb.inference.moments import Moments
from aevb.inference.weighted_imputation import BLOCK_SAMPLES
from aevb.inference.weighted_sums import Sums
from aevb.models.noise import BitFlips, GaussianNoise
from oracles import LinearGaussian, tiny
from short_suite import short

KEY = jax.random.key(0)
N_CHAINS = 12
METHODS = {
    "importance": ImportanceImputation(4000, prior_share=0.3, tolerance=0.0),
    "pseudo-gibbs": PseudoGibbs(300, 50, N_CHAINS),
    "metropolis": MetropolisWithinGibbs(300, 50, N_CHAINS),
}
SHORT = ("importance", "metropolis")
N_DRAWS = 100


def impute(autoencoder, x, method, n_draws=0, noise=None, key=KEY):
    return inference.impute(autoencoder.model, autoencoder.posterior, x, key, method, n_draws, noise)


def with_holes(x, share=0.5, seed=0):
    """The first row has no value, the second all of them."""
    missing = np.random.default_rng(seed).random(x.shape) < share
    missing[0], missing[1] = True, False
    return np.where(missing, np.nan, x).astype(np.float32)


def exact(oracle, row, noise_sd=None):
    """Mean and covariance of x given what is observed of the row, noise or not."""
    known = ~np.isnan(row)
    s = oracle.covariance[:, known]
    seen = s[known] + (0 if noise_sd is None else np.diag(noise_sd[known] ** 2))
    gain = s @ np.linalg.inv(seen)
    return oracle.bias + gain @ (row[known] - oracle.bias[known]), oracle.covariance - gain @ s.T


def scores(found, oracle, x, noise_sd=None):
    """One z-score per row, and the ratios of all stated standard deviations to the true ones."""
    z, ratios = [], []
    for i, row in enumerate(x.astype(float)):
        cells = np.flatnonzero(found.sd[i])
        if len(cells):
            mean, covariance = exact(oracle, row, noise_sd)
            ratios += list(found.sd[i, cells] / np.sqrt(np.diag(covariance)[cells]))
            j = cells[i % len(cells)]
            z.append((found.mean[i, j] - mean[j]) / found.monte_carlo_error[i, j])
    z = np.array(z)
    if found.method != "importance":  # errors from so many chains
        z = norm.ppf(t.cdf(z, N_CHAINS - 1))
    return z, np.array(ratios)


def sd_scores(found, oracle, x):
    """How many stated errors the standard deviation of one missing cell per row is off; 0 where none is missing."""
    z = np.zeros(len(x))
    for i, row in enumerate(x.astype(float)):
        cells = np.flatnonzero(np.isnan(row))
        if len(cells):
            j = cells[i % len(cells)]
            z[i] = (found.sd[i, j] - np.sqrt(exact(oracle, row)[1][j, j])) / found.sd_error[i, j]
    return z


@pytest.fixture(scope="module")
def oracle():
    return LinearGaussian.random(4, 2, orthogonal=True)


@pytest.fixture(scope="module")
def x(oracle):
    return with_holes(oracle.sample(32))


@pytest.fixture(scope="module")
def found(oracle, x):
    """What each method finds, when it is first asked for."""
    autoencoder = oracle.autoencoder()
    return functools.cache(lambda name: impute(autoencoder, x, METHODS[name], N_DRAWS))


@pytest.mark.parametrize("name", short(*SHORT, of=METHODS))
def test_is_right_within_its_stated_error(found, oracle, x, name, assert_jointly_normal):
    z, ratios = scores(found(name), oracle, x)
    assert len(z) > 25
    assert_jointly_normal(z)
    np.testing.assert_allclose(ratios, 1, atol=0.1)


@pytest.mark.parametrize("name", short("metropolis", of=["pseudo-gibbs", "metropolis"]))
def test_chains_that_agree_are_reliable_and_their_sds_within_their_errors(found, oracle, x, name):
    it = found(name)
    assert it.reliable.all()
    z = [score for row, score in enumerate(sd_scores(it, oracle, x)) if np.isnan(x[row]).any()]
    assert np.mean(np.abs(z) < t.ppf(0.975, N_CHAINS - 1)) > 0.8


@pytest.mark.parametrize("name", short(*SHORT, of=METHODS))
def test_what_was_observed_comes_back_bit_for_bit(found, x, name):
    known, it = ~np.isnan(x), found(name)
    assert it.draws.shape == (N_DRAWS, *x.shape)
    for rows in (it.mean, *it.draws[:5]):
        assert rows[known].tobytes() == x[known].tobytes()
        assert np.isfinite(rows).all()
    for spread in (it.sd, it.monte_carlo_error, np.ptp(it.draws, axis=0)):
        assert not spread[known].any()
        assert (spread[~known] > 0).all()
    for values in it.diagnostics.values():
        assert np.isnan(values[1])
        assert np.isfinite(np.delete(values, 1)).all()


@pytest.mark.parametrize("name", short(*SHORT, of=METHODS))
def test_draws_are_of_a_rows_missing_values_together(found, oracle, x, name):
    """Means and covariances of the draws, in units of how far they vary; draws of a chain hang together a little."""
    for i in (0, *np.flatnonzero(np.isnan(x).sum(1) >= 2)[1:8]):
        cells = np.isnan(x[i])
        mean, covariance = exact(oracle, x[i].astype(float))
        root = np.linalg.cholesky(covariance[np.ix_(cells, cells)])
        white = np.linalg.solve(root, (found(name).draws[:, i, cells] - mean[cells]).T)
        # Of 8 rows, 3 methods and about 10 numbers: false alarm 1e-6 at 6 standard errors, were draws independent.
        np.testing.assert_allclose(white.mean(1), 0, atol=6 / np.sqrt(N_DRAWS))
        np.testing.assert_allclose(np.cov(white), np.eye(cells.sum()), atol=6 * np.sqrt(2 / N_DRAWS))


@pytest.mark.long
def test_only_metropolis_makes_up_for_an_imperfect_encoder(oracle, x, assert_jointly_normal):
    imperfect = oracle.autoencoder(oracle.imperfect_encoder(shift=0.3, stretch=0.6))
    right, _ = scores(impute(imperfect, x, METHODS["metropolis"], N_DRAWS), oracle, x)
    wrong, _ = scores(impute(imperfect, x, METHODS["pseudo-gibbs"], N_DRAWS), oracle, x)
    assert_jointly_normal(right)
    assert np.sum(wrong**2) > 3 * np.sum(right**2)
    accepted = impute(imperfect, x, METHODS["metropolis"], N_DRAWS).diagnostics["acceptance"]
    assert np.nanmin(accepted) > 0.2
    assert np.nanmax(accepted) < 1


@pytest.mark.parametrize("name", short("importance", of=["importance", "metropolis"]))
def test_noise_is_taken_off_what_was_observed(oracle, x, name, assert_jointly_normal):
    sd = np.array([0.5, 1.0, 0.2, 2.0])
    it = impute(oracle.autoencoder(), x, METHODS[name], N_DRAWS, GaussianNoise(sd))
    z, ratios = scores(it, oracle, x, sd)
    assert len(z) == len(x)
    assert (it.sd > 0).all()
    assert_jointly_normal(z)
    np.testing.assert_allclose(ratios, 1, atol=0.1)


def quadrature(autoencoder, x, flip=0.0):
    """p(x_j = 1 | y_observed) of a Bernoulli model with one latent, by the trapezoidal rule in NumPy."""
    z = np.linspace(-10, 10, 2001)
    network, head = autoencoder.model.decoder.network.layers[0], autoencoder.model.decoder.heads["logits"]
    h = np.tanh(z[:, None] @ np.asarray(network.weight, float) + np.asarray(network.bias, float))
    p = 1 / (1 + np.exp(-h @ np.asarray(head.weight, float) - np.asarray(head.bias, float)))
    seen = p * (1 - flip) + (1 - p) * flip
    means = []
    for row in x.astype(float):
        known = ~np.isnan(row)
        one = row[known] == 1
        joint = norm.pdf(z) * np.prod(np.where(one, seen[:, known], 1 - seen[:, known]), axis=1)
        clean = p.copy()
        right = np.where(one, 1 - flip, flip)
        clean[:, known] = p[:, known] * right / np.where(one, seen[:, known], 1 - seen[:, known])
        means.append(np.trapezoid(clean * joint[:, None], z, axis=0) / np.trapezoid(joint, z))
    return np.array(means)


@pytest.fixture(scope="module")
def binary():
    """A model of five bits, its weights larger than usual, and rows from it with holes."""
    autoencoder = tiny("bernoulli", k=1)
    decoder = lambda a: (a.model.decoder.heads["logits"].weight, a.model.decoder.network.layers[0].weight)  # noqa: E731
    autoencoder = eqx.tree_at(decoder, autoencoder, tuple(4 * w for w in decoder(autoencoder)))
    rng = np.random.default_rng(0)
    model = autoencoder.model
    _, truth = model.simulate(jax.random.key(5), Batch(jnp.zeros((128, 5))))
    truth = np.asarray(truth.x)
    missing = rng.random(truth.shape) < 0.4
    missing[:2] = [[True], [False]]
    return autoencoder, truth, np.where(missing, np.nan, truth).astype(np.float32)


def test_a_bernoulli_model_against_quadrature(binary, assert_jointly_normal):
    autoencoder, truth, x = binary
    it, expected = impute(autoencoder, x, METHODS["importance"]), quadrature(autoencoder, x)
    missing = np.isnan(x)
    np.testing.assert_allclose(it.sd[missing], np.sqrt((expected * (1 - expected))[missing]), atol=0.03)
    rows = np.flatnonzero(missing.any(1))
    j = missing[rows].argmax(1)
    error = np.maximum(it.monte_carlo_error[rows, j], 1e-6)
    _, first = np.unique(x[rows], axis=0, return_index=True)  # equal rows share their noise
    assert_jointly_normal(((it.mean - expected)[rows, j] / error)[first])
    # A randomized PIT: uniform where the stated probabilities are right. KS at 1e-6.
    p, v = it.mean[rows, j], np.random.default_rng(1).random(len(rows))
    pit = np.where(truth[rows, j] == 1, 1 - p + v * p, v * (1 - p))
    assert kstest(pit, "uniform").pvalue > 1e-6


def test_flipped_bits_against_quadrature(binary):
    autoencoder, truth, x = binary
    noise = BitFlips(0.2)
    y = np.where(np.isnan(x), np.nan, np.asarray(noise.add(jax.random.key(1), jnp.asarray(truth))))
    y = y[:64].astype(np.float32)
    it = impute(autoencoder, y, METHODS["importance"], noise=noise)
    expected = quadrature(autoencoder, y, 0.2)
    assert np.all(np.abs(it.mean - expected) < 6 * it.monte_carlo_error + 1e-5)  # of 320: false alarm 6e-7
    assert np.mean((it.mean - truth[:64]) ** 2) < np.nanmean((y - truth[:64]) ** 2)


@pytest.mark.long
def test_intervals_cover_as_often_as_they_should(oracle):
    """One hidden value in each of 600 rows of the model's own: 90% intervals, by the mean and by draws."""
    truth = oracle.sample(600, seed=3)
    x, rows = truth.copy(), np.arange(600)
    x[rows, rows % 4] = np.nan
    it = impute(oracle.autoencoder(), x, METHODS["importance"], N_DRAWS)
    error = np.abs((it.mean - truth) / np.where(it.sd > 0, it.sd, 1))[rows, rows % 4]
    low, high = np.quantile(it.draws[:, rows, rows % 4], [0.05, 0.95], axis=0)
    value = truth[rows, rows % 4]
    for covered in (error < norm.ppf(0.95), (low < value) & (value < high)):
        assert binom.ppf(1e-6, 600, 0.9) <= covered.sum() <= binom.ppf(1 - 1e-6, 600, 0.9)


@pytest.mark.parametrize("name", short("importance", of=METHODS))
def test_a_row_depends_on_the_key_and_itself_alone(found, oracle, x, name):
    order = np.random.default_rng(1).permutation(len(x))
    autoencoder, whole = oracle.autoencoder(), found(name)
    shuffled = impute(autoencoder, x[order], METHODS[name], N_DRAWS)
    alone = impute(autoencoder, x[7:8], METHODS[name], N_DRAWS)
    for field in ("mean", "sd", "monte_carlo_error"):
        np.testing.assert_array_equal(getattr(shuffled, field), getattr(whole, field)[order])
        np.testing.assert_array_equal(getattr(alone, field)[0], getattr(whole, field)[7])
    np.testing.assert_array_equal(shuffled.draws, whole.draws[:, order])
    other = impute(autoencoder, x, METHODS[name], N_DRAWS, key=jax.random.key(1))
    assert not np.any((other.mean == whole.mean) & np.isnan(x))


def test_rows_that_lack_nothing_come_back_without_any_work(oracle):
    x = oracle.sample(5)
    it = impute(oracle.autoencoder(), x, METHODS["importance"], 2)
    assert it.mean.tobytes() == x.tobytes()
    assert it.draws.tobytes() == np.stack([x, x]).tobytes()
    assert it.reliable.all()
    assert not it.sd.any()


def test_sums_in_two_blocks_are_those_of_one():
    """Also where the second block has the larger weights, against the definitions in double precision."""
    rng = np.random.default_rng(0)
    log_w, mean, variance = (
        rng.normal(size=40) + np.arange(40) / 8,
        rng.normal(size=(40, 3)),
        rng.random((40, 3)),
    )
    z, sums = np.zeros((40, 1)), Sums.none(jnp.asarray(mean[0]), 1, 1)
    for part in (slice(25), slice(25, 40)):
        block = (jnp.asarray(values[part]) for values in (log_w, mean, variance, z))
        sums = sums.added(*block, KEY)
    w = np.exp(log_w) / np.exp(log_w).sum()
    m = w @ mean
    v = w @ (mean**2 + variance) - m**2
    errors = np.sqrt(w**2 @ (mean - m) ** 2), np.sqrt(w**2 @ ((mean - m) ** 2 + variance - v) ** 2)
    for got, expected in zip(sums.estimates(), (m, v, *errors), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-4)
    assert sums.effective == pytest.approx(1 / np.sum(w**2), rel=1e-5)


@pytest.mark.parametrize(
    "k", short(2 * BLOCK_SAMPLES + 27, of=[1, BLOCK_SAMPLES - 1, BLOCK_SAMPLES, 2 * BLOCK_SAMPLES + 27])
)
def test_every_number_of_samples_counts(oracle, k):
    """Of a row with nothing observed, draws of the prior all have the same weight."""
    x = np.full((1, 4), np.nan, np.float32)
    it = impute(oracle.autoencoder(), x, ImportanceImputation(k, prior_share=1.0, tolerance=0.0))
    assert it.diagnostics["effective_samples"] == pytest.approx(k, rel=1e-4)
    assert it.diagnostics["samples"] == k


@pytest.mark.long
def test_reliable_rows_are_within_two_stated_errors(oracle, x):
    """In 95% of cells, by mean and by standard deviation; one cell of each row and seed."""
    autoencoder, method, rows = oracle.autoencoder(), ImportanceImputation(), np.isnan(x).any(axis=1)
    recognition = inference.Laplace(autoencoder, KEY)
    of_mean, of_sd = [], []
    for seed in range(12):
        it = inference.impute(autoencoder.model, recognition, x, jax.random.key(seed), method)
        assert it.reliable.all()
        missing = np.isnan(x)
        for error in (it.monte_carlo_error, it.sd_error):
            assert np.all(error[missing] <= method.tolerance * it.sd[missing] * 1.001 + 1e-6)
        of_mean += list(scores(it, oracle, x)[0])
        of_sd += list(sd_scores(it, oracle, x)[rows])
    for z in (of_mean, of_sd):
        assert np.sum(np.abs(z) < 2) >= binom.ppf(1e-6, len(z), 0.954)


def test_draws_end_with_the_budget_and_rows_are_then_not_reliable(oracle, x):
    """A proposal that is the prior has few effective samples."""
    it = impute(oracle.autoencoder(), x, ImportanceImputation(500, 1.0, 0.01))
    rows = np.isnan(x).any(axis=1)
    assert np.all(it.diagnostics["samples"][rows] == 500)
    assert not it.reliable[rows].any()


def test_progress_shows_from_the_first_block(oracle, x):
    autoencoder, shown = oracle.autoencoder(), []
    method = ImportanceImputation()
    inference.impute(autoencoder.model, autoencoder.posterior, x, KEY, method, show=shown.append)
    assert shown == sorted(shown)
    assert 0 < shown[0] < 0.5
    assert shown[-1] == 1


def test_chains_that_disagree_are_unreliable(oracle, x):
    short = impute(oracle.autoencoder(), x, MetropolisWithinGibbs(2, 0, N_CHAINS), N_DRAWS)
    assert not short.reliable[~np.isnan(x).all(1)].all()


def test_what_the_encoder_is_told_is_missing(oracle):
    """Importance samples come from q given the mask; a chain's rows are whole."""
    x = with_holes(oracle.sample(3))
    autoencoder, told = oracle.autoencoder(), []

    def recognition(batch):
        told.append(batch.mask is not None)
        return autoencoder.posterior(batch)

    for method, expected in ((ImportanceImputation(3), [True]), (PseudoGibbs(2, 0, 2), [True, False])):
        told.clear()
        inference.impute(autoencoder.model, recognition, x, KEY, method)
        assert told[: len(expected)] == expected
        assert set(told[1:]) <= {expected[-1]}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ImportanceImputation(0), "importance samples must be at least 1, not 0"),
        (lambda: ImportanceImputation(5, prior_share=1.5), "between 0 and 1, not 1.5"),
        (lambda: ImportanceImputation(5, tolerance=-1.0), "at least 0, not -1"),
        (lambda: PseudoGibbs(0), "halves are compared, must be at least 2, not 0"),
        (lambda: MetropolisWithinGibbs(5, -1), "at least 0, not -1"),
        (lambda: MetropolisWithinGibbs(5, 1, 1), "at least 2, not 1"),
        (lambda: impute(tiny(), np.ones((1, 5), np.float32), PseudoGibbs(), -1), "at least 0, not -1"),
    ],
)
def test_impossible_settings_are_refused(make, message):
    with pytest.raises(InvalidRecipeError, match=message):
        make()


def test_chains_that_drift_alike_are_told_by_their_halves():
    """R-hat of the halves sees what that of whole chains, which all have the same mean, cannot."""
    first, second = (
        Moments(jnp.full(4, 50.0), jnp.full((4, 1), mean), jnp.ones((4, 1))) for mean in (0.0, 1.0)
    )
    halves = jax.tree.map(lambda a, b: jnp.stack([a, b]), first, second)
    within = jnp.full((4, 1), 0.1)
    apart = float(_split_r_hat(halves, within)[0])
    # Var of eight means, four 0 and four 1: 2/7; the variance within: 1/50 + 0.1.
    assert apart == pytest.approx(np.sqrt(1 + (2 / 7) / 0.12), rel=1e-5)
    alike = jax.tree.map(lambda a: jnp.stack([a, a]), first)
    assert float(_split_r_hat(alike, within)[0]) == 1.0
