"""Notices a run whose bound has become worse than knowing nothing: finite, and therefore easily taken for a result.

What a bound is held against is where it began and what independent columns have. A run that learns may lie below both
for a while: at a large step size while it warms up, or for the step in which a row far out comes by, which is why steps
are counted and not averaged. One that lies below in most of a thousand steps, or of the steps before its last
evaluation, has blown up.
"""

import numpy as np
from jaxtyping import Float

from aevb.training.state import Plan, TrainingState

# Nats per column by which a bound must lie below: as if every value were 1.4 standard deviations further off.
MARGIN = 1.0
# Steps, most of them below, after which a run is not waited for any longer.
STEPS = 1000
# Fewer, at the end, may all have met rows far out.
LAST_STEPS = 5


def count_fallen(
    bounds: Float[np.ndarray, " steps"], start: float | None, independent: float | None, n_features: int
) -> int:
    """How many of these steps have fallen; none where there is nothing to hold them against."""
    if start is None or independent is None:
        return 0
    return int(np.sum(bounds < min(start, independent) - MARGIN * n_features))


def judged(state: TrainingState, plan: Plan) -> TrainingState:
    """The state after an evaluation, its status "blown up" where the run has fallen for long, or ends fallen."""
    progress = state.progress
    watched = progress.step - progress.watched
    if 2 * progress.fallen <= watched:
        return state.noted(fallen=0, watched=progress.step)
    if watched < (STEPS if progress.status == "running" else min(LAST_STEPS, progress.step)):
        return state
    message = (
        f"step {progress.step:,}, the training bound is {progress.history[-1]['train_bound']:.6g} nats, where it began "
        f"at {progress.start:.6g} and a model of independent columns has {plan.independent:.6g}"
    )
    return state.noted(status="blown up", message=message)
