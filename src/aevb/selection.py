"""From the specs in a recipe to the objective, and what its value is called."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from aevb import specs
from aevb.batch import Batch
from aevb.errors import InvalidRecipeError
from aevb.models import AmortizedPosterior, AutoEncoder, Conditional, FamilyPrior, Model, Posterior, RowTable
from aevb.objectives import (
    ELBO,
    SGVBA,
    SGVBB,
    Baseline,
    Concrete,
    ExactEM,
    FullVariationalBayes,
    ImportanceWeighted,
    LearnedBaseline,
    LeaveOneOut,
    MaximumAPosteriori,
    MonteCarloEM,
    MovingAverage,
    NoBaseline,
    Objective,
    Reconstruction,
    Renyi,
    ScoreFunction,
    StickingTheLanding,
    WakeSleep,
)
from aevb.recipe import Recipe

CHAINS = 0x63686169  # folded into the seed, for where chains start
BASELINE = 0x62617365  # folded into the seed, for the initial weights of a learned baseline

# What builds an objective from its spec, given the model, the number of training rows and the seed.
BUILDERS: dict[type[specs.ObjectiveSpec], Callable[[Any, Model, int, int], Objective]] = {
    specs.SGVBA: lambda spec, *_: SGVBA(spec.draws),
    specs.SGVBB: lambda spec, *_: SGVBB(spec.draws),
    specs.ScoreFunction: lambda spec, model, _, seed: ScoreFunction(
        spec.draws, BASELINES[spec.baseline](model.n_features, seed)
    ),
    specs.STL: lambda spec, *_: StickingTheLanding(spec.draws),
    specs.IWAE: lambda spec, *_: ImportanceWeighted(spec.draws),
    specs.IWAESTL: lambda spec, *_: ImportanceWeighted(spec.draws, "stl"),
    specs.DReG: lambda spec, *_: ImportanceWeighted(spec.draws, "dreg"),
    specs.Renyi: lambda spec, *_: Renyi(spec.alpha, spec.draws),
    specs.Concrete: lambda spec, *_: Concrete(spec.temperature, spec.draws),
    specs.WakeSleep: lambda spec, *_: WakeSleep(spec.draws, spec.dreams),
    specs.MCEM: lambda _, model, n_rows, seed: MonteCarloEM(model, n_rows, key=_key(seed, CHAINS)),
    specs.Reconstruction: lambda *_: Reconstruction(),
    specs.EM: lambda *_: ExactEM(),
}
BASELINES: dict[str, Callable[[int, int], Baseline]] = {
    "none": lambda *_: NoBaseline(),
    "moving-average": lambda *_: MovingAverage(),
    "leave-one-out": lambda *_: LeaveOneOut(),
    "learned": lambda n_features, seed: LearnedBaseline(n_features, key=_key(seed, BASELINE)),
}


def automatic_objective(posterior: Callable[[], Posterior]) -> str:
    """The name of the objective that `auto` stands for.

    That is score-function if a code is discrete, else sgvb-b if the divergence of the posterior from the prior has a
    closed form, else sgvb-a.

    Args:
        posterior: gives q(z|x) of a row. It is traced, and its values are not computed.
    """
    found: list[str] = []

    def trace() -> None:
        q = posterior()
        found.append("score-function" if not q.is_reparameterized else "sgvb-b" if q.closed else "sgvb-a")

    eqx.filter_eval_shape(trace)
    return found[0]


def family_posterior(
    posterior: specs.Posterior | specs.Categorical, prior: Conditional, n_latents: int
) -> AmortizedPosterior:
    """q(z|x) of a family for a row, with a prior to diverge from."""
    table = RowTable(1, n_latents, posterior.name, posterior.n_categories)
    p = FamilyPrior(prior(None), 1)
    return AmortizedPosterior(table(Batch(jnp.zeros((1, 1)))), p, posterior.name)


def build_objective(recipe: Recipe, autoencoder: AutoEncoder, n_rows: int = 0) -> Objective:
    """The objective of a settled recipe, with the weights' prior or posterior if there is one.

    Args:
        recipe: the settings, see `aevb.settling.settle`.
        autoencoder: what it is the objective of.
        n_rows: training rows, of which some objectives keep something; 0 for a trained model.

    Raises:
        InvalidRecipeError: the objective does not go with the posterior, with the reason.
    """
    spec = recipe.objective
    if type(spec) not in BUILDERS:
        raise InvalidRecipeError(f"the objective is still {spec.name}, which `aevb.settling.settle` replaces")
    built = BUILDERS[type(spec)](spec, autoencoder.model, n_rows, recipe.seed)
    objective = _over_weights(spec, built)
    _check_posterior(autoencoder, objective.check)
    objective.check_autoencoder(autoencoder)
    return objective


def _over_weights(spec: specs.ObjectiveSpec, objective: Objective) -> Objective:
    """The objective with the weights' prior or posterior, if the spec has one."""
    if not isinstance(spec, specs.OverWeights):
        return objective
    if spec.has_random_weights:
        # L draws of the weights, each with one of z; of objectives whose draws belong together, one.
        if isinstance(objective, SGVBA | SGVBB):
            return FullVariationalBayes(type(objective)(1), objective.n_samples)
        return FullVariationalBayes(objective)
    return MaximumAPosteriori(objective) if spec.weight_prior == "normal" else objective


def _check_posterior(autoencoder: AutoEncoder, check: Callable[[Posterior], None]) -> None:
    """Have a posterior of one row checked whose values are not computed."""
    eqx.filter_eval_shape(lambda: check(autoencoder.posterior(autoencoder.model.example())))


def _key(seed: int, use: int) -> jax.Array:
    return jax.random.fold_in(jax.random.key(seed), use)


def bound_name(objective: Objective, *, normalized: bool) -> str:
    """What an objective's value is; of terms that are no log densities, a cross-entropy bound."""
    name = objective.value_name
    if normalized:
        return name
    return "cross-entropy bound" if name == ELBO else f"cross-entropy {name}"
