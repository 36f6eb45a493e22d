"""One table of every public class of models and objectives, the promises that all keep, and who is missing from it."""

import inspect

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import aevb.distributions
import aevb.models
import aevb.networks
import aevb.objectives
from aevb.batch import Batch
from aevb.distributions import FAMILIES
from aevb.models import BayesianDecoder, DecoderEnsemble, RowTable
from aevb.models.structure import CLASSES, describe, rebuild
from aevb.networks import MLP, Linear, OverRows
from aevb.objectives import (
    SGVBA,
    SGVBB,
    ExactEM,
    FullVariationalBayes,
    ImportanceWeighted,
    LearnedBaseline,
    LeaveOneOut,
    MaximumAPosteriori,
    MonteCarloEM,
    MovingAverage,
    NoBaseline,
    Reconstruction,
    Renyi,
    ScoreFunction,
    StickingTheLanding,
    WakeSleep,
)
from oracles import same_bits, tiny

KEY = jax.random.key(0)
X = jnp.asarray(np.random.default_rng(0).uniform(size=(4, 5)).astype(np.float32))
BATCH, Z = Batch(X), jnp.asarray(np.random.default_rng(1).normal(size=(4, 2)).astype(np.float32))

# A conditional, what it is given, and the shapes of batch and event that it then has.
CONDITIONALS = {
    "Prior": (lambda: tiny().model.prior, BATCH, (), (2,)),
    "Encoder": (lambda: tiny().encoder, BATCH, (4,), (2,)),
    "RowTable": (lambda: RowTable(6, 2), Batch(X, index=jnp.arange(4)), (4,), (2,)),
    "Decoder": (lambda: tiny("gaussian").model.decoder, Z, (4, 5), ()),
    "BayesianDecoder": (lambda: BayesianDecoder(tiny("bernoulli").model.decoder), Z, (4, 5), ()),
    "DecoderEnsemble": (
        lambda: DecoderEnsemble(BayesianDecoder(tiny("bernoulli").model.decoder), 3, KEY),
        Z,
        (4, 5),
        (),
    ),
}
# The other modules of a saved model.
MODULES = {
    "AutoEncoder": tiny,
    "LatentVariableModel": lambda: tiny("gaussian-sigmoid").model,
    "MLP": lambda: MLP(3, (4, 2), "silu", key=KEY),
    "Linear": lambda: Linear(3, 2, key=KEY),
    "OverRows": lambda: OverRows(eqx.nn.MLP(3, 2, 4, 1, key=KEY)),
}
OBJECTIVES = {
    "SGVBA": lambda: SGVBA(3),
    "SGVBB": lambda: SGVBB(2),
    "MaximumAPosteriori": lambda: MaximumAPosteriori(SGVBB()),
    "StickingTheLanding": lambda: StickingTheLanding(2),
    "ScoreFunction": lambda: ScoreFunction(2, LeaveOneOut()),
    "ImportanceWeighted": lambda: ImportanceWeighted(3, "dreg"),
    "Renyi": lambda: Renyi(0.5, 3),
    "WakeSleep": lambda: WakeSleep(2),
    "MonteCarloEM": lambda: MonteCarloEM(tiny().model, 4, key=KEY),
    "FullVariationalBayes": lambda: FullVariationalBayes(SGVBB(), 2),
    "Reconstruction": Reconstruction,
    "ExactEM": ExactEM,
}
# Objectives whose value is more than the difference of its parts.
OTHER_BOUNDS = ("ImportanceWeighted", "Renyi")
BASELINES = {
    "NoBaseline": NoBaseline,
    "MovingAverage": MovingAverage,
    "LeaveOneOut": LeaveOneOut,
    "LearnedBaseline": lambda: LearnedBaseline(5, key=KEY),
}
# Classes that are built by others and are tested through them.
WITHIN = {
    "AmortizedPosterior": "objectives: every objective is given one",
    "CodeSpace": "models/test_space.py",
    "Site": "models/test_space.py",
    "FamilyPrior": "models/test_space.py",
    "Bound": "objectives: every objective returns one",
    "Constant": "models/test_saved.py, training/test_optimizers.py",
    "Support": "models/test_likelihoods.py",
    "CategoryCodes": "models/test_likelihoods.py",
    "Concrete": "objectives/test_concrete.py: it needs discrete codes",
    "LogitBernoulli": "distributions/test_bernoulli.py",
    "Elliptical": "distributions/test_elliptical.py",
    "Family": "distributions/test_families.py",
    "Parameter": "distributions/test_parameters.py",
    "Relation": "distributions/test_parameters.py",
    **{family.distribution.__name__: "distributions/test_families.py" for family in FAMILIES.values()},
}


