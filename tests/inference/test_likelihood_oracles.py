"""Further likelihoods in whole models: log p(x) against closed forms and SciPy's integrals."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad
from scipy.special import beta, comb

from aevb import inference
from aevb.inference import Importance, Quadrature
from aevb.models import LIKELIHOODS, AutoEncoder, Constant, Decoder, Encoder, LatentVariableModel, Prior
from aevb.models.likelihoods.categories import Categorical, Ordinal
from aevb.networks import MLP, OverRows
from oracles import with_head

KEY = jax.random.key(0)


def negative_binomial(mean, shape):
    return stats.nbinom(shape, shape / (shape + mean))


def model(family, likelihood, link, n_features):
    """One code, and a decoder whose features are `link(z)`."""
    network = MLP(1, (), key=KEY) if link is None else OverRows(eqx.nn.Lambda(link))
    decoder = Decoder(likelihood, network, 1, n_features, key=KEY)
    encoder = Encoder(MLP(n_features, (), key=KEY), n_features, 1, family, key=KEY)
    generative = LatentVariableModel(Prior(family, 1), decoder, Constant(jnp.zeros(n_features)))
    return AutoEncoder(generative, encoder)


def with_slopes(autoencoder, **heads):
    """With (slope, intercept) of each head and column."""
    decoder = autoencoder.model.decoder
    for name, (slope, intercept) in heads.items():
        decoder = with_head(decoder, name, np.reshape(slope, (-1, 1)), np.asarray(intercept, float))
    return AutoEncoder(autoencoder.model.with_decoder(decoder), autoencoder.encoder)


def assert_log_p(autoencoder, x, expected):
    """By quadrature to four digits, and by 2,000 importance samples within 6 stated errors."""
    x = np.asarray(x, np.float32)
    exact = inference.log_marginal(autoencoder.model, None, x, KEY, Quadrature())
    np.testing.assert_allclose(exact.log_p, expected, atol=2e-3)
    sampled = inference.log_marginal(autoencoder.model, autoencoder.posterior, x, KEY, Importance(2000))
    error = np.maximum(sampled.monte_carlo_error, 1e-3)
    np.testing.assert_array_less(np.abs(sampled.log_p - expected), 6 * error)


@pytest.mark.long
def test_poisson_rates_that_are_gamma_make_a_negative_binomial():
    autoencoder = with_slopes(model("gamma", LIKELIHOODS["poisson"], jnp.log, 1), log_rate=([1.0], [0.0]))
    x = np.array([[0.0], [1.0], [4.0]])
    assert_log_p(autoencoder, x, stats.nbinom(1, 0.5).logpmf(x[:, 0]))


@pytest.mark.long
def test_bernoulli_means_that_are_beta_make_a_beta_binomial():
    def logit(z):
        return jnp.log(z) - jnp.log1p(-z)

    ones = ([1.0] * 3, [0.0] * 3)
    autoencoder = with_slopes(model("beta", LIKELIHOODS["bernoulli"], logit, 3), logits=ones)
    x = np.array([[0.0, 0, 0], [1, 0, 0], [1, 1, 1]])
    total = x.sum(1)
    assert_log_p(autoencoder, x, np.log(beta(total + 1, 4 - total)))
    assert comb(3, total) @ np.exp(np.log(beta(total + 1, 4 - total))) == pytest.approx(0.25 * 3)


# A likelihood, its heads' (slope, intercept) of two columns, rows, and log p(x|z) of a row in SciPy.
SLOPE, BASE = np.array([0.6, -0.4]), np.array([0.3, 0.5])
CASES = {
    "poisson": (("log_rate",), [[0, 3], [2, 1]], lambda x, h: stats.poisson(np.exp(h)).logpmf(x)),
    "negative-binomial": (
        ("log_mean",),
        [[0, 3], [2, 1]],
        lambda x, h: negative_binomial(np.exp(h), 1.0).logpmf(x),
    ),
    "student-t": (
        ("loc", "scale"),
        [[0.5, -2.0], [9.0, 0.1]],
        lambda x, h: stats.t(2.01 + np.logaddexp(0, 3.0), h, np.exp(h / 2)).logpdf(x),
    ),
    "laplace": (
        ("loc", "scale"),
        [[0.5, -2.0], [9.0, 0.1]],
        lambda x, h: stats.laplace(h, np.exp(h / 2)).logpdf(x),
    ),
    "log-normal": (
        ("loc", "scale"),
        [[0.5, 2.0], [9.0, 0.1]],
        lambda x, h: stats.lognorm(np.exp(h / 2), scale=np.exp(h)).logpdf(x),
    ),
    "gamma": (
        ("log_mean", "concentration"),
        [[0.5, 2.0], [9.0, 0.1]],
        lambda x, h: stats.gamma(np.exp(h), scale=1.0).logpdf(x),
    ),
    "beta": (
        ("logit_mean", "concentration"),
        [[0.5, 0.2], [0.9, 0.1]],
        lambda x, h: _beta(x, 1 / (1 + np.exp(-8 * np.tanh(h / 8))), 2 * np.exp(h)),
    ),
    "zero-inflated-negative-binomial": (
        ("log_mean", "gate"),
        [[0, 3], [2, 1]],
        lambda x, h: np.log(
            (x == 0) / (1 + np.exp(2 - h)) + negative_binomial(np.exp(h), 1.0).pmf(x) / (1 + np.exp(h - 2))
        ),
    ),
}


def _beta(x, mean, total):
    return stats.beta(total * mean, total * (1 - mean)).logpdf(x)


@pytest.mark.long
@pytest.mark.parametrize("name", CASES)
def test_gaussian_codes(name):
    heads, rows, log_p = CASES[name]
    autoencoder = model("gaussian", LIKELIHOODS[name], None, 2)
    autoencoder = with_slopes(autoencoder, **dict.fromkeys(heads, (SLOPE, BASE)))
    x = np.array(rows, float)

    def marginal(row):
        def joint(z):
            return np.exp(stats.norm.logpdf(z) + np.sum(log_p(row, SLOPE * z + BASE)))

        return np.log(quad(joint, -10, 10, points=(-3, 0, 3), limit=200)[0])

    assert_log_p(autoencoder, x, [marginal(row) for row in x])


@pytest.mark.long
@pytest.mark.parametrize("likelihood", [Categorical(3), Ordinal(3)], ids=lambda likelihood: likelihood.name)
def test_probabilities_of_all_rows_of_categories_add_up_to_one(likelihood):
    autoencoder = model("gaussian", likelihood, None, 2)
    rows = np.array([[a, b] for a in range(3) for b in range(3)], np.float32)
    found = inference.log_marginal(autoencoder.model, None, rows, KEY, Quadrature())
    assert np.exp(found.log_p).sum() == pytest.approx(1.0, abs=1e-3)
