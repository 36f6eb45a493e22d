"""The two SGVB estimators against exact bounds, each other, and finite differences."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aevb.batch import Batch
from aevb.datasets import Scaling
from aevb.models import split_learned
from aevb.objectives import SGVBA, SGVBB, row_bounds
from oracles import LinearGaussian, tiny

N_ROWS, N_DRAWS = 12, 4000
KEY = jax.random.key(0)
OBJECTIVES = {"sgvb-a": SGVBA, "sgvb-b": SGVBB}


@eqx.filter_jit
def draws(objective, autoencoder, x, key, n=N_DRAWS, mask=None):
    """`n` independent bounds of each row, and their parts."""
    batch = Batch(x, mask)

    def one(key):
        bound = objective(key, autoencoder.model, autoencoder.posterior(batch), batch)
        return {"value": bound.value, "surrogate": bound.surrogate, **bound.parts}

    return jax.vmap(one)(jax.random.split(key, n))


@pytest.fixture(scope="module")
def oracle():
    return LinearGaussian.random(4, 2, orthogonal=True)


@pytest.fixture(scope="module")
def x(oracle):
    return oracle.sample(N_ROWS)


@pytest.fixture(scope="module")
def sampled(oracle, x):
    """Draws of both estimators at an imperfect q, in independent noise."""
    autoencoder = oracle.autoencoder(oracle.imperfect_encoder())
    return {
        (name, n_samples): {
            part: np.asarray(values, float)
            for part, values in draws(
                cls(n_samples), autoencoder, jnp.asarray(x), jax.random.key(10 * n_samples + i)
            ).items()
        }
        for i, (name, cls) in enumerate(OBJECTIVES.items())
        for n_samples in (1, 10)
    }


def test_the_oracle_agrees_with_itself(oracle, x):
    bound, _, _ = oracle.bound(x)
    np.testing.assert_allclose(bound, oracle.log_marginal(x), rtol=1e-12)
    assert np.all(oracle.bound(x, oracle.imperfect_encoder())[0] < oracle.log_marginal(x))


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("n_samples", [1, 10])
def test_the_mean_of_the_draws_is_the_exact_bound(sampled, oracle, x, name, n_samples, assert_jointly_normal):
    got = sampled[name, n_samples]
    exact = dict(
        zip(("value", "reconstruction", "kl"), oracle.bound(x, oracle.imperfect_encoder()), strict=True)
    )
    for part, expected in exact.items():
        errors = got[part].std(0, ddof=1) / np.sqrt(N_DRAWS)
        if part == "kl" and name == "sgvb-b":  # closed: no spread
            np.testing.assert_allclose(got[part], np.broadcast_to(expected, got[part].shape), rtol=1e-4)
        else:
            assert_jointly_normal((got[part].mean(0) - expected) / errors)


def test_both_estimators_agree_in_expectation(sampled, assert_jointly_normal):
    a, b = sampled["sgvb-a", 1]["value"], sampled["sgvb-b", 1]["value"]
    assert_jointly_normal((a.mean(0) - b.mean(0)) / np.sqrt((a.var(0) + b.var(0)) / N_DRAWS))


@pytest.mark.parametrize("name", OBJECTIVES)
def test_variance_falls_as_one_over_the_number_of_samples(sampled, name, assert_jointly_normal):
    one, ten = sampled[name, 1]["value"], sampled[name, 10]["value"]

    def variance_and_its_error(draws):
        centred = draws - draws.mean(0)
        variance = np.mean(centred**2, 0)
        return variance, np.sqrt((np.mean(centred**4, 0) - variance**2) / len(draws))

    (v1, e1), (v10, e10) = variance_and_its_error(one), variance_and_its_error(ten)
    assert_jointly_normal((10 * v10 - v1) / np.hypot(10 * e10, e1))


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("n_samples", [1, 10])
def test_parts_add_up(sampled, name, n_samples):
    got = sampled[name, n_samples]
    np.testing.assert_array_equal(got["surrogate"], got["value"])
    np.testing.assert_allclose(got["reconstruction"] - got["kl"], got["value"], rtol=1e-5, atol=1e-5)


def test_sgvb_a_has_no_variance_at_the_exact_posterior(oracle, x):
    got = draws(SGVBA(), oracle.autoencoder(), jnp.asarray(x), jax.random.key(0), n=200)["value"]
    expected = np.broadcast_to(oracle.log_marginal(x), got.shape)
    np.testing.assert_allclose(got, expected, rtol=2e-5, atol=2e-5)


def test_sgvb_b_has_variance_at_the_exact_posterior(oracle, x):
    """So that the test above does not pass for want of noise."""
    got = draws(SGVBB(), oracle.autoencoder(), jnp.asarray(x), jax.random.key(0), n=200)["value"]
    assert np.all(np.std(got, axis=0) > 0.1)


def test_the_bound_of_probabilistic_pca_is_its_maximum_likelihood():
    x = LinearGaussian.random(5, 3, seed=3).sample(40).astype(np.float64)
    oracle, best = LinearGaussian.ppca(x, 2)
    with jax.enable_x64(True):
        bounds = draws(SGVBA(), oracle.autoencoder(), jnp.asarray(x), jax.random.key(0), n=3)["value"]
        np.testing.assert_allclose(np.sum(bounds, axis=1), best, rtol=1e-9)


def test_densities_are_in_the_users_units(oracle, x):
    scaling = Scaling((3.0, -1.0, 0.0, 100.0), (2.0, 0.01, 1.0, 1000.0))
    autoencoder = oracle.autoencoder(scaling=scaling)
    got = row_bounds(SGVBA(), autoencoder.model, autoencoder.posterior, x, jax.random.key(0))["bound"]
    expected = oracle.log_marginal(x, np.array(scaling.loc), np.array(scaling.scale))
    np.testing.assert_allclose(got, expected, rtol=2e-5)


@pytest.mark.parametrize("cls", OBJECTIVES.values(), ids=OBJECTIVES)
def test_reported_bounds_do_not_depend_on_the_other_rows(cls):
    x = np.random.default_rng(0).normal(size=(9, 5)).astype(np.float32)
    autoencoder, key = tiny(), jax.random.key(0)
    together = row_bounds(cls(), autoencoder.model, autoencoder.posterior, x, key, block_rows=4)
    order = np.array([3, 8, 0, 3])
    elsewhere = row_bounds(cls(), autoencoder.model, autoencoder.posterior, x[order], key, block_rows=4)
    assert set(together) == {"bound", "reconstruction", "kl"}
    for name, values in together.items():
        assert values.shape == (9,)
        np.testing.assert_array_equal(elsewhere[name], values[order])
    other = row_bounds(cls(), autoencoder.model, autoencoder.posterior, x, jax.random.key(1), block_rows=4)
    assert not np.any(other["bound"] == together["bound"])


def test_the_bound_of_rows_with_holes_is_that_of_the_observed_columns(oracle, x, assert_jointly_normal):
    seen = np.array([True, False, True, True])
    part = LinearGaussian(oracle.weight[seen], oracle.bias[seen], oracle.log_variance[seen])
    a, c, log_v = part.imperfect_encoder()
    wide = np.zeros((2, 4))
    wide[:, seen] = a
    autoencoder = oracle.autoencoder((wide, c, log_v))
    holes = np.where(seen, x, np.nan).astype(np.float32)
    got = draws(
        SGVBB(), autoencoder, jnp.asarray(holes), KEY, mask=jnp.asarray(np.broadcast_to(seen, x.shape))
    )
    expected, _, kl = part.bound(x[:, seen], (a, c, log_v))
    np.testing.assert_allclose(got["kl"][0], kl, rtol=1e-4)
    value = np.asarray(got["value"], float)
    assert_jointly_normal((value.mean(0) - expected) / (value.std(0) / np.sqrt(N_DRAWS)))


@pytest.mark.parametrize("cls", OBJECTIVES.values(), ids=OBJECTIVES)
@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian", "gaussian-sigmoid", "gaussian-isotropic"])
def test_gradients_are_finite_differences(cls, likelihood):
    """Central differences in double precision and common random numbers, for every single weight."""
    x = np.random.default_rng(0).uniform(size=(4, 3))
    with jax.enable_x64(True):
        autoencoder = tiny(likelihood, d=3, k=2, hidden=(3,), scaling=Scaling((0.0,) * 3, (1.0, 2.0, 3.0)))
        batch = Batch(jnp.asarray(x), weight=jnp.asarray(np.array([1.0, 1.0, 1.0, 0.0])))
        learned, rest = split_learned(autoencoder)
        leaves, tree = jax.tree.flatten(learned)
        start = np.concatenate([np.ravel(leaf) for leaf in leaves])
        assert start.dtype == np.float64

        def loss(flat, attribute):
            parts = jnp.split(flat, np.cumsum([leaf.size for leaf in leaves])[:-1])
            weights = [part.reshape(leaf.shape) for part, leaf in zip(parts, leaves, strict=True)]
            current = eqx.combine(jax.tree.unflatten(tree, weights), rest)
            bound = cls(2)(KEY, current.model, current.posterior(batch), batch)
            return batch.mean(getattr(bound, attribute))

        @jax.jit
        def run(points, start):
            values = jax.lax.map(lambda point: loss(point, "value"), points)
            return values, jax.grad(loss)(start, "surrogate")

        step = 1e-5 * np.eye(start.size)
        values, gradient = run(jnp.asarray(np.concatenate([start + step, start - step])), jnp.asarray(start))
        above, below = np.split(np.asarray(values), 2)
        differences = (above - below) / 2e-5
    n_generative = sum(leaf.size for leaf in jax.tree.leaves(learned.model))  # `model` is the first field
    for which in (slice(None, n_generative), slice(n_generative, None)):
        assert np.abs(differences[which]).max() > 1e-2
        np.testing.assert_allclose(np.asarray(gradient)[which], differences[which], rtol=1e-6, atol=1e-8)
