"""The table of learners: how a run gets from one state to the next. An objective names its own."""

from typing import Any, Protocol

from aevb.training.exact_em import ExpectationMaximization
from aevb.training.gradient_ascent import GradientAscent
from aevb.training.state import Plan, TrainingData, TrainingState


class Learner(Protocol):
    """What the training loop needs of a way to learn."""

    def init(self, data: TrainingData) -> Any:
        """What its steps need of the data, prepared once per sitting."""
        ...

    def steps(self, state: TrainingState, plan: Plan, given: Any, n_steps: int) -> TrainingState:
        """The state after so many steps, its progress counted; fewer steps if the run diverges.

        Args:
            state: where the run is.
            plan: how to train.
            given: what `init` gave.
            n_steps: how many to take.
        """
        ...


LEARNERS: dict[str, Learner] = {"gradient": GradientAscent(), "exact-em": ExpectationMaximization()}
