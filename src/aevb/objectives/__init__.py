"""Objectives: what is maximized, each returning a `Bound` per row."""

from aevb.objectives.baselines import Baseline, LearnedBaseline, LeaveOneOut, MovingAverage, NoBaseline
from aevb.objectives.bound import (
    ELBO,
    Bound,
    Objective,
    row_bounds,
)
from aevb.objectives.concrete import Concrete
from aevb.objectives.exact_em import ExactEM, require_linear
from aevb.objectives.full_variational_bayes import FullVariationalBayes
from aevb.objectives.importance_weighted import ImportanceWeighted, Renyi
from aevb.objectives.map import MaximumAPosteriori
from aevb.objectives.monte_carlo_em import MonteCarloEM
from aevb.objectives.reconstruction import Reconstruction
from aevb.objectives.score_function import ScoreFunction
from aevb.objectives.sgvb import SGVBA, SGVBB
from aevb.objectives.sticking_the_landing import StickingTheLanding
from aevb.objectives.wake_sleep import WakeSleep, require_dreams_covered

__all__ = [
    "ELBO",
    "SGVBA",
    "SGVBB",
    "Baseline",
    "Bound",
    "Concrete",
    "ExactEM",
    "FullVariationalBayes",
    "ImportanceWeighted",
    "LearnedBaseline",
    "LeaveOneOut",
    "MaximumAPosteriori",
    "MonteCarloEM",
    "MovingAverage",
    "NoBaseline",
    "Objective",
    "Reconstruction",
    "Renyi",
    "ScoreFunction",
    "StickingTheLanding",
    "WakeSleep",
    "require_dreams_covered",
    "require_linear",
    "row_bounds",
]
