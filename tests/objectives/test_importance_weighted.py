"""The importance-weighted bound and Rényi's: their values, and what their gradients have in common with others."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from scipy.special import logsumexp

from aevb.batch import Batch
from aevb.models import split_learned
from aevb.objectives import SGVBA, ImportanceWeighted, Renyi, StickingTheLanding
from aevb.objectives.importance_weighted import log_power_mean
from objectives.gradients import compiled
from oracles import LinearGaussian, tiny

KEY = jax.random.key(0)
ORACLE = LinearGaussian.random(4, 2, orthogonal=True)
X = ORACLE.sample(5)
BATCH = Batch(jnp.asarray(X))


@compiled
def values(objective, autoencoder, keys):
    """The bound of each row, in as many independent draws as there are keys."""
    posterior = autoencoder.posterior(BATCH)
    return jax.vmap(lambda key: objective(key, autoencoder.model, posterior, BATCH))(keys)


@compiled
def evaluate(autoencoder, batch, *objectives):
    """The bound of each objective in the same noise, and the gradient of its surrogate by part."""
    learned, rest = split_learned(autoencoder)

    def surrogate(learned, objective):
        autoencoder = eqx.combine(learned, rest)
        bound = objective(KEY, autoencoder.model, autoencoder.posterior(batch), batch)
        return batch.mean(bound.surrogate), bound

    results = []
    for objective in objectives:
        gradient, bound = jax.grad(surrogate, has_aux=True)(learned, objective)
        results.append((bound, ravel_pytree(gradient.model)[0], ravel_pytree(gradient.encoder)[0]))
    return results


def test_the_bound_rises_with_k_to_the_exact_evidence():
    """Every rise and distance below the evidence is over 5 standard errors, and at K = 4096 the gap within them."""
    autoencoder, evidence = ORACLE.autoencoder(ORACLE.imperfect_encoder()), ORACLE.log_marginal(X)
    means, errors = [], []
    for k, n in ((1, 5000), (4, 5000), (16, 5000), (4096, 25)):
        drawn = values(ImportanceWeighted(k), autoencoder, jax.random.split(jax.random.key(k), n)).value
        drawn = np.asarray(drawn, float).mean(1)
        means.append(drawn.mean())
        errors.append(drawn.std() / np.sqrt(n))
    gaps, errors = evidence.mean() - np.array(means), np.array(errors)
    elbo = ORACLE.bound(X, ORACLE.imperfect_encoder())[0].mean()
    assert means[0] == pytest.approx(elbo, abs=5 * errors[0])
    assert np.all(gaps[:3] > 5 * errors[:3])
    assert np.all(-np.diff(gaps[:3]) > 5 * np.hypot(errors[1:3], errors[:2]))
    assert abs(gaps[3]) < 5 * errors[3] < 0.003


def test_at_the_exact_posterior_values_are_the_evidence_and_stopped_gradients_vanish():
    """Of the encoder, and draw by draw; the plain ones stay as noisy as ever. Weights are rounded to float32."""
    stopped = [StickingTheLanding(), *(ImportanceWeighted(7, gradient) for gradient in ("stl", "dreg"))]
    plain = [SGVBA(), ImportanceWeighted(7), *(Renyi(alpha, 7) for alpha in (-2.0, 1.0, 4.0))]
    for i, (bound, _, encoder) in enumerate(evaluate(ORACLE.autoencoder(), BATCH, *stopped, *plain)):
        np.testing.assert_allclose(bound.value, ORACLE.log_marginal(X), rtol=3e-5)
        assert np.abs(encoder).max() < 1e-4 if i < len(stopped) else np.abs(encoder).max() > 0.1
    imperfect = ORACLE.autoencoder(ORACLE.imperfect_encoder())
    for _, _, encoder in evaluate(imperfect, BATCH, *stopped):
        assert np.abs(encoder).max() > 0.01


def assert_same(one, other, parts=("model", "encoder")):
    """Two bounds are the same, and so are these parts of their gradients."""
    np.testing.assert_allclose(one[0].value, other[0].value, rtol=1e-6)
    for name in ("reconstruction", "kl"):
        np.testing.assert_allclose(one[0].parts[name], other[0].parts[name], rtol=1e-6)
    for part, got, expected in zip(("model", "encoder"), one[1:], other[1:], strict=True):
        scale = np.abs(expected).max()
        assert scale > 0.1
        if part in parts:
            np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4 * scale)
        else:
            assert np.abs(got - expected).max() > 0.01 * scale


CURVED = tiny("gaussian", d=4, k=2, hidden=(5,))


def test_in_the_same_noise_k_1_is_the_evidence_lower_bound():
    elbo, stl, *others = evaluate(
        *(CURVED, BATCH, SGVBA(), StickingTheLanding()),
        *(ImportanceWeighted(1), Renyi(3.0, 1), ImportanceWeighted(1, "stl"), ImportanceWeighted(1, "dreg")),
    )
    for other, same in zip(others, (elbo, elbo, stl, stl), strict=True):
        assert_same(other, same)
    assert_same(stl, elbo, parts=["model"])


@pytest.mark.long
def test_in_the_same_noise_gradients_of_one_bound_differ_in_the_encoder_only():
    elbo, at_1, plain, at_0, dreg, stl = evaluate(
        *(CURVED, BATCH, SGVBA(4), Renyi(1.0, 4), ImportanceWeighted(4), Renyi(0.0, 4)),
        *(ImportanceWeighted(4, "dreg"), ImportanceWeighted(4, "stl")),
    )
    assert_same(at_1, elbo)
    assert_same(at_0, plain)
    assert_same(dreg, plain, parts=["model"])
    assert_same(stl, plain, parts=["model"])
    assert np.all(plain[0].value > elbo[0].value)
    for name, part in elbo[0].parts.items():  # the bound's parts are those of the evidence lower bound
        np.testing.assert_allclose(dreg[0].parts[name], part, rtol=1e-6)


def test_dreg_weighs_each_draws_path_by_its_squared_weight():
    """Written out for one row: sum_k v_k^2 (d log w / dz) (dz / dphi), Tucker et al. 2018."""
    batch, k = Batch(BATCH.x[:1]), 3

    @compiled
    def written_out(encoder, rest):
        q = CURVED.posterior(batch)

        def log_w(z):
            return (
                CURVED.model.log_likelihood(batch, z) + CURVED.model.log_prior(z, batch) - q.log_prob(z)
            ).sum()

        keys = jax.random.split(KEY, k)
        v = jax.nn.softmax(jnp.stack([log_w(q.sample(key)) for key in keys]))
        total = 0.0
        for weight, key in zip(v, keys, strict=True):
            slope = jax.grad(log_w)(q.sample(key))
            path = jax.grad(
                lambda e, key=key, slope=slope: jnp.sum(eqx.combine(e, rest)(batch).sample(key) * slope)
            )
            total = total + weight**2 * ravel_pytree(path(encoder))[0]
        return total

    expected = written_out(*split_learned(CURVED.encoder))
    got = evaluate(CURVED, batch, ImportanceWeighted(k, "dreg"))[0][2]
    assert np.abs(expected).max() > 0.01
    np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


@pytest.mark.long
def test_dreg_costs_no_second_pass():
    """Of plain arithmetic, as the compiler counts it; a second forward pass would add a third."""
    autoencoder = tiny("bernoulli", d=30, k=5, hidden=(40,))
    batch = Batch(jnp.zeros((20, 30)))
    start, rest = split_learned(autoencoder)

    def cost(objective):
        def surrogate(learned, key):
            autoencoder = eqx.combine(learned, rest)
            bound = objective(key, autoencoder.model, autoencoder.posterior(batch), batch)
            return batch.mean(bound.surrogate), bound.value

        program = compiled(jax.grad(surrogate, has_aux=True)).lower(start, KEY).compile().compiled
        return program.cost_analysis()["flops"]

    assert cost(ImportanceWeighted(5, "dreg")) < 1.05 * cost(ImportanceWeighted(5))


def test_renyis_value_falls_with_alpha_through_the_evidence_lower_bound():
    log_w = jnp.asarray(np.random.default_rng(0).normal(-90, 5, size=(6, 20)).astype(np.float32))
    alphas = (-3.0, 0.0, 0.999, 1.0, 1.001, 5.0)
    drawn = jax.jit(lambda log_w: jnp.stack([log_power_mean(log_w, 1 - alpha) for alpha in alphas]))(log_w)
    assert np.all(np.diff(drawn, axis=0) < 0)
    np.testing.assert_allclose(drawn[3], np.mean(log_w, axis=0), rtol=1e-6)
    np.testing.assert_allclose(drawn[2] - drawn[4], 0.001 * np.var(log_w, axis=0), rtol=0.02)


@pytest.mark.parametrize("order", [1.0, 0.5, 2.0, -1.0, -3.0, 1e-4, -1e-4])
def test_power_means_against_double_precision(order):
    log_w = np.random.default_rng(0).normal(-500, 3, size=(6, 50)).astype(np.float32)
    wide = log_w.astype(float)
    expected = (logsumexp(order * wide, axis=0) - np.log(6)) / order
    value, slope = jax.jit(
        lambda log_w: (
            log_power_mean(log_w, order),
            jax.grad(lambda v: log_power_mean(v, order).sum())(log_w),
        )
    )(jnp.asarray(log_w))
    np.testing.assert_allclose(value, expected, rtol=0, atol=1e-4)  # two units in the last place of 500
    weights = np.exp(order * wide - logsumexp(order * wide, axis=0))
    np.testing.assert_allclose(slope, weights, rtol=1e-4, atol=1e-6)


def test_power_means_at_the_edge():
    huge = jnp.asarray(np.array([[-1e5, 1e5, -np.inf, -np.inf], [-2e5, 3.0, 2.0, -np.inf]], np.float32))
    got = log_power_mean(huge, 1.0)
    np.testing.assert_allclose(got, np.array([-1e5, 1e5, 2, -np.inf]) - np.log(2), rtol=1e-6)
    np.testing.assert_allclose(
        log_power_mean(huge[:, :2], -1.0), np.array([-2e5, 3.0]) + np.log(2), rtol=1e-6
    )
