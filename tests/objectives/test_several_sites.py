"""Every objective in the table on the usual model and on models whose codes are a tree.

A new row of the table enters by itself: it trains each model, or refuses it with the reason.
"""

import equinox as eqx
import jax
import numpy as np
import pytest

from aevb.batch import Batch
from aevb.errors import InvalidRecipeError
from aevb.selection import BUILDERS
from aevb.specs import OBJECTIVES
from aevb.training import Optimizer, Plan, TrainingData, TrainingState, train
from oracles import tiny
from own_models import TwoLayersExact, kinds, two_layers
from short_suite import short

X = np.random.default_rng(0).normal(size=(24, 3)).astype(np.float32)
CASES = {"usual": lambda: tiny("gaussian-diagonal", d=3, hidden=()), "two layers": two_layers, "kinds": kinds}
NAMES = [name for name in OBJECTIVES.rows if name != OBJECTIVES.default]
# Neither own model has a divergence in closed form, and a code of kinds is discrete.
REFUSED = {
    "usual": {"concrete"},
    "two layers": {"sgvb-b", "concrete", "em"},
    "kinds": set(NAMES) - {"score-function", "wake-sleep"},
}
BOUNDS = ("sgvb-a", "stl", "score-function", "wake-sleep")


def objective_of(name, model):
    spec = OBJECTIVES.spec(name)()
    return BUILDERS[type(spec)](spec, model, len(X), 0)


def reason_to_refuse(name, autoencoder):
    """What an objective says of a model that it cannot be used with; empty if it can."""
    try:
        objective = objective_of(name, autoencoder.model)
        objective.check(eqx.filter_eval_shape(autoencoder.posterior, autoencoder.model.example()))
        objective.check_autoencoder(autoencoder)
    except InvalidRecipeError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("case", CASES)
def test_what_is_refused_is_refused_with_what_to_use(case):
    autoencoder = CASES[case]()
    said = {name: reason_to_refuse(name, autoencoder) for name in NAMES}
    assert {name for name, reason in said.items() if reason} == REFUSED[case]
    assert all("use" in reason or "set" in reason for reason in said.values() if reason)


@pytest.mark.parametrize("name", short("sgvb-a", "score-function", "wake-sleep", "mcem", of=NAMES))
@pytest.mark.parametrize("case", [pytest.param("usual", marks=pytest.mark.long), "two layers", "kinds"])
def test_what_is_not_refused_trains(name, case):
    autoencoder = CASES[case]()
    if reason_to_refuse(name, autoencoder):
        return
    objective = objective_of(name, autoencoder.model)
    plan = Plan(Optimizer("adam", 0.01), batch_size=24 if objective.takes_all_rows else 12, epochs=2)
    *_, state = train(TrainingState.start(autoencoder, objective, plan.optimizer), plan, TrainingData(X))
    assert state.progress.status == "finished"
    assert all(np.isfinite(value) for value in state.progress.history[-1].values())
    assert not eqx.tree_equal(state.autoencoder, autoencoder)


@pytest.mark.parametrize("name", short("sgvb-a", of=BOUNDS))
def test_the_bound_of_two_layers_is_exact(name, assert_jointly_normal):
    autoencoder, rows = two_layers(), X[:6]
    objective, batch = objective_of(name, autoencoder.model), Batch(jax.numpy.asarray(rows))

    @eqx.filter_jit
    def draws(keys):
        q = autoencoder.posterior(batch)
        return jax.lax.map(lambda key: objective(key, autoencoder.model, q, batch).value, keys)

    values = np.asarray(draws(jax.random.split(jax.random.key(1), 4000)), float)
    exact = TwoLayersExact().bound(rows, autoencoder.encoder)
    assert_jointly_normal((values.mean(0) - exact) / (values.std(0) / np.sqrt(len(values))))


def test_more_draws_bring_the_bound_of_two_layers_to_log_p():
    autoencoder, rows = two_layers(), X[:6]
    spec = OBJECTIVES.spec("iwae")(n_samples=2000)
    objective = BUILDERS[type(spec)](spec, autoencoder.model, 0, 0)
    batch = Batch(jax.numpy.asarray(rows))
    bound = eqx.filter_jit(objective)(
        jax.random.key(0), autoencoder.model, autoencoder.posterior(batch), batch
    )
    exact = TwoLayersExact()
    np.testing.assert_allclose(bound.value, exact.log_p(rows), atol=0.05)
    assert np.all(exact.bound(rows, autoencoder.encoder) < exact.log_p(rows))
