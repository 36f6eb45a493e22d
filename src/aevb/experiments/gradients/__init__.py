"""A laboratory for gradient estimators: bias, variance, and variance times cost, on problems with known answers."""

from aevb.experiments.gradients import discrete, linear_gaussian, mnist, toy
from aevb.experiments.gradients.records import Approach, Problem, Row, Table, as_json

# The problems by name, in the order in which they are run.
PROBLEMS = {
    "toy": toy.run,
    "linear-gaussian": linear_gaussian.run,
    "discrete": discrete.run,
    "mnist": mnist.run,
}

__all__ = ["PROBLEMS", "Approach", "Problem", "Row", "Table", "as_json"]
