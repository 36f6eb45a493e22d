"""The prior on the generative weights: its value, what it counts, and where it goes."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

from aevb.batch import Batch
from aevb.objectives import SGVBB, MaximumAPosteriori, row_bounds
from oracles import tiny


@eqx.filter_jit
def evaluate(objective, autoencoder, x, weight=None):
    batch = Batch(x, weight=weight)
    return objective(jax.random.key(0), autoencoder.model, autoencoder.posterior(batch), batch)


X = np.random.default_rng(0).normal(size=(6, 5)).astype(np.float32)
ROWS = jnp.asarray(X)


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
def test_is_the_normal_log_density_of_the_generative_weights(likelihood):
    autoencoder = tiny(likelihood)
    bound = evaluate(MaximumAPosteriori(SGVBB()), autoencoder, ROWS)
    weights = jax.tree.leaves(eqx.filter(autoencoder.model.decoder, eqx.is_array))
    assert len(weights) == {"bernoulli": 4, "gaussian": 6}[likelihood]
    expected = sum(norm.logpdf(np.asarray(w, float)).sum() for w in weights)
    assert float(bound.global_term) == pytest.approx(expected, rel=1e-5)


def test_does_not_depend_on_the_encoder_or_the_batch():
    autoencoder, objective = tiny(), MaximumAPosteriori(SGVBB())
    expected = evaluate(objective, autoencoder, ROWS).global_term
    other = eqx.tree_at(lambda a: a.encoder, autoencoder, tiny(seed=1).encoder)
    assert evaluate(objective, other, ROWS).global_term == expected
    assert evaluate(objective, autoencoder, ROWS[:2]).global_term == expected
    assert (
        evaluate(objective, autoencoder, ROWS, weight=jnp.asarray(np.zeros(6, np.float32))).global_term
        == expected
    )


def test_the_bound_of_the_rows_is_unchanged():
    plain, prior = (evaluate(objective, tiny(), ROWS) for objective in (SGVBB(), MaximumAPosteriori(SGVBB())))
    np.testing.assert_array_equal(prior.value, plain.value)
    np.testing.assert_array_equal(prior.surrogate, plain.surrogate)
    assert prior.parts.keys() == plain.parts.keys()
    assert plain.global_term == 0
    key = jax.random.key(0)
    a = tiny()
    objectives = (SGVBB(), MaximumAPosteriori(SGVBB()))
    reported = [row_bounds(o, a.model, a.posterior, X, key, 6)["bound"] for o in objectives]
    np.testing.assert_array_equal(*reported)


def test_global_terms_add_up():
    once, twice = MaximumAPosteriori(SGVBB()), MaximumAPosteriori(MaximumAPosteriori(SGVBB()))
    values = [float(evaluate(objective, tiny(), ROWS).global_term) for objective in (once, twice)]
    assert values[1] == pytest.approx(2 * values[0])


def test_says_what_it_estimates():
    assert MaximumAPosteriori(SGVBB()).estimand == "evidence lower bound + log p(theta) / N"
