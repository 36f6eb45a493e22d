"""What a training run is given, and the state that it can be stopped and resumed at."""

import dataclasses
import zlib
from collections.abc import Callable
from functools import cached_property
from typing import Annotated, Any, Literal

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Float
from pydantic import Field

from aevb.models import AutoEncoder, learned
from aevb.objectives import Objective
from aevb.training.optimizers import Optimizer
from aevb.typing import Tree

Count = Annotated[int, Field(ge=0)]  # checked where a checkpoint is read
Status = Literal["running", "finished", "stopped early", "interrupted", "diverged", "blown up"]
BAD_ENDS = ("diverged", "blown up")


@dataclasses.dataclass(frozen=True)
class Plan:
    """How long and how to train. Whichever of the three budgets is used up first ends the run.

    Args:
        optimizer: the update rule.
        batch_size: rows per minibatch, M.
        epochs: passes over the training rows, or None.
        steps: minibatches, or None.
        seconds: wall-clock time, evaluations included, or None.
        evaluate_every: epochs between evaluations.
        patience: evaluations without a better validation bound after which training stops, or None.
        binarize: draw each pixel from Bernoulli(grey value) anew whenever it is seen (dynamic binarization).
        missing: NaN in the rows stands for a missing value.
        seed: of all randomness.
        independent: the mean over training rows of log p(x) where columns are independent, below which no model should
            stay; None where the objective's value cannot be compared with it.
        for_use: what becomes of an autoencoder before it is evaluated on other rows than those of training.
    """

    optimizer: Optimizer = dataclasses.field(default_factory=Optimizer)
    batch_size: int = 128
    epochs: int | None = 10
    steps: int | None = None
    seconds: float | None = None
    evaluate_every: int = 1
    patience: int | None = None
    binarize: bool = False
    missing: bool = False
    seed: int = 0
    independent: float | None = None
    for_use: Callable[[AutoEncoder], AutoEncoder] = lambda autoencoder: autoencoder

    def steps_per_epoch(self, n_rows: int) -> int:
        """Minibatches in a pass over so many training rows."""
        return -(-n_rows // min(self.batch_size, n_rows))


@dataclasses.dataclass(frozen=True)
class TrainingData:
    """Rows in scaled units, float32; NaN for a value that is missing.

    Args:
        train: what the parameters are fitted to.
        validation: what chooses the best model and stops training, or None.
        test: only ever reported, or None.
    """

    train: Float[np.ndarray, "rows features"]
    validation: Float[np.ndarray, "validation_rows features"] | None = None
    test: Float[np.ndarray, "test_rows features"] | None = None

    @property
    def splits(self) -> dict[str, Float[np.ndarray, "rows features"]]:
        """Those of `train`, `validation` and `test` that there are."""
        splits = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: rows for name, rows in splits.items() if rows is not None}

    @cached_property
    def digest(self) -> str:
        """A checksum of all rows, by which a resumed run knows that its data are still the same."""
        return ",".join(f"{name}:{_checksum(rows)}" for name, rows in self.splits.items())


def _checksum(x: np.ndarray) -> str:
    """Of the values and the number of rows."""
    return f"{len(x)}:{zlib.crc32(np.ascontiguousarray(x).data):08x}"


@dataclasses.dataclass(frozen=True)
class Progress:
    """Where a run is, in plain numbers that go through JSON unchanged.

    Args:
        epoch: epochs completed.
        batch: minibatches completed in the current epoch.
        step: minibatches completed in all.
        samples_seen: training rows seen, repeats counted.
        seconds: wall-clock time spent, over all sittings.
        training_seconds: the part of `seconds` since the last evaluation that went into training steps.
        sums: totals since the last evaluation of the bound and its parts over `sum_rows` training rows.
        sum_rows: see `sums`.
        best: the evaluation record of the best model so far, by validation bound, without validation rows by that of
            training.
        start: the training bound of the first minibatch, before any step.
        fallen: the steps since `watched` whose bound lay far below `start` and far below that of independent columns.
        watched: the step of the last evaluation before which such steps were not the rule.
        history: all evaluation records.
        status: whether and why the run ended.
        message: for a run that diverged or blew up, what happened.
    """

    epoch: Count = 0
    batch: Count = 0
    step: Count = 0
    samples_seen: Count = 0
    seconds: float = 0.0
    training_seconds: float = 0.0
    sums: dict[str, float] = dataclasses.field(default_factory=dict)
    sum_rows: Count = 0
    best: dict[str, Any] | None = None
    start: float | None = None
    fallen: Count = 0
    watched: Count = 0
    history: tuple[dict[str, Any], ...] = ()
    status: Status = "running"
    message: str = ""

    @property
    def chosen(self) -> dict[str, Any] | None:
        """The evaluation record of the model that the run stands for."""
        last = self.history[-1] if self.history else None
        return self.best if self.chooses_best else last

    @property
    def chooses_best(self) -> bool:
        """Whether the run stands for the best of its models: there are validation rows, or the last model is bad."""
        return self.best is not None and ("validation_bound" in self.best or self.status in BAD_ENDS)


@dataclasses.dataclass(frozen=True)
class TrainingState:
    """The whole state of a run.

    Args:
        autoencoder: as of the last step.
        objective: what is maximized, averaged over rows, with its own arrays as of the last step.
        optimizer_state: Optax's.
        best_autoencoder: the one that `progress.best` is of; None before the first evaluation.
        progress: everything that is not an array.
    """

    autoencoder: AutoEncoder
    objective: Objective
    optimizer_state: Tree
    best_autoencoder: AutoEncoder | None = None
    progress: Progress = Progress()

    @classmethod
    def start(cls, autoencoder: AutoEncoder, objective: Objective, optimizer: Optimizer) -> "TrainingState":
        """The state before the first step."""
        return cls(autoencoder, objective, optimizer.build().init(learned((autoencoder, objective))))

    def noted(self, **changes: Any) -> "TrainingState":
        """The state with fields of its progress replaced."""
        return dataclasses.replace(self, progress=dataclasses.replace(self.progress, **changes))

    @property
    def chosen(self) -> AutoEncoder:
        """The model that the run stands for: the best by validation bound, or without validation rows the last.

        Of a run that diverged or blew up it is the best in either case, where there was an evaluation.
        """
        return (self.best_autoencoder if self.progress.chooses_best else None) or self.autoencoder

    @property
    def trees(self) -> tuple[Tree, ...]:
        """Everything that holds arrays."""
        return self.autoencoder, self.objective, self.optimizer_state, self.best_autoencoder

    @property
    def arrays(self) -> list[jax.Array]:
        """All arrays, in a fixed order; the best model's come last, where there is one."""
        return jax.tree.leaves(eqx.filter(self.trees, eqx.is_array))