@pytest.mark.parametrize("package", ["models", "objectives", "distributions", "networks"])
def test_every_public_class_is_in_a_table(package):
    module = getattr(aevb, package)
    exported = {name: getattr(module, name) for name in module.__all__}
    concrete = {
        name
        for name, thing in exported.items()
        if inspect.isclass(thing)
        and thing.__module__.startswith("aevb.")
        and not inspect.isabstract(thing)
        and not getattr(thing, "_is_protocol", False)
    }
    missing = concrete - set(CONDITIONALS) - set(MODULES) - set(OBJECTIVES) - set(BASELINES) - set(WITHIN)
    assert not missing, f"add {sorted(missing)} to a table of {__file__}"


def test_the_tables_hold_no_class_that_is_gone():
    packages = (aevb.models, aevb.objectives, aevb.distributions, aevb.networks)
    exported = set().union(*(package.__all__ for package in packages))
    assert set(CONDITIONALS) | set(MODULES) | set(OBJECTIVES) | set(BASELINES) | set(WITHIN) <= exported


@pytest.mark.parametrize("name", CONDITIONALS)
def test_a_conditional_returns_a_distribution_of_its_shape(name):
    build, given, batch_shape, event_shape = CONDITIONALS[name]
    conditional = build()
    assert type(conditional).__name__ == name

    @eqx.filter_jit
    def use(conditional, given):
        distribution = conditional(given)
        assert distribution.batch_shape == batch_shape
        assert distribution.event_shape == event_shape
        draws = distribution.sample(KEY, (3,))
        return draws, distribution.log_prob(draws), distribution.mean

    draws, log_prob, mean = use(conditional, given)
    assert draws.shape == (3, *batch_shape, *event_shape)
    assert log_prob.shape == (3, *batch_shape)
    assert mean.shape == (*batch_shape, *event_shape)
    assert np.all(np.isfinite(log_prob))


# Draws of a decoder's weights are made anew when a model is loaded.
NOT_SAVED = {"DecoderEnsemble"}


@pytest.mark.parametrize("name", [name for name in (*CONDITIONALS, *MODULES) if name not in NOT_SAVED])
def test_a_module_is_saved_and_built_again(name):
    module = (CONDITIONALS[name][0] if name in CONDITIONALS else MODULES[name])()
    arrays = {}
    again = rebuild(describe(module, "", arrays), arrays, CLASSES)
    assert type(again) is type(module)
    assert same_bits(again, module)
    assert jax.tree.structure(again) == jax.tree.structure(module)


@eqx.filter_jit
def evaluate(objective, autoencoder, batch):
    return objective(KEY, autoencoder.model, autoencoder.posterior(batch), batch)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_an_objective_returns_a_bound_per_row(name):
    objective, autoencoder = OBJECTIVES[name](), tiny()
    assert type(objective).__name__ == name
    assert isinstance(objective.estimand, str)
    assert objective.is_bound == ("bound" in objective.value_name)
    if not jax.tree.leaves(objective):
        hash(objective)  # a compiled program is found again by it
    bound = evaluate(objective, autoencoder, BATCH)
    assert bound.value.shape == bound.surrogate.shape == (4,)
    assert {part.shape for part in bound.parts.values()} == {(4,)}
    assert jnp.shape(bound.global_term) == ()
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(bound))
    difference = bound.parts["reconstruction"] - bound.parts["kl"]
    if name in OTHER_BOUNDS:
        assert np.all(bound.value > difference)
    else:
        np.testing.assert_allclose(difference, bound.value, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", BASELINES)
def test_a_baseline_predicts_for_every_draw_of_every_row(name):
    baseline, log_w = BASELINES[name](), jnp.asarray(np.random.default_rng(2).normal(size=(3, 4)))
    assert type(baseline).__name__ == name
    assert jnp.broadcast_shapes(baseline(log_w, BATCH).shape, (3, 4)) == (3, 4)
    again = baseline.updated(BATCH, jnp.mean(log_w, axis=0))
    assert jax.tree.structure(again) == jax.tree.structure(baseline)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_an_objective_leaves_the_weights_of_rows_to_training(name):
    weighted = Batch(X, weight=jnp.asarray(np.array([1, 0, 1, 0], np.float32)))
    plain, other = (evaluate(OBJECTIVES[name](), tiny(), batch) for batch in (BATCH, weighted))
    np.testing.assert_allclose(plain.value, other.value, rtol=1e-6)
