"""Gradient ascent on minibatches, chunk by chunk in a compiled program."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from aevb.training.blow_up import count_fallen
from aevb.training.chunk import minibatches, run_chunk
from aevb.training.state import Plan, Progress, TrainingData, TrainingState

MAX_CHUNK_STEPS = 512


class GradientAscent:
    """Ascends the objective's surrogate by the plan's optimizer."""

    def init(self, data: TrainingData) -> jax.Array:
        """The training rows, where compiled programs gather from them."""
        return jnp.asarray(data.train)

    def steps(self, state: TrainingState, plan: Plan, given: jax.Array, n_steps: int) -> TrainingState:
        """The state `n_steps` later, or if the run diverges on the way, before the step that does it."""
        x, progress, per_epoch = given, state.progress, plan.steps_per_epoch(len(given))
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
        return state.noted(
            epoch=progress.epoch + epochs,
            batch=batch,
            step=progress.step + n_steps,
            samples_seen=progress.samples_seen + seen,
            sums={
                name: _running_sum(progress.sums.get(name, 0.0), trace[name])
                for name in trace
                if name != "loss"
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
