"""Optimizers, schedules and clipping by name."""

import dataclasses
from typing import Literal

import optax

OptimizerName = Literal["sgd", "momentum", "adagrad", "rmsprop", "adam", "adamw"]
ScheduleName = Literal["constant", "cosine"]


# The gradient of a Gaussian's log density grows as 1/variance, and one plain step along a long one can throw the
# log-variance heads off for good: without a limit, `sgd` diverges on digits at each of the paper's step sizes, 0.01,
# 0.02 and 0.1, and on Frey Face at the larger two; at these limits it stays finite and ends well above its start.
# (Momentum of 0.9 multiplies the length of a persistent step by ten.) The other rules normalize their steps.
DEFAULT_CLIP_NORMS = {"sgd": 10.0, "momentum": 1.0}


@dataclasses.dataclass(frozen=True)
class Optimizer:
    """Which optimizer, and its settings. Hashable, so that a compiled program can be found again by it.

    Args:
        name: `sgd`, `momentum` (0.9), `adagrad`, `rmsprop`, `adam` or `adamw`.
        learning_rate: step size at its peak, on the gradient of the mean bound per data point.
        schedule: `constant`, or `cosine` down to zero at the last step.
        warmup_steps: steps over which the step size rises linearly from zero.
        total_steps: the length of the run; only the cosine schedule needs it.
        clip_norm: longest allowed global norm of a gradient; 0 for no limit; None for `DEFAULT_CLIP_NORMS`.
        weight_decay: of `adamw`, decoupled.
    """

    name: OptimizerName = "adam"
    learning_rate: float = 1e-3
    schedule: ScheduleName = "constant"
    warmup_steps: int = 0
    total_steps: int | None = None
    clip_norm: float | None = None
    weight_decay: float = 1e-4

    def build(self) -> optax.GradientTransformation:
        """The Optax transformation, which descends."""
        rate = self._schedule()
        rule = {
            "sgd": lambda: optax.sgd(rate),
            "momentum": lambda: optax.sgd(rate, momentum=0.9),
            # As Duchi et al. (2011) define it; by default Optax starts the sum of squares at 0.1.
            "adagrad": lambda: optax.adagrad(rate, initial_accumulator_value=0.0, eps=1e-10),
            "rmsprop": lambda: optax.rmsprop(rate),
            "adam": lambda: optax.adam(rate),
            "adamw": lambda: optax.adamw(rate, weight_decay=self.weight_decay),
        }[self.name]()
        limit = DEFAULT_CLIP_NORMS.get(self.name, 0.0) if self.clip_norm is None else self.clip_norm
        return optax.chain(optax.clip_by_global_norm(limit), rule) if limit else rule

    def _schedule(self) -> optax.ScalarOrSchedule:
        if self.schedule == "cosine":
            assert self.total_steps is not None
            return optax.warmup_cosine_decay_schedule(
                0.0 if self.warmup_steps else self.learning_rate,
                self.learning_rate,
                self.warmup_steps,
                max(self.total_steps, self.warmup_steps + 1),
            )
        if self.warmup_steps:
            return optax.linear_schedule(0.0, self.learning_rate, self.warmup_steps)
        return self.learning_rate
