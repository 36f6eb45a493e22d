"""The training loop: chunks of minibatches, each one call of one compiled program.

Nothing crosses to Python per minibatch. Between chunks, at most a few seconds apart, `train` hands its state to
whoever iterates over it, to be shown, recorded or checkpointed; who stops iterating stops the training.
"""

import dataclasses
import math
import time
from collections.abc import Iterator

import jax
import numpy as np

from aevb.objectives import row_bounds
from aevb.training.blow_up import judged
from aevb.training.gradient_ascent import MAX_CHUNK_STEPS
from aevb.training.learners import LEARNERS
from aevb.training.state import Plan, Progress, TrainingData, TrainingState

CHUNK_SECONDS = 1.0
EVALUATION = 0x656C626F  # folded into the seed, so that evaluations share no noise with training


def train(state: TrainingState, plan: Plan, data: TrainingData) -> Iterator[TrainingState]:
    """Train until the plan's budget is used up, yielding the state after every chunk.

    Everything but the clock is a function of the arguments: the same bits on the same machine, whether the run went
    through or was resumed from any state that it yielded.

    Args:
        state: where to go on from; `TrainingState.start` for a new run.
        plan: how long and how.
        data: rows in scaled units.

    Yields:
        The state. The last one's `progress.status` says why the run ended. A bound or a parameter that is not
        finite ends it as "diverged", in the state before that step, with the step and the term in `message`. A bound
        that is finite, but for long or at the end far below both its start and that of independent columns, ends it as
        "blown up".
    """
    learner = LEARNERS[state.objective.learner]
    given, n_rows = learner.init(data), len(data.train)
    earlier, started = state.progress.seconds, time.perf_counter()
    chunk_steps = 1
    if state.progress.status == "running" and _budget_spent(state.progress, plan):
        yield state.noted(status="finished")
        return
    while state.progress.status == "running":
        n_steps = min(chunk_steps, _steps_left(state.progress, plan, n_rows))
        chunk_started = time.perf_counter()
        state = learner.steps(state, plan, given, n_steps)
        took = time.perf_counter() - chunk_started
        chunk_steps = min(2 * chunk_steps, MAX_CHUNK_STEPS) if took < CHUNK_SECONDS / 2 else chunk_steps
        seconds = earlier + time.perf_counter() - started
        state = state.noted(seconds=seconds, training_seconds=state.progress.training_seconds + took)
        if state.progress.status == "running":
            spent = _budget_spent(state.progress, plan)
            due = spent or (state.progress.batch == 0 and state.progress.epoch % plan.evaluate_every == 0)
            if due:
                state = _evaluate(state, plan, data)
            if spent or _out_of_patience(state.progress, plan):
                state = state.noted(status="finished" if spent else "stopped early")
            state = judged(state, plan) if due else state
        yield state


def evaluation_key(seed: int) -> jax.Array:
    """The key of the noise in which a run with this seed evaluates its bounds."""
    return jax.random.fold_in(jax.random.key(seed), EVALUATION)


def _steps_left(progress: Progress, plan: Plan, n_rows: int) -> int:
    """Until an evaluation is due, or the budget of steps or epochs is used up, or a chunk is as long as it may be."""
    due = plan.evaluate_every * (progress.epoch // plan.evaluate_every + 1)
    until = due if plan.epochs is None else min(due, plan.epochs)
    steps = (until - progress.epoch) * plan.steps_per_epoch(n_rows) - progress.batch
    limits = (steps, MAX_CHUNK_STEPS, plan.steps and plan.steps - progress.step)
    return min(limit for limit in limits if limit is not None)


def _budget_spent(progress: Progress, plan: Plan) -> bool:
    return (
        (plan.epochs is not None and progress.epoch >= plan.epochs)
        or (plan.steps is not None and progress.step >= plan.steps)
        or (plan.seconds is not None and progress.seconds >= plan.seconds)
    )


def _out_of_patience(progress: Progress, plan: Plan) -> bool:
    if plan.patience is None or progress.best is None:
        return False
    since = [record for record in progress.history if record["step"] > progress.best["step"]]
    return len(since) >= plan.patience


def _evaluate(state: TrainingState, plan: Plan, data: TrainingData) -> TrainingState:
    """The state with a new record in its history, and with the best model so far."""
    progress = state.progress
    record = {
        "epoch": progress.epoch,
        "step": progress.step,
        "samples_seen": progress.samples_seen,
        "seconds": progress.seconds,
        "examples_per_second": progress.sum_rows / max(progress.training_seconds, 1e-9),
    }
    record |= _named("train", {name: total / progress.sum_rows for name, total in progress.sums.items()})
    autoencoder, key = plan.for_use(state.autoencoder), evaluation_key(plan.seed)
    for split, rows in data.splits.items():
        if split != "train":
            bounds = row_bounds(state.objective, autoencoder.model, autoencoder.posterior, rows, key)
            record |= _named(
                split, {name: float(np.mean(part, dtype=np.float64)) for name, part in bounds.items()}
            )
    by = "train_bound" if data.validation is None else "validation_bound"
    better = record[by] > (-math.inf if progress.best is None else progress.best[by])
    if better:
        state = dataclasses.replace(state, best_autoencoder=state.autoencoder)
    return state.noted(
        training_seconds=0.0,
        sums={},
        sum_rows=0,
        best=record if better else progress.best,
        history=(*progress.history, record),
    )


def _named(split: str, terms: dict[str, float]) -> dict[str, float]:
    """Records call every value `bound`; the run's `bound` field says what it is."""
    return {f"{split}_{name}": value for name, value in terms.items()}
