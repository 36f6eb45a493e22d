"""From the names in a recipe to the objective, and what its value is called."""

from collections.abc import Callable
from typing import TypeVar

import equinox as eqx
import jax

from aevb.models import AutoEncoder, Model, Posterior
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
from aevb.recipe import WITHOUT_DRAWS, Recipe

Seen = TypeVar("Seen")

# L or K, where the recipe leaves it open.
DEFAULT_SAMPLES = {"iwae": 5, "iwae-stl": 5, "dreg": 5, "renyi": 5}
CHAINS = 0x63686169  # folded into the seed, for where chains start
BASELINE = 0x62617365  # folded into the seed, for the initial weights of a learned baseline


def objective_name(recipe: Recipe, autoencoder: AutoEncoder) -> str:
    """The objective's name, or what `auto` stands for.

    That is score-function with discrete codes, else sgvb-b where the divergence of the posterior from the prior has
    a closed form, else sgvb-a.
    """
    if recipe.objective != "auto":
        return recipe.objective
    return _look_at_posterior(autoencoder, _automatic)


def _automatic(posterior: Posterior) -> str:
    if not posterior.is_reparameterized:
        return "score-function"
    return "sgvb-b" if posterior.closed else "sgvb-a"


def build_objective(recipe: Recipe, autoencoder: AutoEncoder, n_rows: int = 0) -> Objective:
    """The objective of a recipe, with the weights' prior or posterior if there is one.

    Args:
        recipe: the settings.
        autoencoder: what it is the objective of.
        n_rows: training rows, of which some objectives keep something; 0 for a trained model.

    Raises:
        InvalidRecipeError: the objective does not go with the posterior, with the reason.
    """
    objective = _build(objective_name(recipe, autoencoder), recipe, autoencoder.model, n_rows)
    _look_at_posterior(autoencoder, objective.check)
    objective.check_autoencoder(autoencoder)
    if recipe.weight_posterior == "gaussian":
        # L draws of the weights, each with one of z; of objectives whose draws belong together, one.
        if isinstance(objective, SGVBA | SGVBB):
            return FullVariationalBayes(type(objective)(1), objective.n_samples)
        return FullVariationalBayes(objective)
    return MaximumAPosteriori(objective) if recipe.weight_prior == "normal" else objective


def _look_at_posterior(autoencoder: AutoEncoder, look: Callable[[Posterior], Seen]) -> Seen:
    """What `look` finds on a posterior of one row whose values are not computed."""
    seen: list[Seen] = []

    def trace() -> None:
        seen.append(look(autoencoder.posterior(autoencoder.model.example())))

    eqx.filter_eval_shape(trace)
    return seen[0]


def _build(name: str, recipe: Recipe, model: Model, n_rows: int) -> Objective:
    baseline = _baseline(recipe, model.n_features)
    n_samples = draws_per_row(recipe, name) or 1
    build: dict[str, Callable[[], Objective]] = {
        "sgvb-a": lambda: SGVBA(n_samples),
        "sgvb-b": lambda: SGVBB(n_samples),
        "score-function": lambda: ScoreFunction(n_samples, baseline),
        "stl": lambda: StickingTheLanding(n_samples),
        "iwae": lambda: ImportanceWeighted(n_samples),
        "iwae-stl": lambda: ImportanceWeighted(n_samples, "stl"),
        "dreg": lambda: ImportanceWeighted(n_samples, "dreg"),
        "renyi": lambda: Renyi(recipe.alpha, n_samples),
        "concrete": lambda: Concrete(recipe.temperature, n_samples),
        "wake-sleep": lambda: WakeSleep(n_samples, recipe.dreams),
        "mcem": lambda: MonteCarloEM(
            model, n_rows, key=jax.random.fold_in(jax.random.key(recipe.seed), CHAINS)
        ),
        "autoencoder": Reconstruction,
        "em": ExactEM,
    }
    return build[name]()


def draws_per_row(recipe: Recipe, name: str) -> int | None:
    """L or K of the objective of that name: the recipe's, or the objective's default; None where there are none."""
    if recipe.samples is not None or name in WITHOUT_DRAWS:
        return recipe.samples
    leaves_one_out = name == "score-function" and recipe.baseline == "leave-one-out"
    return LeaveOneOut.min_samples if leaves_one_out else DEFAULT_SAMPLES.get(name, 1)


def _baseline(recipe: Recipe, n_features: int) -> Baseline:
    if recipe.baseline == "learned":
        return LearnedBaseline(n_features, key=jax.random.fold_in(jax.random.key(recipe.seed), BASELINE))
    return {"none": NoBaseline, "moving-average": MovingAverage, "leave-one-out": LeaveOneOut}[
        recipe.baseline
    ]()


def bound_name(objective: Objective, *, normalized: bool) -> str:
    """What an objective's value is; of terms that are no log densities, a cross-entropy bound."""
    name = objective.value_name
    if normalized:
        return name
    return "cross-entropy bound" if name == ELBO else f"cross-entropy {name}"


def bound_key(bound: str) -> str:
    """The JSON key of a bound: `elbo`, or what it is instead, without what is in parentheses."""
    name = bound.partition(" (")[0].lower().replace("é", "e")
    return "elbo" if name == ELBO else name.replace(" ", "_").replace("-", "_")
