"""Encoders, decoders and the latent variable model: values, gradients, extremes, masks and units."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import norm

from aevb.batch import Batch
from aevb.datasets import Scaling
from aevb.models import total
from aevb.models.conditional import LOG_VARIANCE_LIMITS, output_width, soft_clip
from aevb.networks import MLP
from oracles import LinearGaussian, tiny, with_head, with_log_variance, with_weights

KEY = jax.random.key(0)
NAMES = ["bernoulli", "gaussian", "gaussian-sigmoid", "gaussian-diagonal", "gaussian-isotropic"]


def constant_bernoulli(logits):
    """A decoder with these logits whatever z is."""
    model = tiny("bernoulli", d=len(logits)).model
    decoder = with_head(
        model.decoder, "logits", np.zeros(model.decoder.heads["logits"].weight.shape[::-1]), np.array(logits)
    )
    return eqx.tree_at(lambda m: m.decoder, model, decoder)


@eqx.filter_jit
def log_likelihood(model, batch, z):
    return model.log_likelihood(batch, z)


# --- soft_clip ---------------------------------------------------------------------------------------


def test_soft_clip_holds_any_number_within_the_limits():
    x = jnp.asarray([-np.inf, -1e30, -1e4, -13.0, 0, 13, 1e4, 1e30, np.inf], jnp.float32)
    y = np.asarray(soft_clip(x, -12.0, 12.0))
    assert np.all((y >= -12) & (y <= 12))
    assert np.all(np.diff(y) >= 0)


def test_soft_clip_is_the_identity_away_from_the_limits():
    x = np.linspace(-11.5, 11.5, 200)
    with jax.enable_x64(True):
        got = np.asarray(soft_clip(jnp.asarray(x), -12.0, 12.0))
    distance = np.minimum(12 - x, x + 12)
    assert np.all(np.abs(got - x) <= 1.0001 * np.exp(-distance))
    np.testing.assert_allclose(got, -got[::-1], atol=1e-9)


@pytest.mark.parametrize("x", [-np.inf, -1e30, -1e4, 0.0, 5.0, 1e4, 1e30, np.inf])
def test_soft_clip_has_a_finite_slope(x):
    slope = float(jax.grad(lambda x: soft_clip(x, -12.0, 12.0))(jnp.float32(x)))
    assert 0 <= slope <= 1
    assert slope == pytest.approx(1.0 if abs(x) < 6 else 0.0, abs=1e-2)


# --- heads and distributions ------------------------------------------------------------------------


@pytest.mark.parametrize("head", ["encoder", "decoder"])
@pytest.mark.parametrize("extreme", [-1e4, 1e4])
def test_log_variances_stay_within_their_limits(head, extreme):
    autoencoder = tiny()
    module = autoencoder.encoder if head == "encoder" else autoencoder.model.decoder
    layer = module.heads["log_variance"]
    constant = with_weights(layer, np.zeros(layer.weight.shape[::-1]), np.full(len(layer.bias), extreme))
    module = eqx.tree_at(lambda m: m.heads["log_variance"], module, constant)
    given = Batch(jnp.zeros((3, 5))) if head == "encoder" else jnp.zeros((3, 2))
    variance = module(given).variance
    expected = np.exp(LOG_VARIANCE_LIMITS[0] if extreme < 0 else LOG_VARIANCE_LIMITS[1])
    np.testing.assert_allclose(variance, expected, rtol=1e-4)


def test_the_encoder_is_affine_maps_of_its_features():
    encoder, x = tiny().encoder, np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)
    layer = encoder.network.layers[0]
    h = np.tanh(x @ np.asarray(layer.weight) + layer.bias)
    q = encoder(Batch(jnp.asarray(x)))
    assert (q.batch_shape, q.event_shape) == ((3,), (2,))
    np.testing.assert_allclose(
        q.mean, h @ np.asarray(encoder.heads["loc"].weight) + encoder.heads["loc"].bias, rtol=1e-4, atol=1e-5
    )
    log_variance = h @ np.asarray(encoder.heads["log_variance"].weight) + encoder.heads["log_variance"].bias
    np.testing.assert_allclose(np.log(q.variance), log_variance, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("likelihood", NAMES)
@pytest.mark.parametrize("shape", [(3, 2), (4, 3, 2)])
def test_decoders_are_element_wise(likelihood, shape):
    p = tiny(likelihood).model.decoder(jnp.ones(shape))
    assert (p.batch_shape, p.event_shape) == ((*shape[:-1], 5), ())
    assert p.mean.shape == (*shape[:-1], 5)


def test_sigmoid_means_lie_in_the_unit_interval():
    decoder = tiny("gaussian-sigmoid").model.decoder
    plain = eqx.tree_at(lambda d: d.heads, tiny("gaussian").model.decoder, decoder.heads)
    z = jnp.asarray(np.random.default_rng(0).normal(size=(4, 2)).astype(np.float32))
    np.testing.assert_allclose(decoder(z).mean, expit(np.asarray(plain(z).mean)), rtol=1e-5)
    np.testing.assert_array_equal(decoder(z).variance, plain(z).variance)


def test_output_width():
    assert output_width(MLP(3, (), key=KEY), 3) == 3
    assert output_width(MLP(3, (7, 6), key=KEY), 3) == 6


# --- log densities ----------------------------------------------------------------------------------


def test_bernoulli_log_probabilities_from_extreme_logits():
    logits = np.array([1e4, -1e4, 1e4, -1e4, 1.0])
    model, z = constant_bernoulli(logits), jnp.zeros((2, 2))
    x = np.array([[1, 0, 1, 0, 1], [0, 1, 1, 0, 0]], np.float32)
    got = log_likelihood(model, Batch(jnp.asarray(x)), z)
    np.testing.assert_allclose(got, [np.log(expit(1)), -2e4 + np.log(expit(-1))], rtol=1e-6)

    def loss(model):
        return jnp.sum(model.log_likelihood(Batch(jnp.asarray(x)), z))

    gradient = eqx.filter_jit(eqx.filter_grad(loss))(model).decoder.heads["logits"].bias
    np.testing.assert_allclose(gradient, np.sum(x - expit(logits), axis=0), atol=1e-6)


def test_the_gradient_at_a_logit_of_exactly_zero():
    """x - 1/2: where a formula with max and abs of the logit has a kink of its own making."""
    model, x = constant_bernoulli(np.zeros(5)), jnp.asarray([[1.0, 0.0, 1.0, 0.0, 0.25]])

    def loss(model):
        return model.log_likelihood(Batch(x), jnp.zeros((1, 2)))[0]

    gradient = eqx.filter_jit(eqx.filter_grad(loss))(model).decoder.heads["logits"].bias
    np.testing.assert_allclose(gradient, x[0] - 0.5, atol=1e-6)


def test_a_grey_pixel_gives_its_cross_entropy():
    logits = np.array([-3.0, -0.5, 0.0, 2.0, 30.0])
    x = np.array([[0.1, 0.5, 0.9, 0.3, 0.7]], np.float32)
    p = expit(logits)
    with np.errstate(divide="ignore"):
        expected = np.sum(x * np.log(p) + (1 - x) * (-np.logaddexp(0, logits)))
    got = log_likelihood(constant_bernoulli(logits), Batch(jnp.asarray(x)), jnp.zeros((1, 2)))
    np.testing.assert_allclose(got, [expected], rtol=1e-6)


def test_the_gaussian_log_likelihood_is_scipys():
    oracle = LinearGaussian.random(4, 2)
    x, z = oracle.sample(6), np.random.default_rng(0).normal(size=(3, 6, 2)).astype(np.float32)
    model = oracle.autoencoder(oracle.imperfect_encoder()).model
    got = log_likelihood(model, Batch(jnp.asarray(x)), jnp.asarray(z))
    expected = norm.logpdf(x, z @ oracle.weight.T + oracle.bias, np.exp(oracle.log_variance / 2)).sum(-1)
    np.testing.assert_allclose(got, expected, rtol=1e-4)
    np.testing.assert_allclose(
        model.log_prior(jnp.asarray(z), Batch(jnp.asarray(x))), norm.logpdf(z).sum(-1), rtol=1e-5
    )


@pytest.mark.parametrize("likelihood", NAMES)
def test_a_mask_leaves_out_entries_their_values_and_their_gradients(likelihood):
    autoencoder = tiny(likelihood, scaling=Scaling((0.0,) * 5, (1.0, 2.0, 3.0, 4.0, 5.0)))
    rng = np.random.default_rng(0)
    full = rng.uniform(size=(4, 5)).astype(np.float32)
    mask = rng.uniform(size=(4, 5)) < 0.6
    mask[3] = False  # a row with nothing observed
    z = jnp.asarray(rng.normal(size=(4, 2)).astype(np.float32))
    holes = [np.where(mask, full, bad).astype(np.float32) for bad in (np.nan, np.inf, 0.5)]

    @eqx.filter_jit
    @eqx.filter_value_and_grad(has_aux=True)
    def run(autoencoder, x, mask):
        batch = Batch(x, mask)
        per_row = autoencoder.model.log_likelihood(batch, autoencoder.encoder(batch).mean + z)
        return jnp.sum(per_row), per_row

    ((_, first), gradient), *others = [run(autoencoder, jnp.asarray(x), jnp.asarray(mask)) for x in holes]
    assert first[3] == 0
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(gradient))
    for (_, other), other_gradient in others:
        np.testing.assert_array_equal(other, first)
        jax.tree.map(np.testing.assert_array_equal, other_gradient, gradient)

    p = autoencoder.model.decoder(autoencoder.encoder(Batch(jnp.asarray(np.where(mask, full, 0.0)))).mean + z)
    elements = np.asarray(p.log_prob(jnp.asarray(full)))
    if likelihood != "bernoulli":
        elements = elements - np.log([1.0, 2.0, 3.0, 4.0, 5.0])
    np.testing.assert_allclose(first, np.where(mask, elements, 0).sum(1), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("likelihood", ["gaussian", "gaussian-sigmoid"])
def test_the_density_integrates_to_one_in_the_users_units(likelihood):
    scaling = Scaling((50.0,), (7.0,))
    model = tiny(likelihood, d=1, scaling=scaling).model
    decoder = with_log_variance(model.decoder, np.array([-1.0]))
    model, z = eqx.tree_at(lambda m: m.decoder, model, decoder), jnp.ones((4001, 2))
    users = np.linspace(-50, 150, 4001)
    density = np.exp(log_likelihood(model, Batch(jnp.asarray(scaling.apply(users[:, None]))), z))
    assert np.trapezoid(density, users) == pytest.approx(1, abs=1e-4)
    mean = float(model.decoder(z[:1]).mean[0, 0]) * 7 + 50
    np.testing.assert_allclose(density, norm.pdf(users, mean, 7 * np.exp(-0.5)), rtol=1e-3, atol=1e-6)


def test_a_mass_function_has_no_jacobian():
    x = Batch(jnp.ones((1, 5)))
    plain, scaled = (
        tiny("bernoulli").model,
        tiny("bernoulli", scaling=Scaling((0.0,) * 5, (255.0,) * 5)).model,
    )
    z = jnp.ones((1, 2))
    np.testing.assert_array_equal(log_likelihood(scaled, x, z), log_likelihood(plain, x, z))


def test_simulated_rows_have_the_models_moments(assert_jointly_normal):
    oracle, n = LinearGaussian.random(3, 2), 20_000
    model = oracle.autoencoder(oracle.imperfect_encoder()).model
    z, simulated = eqx.filter_jit(model.simulate)(KEY, Batch(jnp.zeros((n, 3))))
    x = simulated.x
    assert (z.shape, x.shape) == ((n, 2), (n, 3))
    joint = np.concatenate([z, x], axis=1).astype(float)
    mean = np.concatenate([np.zeros(2), oracle.bias])
    covariance = np.block([[np.eye(2), oracle.weight.T], [oracle.weight, oracle.covariance]])
    white = np.linalg.solve(np.linalg.cholesky(covariance), (joint - mean).T)
    assert_jointly_normal(white.mean(1) * np.sqrt(n))
    second = white @ white.T / n - np.eye(5)
    assert_jointly_normal(second[np.tril_indices(5, -1)] * np.sqrt(n))
    assert_jointly_normal(np.diag(second) / np.sqrt(2 / n))


def test_the_posterior_keeps_latents_apart_on_demand():
    autoencoder = tiny()
    posterior = autoencoder.posterior(Batch(jnp.ones((3, 5))))
    divergence = posterior.divergence(None)
    assert divergence["z"].shape == (3, 2)
    np.testing.assert_allclose(divergence["z"].sum(1), total(divergence), rtol=1e-6)
    z = posterior.sample(KEY)
    assert z.shape == (3, 2)
    assert posterior.log_prob(z).shape == (3,)
    assert posterior.log_prob(jnp.stack([z, z])).shape == (2, 3)
