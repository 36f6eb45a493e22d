"""Training: one compiled program per chunk of minibatches."""

from aevb.training.checkpoint import load_checkpoint, save_checkpoint
from aevb.training.loop import evaluation_key, train
from aevb.training.optimizers import Optimizer
from aevb.training.state import BAD_ENDS, Plan, Progress, Status, TrainingData, TrainingState

__all__ = [
    "BAD_ENDS",
    "Optimizer",
    "Plan",
    "Progress",
    "Status",
    "TrainingData",
    "TrainingState",
    "evaluation_key",
    "load_checkpoint",
    "save_checkpoint",
    "train",
]
