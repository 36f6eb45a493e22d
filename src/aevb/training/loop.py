"""The training loop: chunks of minibatches, each one call of one compiled program.

Nothing crosses to Python per minibatch. Between chunks, at most a few seconds apart, `train` hands its state to
whoever iterates over it, to be shown, recorded or checkpointed; who stops iterating stops the training.
"""

import dataclasses
import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from aevb.inference.for_use import for_use
from aevb.objectives import ExactEM, row_bounds
from aevb.training import linear_em
from aevb.training.blow_up import count_fallen, judged
from aevb.training.chunk import minibatches, run_chunk
from aevb.training.state import Plan, Progress, TrainingData, TrainingState

CHUNK_SECONDS = 1.0
MAX_CHUNK_STEPS = 512
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
    if isinstance(state.objective, ExactEM):
        yield from _expectation_maximization(state, plan, data)
        return
    x = jnp.asarray(data.train)
    earlier, started = state.progress.seconds, time.perf_counter()
    chunk_steps = 1
    if state.progress.status == "running" and _budget_spent(state.progress, plan):
        yield _note(state, status="finished")
        return
    while state.progress.status == "running":
        n_steps = min(chunk_steps, _steps_left(state.progress, plan, len(x)))
        chunk_started = time.perf_counter()
        state = _take_steps(state, plan, x, n_steps)
        took = time.perf_counter() - chunk_started
        chunk_steps = min(2 * chunk_steps, MAX_CHUNK_STEPS) if took < CHUNK_SECONDS / 2 else chunk_steps
        seconds = earlier + time.perf_counter() - started
        state = _note(state, seconds=seconds, training_seconds=state.progress.training_seconds + took)
        if state.progress.status == "running":
            spent = _budget_spent(state.progress, plan)
            due = spent or (state.progress.batch == 0 and state.progress.epoch % plan.evaluate_every == 0)
            if due:
                state = _evaluate(state, plan, data)
            if spent or _out_of_patience(state.progress, plan):
                state = _note(state, status="finished" if spent else "stopped early")
            state = judged(state, plan) if due else state
        yield state


def _expectation_maximization(
    state: TrainingState, plan: Plan, data: TrainingData
) -> Iterator[TrainingState]:
    """`train` for a linear-Gaussian model, an epoch of which is one iteration of EM."""
    rows = data.train.astype(np.float64)
    mean = np.asarray(rows.mean(axis=0))
    covariance = (rows - mean).T @ (rows - mean) / len(rows)
    log_volume = linear_em.log_volume(state.autoencoder)
    earlier, started = state.progress.seconds, time.perf_counter()
    if state.progress.status == "running" and _budget_spent(state.progress, plan):
        yield _note(state, status="finished")
        return
    while state.progress.status == "running":
        at, n_rows = state.progress, len(rows)
        model = linear_em.read(state.autoencoder).improved(covariance)
        state = dataclasses.replace(state, autoencoder=linear_em.written(state.autoencoder, model, mean))
        seconds = earlier + time.perf_counter() - started
        counts = {"epoch": at.epoch + 1, "step": at.step + 1, "samples_seen": at.samples_seen + n_rows}
        state = _note(state, **counts, seconds=seconds, training_seconds=seconds - at.seconds)
        bound, kl = model.log_likelihood(covariance) - log_volume, model.divergence(covariance)
        sums = {"bound": bound, "reconstruction": bound + kl, "kl": kl}
        state = _note(state, sums={name: n_rows * value for name, value in sums.items()}, sum_rows=n_rows)
        spent = _budget_spent(state.progress, plan)
        if spent or state.progress.epoch % plan.evaluate_every == 0:
            state = _evaluate(state, plan, data)
        if spent or _out_of_patience(state.progress, plan):
            state = _note(state, status="finished" if spent else "stopped early")
        yield state


def evaluation_key(seed: int) -> jax.Array:
    """The key of the noise in which a run with this seed evaluates its bounds."""
    return jax.random.fold_in(jax.random.key(seed), EVALUATION)


def _note(state: TrainingState, **changes: object) -> TrainingState:
    return dataclasses.replace(state, progress=dataclasses.replace(state.progress, **changes))  # pyright: ignore[reportArgumentType]


