"""Training on rows that lack values."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aevb.batch import Batch
from aevb.models import learned
from aevb.objectives import SGVBA, SGVBB, ImportanceWeighted
from aevb.training import TrainingData
from aevb.training.chunk import _gather
from oracles import LinearGaussian, tiny
from training_runs import DATA, run

KEY = jax.random.key(0)
SEEN, N = np.array([0, 2, 3, 5]), 6
PART = LinearGaussian.random(4, 2, seed=3, orthogonal=True)


def whole():
    """A model of six columns whose model of the columns `SEEN` is `PART`, and whose encoder knows what they tell."""
    rng = np.random.default_rng(1)
    weight, bias, log_variance = rng.normal(size=(N, 2)), rng.normal(size=N), np.zeros(N)
    weight[SEEN], bias[SEEN], log_variance[SEEN] = PART.weight, PART.bias, PART.log_variance
    a, c, log_v = PART.exact_encoder
    wide = rng.normal(size=(2, N))
    wide[:, SEEN] = a
    return LinearGaussian(weight, bias, log_variance).autoencoder((wide, c, log_v))


def batch_of(x):
    """Rows with what is in `SEEN`, NaN elsewhere, as training makes a batch of them."""
    full = np.full((len(x), N), np.nan, np.float32)
    full[:, SEEN] = x
    return _gather(jnp.asarray(full), jnp.arange(len(x)), None, True)


@eqx.filter_jit
def value_and_gradient(objective, autoencoder, batch):
    def total(autoencoder):
        bound = objective(KEY, autoencoder.model, autoencoder.posterior(batch), batch)
        return jnp.sum(bound.surrogate), bound

    (_, bound), gradient = eqx.filter_value_and_grad(total, has_aux=True)(autoencoder)
    return bound, gradient


@pytest.mark.parametrize("objective", [SGVBA(2), ImportanceWeighted(3), ImportanceWeighted(3, "dreg")])
def test_with_the_exact_posterior_the_bound_is_the_evidence_of_what_is_observed(objective):
    x = PART.sample(5)
    bound, gradient = value_and_gradient(objective, whole(), batch_of(x))
    np.testing.assert_allclose(bound.value, PART.log_marginal(x), rtol=1e-4)
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(learned(gradient)))


def test_its_parts_are_those_of_the_observed_columns():
    x = PART.sample(5)
    bound, _ = value_and_gradient(SGVBB(4000), whole(), batch_of(x))
    _, reconstruction, kl = PART.bound(x)
    np.testing.assert_allclose(bound.parts["kl"], kl, rtol=1e-4)
    # The standard deviation of a draw is below 4 nats, so 0.4 is six standard errors: false alarm rate below 1e-6.
    np.testing.assert_allclose(bound.parts["reconstruction"], reconstruction, atol=0.4)


def test_a_row_with_nothing_observed_has_no_reconstruction():
    bound, _ = value_and_gradient(
        SGVBB(4000), whole(), _gather(jnp.full((1, N), jnp.nan), jnp.array([0]), None, True)
    )
    assert bound.parts["reconstruction"] == 0
    assert bound.value == -bound.parts["kl"]


def test_a_batch_carries_a_mask_only_where_values_may_be_missing():
    x, rows = jnp.array([[1.0, jnp.nan], [0.0, 2.0]]), jnp.array([1, 0, -1])
    assert _gather(x[1:], rows, None, False).mask is None
    batch = _gather(x, rows, None, True)
    assert isinstance(batch, Batch)
    np.testing.assert_array_equal(batch.x, [[0, 2], [1, 0], [0, 2]])
    np.testing.assert_array_equal(batch.mask, [[True, True], [True, False], [True, True]])
    np.testing.assert_array_equal(batch.weight, [1, 1, 0])


def test_grey_pixels_that_are_missing_are_not_drawn():
    x = jnp.array([[1.0, jnp.nan, 0.0]])
    batch = _gather(x, jnp.array([0]), KEY, True)
    np.testing.assert_array_equal(batch.x, [[1, 0, 0]])
    np.testing.assert_array_equal(batch.mask, [[True, False, True]])


def test_a_column_that_is_missing_teaches_nothing():
    """Its weights stay as they were, bit for bit, and all others move; evaluation rows may lack values, too."""
    train = DATA.train.copy()
    train[:, 1] = np.nan
    train[3] = np.nan
    holes = [
        np.where(np.arange(5) == 2, np.nan, rows).astype(np.float32) for rows in (DATA.validation, DATA.test)
    ]
    end = run(data=TrainingData(train, *holes), missing=True, epochs=1)[-1]
    assert end.progress.status == "finished"
    assert all(np.isfinite(value) for value in end.progress.history[-1].values())
    before, after = tiny(), end.autoencoder
    for head in ("loc", "log_variance"):
        old, new = (a.model.decoder.heads[head] for a in (before, after))
        np.testing.assert_array_equal(new.weight[:, 1], old.weight[:, 1])
        np.testing.assert_array_equal(new.bias[1], old.bias[1])
        assert np.all(np.delete(new.weight != old.weight, 1, axis=1))
    old, new = (a.encoder.network.layers[0].weight for a in (before, after))
    np.testing.assert_array_equal(new[1], old[1])
    assert np.all(np.delete(new != old, 1, axis=0))


def test_the_digest_of_data_with_missing_values_is_of_their_places():
    holes = DATA.train.copy()
    holes[0, 0] = np.nan
    other = DATA.train.copy()
    other[0, 1] = np.nan
    digests = {TrainingData(rows).digest for rows in (DATA.train, holes, other, holes.copy())}
    assert len(digests) == 3
