"""Quadrature against closed forms, SciPy's adaptive rules and sums over all codes in NumPy."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import log_expit
from scipy.stats import gamma, multivariate_normal, norm

from aevb import inference
from aevb.errors import InvalidRecipeError
from aevb.inference import Importance, Quadrature
from aevb.models import (
    LIKELIHOODS,
    AutoEncoder,
    Constant,
    Decoder,
    Encoder,
    LatentVariableModel,
    Prior,
    code_width,
)
from aevb.networks import MLP
from oracles import LinearGaussian, tiny, with_head, with_log_variance, with_weights
from short_suite import short

KEY = jax.random.key(0)


def log_marginal(autoencoder, x, method=None):
    method = method or Quadrature()
    return inference.log_marginal(autoencoder.model, autoencoder.posterior, x, KEY, method)


def model_of(family, likelihood, n_latents, n_features=5, hidden=(4,), seed=0):
    """A model whose posterior and prior are of a family, with weights drawn by NumPy."""

    def build():
        key, width = jax.random.key(0), code_width(family, n_latents, 3)
        encoder = Encoder(MLP(n_features, (), key=key), n_features, n_latents, family, 3, key=key)
        decoder = Decoder(
            LIKELIHOODS[likelihood], MLP(width, hidden, "tanh", key=key), width, n_features, key=key
        )
        model = LatentVariableModel(Prior(family, n_latents, 3), decoder, Constant(jnp.zeros(n_features)))
        return AutoEncoder(model, encoder)

    rng = np.random.default_rng(seed)
    drawn = jax.tree.map(
        lambda w: jnp.asarray(0.7 * rng.normal(size=w.shape).astype(w.dtype)), eqx.filter_eval_shape(build)
    )
    return eqx.tree_at(lambda a: a.model.log_scale.value, drawn, jnp.zeros(n_features))


def bernoulli_logits(decoder, z):
    """The logits of a Bernoulli decoder with one tanh layer, in NumPy."""
    layer, head = decoder.network.layers[0], decoder.heads["logits"]
    w, b, v, c = (np.asarray(a, float) for a in (layer.weight, layer.bias, head.weight, head.bias))
    return np.tanh(z @ w + b) @ v + c


def log_mass(x, logits):
    return np.sum(x * log_expit(logits) + (1 - x) * log_expit(-logits), axis=-1)


@pytest.mark.parametrize("k", short(2, of=[1, 2, 3]))
def test_linear_gaussian_models(k):
    oracle = LinearGaussian.random(4, k)
    x = oracle.sample(3)
    estimate = log_marginal(oracle.autoencoder(oracle.imperfect_encoder()), x)
    np.testing.assert_allclose(estimate.log_p, oracle.log_marginal(x), atol=1e-6)
    assert estimate.reliable.all()
    assert np.all(estimate.diagnostics["numerical_error"] < 1e-4)
    assert np.all(estimate.monte_carlo_error == 0)
    assert estimate.bias == "none"
    assert jnp.zeros(()).dtype == jnp.float32  # double precision stays inside


def test_rows_with_missing_values_and_no_recognition_model():
    oracle = LinearGaussian.random(4, 1)
    x = oracle.sample(3)
    x[0, 1], x[1, 1:] = np.nan, np.nan
    found = inference.log_marginal(oracle.autoencoder().model, None, x, KEY, Quadrature())
    for row, log_p in zip(x.astype(float), found.log_p, strict=True):
        seen = ~np.isnan(row)
        gaussian = multivariate_normal(oracle.bias[seen], oracle.covariance[np.ix_(seen, seen)])
        assert log_p == pytest.approx(gaussian.logpdf(row[seen]), abs=1e-6)
    assert found.reliable.all()


def test_a_bernoulli_decoder_under_a_gamma_prior():
    autoencoder = model_of("gamma", "bernoulli", 1)
    x = (np.random.default_rng(0).uniform(size=(3, 5)) < 0.5).astype(np.float32)
    estimate = log_marginal(autoencoder, x)
    for row, log_p in zip(x.astype(float), estimate.log_p, strict=True):

        def joint(z, row=row):
            logits = bernoulli_logits(autoencoder.model.decoder, np.array([z]))
            return np.exp(log_mass(row, logits)) * gamma.pdf(z, 1.0)

        expected, error = quad(joint, 0, np.inf, epsabs=0, epsrel=1e-9)
        assert log_p == pytest.approx(np.log(expected), abs=1e-5 + error / expected)
    assert estimate.reliable.all()


def absolute_value(noise):
    """z ~ N(0, 1), x ~ N(|z|, noise^2), and a recognition model that knows of positive z only."""
    autoencoder = tiny("gaussian", 1, 1, (2,), "relu")
    layer = with_weights(autoencoder.model.decoder.network.layers[0], [[1.0], [-1.0]], [0.0, 0.0])
    decoder = eqx.tree_at(lambda d: d.network.layers, autoencoder.model.decoder, (layer,))
    decoder = with_log_variance(with_head(decoder, "loc", [[1.0, 1.0]], [0.0]), [2 * np.log(noise)])
    return eqx.tree_at(lambda a: a.model.decoder, autoencoder, decoder)


@pytest.mark.long
@pytest.mark.parametrize("noise", [0.5, 0.02])
def test_both_modes_of_a_posterior_are_found(noise):
    """p(x) = 2 N(x; 0, 1 + s^2) P(z > 0), z ~ N(x / (1 + s^2), s^2 / (1 + s^2)): modes up to 150 widths apart."""
    x = np.array([[0.1], [1.5], [3.0]], np.float32)
    estimate = log_marginal(absolute_value(noise), x)
    total = 1 + noise**2
    right = norm.cdf(x[:, 0] / total / (noise / np.sqrt(total)))
    np.testing.assert_allclose(
        estimate.log_p, np.log(2) + norm.logpdf(x[:, 0], 0, np.sqrt(total)) + np.log(right), atol=2e-4
    )
    assert estimate.reliable.all()


@pytest.mark.parametrize(("family", "n_latents"), [("bernoulli", 3), ("categorical", 2)])
def test_every_discrete_code(family, n_latents):
    autoencoder = model_of(family, "bernoulli", n_latents)
    x = (np.random.default_rng(0).uniform(size=(4, 5)) < 0.5).astype(np.float32)
    values = [[0.0], [1.0]] if family == "bernoulli" else np.eye(3)
    codes = [np.concatenate(z) for z in itertools.product(values, repeat=n_latents)]
    masses = [np.exp(log_mass(x, bernoulli_logits(autoencoder.model.decoder, z))) for z in codes]
    exact = np.log(np.mean(masses, axis=0))
    estimate = log_marginal(autoencoder, x)
    np.testing.assert_allclose(estimate.log_p, exact, atol=1e-6)
    assert estimate.reliable.all()
    assert np.all(estimate.diagnostics["points"] == len(codes))
    sampled = log_marginal(autoencoder, x, Importance(2000))
    assert np.all(np.abs(sampled.log_p - exact) < 5 * sampled.monte_carlo_error + 1e-5)


def test_a_grid_that_may_not_be_fine_enough_is_not_relied_on():
    estimate = log_marginal(absolute_value(0.5), np.array([[1.5]], np.float32), Quadrature(1e-13, 2**13))
    assert not estimate.reliable.any()
    assert np.all(estimate.diagnostics["numerical_error"] > 1e-13)


@pytest.mark.parametrize(
    ("autoencoder", "fragment"),
    [
        (lambda: tiny("gaussian", 5, 4), "at most 3 latents, and this model has 4: use importance"),
        (lambda: model_of("dirichlet", "gaussian", 5), "this model has 4"),
        (lambda: model_of("bernoulli", "bernoulli", 17), r"at most 65,536, and this model has 131,072"),
    ],
)
def test_too_many_codes_are_refused(autoencoder, fragment):
    with pytest.raises(InvalidRecipeError, match=fragment):
        log_marginal(autoencoder(), np.zeros((1, 5), np.float32))
    assert jnp.zeros(()).dtype == jnp.float32


@pytest.mark.parametrize(
    ("settings", "fragment"),
    [
        ({"tolerance": 0.0}, "positive number of nats, not 0.0"),
        ({"tolerance": float("nan")}, "positive number of nats, not nan"),
        ({"most_points": 10}, "at least 8192 points, not 10"),
    ],
)
def test_settings_out_of_range_are_refused(settings, fragment):
    with pytest.raises(InvalidRecipeError, match=fragment):
        Quadrature(**settings)
