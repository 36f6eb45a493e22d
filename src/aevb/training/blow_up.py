"""Notices a run whose bound has become worse than knowing nothing: finite, and therefore easily taken for a result.

What a bound is held against is where it began and what independent columns have. A run that learns may lie below both
for a while: at a large step size while it warms up, or for the step in which a row far out comes by. One that lies below
for hundreds of steps in a row, or whose last evaluation does, has blown up.
"""

import dataclasses
import math

import numpy as np
from jaxtyping import Float

from aevb.training.state import Plan, TrainingData, TrainingState

# Nats per column by which a bound must lie below: as if every value were 1.4 standard deviations further off.
MARGIN = 1.0
# Steps in a row after which a run is not waited for any longer.
STEPS = 1000


def lowest(start: float | None, plan: Plan, n_features: int) -> float:
    """The training bound under which a run has fallen; minus infinity where that is unknown."""
    if plan.independent is None or start is None or not math.isfinite(start):
        return -math.inf
    return min(start, plan.independent) - MARGIN * n_features


def fallen(before: int, bounds: Float[np.ndarray, " steps"], limit: float) -> int:
    """How many of the last steps lie below the limit, one after the other, with `before` of them before these."""
    good = np.flatnonzero(~(bounds < limit))
    return int(len(bounds) - 1 - good[-1]) if len(good) else before + len(bounds)


def judged(state: TrainingState, plan: Plan, data: TrainingData) -> TrainingState:
    """The state, its status "blown up" where the run has fallen for long, or ends fallen."""
    progress = state.progress
    limit = lowest(progress.start, plan, data.train.shape[1])
    ended = progress.status in ("finished", "stopped early")
    bound = _last_bound(state, len(data.train)) if ended else math.inf
    if not (bound < limit or progress.fallen >= STEPS):
        return state
    what = (
        f"the training bound of the last evaluation is {bound:.6g} nats"
        if ended
        else f"the training bound has been far lower for {progress.fallen:,} steps"
    )
    message = (
        f"step {progress.step:,}, {what}, where it began at {progress.start:.6g} and a model of independent columns "
        f"has {plan.independent:.6g}"
    )
    return dataclasses.replace(
        state, progress=dataclasses.replace(progress, status="blown up", message=message)
    )


def _last_bound(state: TrainingState, n_rows: int) -> float:
    """The training bound at the end; the better of the last two where the last one is that of a part of the rows."""
    history = state.progress.history
    whole = len(history) < 2 or history[-1]["samples_seen"] - history[-2]["samples_seen"] >= n_rows
    return max(record["train_elbo"] for record in history[-1 if whole else -2 :])
