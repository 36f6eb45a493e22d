"""Objectives: what is maximized, each returning a `Bound` per row."""

from aevb.objectives.bound import Bound, Objective, Posterior, row_bounds
from aevb.objectives.map import MaximumAPosteriori
from aevb.objectives.sgvb import SGVBA, SGVBB

__all__ = ["SGVBA", "SGVBB", "Bound", "MaximumAPosteriori", "Objective", "Posterior", "row_bounds"]
