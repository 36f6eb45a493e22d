"""Posterior draws against exact posteriors, and by their ranks on simulated rows."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import chi2

from aevb.batch import Batch
from aevb.chains.chunks import BLOCK_ROWS
from aevb.errors import InvalidRecipeError
from aevb.inference import HMC, PosteriorSamples, sample_posterior
from oracles import LinearGaussian
from positive_codes import with_codes_of

KEY = jax.random.key(0)
D, K = 5, 2
ORACLE = LinearGaussian.random(D, K)
METHOD = HMC(n_samples=200, n_chains=4, n_warmup=120)


def draws(autoencoder, x, method=METHOD, key=KEY, **given):
    return sample_posterior(autoencoder.model, autoencoder.posterior, x, key, method, **given)


@pytest.fixture(scope="module")
def autoencoder():
    return ORACLE.autoencoder(ORACLE.imperfect_encoder())


def assert_exact(samples, mean, covariance):
    """Means and variances of the draws within the errors of as many independent ones as they are worth."""
    n = samples.effective_samples
    deviation = np.sqrt(np.diagonal(covariance, axis1=-2, axis2=-1))
    z = (samples.mean - mean) * np.sqrt(n) / deviation
    assert np.sum(z**2) < chi2.isf(1e-6, z.size)
    assert np.sum(z**2) > chi2.ppf(1e-6, z.size)
    # Squares are worth fewer draws than the values.
    assert np.all(np.abs(samples.standard_deviation / deviation - 1) < 5 * np.sqrt(1 / n))


def exact_posterior(row):
    """Mean and covariance given the values that there are."""
    s = ~np.isnan(row)
    scaled = ORACLE.weight[s].T / np.exp(ORACLE.log_variance[s])
    covariance = np.linalg.inv(np.eye(K) + scaled @ ORACLE.weight[s])
    return covariance @ scaled @ (row[s] - ORACLE.bias[s]), covariance


def test_draws_are_the_exact_posteriors(autoencoder):
    """W is not orthogonal, so that latents are correlated; q, from which chains start, has them independent."""
    x = ORACLE.sample(BLOCK_ROWS)
    x[10:, 2:4] = np.nan
    x[0] = np.nan  # nothing observed: the prior
    samples = draws(autoencoder, x)
    mean, covariance = (np.stack(parts) for parts in zip(*map(exact_posterior, x), strict=True))
    assert samples.z.shape == (BLOCK_ROWS, 4, 200, K)
    assert_exact(samples, mean, covariance)
    z = samples.z - samples.z.mean(axis=(1, 2), keepdims=True)
    correlations = np.array([np.corrcoef(draws.reshape(-1, K).T)[0, 1] for draws in z])
    scale = np.sqrt(covariance[:, 0, 0] * covariance[:, 1, 1])
    np.testing.assert_allclose(correlations, covariance[:, 0, 1] / scale, atol=0.2)
    assert samples.reliable.all()
    assert np.all(np.abs(samples.acceptance - 0.9) < 0.07)


@pytest.mark.long
def test_simulated_codes_are_as_the_draws():
    """The rank of the code that a row was drawn from, among draws given the row, is uniform (Talts et al. 2018).

    Posteriors of positive codes, which are not Gaussian. Chi-square of 8 classes of ranks, for each latent and for
    the sum, among 31 thinned draws; false alarm 1e-6 each.
    """
    autoencoder = with_codes_of("exponential")
    n, n_classes = 10 * BLOCK_ROWS, 8
    z, batch = autoencoder.model.simulate(jax.random.key(3), Batch(jnp.zeros((n, D))))
    x = batch.x
    method = HMC(n_samples=128, n_chains=4, n_warmup=60)
    samples = draws(autoencoder, np.asarray(x), method)
    thinned = samples.z[:, :, ::16].reshape(n, 32, K)[:, :31]
    truth = np.asarray(z)[:, None]
    for of in (lambda z: z[..., 0], lambda z: z[..., 1], lambda z: np.sum(z, axis=-1)):
        ranks = np.sum(of(thinned) < of(truth), axis=1)
        counts = np.bincount(ranks * n_classes // 32, minlength=n_classes)
        statistic = np.sum((counts - n / n_classes) ** 2) / (n / n_classes)
        assert statistic < chi2.isf(1e-6, n_classes - 1), counts


def test_a_row_depends_on_the_key_and_itself_alone(autoencoder):
    method = HMC(n_samples=70, n_chains=4, n_warmup=20)
    x = ORACLE.sample(BLOCK_ROWS + 3)
    x[::2, 3] = np.nan
    seen = []
    whole = draws(autoencoder, x, method, show=seen.append)
    few = np.random.default_rng(1).permutation(len(x))[:5]
    np.testing.assert_array_equal(draws(autoencoder, x[few], method).z, whole.z[few])
    other = draws(autoencoder, x[:5], method, jax.random.key(1))
    assert not np.any(other.z == whole.z[:5])
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    assert len(seen) == 2 * (1 + 2)


def test_chains_that_disagree_are_not_reliable():
    """R-hat near 1 and 100 effective draws, of every latent."""
    z = np.zeros((4, 2, 5, 2), np.float32)
    r_hat = np.array([[1.0, 1.01], [1.0, 1.3], [1.0, np.nan], [1.0, 1.01]], np.float32)
    effective = np.array([[500.0, 99.0], [500.0, 500.0], [500.0, 200.0], [500.0, 200.0]], np.float32)
    samples = PosteriorSamples(z, r_hat, effective, np.ones(4, np.float32))
    np.testing.assert_array_equal(samples.reliable, [False, False, False, True])


@pytest.mark.parametrize(
    ("settings", "fragment"),
    [
        ({"n_samples": 3}, "draws of each chain must be at least 4, not 3"),
        ({"n_chains": 1}, "which R-hat compares, must be at least 2, not 1"),
        ({"n_warmup": 0}, "warm-up transitions must be at least 20, not 0"),
        ({"n_leapfrog": 0}, "leapfrog steps must be at least 1, not 0"),
    ],
)
def test_settings_out_of_range(settings, fragment):
    with pytest.raises(InvalidRecipeError, match=fragment):
        HMC(**settings)
