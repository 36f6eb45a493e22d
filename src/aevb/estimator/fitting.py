"""A fit of `VAE`: what it starts from, and where it is."""

import dataclasses
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Int, Num
from sklearn.exceptions import ConvergenceWarning

from aevb.assembly import assemble, build_plan
from aevb.datasets import Dataset, split_rows
from aevb.errors import NonFiniteBoundError
from aevb.inference.for_use import for_use
from aevb.parts import Parts
from aevb.recipe import Recipe
from aevb.run import trained_model
from aevb.selection import build_objective
from aevb.trained import TrainedModel
from aevb.training import Plan, TrainingData, TrainingState, train
from aevb.training.state import BAD_ENDS, Progress


@dataclasses.dataclass(frozen=True)
class Fit:
    """A fit that is ready to start, or to go on.

    Args:
        model: the model as it was before.
        plan: how long to train, and how.
        data: the rows in scaled units.
        state: where training is.
    """

    model: TrainedModel
    plan: Plan
    data: TrainingData
    state: TrainingState

    @classmethod
    def new(cls, recipe: Recipe, dataset: Dataset, parts: Parts) -> "Fit":
        """The fit of a new model.

        Raises:
            AevbError: see `aevb.assembly.assemble`.
        """
        assembly = assemble(recipe, dataset, parts)
        model = trained_model(assembly.start, assembly.recipe, dataset, assembly)
        return cls(model, assembly.plan, assembly.data, assembly.start)

    @classmethod
    def further(
        cls, model: TrainedModel, x: Num[np.ndarray, "rows features"], state: TrainingState | None
    ) -> "Fit":
        """One more pass of a model, over other rows.

        Without a state, or after a schedule that ended, it goes on from the weights, with a fresh optimizer.

        Raises:
            InvalidDataError: see `TrainedModel.prepare`.
        """
        rows = model.prepare(x, training=True)
        objective = build_objective(model.recipe, model.trainable)
        plan = build_plan(model.recipe.replaced(schedule="constant"), len(rows), objective)
        if state is None or model.recipe.optimizer.schedule != "constant":
            state = TrainingState.start(model.trainable, objective, plan.optimizer)
            state = dataclasses.replace(state, progress=_taken_up(model.history))
        progress = dataclasses.replace(state.progress, status="running", best=None, fallen=0)
        state = dataclasses.replace(state, best_autoencoder=None, progress=progress)
        plan = dataclasses.replace(plan, epochs=progress.epoch + 1, steps=None, seconds=None, patience=None)
        return cls(model, plan, TrainingData(rows), state)

    @property
    def share_done(self) -> float:
        """How much of the budget is used up: of the one that will end the fit, if there are several."""
        at, plan = self.state.progress, self.plan
        shares = (
            (at.epoch + at.batch / plan.steps_per_epoch(len(self.data.train)), plan.epochs),
            (at.step, plan.steps),
            (at.seconds, plan.seconds),
        )
        return min(1.0, max((done / budget for done, budget in shares if budget), default=0.0))

    def run(self, show: "Callable[[Fit], None]", keep: "Callable[[Fit], None]") -> "Fit":
        """Train to the end of the plan.

        Args:
            show: called with the fit after every chunk of steps.
            keep: called with the fit as it is at the end; also where something stops it on the way, such as Ctrl-C,
                once it has taken a step.
        """
        fit, started = self, self.state.progress.step
        try:
            for state in train(self.state, self.plan, self.data):
                fit = dataclasses.replace(self, state=state)
                show(fit)
        except BaseException as stop:
            at = fit.state.progress
            if at.step > started:
                keep(fit)
                stop.add_note(
                    f"The estimator holds the model as of step {at.step:,}, after {at.epoch:,} full epochs: use it as "
                    "it is, or go on with partial_fit."
                )
            raise
        keep(fit)
        return fit

    def check_end(self) -> None:
        """Refuse or warn of an end that is none.

        Raises:
            NonFiniteBoundError: training diverged.
        """
        at = self.state.progress
        if at.status not in BAD_ENDS:
            return
        held = f"of epoch {at.chosen['epoch']}, the best" if at.chosen else "from before that step"
        optimizer = self.model.recipe.optimizer
        said = (
            f"training went wrong at {at.message}. The estimator holds the model {held}. Try a smaller "
            f"`learning_rate=` than {optimizer.learning_rate:g}{'' if optimizer.clip_norm else ', or `clip_norm=1`'}."
        )
        if at.status == "diverged":
            raise NonFiniteBoundError(said)
        warnings.warn(said, ConvergenceWarning, stacklevel=4)

    def trained(self, importance_samples: int) -> TrainedModel:
        """The model that its state stands for, with the number of draws with which its estimator scores."""
        return dataclasses.replace(
            self.model,
            autoencoder=for_use(self.state.chosen, self.model.recipe.seed),
            importance_samples=importance_samples,
            history=self.state.progress.history,
        )


def held_out_rows(model: TrainedModel, n_rows: int) -> Int[np.ndarray, " held_out"]:
    """Which of the rows that a model was fitted to were its validation rows."""
    return split_rows(n_rows, model.recipe.validation or 0.0, model.recipe.seed)[1]


def _taken_up(history: Sequence[Mapping[str, Any]]) -> Progress:
    """Where a model is that was loaded, as far as its history tells."""
    if not history:
        return Progress()
    last = history[-1]
    counts = {name: last[name] for name in ("epoch", "step", "samples_seen", "seconds")}
    return Progress(**counts, history=tuple(map(dict, history)))
