"""A small training run that several tests look at from different sides."""

import dataclasses

import numpy as np

from aevb.objectives import SGVBB
from aevb.training import Optimizer, Plan, TrainingData, TrainingState, train
from oracles import tiny

RNG = np.random.default_rng(0)
# 22 rows in minibatches of 4: six steps an epoch, the last one with two rows and two of padding.
DATA = TrainingData(*(RNG.uniform(size=(n, 5)).astype(np.float32) for n in (22, 7, 6)))
PLAN = Plan(Optimizer("adam", 1e-2), batch_size=4, epochs=3, seed=3)
CLOCK = {"seconds", "examples_per_second"}


def run(plan=PLAN, objective=None, data=DATA, state=None, **changes):
    """All states that a run yields."""
    plan = dataclasses.replace(plan, **changes)
    state = state or TrainingState.start(tiny(), objective or SGVBB(), plan.optimizer)
    return list(train(state, plan, data))


def without_clock(record):
    return record and {name: value for name, value in record.items() if name not in CLOCK}


def comparable(progress):
    """Everything about a run's progress that the clock does not decide."""
    fields = dataclasses.asdict(progress)
    del fields["seconds"], fields["training_seconds"]
    fields["best"] = without_clock(fields["best"])
    fields["history"] = tuple(map(without_clock, fields["history"]))
    return fields
