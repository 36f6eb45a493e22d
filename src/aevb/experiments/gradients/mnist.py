"""An image VAE: the variance and the cost of its encoder's gradient, before and after training."""

import dataclasses
import time
from collections import deque
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from aevb.assembly import Assembly, assemble
from aevb.batch import Batch
from aevb.datasets import load
from aevb.errors import NonFiniteBoundError
from aevb.experiments.gradients.bias import FALSE_ALARM, POWER, SKETCH, Reference, sampled_reference
from aevb.experiments.gradients.draws import Draws, block_size
from aevb.experiments.gradients.estimators import K, for_continuous_codes, settled
from aevb.experiments.gradients.measure import Study, measure, timing_note
from aevb.experiments.gradients.records import Problem, Say, Table, silent
from aevb.models import AutoEncoder
from aevb.objectives import ELBO, SGVBB
from aevb.recipe import Recipe
from aevb.training import BAD_ENDS, train
from aevb.typing import PRNGKey

DRAWS, BLOCK = 100, 1
SETTLING_STEPS = 300
PARTS = ("encoder", "model")  # a step needs both gradients, so both are timed
SETTINGS: dict[str, Any] = {
    "data": "mnist",
    "binarize": "dynamic",
    "hidden": (400,),
    "latents": 20,
    "batch_size": 100,
    "epochs": 3,
}


def run(
    seed: int = 0,
    n_draws: int = DRAWS,
    data_dir: Path | None = None,
    say: Say = silent,
    **settings: Any,
) -> Problem:
    """Measure all estimators for continuous codes on a minibatch of training rows.

    Args:
        seed: of all randomness.
        n_draws: gradients of each estimator; the reference has as many for its direction and for its values.
        data_dir: where to look for the data set first.
        say: is told what comes next.
        settings: of the recipe, in place of `SETTINGS`.

    Raises:
        AevbError: settings or data cannot be used, or training diverged.
    """
    started = time.perf_counter()
    recipe = Recipe.parse({**SETTINGS, "seed": seed, **settings})
    assembly = assemble(recipe, load(recipe.data, data_dir=data_dir))
    say(f"training, {recipe.epochs} epochs")
    states = {"at initialization": assembly.autoencoder, "after training": trained(assembly)}
    tables, rows = [], binary_rows(assembly)
    for i, (state, subject) in enumerate(states.items()):
        say(f"gradients {state}")
        key = jax.random.fold_in(jax.random.key(seed), i)
        tables += measure_encoder(subject, state, rows, n_draws, key, len(states))
    title = (
        f"A VAE of {recipe.data}, {_widths(recipe, assembly)}, dynamically binarized: the encoder's gradient"
    )
    seconds = time.perf_counter() - started
    return Problem(
        "mnist", title, _notes(assembly.recipe, n_draws), FALSE_ALARM, POWER, seconds, tuple(tables)
    )


def _notes(recipe: Recipe, n_draws: int) -> tuple[str, ...]:
    return (
        f"The noise varies, the minibatch of {recipe.batch_size} training rows does not; the gradient of the mean over "
        f"rows. Training: {recipe.epochs} epochs.",
        f"There is no exact gradient. Bias is against the mean of {2 * n_draws} other gradients of sgvb-b with {K} "
        "draws, whose own error counts, and for the evidence lower bound only. The test looks along the gradient "
        f"(there it detects what the table says) and at {SKETCH} random sums of its coordinates.",
        timing_note(BLOCK),
    )


def _widths(recipe: Recipe, assembly: Assembly) -> str:
    d, hidden = assembly.data.train.shape[1], recipe.network.hidden
    return "-".join(map(str, (d, *hidden, recipe.latents, *hidden[::-1], d)))


def trained(assembly: Assembly) -> AutoEncoder:
    """The autoencoder at the end of the plan.

    Raises:
        NonFiniteBoundError: training diverged.
    """
    data = dataclasses.replace(assembly.data, test=None)
    state = deque(train(assembly.start, assembly.plan, data), maxlen=1).pop()
    if state.progress.status in BAD_ENDS:
        raise NonFiniteBoundError(f"training stopped: at {state.progress.message}")
    return state.chosen


def binary_rows(assembly: Assembly) -> Float[Array, "steps batch features"]:
    """Minibatches of binary training rows, each with pixels of its own."""
    grey, plan = assembly.data.train, assembly.plan
    rng = np.random.default_rng(plan.seed)
    rows = grey[rng.integers(len(grey), size=(1 + SETTLING_STEPS, min(plan.batch_size, len(grey))))]
    return jnp.asarray(rng.random(rows.shape, np.float32) < rows, grey.dtype)


def measure_encoder(
    subject: AutoEncoder,
    state: str,
    rows: Float[Array, "steps batch features"],
    n_draws: int,
    key: PRNGKey,
    n_states: int,
) -> list[Table]:
    """The table of one state.

    Args:
        subject: the model.
        state: what its state is called.
        rows: a minibatch to measure on, and others that baselines settle on.
        n_draws: gradients of each estimator.
        key: of all randomness.
        n_states: that share the rate of false alarms.
    """
    baseline_key, settle_key, reference_key, key = jax.random.split(key, 4)
    estimators = settled(for_continuous_codes(rows.shape[2], baseline_key), subject, rows[1:], settle_key)
    batch = Batch(rows[0])
    reference = long_run(subject, batch, n_draws, reference_key)
    study = Study(subject, batch, estimators, PARTS, {"encoder": {ELBO: reference}}, state)
    n_tests = n_states * sum(e.objective.estimand == ELBO for e in estimators)
    return measure(study, n_draws, BLOCK, key, n_tests)


def long_run(subject: AutoEncoder, batch: Batch, n_draws: int, key: PRNGKey) -> Reference:
    """The encoder's gradient from the pathwise estimator with its divergence in closed form."""
    block, n_calls = block_size(n_draws, BLOCK)
    draws = Draws(SGVBB(K), subject, batch, PARTS, block, key)
    return sampled_reference(lambda: draws()["encoder"], n_calls, "long pathwise mean")
