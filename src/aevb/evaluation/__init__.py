"""How good a trained model is, what is wrong with it, and what to try."""

from aevb.evaluation.findings import find
from aevb.evaluation.measure import evaluate
from aevb.evaluation.methods import METHODS, make_method
from aevb.evaluation.results import (
    Bits,
    Evaluation,
    Finding,
    Gaps,
    Marginal,
    Mean,
    Reconstruction,
    TrainingGap,
)
from aevb.evaluation.rows import random_rows
from aevb.evaluation.scores import Scores, SecondLook, score_rows

__all__ = [
    "METHODS",
    "Bits",
    "Evaluation",
    "Finding",
    "Gaps",
    "Marginal",
    "Mean",
    "Reconstruction",
    "Scores",
    "SecondLook",
    "TrainingGap",
    "evaluate",
    "find",
    "make_method",
    "random_rows",
    "score_rows",
]
