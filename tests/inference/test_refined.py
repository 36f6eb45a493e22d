"""Refined posteriors against the best factorized Gaussian, which is known for linear-Gaussian models."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aevb.batch import Batch
from aevb.errors import InvalidRecipeError
from aevb.inference import Refined
from aevb.models import AutoEncoder, Encoder, LatentVariableModel, Prior
from aevb.networks import MLP
from oracles import LinearGaussian, tiny

KEY = jax.random.key(0)
N_ROWS = 24


@eqx.filter_jit
def posterior(refined, batch):
    q = refined(batch).distribution
    return q.mean, q.variance


def best_encoder(oracle):
    """The maximum over factorized Gaussians: the exact means, and precisions the diagonal of the exact precision."""
    a, c, covariance = oracle.encoder_map
    return a, c, -np.log(np.diag(np.linalg.inv(covariance)))


def bounds(oracle, x, mean, variance):
    """The exact bound of each row at a Gaussian of its own."""
    nowhere = np.zeros((oracle.k, oracle.d))
    return np.array(
        [oracle.bound(x[i : i + 1], (nowhere, mean[i], np.log(variance[i])))[0][0] for i in range(len(x))]
    )


@pytest.fixture(scope="module")
def oracle():
    return LinearGaussian.random(5, 3)


@pytest.fixture(scope="module")
def x(oracle):
    return oracle.sample(N_ROWS)


@pytest.fixture(scope="module")
def imperfect(oracle):
    return oracle.autoencoder(oracle.imperfect_encoder())


def test_reaches_the_best_bound_of_the_family(oracle, x, imperfect):
    start, _, _ = oracle.bound(x, oracle.imperfect_encoder())
    best, _, _ = oracle.bound(x, best_encoder(oracle))
    assert np.mean(best - start) > 0.5
    loss = best - bounds(oracle, x, *posterior(Refined(imperfect, KEY), Batch(jnp.asarray(x))))
    assert np.all(loss > -1e-4)
    assert np.mean(loss) < 0.02
    assert np.max(loss) < 0.1


@pytest.mark.long
def test_no_row_keeps_the_start_where_a_third_of_a_nat_is_to_be_had(oracle):
    """Judged by 32 draws, 7 of these 300 did."""
    x, (a, c, log_v) = oracle.sample(300), best_encoder(oracle)
    encoder = (a, c + 0.1 * np.exp(log_v / 2), log_v + 0.6)
    refined, batch = Refined(oracle.autoencoder(encoder), KEY), Batch(jnp.asarray(x))
    loss = oracle.bound(x, best_encoder(oracle))[0] - bounds(oracle, x, *posterior(refined, batch))
    gain = oracle.bound(x, best_encoder(oracle))[0] - oracle.bound(x, encoder)[0]
    assert np.mean(gain) > 0.3
    assert np.max(loss) < 0.1


def test_a_row_depends_on_the_key_and_itself_alone(x, imperfect):
    refined = Refined(imperfect, KEY, 300)
    mean, _ = posterior(refined, Batch(jnp.asarray(x)))
    order = np.random.default_rng(0).permutation(N_ROWS)
    shuffled, _ = posterior(refined, Batch(jnp.asarray(x[order])))
    np.testing.assert_array_equal(shuffled, np.asarray(mean)[order])
    twice, _ = posterior(refined, Batch(jnp.asarray(np.repeat(x[:1], N_ROWS, axis=0))))
    np.testing.assert_array_equal(twice, np.repeat(np.asarray(mean)[:1], N_ROWS, axis=0))
    other, _ = posterior(dataclasses.replace(refined, key=jax.random.key(1)), Batch(jnp.asarray(x)))
    assert not np.any(other == mean)


def test_one_program_for_every_number_of_steps_and_rate(x, imperfect):
    seen = []

    @eqx.filter_jit
    def counted(refined, batch):
        seen.append(1)
        return refined.features(batch)

    for settings in ((3, 0.1), (5, 0.1), (5, 0.2)):
        counted(Refined(imperfect, KEY, *settings), Batch(jnp.asarray(x[:2])))
    assert len(seen) == 1


@pytest.mark.parametrize("rate", [1e-3, 30.0, 1e30])
def test_never_ends_below_its_start(oracle, x, rate):
    """Steps far too large: rows keep the encoder's parameters; from the best encoder only noise can be gained."""
    autoencoder = oracle.autoencoder(best_encoder(oracle))
    best, _, _ = oracle.bound(x, best_encoder(oracle))
    mean, variance = posterior(Refined(autoencoder, KEY, 300, rate), Batch(jnp.asarray(x)))
    assert np.all(np.isfinite(mean))
    assert np.all(best - bounds(oracle, x, mean, variance) < 0.5)


def test_missing_values_are_integrated_out(oracle, x, imperfect):
    """With the last three entries unseen, the best posterior is that of the model of the first two alone."""
    seen = np.arange(oracle.d) < 2
    batch = Batch(jnp.asarray(np.where(seen, x, 0.0)), jnp.asarray(np.broadcast_to(seen, x.shape)))
    mean, variance = posterior(Refined(imperfect, KEY), batch)
    part = LinearGaussian(oracle.weight[:2], oracle.bias[:2], oracle.log_variance[:2])
    best, _, _ = part.bound(x[:, :2], best_encoder(part))
    assert np.mean(best - bounds(part, x[:, :2], mean, variance)) < 0.05


def of_family(family, prior="gaussian"):
    """A small autoencoder whose posterior is of another family."""
    plain = tiny()
    encoder = Encoder(MLP(5, (4,), "tanh", key=KEY), 5, 2, family, 3, key=KEY)
    width = 6 if family == "categorical" else 2
    decoder = tiny(k=width).model.decoder
    prior = Prior(prior, 2, 3)
    return AutoEncoder(LatentVariableModel(prior, decoder, plain.model.log_scale), encoder)


@pytest.mark.long
def test_without_a_closed_divergence():
    """Refined by draws of log q, the bound rises."""
    autoencoder = of_family("laplace", "student-t")
    with pytest.raises(NotImplementedError):
        autoencoder.posterior(Batch(jnp.zeros((1, 5)))).divergence(None)
    x = jnp.asarray(3 * np.random.default_rng(0).normal(size=(8, 5)).astype(np.float32))

    @eqx.filter_jit
    def bound(recognition, key):
        batch = Batch(x)

        def one(key):
            q = recognition(batch)
            z = q.sample(key)
            model = autoencoder.model
            return model.log_likelihood(batch, z) + model.log_prior(z, batch) - q.log_prob(z)

        return jax.vmap(one)(jax.random.split(key, 500)).mean(axis=0)

    before, after = (
        bound(q, KEY) for q in (autoencoder.posterior, Refined(autoencoder, jax.random.key(1), 100))
    )
    assert np.all(after > before - 0.2)
    assert np.mean(after - before) > 1.0


def test_discrete_codes_are_refused():
    with pytest.raises(InvalidRecipeError, match=r"discrete codes have none.*amortized"):
        Refined(of_family("categorical", "categorical"), KEY)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_steps": 0}, "at least 1 step"),
        ({"n_samples": 0}, "at least 1 step and 1 sample"),
        ({"learning_rate": 0.0}, "positive number, not 0"),
        ({"learning_rate": float("nan")}, "not nan"),
    ],
)
def test_wrong_settings_are_refused(imperfect, settings, message):
    with pytest.raises(InvalidRecipeError, match=message):
        Refined(imperfect, KEY, **settings)
