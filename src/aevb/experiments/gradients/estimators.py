"""The gradient estimators of the library, under the names that recipes have for them."""

import dataclasses
from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from aevb.batch import Batch
from aevb.experiments.gradients.draws import Subject
from aevb.models import split_learned
from aevb.objectives import (
    SGVBA,
    SGVBB,
    Baseline,
    Concrete,
    ImportanceWeighted,
    LearnedBaseline,
    LeaveOneOut,
    MovingAverage,
    NoBaseline,
    Objective,
    Renyi,
    ScoreFunction,
    StickingTheLanding,
)
from aevb.typing import PRNGKey, Scalar, Tree

K = 5  # draws per row at which all estimators are compared
BASELINE_LEARNING_RATE = 1e-3


@dataclasses.dataclass(frozen=True)
class Estimator:
    """An objective with its name.

    Args:
        name: as in `aevb train --objective`, with the baseline's.
        samples: draws of z per row.
        objective: what gives the gradient.
    """

    name: str
    samples: int
    objective: Objective


def score_functions(samples: int, n_features: int, key: PRNGKey) -> list[Estimator]:
    """The score function with every baseline that this number of draws allows."""
    baselines: dict[str, Baseline] = {
        "score": NoBaseline(),
        "score, moving average": MovingAverage(),
        "score, learned": LearnedBaseline(n_features, key=key),
        "score, leave one out": LeaveOneOut(),
    }
    return [
        Estimator(name, samples, ScoreFunction(samples, baseline))
        for name, baseline in baselines.items()
        if samples >= baseline.min_samples
    ]


def pathwise(samples: int) -> list[Estimator]:
    """The estimators of the evidence lower bound's gradient that differentiate through the draws of z."""
    return [
        Estimator("sgvb-b", samples, SGVBB(samples)),
        Estimator("sgvb-a", samples, SGVBA(samples)),
        Estimator("stl", samples, StickingTheLanding(samples)),
    ]


def several_draws(samples: int) -> list[Estimator]:
    """The bounds that several draws tighten."""
    return [
        Estimator("iwae", samples, ImportanceWeighted(samples)),
        Estimator("dreg", samples, ImportanceWeighted(samples, "dreg")),
        Estimator("iwae-stl", samples, ImportanceWeighted(samples, "stl")),
        Estimator("renyi", samples, Renyi(0.5, samples)),
    ]


def for_continuous_codes(n_features: int, key: PRNGKey) -> list[Estimator]:
    """All estimators for reparameterized posteriors: with one draw per row, and at an equal number `K`.

    The other baselines with K draws are left out: given the baseline, draws are independent.
    """
    single = [*pathwise(1), *score_functions(1, n_features, key)]
    return [*single, *pathwise(K), *_compared(score_functions(K, n_features, key)), *several_draws(K)]


def _compared(estimators: list[Estimator]) -> list[Estimator]:
    return [e for e in estimators if e.name in ("score", "score, leave one out")]


def for_discrete_codes(n_features: int, key: PRNGKey) -> list[Estimator]:
    """All estimators for discrete codes; the relaxation also at half its usual temperature."""
    usual, sharp = (
        Estimator(f"concrete, {name}", K, Concrete(temperature, K))
        for name, temperature in (("T = 2/3", 2 / 3), ("T = 1/3", 1 / 3))
    )
    single = score_functions(1, n_features, key)
    return [*single, *_compared(score_functions(K, n_features, key)), usual, sharp]


def settled(
    estimators: Sequence[Estimator],
    subject: Subject,
    rows: Float[Array, "steps batch features"],
    key: PRNGKey,
) -> list[Estimator]:
    """The estimators with their baselines as they are after training on these minibatches, the model held still.

    What an objective keeps running or learns is then a constant of the measurement.
    """
    keys = jax.random.split(key, len(estimators))
    return [
        dataclasses.replace(estimator, objective=_settle(estimator.objective, subject, rows, k))
        if jax.tree.leaves(eqx.filter(estimator.objective, eqx.is_array))
        else estimator
        for estimator, k in zip(estimators, keys, strict=True)
    ]


@eqx.filter_jit
def _settle(
    objective: Objective, subject: Subject, rows: Float[Array, "steps batch features"], key: PRNGKey
) -> Objective:
    learned, rest = split_learned(objective)
    running, fixed = eqx.partition(rest, eqx.is_array)
    rule = optax.adam(BASELINE_LEARNING_RATE)

    def loss(learned: Tree, running: Tree, batch: Batch, key: PRNGKey) -> tuple[Scalar, Tree]:
        objective: Objective = eqx.combine(learned, running, fixed)
        bound = objective(key, subject.model, subject.posterior(batch), batch)
        _, rest = split_learned(objective.updated(batch, bound))
        return -batch.mean(bound.surrogate), eqx.filter(rest, eqx.is_array)

    def step(carry: tuple[Tree, Tree, Tree], given: tuple[Array, PRNGKey]) -> tuple[tuple[Tree, ...], None]:
        learned, running, state = carry
        x, key = given
        gradient, running = jax.grad(loss, has_aux=True)(learned, running, Batch(x), key)
        updates, state = rule.update(gradient, state, learned)
        return (optax.apply_updates(learned, updates), running, state), None

    carry = (learned, running, rule.init(learned))
    carry, _ = jax.lax.scan(step, carry, (rows, jax.random.split(key, len(rows))))
    return eqx.combine(carry[0], carry[1], fixed)


def repeated(x: Float[Array, "batch features"], steps: int) -> Float[Array, "steps batch features"]:
    """The same minibatch many times over."""
    return jnp.broadcast_to(x, (steps, *x.shape))
