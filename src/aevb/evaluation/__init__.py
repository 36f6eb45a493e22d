"""How good a trained model is, what is wrong with it, and what to try."""

from aevb.evaluation.columns import repeated_under_density
from aevb.evaluation.findings import find
from aevb.evaluation.gaps import inference_gaps
from aevb.evaluation.history import TrainingHistory
from aevb.evaluation.latents import LatentDiagnostics, latent_diagnostics
from aevb.evaluation.measure import evaluate
from aevb.evaluation.methods import METHODS, make_method
from aevb.evaluation.results import (
    AgainstIndependent,
    Bits,
    Evaluation,
    Finding,
    Gaps,
    Marginal,
    Mean,
    Reconstruction,
    Tail,
    TrainingGap,
)
from aevb.evaluation.rows import random_rows
from aevb.evaluation.scores import Scores, SecondLook, score_rows
from aevb.evaluation.simulated import Simulated

__all__ = [
    "METHODS",
    "AgainstIndependent",
    "Bits",
    "Evaluation",
    "Finding",
    "Gaps",
    "LatentDiagnostics",
    "Marginal",
    "Mean",
    "Reconstruction",
    "Scores",
    "SecondLook",
    "Simulated",
    "Tail",
    "TrainingGap",
    "TrainingHistory",
    "evaluate",
    "find",
    "inference_gaps",
    "latent_diagnostics",
    "make_method",
    "random_rows",
    "repeated_under_density",
    "score_rows",
]
