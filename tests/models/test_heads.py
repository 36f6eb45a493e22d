"""Encoders and priors of every family: shapes, limits, and parameters that a family accepts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import entr, softmax

from aevb.batch import Batch
from aevb.distributions import FAMILIES
from aevb.models import AmortizedPosterior, Encoder, FamilyPrior, Prior, choose_prior, code_width
from aevb.models.heads import HEADS, head
from aevb.networks import MLP
from short_suite import short

N_LATENTS, N_CATEGORIES, N_ROWS, N_FEATURES = 3, 4, 5, 6
FEATURES = np.random.default_rng(0).normal(size=(N_ROWS, 64)).astype(np.float32)


def features(family, scale):
    """What the layers of a head may give, however large."""
    layers = head(family, N_CATEGORIES)
    widths = [layers.width(name, N_LATENTS) for name in layers.features]
    return [jnp.asarray(scale * FEATURES[:, i : i + width]) for i, width in enumerate(widths)]


def test_every_family_has_a_head():
    assert set(HEADS) | {"categorical"} == set(FAMILIES)


@pytest.mark.parametrize("family", short(*(set(FAMILIES) - {"elliptical"}), of=FAMILIES))
def test_an_encoder_gives_the_family_over_codes(family):
    encoder = Encoder(
        MLP(N_FEATURES, (4,), key=jax.random.key(0)),
        N_FEATURES,
        N_LATENTS,
        family,
        N_CATEGORIES,
        key=jax.random.key(1),
    )
    q = encoder(Batch(jnp.ones((N_ROWS, N_FEATURES))))
    width = code_width(family, N_LATENTS, N_CATEGORIES)
    assert q.batch_shape == (N_ROWS,)
    assert q.event_shape == (width,)
    prior = Prior(choose_prior("auto", family), N_LATENTS, N_CATEGORIES)
    assert prior().event_shape == (width,)
    z = q.sample(jax.random.key(2))
    assert np.all(np.isfinite(q.log_prob(z)))
    assert np.all(np.isfinite(prior().log_prob(z)))


@pytest.mark.parametrize("scale", short(1e4, of=[0.0, 1.0, 1e4]))
@pytest.mark.parametrize("family", short(*(set(FAMILIES) - {"elliptical"}), of=FAMILIES))
def test_samples_densities_and_gradients_are_finite_whatever_a_network_gives(family, scale):
    def log_prob(features):
        q = head(family, N_CATEGORIES).build(*features)
        z = q.sample(jax.random.key(0))
        return jnp.sum(q.log_prob(jax.lax.stop_gradient(z))), z

    given = features(family, scale)
    (value, z), gradients = jax.value_and_grad(log_prob, has_aux=True)(given)
    assert np.isfinite(value)
    assert np.all(np.isfinite(z))
    assert all(np.all(np.isfinite(gradient)) for gradient in gradients)
    low, high = head(family, N_CATEGORIES).interval or (-np.inf, np.inf)
    assert np.all((z >= low) & (z <= high))


@pytest.mark.parametrize("family", [name for name in FAMILIES if name not in ("categorical", "erlang")])
def test_a_heads_parameters_are_the_familys(family):
    q = head(family, N_CATEGORIES).build(*features(family, 1.0))
    base = q if FAMILIES[family].event_dim else q.base_dist
    FAMILIES[family](
        **{parameter.name: getattr(base, parameter.name) for parameter in FAMILIES[family].parameters}
    )


def test_the_gaussian_heads_are_a_mean_and_a_log_variance():
    encoder = Encoder(MLP(2, (), key=jax.random.key(0)), 2, 3, key=jax.random.key(1))
    assert list(encoder.heads) == ["loc", "log_variance"]
    x = jnp.asarray([[1.0, 2.0]])
    q = encoder(Batch(x))
    for got, name in ((q.mean, "loc"), (jnp.log(q.variance), "log_variance")):
        layer = encoder.heads[name]
        np.testing.assert_allclose(got, x @ layer.weight + layer.bias, rtol=1e-4, atol=1e-5)


def test_each_categorical_latent_has_a_divergence_of_its_own():
    """From a uniform prior: log(categories) less the entropy of q."""
    logits = jnp.asarray(FEATURES[:, : N_LATENTS * N_CATEGORIES])
    q = head("categorical", N_CATEGORIES).build(logits)
    posterior = AmortizedPosterior(
        q, FamilyPrior(Prior("categorical", N_LATENTS, N_CATEGORIES)(), len(logits)), "categorical"
    )
    p = softmax(np.asarray(logits, float).reshape(N_ROWS, N_LATENTS, N_CATEGORIES), axis=-1)
    by_latent = posterior.divergence(None)["z"]
    np.testing.assert_allclose(by_latent, np.log(N_CATEGORIES) - entr(p).sum(-1), rtol=1e-4)
