"""Classical variational Bayes: parameters of every row's own, in place of a recognition network."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import aevb
from aevb.batch import Batch
from aevb.errors import InvalidRecipeError
from aevb.inference.for_use import RowSearch, as_trained, for_use
from aevb.models import AutoEncoder, RowTable, learned
from aevb.models.row_table import STEP
from aevb.objectives import SGVBB
from aevb.objectives.draws import stopped
from aevb.training import Optimizer, Plan, TrainingData, TrainingState, train
from oracles import LinearGaussian, same_bits

ORACLE = LinearGaussian.random(5, 2, seed=2, orthogonal=True)
X = ORACLE.sample(40)
REAL = np.random.default_rng(0).normal(size=(40, 3))


PER_ROW = aevb.Posterior(recognition="per-row")


class GivenModel(SGVBB):
    """The bound of a model that is not learned."""

    def __call__(self, key, model, posterior, batch):
        return super().__call__(key, stopped(model), posterior, batch)


def trained(**changes):
    autoencoder = AutoEncoder(ORACLE.autoencoder().model, RowTable(len(X), ORACLE.k))
    plan = dataclasses.replace(
        Plan(Optimizer("adam", 0.005, "cosine", total_steps=3000), batch_size=2, epochs=150, seed=1),
        **changes,
    )
    state = TrainingState.start(autoencoder, GivenModel(16), plan.optimizer)
    return list(train(state, plan, TrainingData(X)))[-1].autoencoder


def test_each_row_has_the_parameters_with_its_number():
    table = RowTable(6, 2)
    filled = eqx.tree_at(lambda t: t.rows["loc"], table, jnp.arange(12.0).reshape(6, 2))
    batch = Batch(jnp.zeros((3, 5)), index=jnp.array([4, 0, 4]))
    np.testing.assert_array_equal(filled.features(batch)["loc"], STEP * np.array([[8, 9], [0, 1], [8, 9]]))
    q = filled(batch)
    np.testing.assert_allclose(q.mean, STEP * np.array([[8, 9], [0, 1], [8, 9]]), rtol=1e-6)
    np.testing.assert_allclose(q.variance, 1.0, rtol=1e-4)
    assert not any(np.any(f) for f in filled.features(Batch(jnp.zeros((3, 5)))).values())


@pytest.mark.parametrize("family", ["gaussian", "elliptical", "gamma"])
def test_rows_start_at_features_of_zero_and_can_be_forgotten(family):
    table = RowTable(4, 3, family)
    empty = table.without_rows()
    assert all(rows.shape[0] == 0 for rows in empty.rows.values())
    one = Batch(jnp.zeros((1, 5)))
    assert same_bits(empty.features(one), table.features(dataclasses.replace(one, index=jnp.array([3]))))


def test_finds_the_exact_posterior_of_every_training_row():
    """The model given and the posterior in the family, what is left is the noise of the search."""
    autoencoder = trained()
    q = autoencoder.posterior(Batch(jnp.asarray(X), index=jnp.arange(len(X)))).distribution
    a, c, log_v = ORACLE.exact_encoder
    np.testing.assert_allclose(q.mean, X @ a.T + c, atol=0.1)
    np.testing.assert_allclose(np.log(q.variance), np.broadcast_to(log_v, q.variance.shape), atol=0.3)
    parameters = (np.asarray(q.mean, float), np.log(np.asarray(q.variance, float)))
    bounds = [
        ORACLE.bound(X[i : i + 1], (0 * a, m, v))[0][0]
        for i, (m, v) in enumerate(zip(*parameters, strict=True))
    ]
    np.testing.assert_allclose(bounds, ORACLE.log_marginal(X), atol=0.03)


def test_other_rows_are_searched_for():
    searching = for_use(AutoEncoder(ORACLE.autoencoder().model, RowTable(7, ORACLE.k)), seed=0)
    assert isinstance(searching.encoder, RowSearch)
    x = ORACLE.sample(3, seed=9)
    q = eqx.filter_jit(searching.posterior)(Batch(jnp.asarray(x))).distribution
    a, c, log_v = ORACLE.exact_encoder
    np.testing.assert_allclose(q.mean, x @ a.T + c, atol=0.1)
    np.testing.assert_allclose(np.log(q.variance), np.broadcast_to(log_v, q.variance.shape), atol=0.3)
    assert as_trained(searching).encoder.rows["loc"].shape == (0, ORACLE.k)
    amortized = ORACLE.autoencoder()
    assert for_use(amortized, 0) is as_trained(amortized) is amortized


def test_only_rows_that_came_by_have_moved():
    """Under plain gradient descent, and padding moves nothing: the last row, of number -1, stays."""
    optimizer = Optimizer("sgd", 0.01, clip_norm=0.0)
    autoencoder = trained(optimizer=optimizer, batch_size=15, epochs=None, steps=2)
    order = np.random.default_rng([1, 0]).permutation(len(X))
    moved = np.any(np.asarray(autoencoder.encoder.rows["loc"]) != 0, axis=1)
    np.testing.assert_array_equal(np.flatnonzero(moved), np.sort(order[:30]))


@pytest.fixture(scope="module")
def vae():
    settings = {"n_latents": 1, "hidden": (4,), "epochs": 2, "n_importance_samples": 10, "random_state": 0}
    return aevb.VAE(**settings, posterior=PER_ROW).fit(REAL)


def test_an_estimator_saves_no_row_and_loads_the_same(vae, tmp_path):
    vae.save(tmp_path / "model")
    loaded = aevb.load(tmp_path / "model")
    assert loaded.posterior == PER_ROW
    assert loaded.model_.autoencoder.encoder.refined.autoencoder.encoder.rows["loc"].shape == (0, 1)
    # Its key, which is no floating-point array, comes from the recipe's seed.
    assert same_bits(*(learned(v.model_.autoencoder) for v in (loaded, vae)))
    assert np.array_equal(
        *(jax.random.key_data(v.model_.autoencoder.encoder.refined.key) for v in (loaded, vae))
    )


@pytest.mark.parametrize(
    ("settings", "fragment"),
    [
        (
            {"posterior": aevb.Posterior(name="bernoulli", recognition="per-row")},
            "codes of bernoulli are discrete",
        ),
        (
            {"hidden": aevb.Networks(encoder=eqx.nn.MLP(3, 2, 2, 1, key=jax.random.key(0)))},
            "has no encoder network",
        ),
    ],
)
def test_what_does_not_go_together_is_named(settings, fragment):
    with pytest.raises(InvalidRecipeError, match=fragment):
        aevb.VAE(**{"posterior": PER_ROW, **settings}).fit(REAL)


def test_what_needs_an_encoder_is_refused(vae):
    with pytest.raises(InvalidRecipeError, match="amortized"):
        vae.partial_fit(REAL)
    with pytest.raises(InvalidRecipeError, match="use the method importance"):
        vae.impute(np.where(REAL > 1, np.nan, REAL), method="metropolis")


@pytest.mark.long
def test_the_search_works_in_double_precision_too():
    """As quadrature computes: numbers of steps and counters of loops must have one type."""
    searching = for_use(AutoEncoder(ORACLE.autoencoder().model, RowTable(7, ORACLE.k)), seed=0)
    with jax.enable_x64(True):
        q = searching.posterior(Batch(jnp.asarray(ORACLE.sample(2), jnp.float32)))
    assert np.isfinite(q.log_prob(jnp.zeros((2, ORACLE.k)))).all()
