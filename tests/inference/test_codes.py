"""Codes, reconstructions and samples against closed forms."""

import jax
import numpy as np
import pytest

from aevb.inference import decode, encode, kl_per_latent, sample
from aevb.inference.codes import BLOCK_ROWS
from aevb.objectives import SGVBB, row_bounds
from oracles import LinearGaussian, tiny

KEY = jax.random.key(0)


@pytest.fixture(scope="module")
def oracle():
    return LinearGaussian.random(4, 2, orthogonal=True)


@pytest.fixture(scope="module")
def autoencoder(oracle):
    return oracle.autoencoder(oracle.imperfect_encoder())


@pytest.fixture(scope="module")
def x(oracle):
    return oracle.sample(37)


def test_codes_are_posterior_means(oracle, autoencoder, x):
    a, c, _ = oracle.imperfect_encoder()
    codes = encode(autoencoder, x)
    assert (codes.shape, codes.dtype) == ((37, 2), np.float32)
    np.testing.assert_allclose(codes, x @ a.T + c, rtol=1e-4, atol=1e-5)


def test_decoding_gives_means(oracle, autoencoder):
    z = np.random.default_rng(0).normal(size=(5, 2)).astype(np.float32)
    np.testing.assert_allclose(
        decode(autoencoder, z), z @ oracle.weight.T + oracle.bias, rtol=1e-4, atol=1e-5
    )


def test_a_bernoulli_decodes_to_probabilities():
    means = decode(tiny("bernoulli"), np.array([[0.0, 0.0], [1e4, -1e4]], np.float32))
    assert np.all((means > 0) & (means < 1))


def test_a_rows_code_has_the_same_bits_alone(autoencoder, x):
    codes = encode(autoencoder, x)
    for i in (0, 17, 36):
        np.testing.assert_array_equal(encode(autoencoder, x[i : i + 1]), codes[i : i + 1])
    np.testing.assert_array_equal(encode(autoencoder, x[::-1]), codes[::-1])


def test_kl_per_latent_sums_to_the_kl(oracle, autoencoder, x):
    per_latent = kl_per_latent(autoencoder, x, KEY)
    assert per_latent.shape == (2,)
    total = row_bounds(SGVBB(), autoencoder.model, autoencoder.posterior, x, KEY, 37)["kl"].mean()
    assert per_latent.sum() == pytest.approx(total, rel=1e-5)
    a, c, log_v = oracle.imperfect_encoder()
    m = x @ a.T + c
    np.testing.assert_allclose(per_latent, 0.5 * np.mean(np.exp(log_v) + m**2 - 1 - log_v, axis=0), rtol=1e-4)


@pytest.mark.parametrize("n", [1, BLOCK_ROWS, BLOCK_ROWS + 1])
def test_as_many_samples_as_asked_for(autoencoder, n):
    draws, means = sample(autoencoder, n, KEY)
    assert draws.shape == means.shape == (n, 4)
    assert len(np.unique(draws, axis=0)) == n


def test_samples_have_the_models_moments(oracle, autoencoder, assert_jointly_normal):
    n = 20_000
    draws, means = (part.astype(float) for part in sample(autoencoder, n, KEY))
    cholesky = np.linalg.cholesky(oracle.covariance)
    white = np.linalg.solve(cholesky, (draws - oracle.bias).T)
    assert_jointly_normal(white.mean(1) * np.sqrt(n))
    second = white @ white.T / n - np.eye(4)
    assert_jointly_normal(second[np.tril_indices(4, -1)] * np.sqrt(n))
    assert_jointly_normal(np.diag(second) / np.sqrt(2 / n))
    noise = (draws - means) / np.exp(oracle.log_variance / 2)
    assert_jointly_normal(noise.mean(0) * np.sqrt(n))
    assert_jointly_normal((noise.var(0) - 1) / np.sqrt(2 / n))


def test_bernoulli_samples_are_binary_with_the_right_means(assert_jointly_normal):
    draws, means = sample(tiny("bernoulli"), 5000, KEY)
    assert set(np.unique(draws)) == {0.0, 1.0}
    variance = np.sum(means.astype(float) * (1 - means), axis=0)
    assert_jointly_normal(np.sum(draws.astype(float) - means, axis=0) / np.sqrt(variance))


def test_the_key_decides(autoencoder):
    first, again, other = (sample(autoencoder, 3, jax.random.key(seed))[0] for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.any(first == other)
