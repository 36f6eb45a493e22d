"""Training: one compiled program per chunk of minibatches."""

from aevb.training.checkpoint import load_checkpoint, save_checkpoint
from aevb.training.loop import evaluation_key, train
from aevb.training.optimizers import Optimizer
from aevb.training.state import Plan, Status, TrainingData, TrainingState

__all__ = [
    "Optimizer",
    "Plan",
    "Status",
    "TrainingData",
    "TrainingState",
    "evaluation_key",
    "load_checkpoint",
    "save_checkpoint",
    "train",
]
