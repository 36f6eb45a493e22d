"""Monte Carlo EM: its chains, and where it ends on a model whose optimum is known."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.stats import kstest

from aevb.batch import Batch
from aevb.errors import InvalidRecipeError
from aevb.models import AutoEncoder, LatentVariableModel, Prior, RowTable
from aevb.objectives import SGVBA, MaximumAPosteriori, MonteCarloEM
from aevb.training import Optimizer, Plan, TrainingData, TrainingState, train
from oracles import LinearGaussian, tiny
from short_suite import short

KEY = jax.random.key(0)


@eqx.filter_jit
def prepared(em, key, model, batch):
    return em.prepared(key, model, batch)


def test_chains_have_the_posterior_as_their_distribution():
    """Rows that are all equal, so that their chains are draws of one posterior, of known mean and covariance.

    After many transitions each whitened coordinate is standard normal: Kolmogorov-Smirnov, 2 tests, 1e-6 in all.
    """
    oracle = LinearGaussian.random(4, 2)
    model, n = oracle.autoencoder(oracle.imperfect_encoder()).model, 400
    x = jnp.broadcast_to(jnp.asarray(oracle.sample(1)), (n, 4))
    em = MonteCarloEM(model, n, key=KEY, n_transitions=5)
    batch = Batch(x, index=jnp.arange(n))
    for i in range(40):
        em = prepared(em, jax.random.fold_in(KEY, i), model, batch)
    a, c, covariance = oracle.encoder_map
    whitened = np.linalg.solve(
        np.linalg.cholesky(covariance), (np.asarray(em.chains.value) - (np.asarray(x) @ a.T + c)).T
    )
    assert all(kstest(coordinate, "norm").pvalue > 5e-7 for coordinate in whitened)
    # Of 400 chains 360 are to accept, with a standard deviation of 6.
    once = MonteCarloEM(model, n, key=KEY)
    once = eqx.tree_at(lambda o: (o.chains, o.log_step), once, (em.chains, em.log_step))
    accepted = np.any(prepared(once, jax.random.key(1), model, batch).chains.value != em.chains.value, axis=1)
    assert 320 < accepted.sum() < 396


def test_only_the_chains_of_the_rows_of_a_batch_move_and_padding_moves_none():
    model = tiny().model
    em = MonteCarloEM(model, 6, key=KEY)
    x = jax.random.uniform(KEY, (3, 5))
    batch = Batch(x, weight=jnp.array([1.0, 1.0, 0.0]), index=jnp.array([4, 1, -1]))
    moved = prepared(em, KEY, model, batch)
    changed = np.any(np.asarray(moved.chains.value != em.chains.value), axis=1)
    assert not changed[[0, 2, 3, 5]].any()
    assert changed[[1, 4]].any()


def test_equal_rows_do_not_share_their_noise():
    model = tiny().model
    em = MonteCarloEM(model, 2, key=KEY)
    same = jnp.broadcast_to(em.chains.value[:1], em.chains.value.shape)
    em = eqx.tree_at(lambda o: o.chains.value, em, same)
    moved = prepared(em, KEY, model, Batch(jnp.full((2, 5), 0.5), index=jnp.arange(2)))
    assert np.any(moved.chains.value[0] != moved.chains.value[1])


@pytest.mark.long
def test_reaches_the_optimum_of_a_linear_gaussian_model():
    """Two latents and a posterior whose covariance is full; the best likelihood is that of probabilistic PCA."""
    oracle = LinearGaussian.random(5, 2, seed=3)
    oracle = LinearGaussian(oracle.weight, oracle.bias, np.full(5, -1.0))
    x = oracle.sample(1000)
    _, best = LinearGaussian.ppca(x.astype(float), 2)
    start = tiny("gaussian-isotropic", 5, 2, ())
    autoencoder = AutoEncoder(start.model, RowTable(0, 2))
    optimizer = Optimizer("adam", 2e-2, "cosine", total_steps=1500)
    plan = Plan(optimizer, batch_size=250, epochs=None, steps=1500, evaluate_every=10**6)
    em = MonteCarloEM(start.model, len(x), key=KEY, n_updates=1, n_transitions=3)
    *_, state = train(TrainingState.start(autoencoder, em, optimizer), plan, TrainingData(x))
    decoder = state.autoencoder.model.decoder
    learned_model = LinearGaussian(
        np.asarray(decoder.heads["loc"].weight, float).T,
        np.asarray(decoder.heads["loc"].bias, float),
        np.full(5, float(decoder.free["log_variance"][0])),
    )
    assert best / len(x) - np.mean(learned_model.log_marginal(x)) == pytest.approx(0.0, abs=0.005)


@pytest.mark.parametrize("n_updates", short(5, of=[1, 5]))
def test_weights_take_as_many_steps_on_a_minibatch_as_asked_for(n_updates):
    start, optimizer = tiny(), Optimizer("adam", 1e-2)
    em = MonteCarloEM(start.model, 20, key=KEY, n_updates=n_updates)
    state = TrainingState.start(AutoEncoder(start.model, RowTable(0, 2)), em, optimizer)
    plan = Plan(optimizer, batch_size=10, epochs=None, steps=3, evaluate_every=10**6)
    *_, state = train(state, plan, TrainingData(np.random.default_rng(0).random((20, 5), np.float32)))
    assert int(optax.tree_utils.tree_get(state.optimizer_state, "count")) == 3 * n_updates


@pytest.mark.long
def test_codes_of_a_bounded_family_stay_inside():
    model = tiny().model
    model = LatentVariableModel(Prior("beta", 2), model.decoder, model.log_scale)
    em = MonteCarloEM(model, 20, key=KEY)
    batch = Batch(jax.random.uniform(KEY, (20, 5)), index=jnp.arange(20))
    em = prepared(em, KEY, model, batch)
    bound = em.for_training(KEY, AutoEncoder(model, RowTable(0, 2, "beta")), batch)
    assert np.isfinite(bound.value).all()


def test_what_it_says_and_refuses():
    model = tiny().model
    em = MonteCarloEM(model, 3, key=KEY, n_updates=4)
    prior = MaximumAPosteriori(em)
    assert (prior.steps_per_batch, prior.knows_rows) == (4, True)
    assert isinstance(prior.evaluated.objective, SGVBA)
    assert (prior.value_name, prior.is_bound) == ("complete-data log-likelihood", False)
    assert "searched for" in prior.parts_note
    with pytest.raises(InvalidRecipeError, match="Monte Carlo EM moves codes along gradients"):
        MonteCarloEM(LatentVariableModel(Prior("bernoulli", 2), model.decoder, model.log_scale), 3, key=KEY)
    with pytest.raises(InvalidRecipeError, match="at least 1"):
        MonteCarloEM(model, 3, key=KEY, n_updates=0)