def _take_steps(state: TrainingState, plan: Plan, x: jax.Array, n_steps: int) -> TrainingState:
    """The state `n_steps` later, or where the run diverges on the way, before the step that does it."""
    progress, per_epoch = state.progress, plan.steps_per_epoch(len(x))
    longest = min(MAX_CHUNK_STEPS, plan.evaluate_every * per_epoch)
    rows = np.full((longest, min(plan.batch_size, len(x))), -1, np.int32)
    rows[:n_steps] = _order(progress, plan, len(x), n_steps)
    settings = {"optimizer": plan.optimizer, "binarize": plan.binarize, "missing": plan.missing}
    fixed = (x, jnp.asarray(rows))
    start, key = (state.autoencoder, state.objective, state.optimizer_state), jax.random.key(plan.seed)

    def run(n_steps: int) -> tuple[Any, dict[str, np.ndarray], dict[str, float]]:
        counts = jnp.asarray(n_steps), jnp.asarray(progress.step)
        after, trace, afterwards = run_chunk(start, *fixed, *counts, key, **settings)
        trace = {name: np.asarray(values)[:n_steps] for name, values in trace.items()}
        return after, trace, {name: float(value) for name, value in afterwards.items()}

    after, trace, afterwards = run(n_steps)
    message = ""
    if not (np.isfinite(trace["loss"]).all() and math.isfinite(afterwards["loss"])):
        # Training is deterministic, so the last good state is found again by taking the good steps only.
        n_steps = _last_good(lambda n: math.isfinite(run(n)[2]["loss"]), n_steps)
        message = _what_diverged(run(n_steps + 1)[2], progress.step + n_steps + 1)
        after, trace, _ = run(n_steps)
    counts = np.sum(rows[:n_steps] >= 0, axis=1)
    seen = int(np.sum(counts))
    autoencoder, objective, optimizer_state = after
    state = dataclasses.replace(
        state, autoencoder=autoencoder, objective=objective, optimizer_state=optimizer_state
    )
    bounds = trace["bound"] / counts
    began = progress.start if progress.start is not None or not n_steps else float(bounds[0])
    epochs, batch = divmod(progress.batch + n_steps, per_epoch)
    return _note(
        state,
        epoch=progress.epoch + epochs,
        batch=batch,
        step=progress.step + n_steps,
        samples_seen=progress.samples_seen + seen,
        sums={
            name: _running_sum(progress.sums.get(name, 0.0), trace[name]) for name in trace if name != "loss"
        },
        sum_rows=progress.sum_rows + seen,
        start=began,
        fallen=progress.fallen + count_fallen(bounds, began, plan.independent, x.shape[1]),
        status="diverged" if message else "running",
        message=message,
    )


def _last_good(is_good: Callable[[int], bool], bad: int) -> int:
    """The number of steps just before the first that is not good, by bisection: 0 is good, `bad` is not."""
    good = 0
    while bad - good > 1:
        middle = (good + bad) // 2
        good, bad = (middle, bad) if is_good(middle) else (good, middle)
    return good


def _running_sum(total: float, terms: np.ndarray) -> float:
    """`total` plus the terms, one after the other, so that it does not depend on how steps fell into chunks."""
    return float(np.cumsum(np.concatenate([[total], terms.astype(np.float64)]))[-1])


def _what_diverged(terms: dict[str, float], step: int) -> str:
    offending = [f"{name} is {terms[name]}" for name in terms if name not in ("bound", "loss")]
    offending = [said for said in offending if said.endswith(("nan", "inf"))]
    unnamed = "gradient or the prior of the weights is not finite"
    return f"step {step}, after which the {' and the '.join(offending) or unnamed}"


def _order(progress: Progress, plan: Plan, n_rows: int, n_steps: int) -> np.ndarray:
    """The row numbers of the next minibatches, which may be those of several epochs."""
    last_epoch = progress.epoch + (progress.batch + n_steps - 1) // plan.steps_per_epoch(n_rows)
    batch_size = min(plan.batch_size, n_rows)
    epochs = [
        minibatches(epoch, plan.seed, n_rows, batch_size) for epoch in range(progress.epoch, last_epoch + 1)
    ]
    return np.concatenate(epochs)[progress.batch : progress.batch + n_steps]


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
    autoencoder, key = for_use(state.autoencoder, plan.seed), evaluation_key(plan.seed)
    for split, rows in data.splits.items():
        if split != "train":
            bounds = row_bounds(state.objective, autoencoder.model, autoencoder.posterior, rows, key)
            record |= _named(
                split, {name: float(np.mean(part, dtype=np.float64)) for name, part in bounds.items()}
            )
    by = "train_elbo" if data.validation is None else "validation_elbo"
    better = record[by] > (-math.inf if progress.best is None else progress.best[by])
    if better:
        state = dataclasses.replace(state, best_autoencoder=state.autoencoder)
    return _note(
        state,
        training_seconds=0.0,
        sums={},
        sum_rows=0,
        best=record if better else progress.best,
        history=(*progress.history, record),
    )


def _named(split: str, terms: dict[str, float]) -> dict[str, float]:
    """Records call the bound `elbo`, whatever the likelihood; the run's `bound` field says what it is."""
    return {f"{split}_{'elbo' if name == 'bound' else name}": value for name, value in terms.items()}
