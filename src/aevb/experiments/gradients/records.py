"""What the laboratory reports: plain numbers and words, which go through JSON unchanged."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

Number = float | None  # None where there is nothing to tell
Say = Callable[[str], None]  # is told what comes next


def silent(line: str) -> None:
    """Tells nobody."""


@dataclasses.dataclass(frozen=True)
class Row:
    """One estimator of the gradient of one part of a model.

    Args:
        estimator: its name.
        samples: draws of z per row and gradient.
        estimand: the quantity whose gradient the objective declares that it estimates.
        held_against: the quantity whose exact gradient it is compared with; None where there is none.
        declared_biased: whether it declares that its gradient is not that of the value it reports.
        draws: gradients drawn.
        mean_variance: the variance per coordinate, averaged over coordinates.
        mean_variance_error: its standard error.
        milliseconds: per gradient of all parts, the median of interleaved calls of the compiled program.
        bias: along the exact gradient of the estimand, as a share of its length; None without a reference.
        bias_error: its standard error.
        largest_score: the largest t-score of the joint test.
        limit: above which it finds a bias.
        detectable: the share of the exact gradient's length from which it finds one, at the stated power.
        bias_found: what it found.
        closed_variance: what `mean_variance` should be, where that is known.
        variance_score: the distance of `mean_variance` from it, in standard errors.
        coordinates: `mean`, `variance` and `exact`, a number for each coordinate; for large parts `variance` by array.
    """

    estimator: str
    samples: int
    estimand: str
    held_against: str | None
    declared_biased: bool
    draws: int
    mean_variance: float
    mean_variance_error: float
    milliseconds: float
    bias: Number = None
    bias_error: Number = None
    largest_score: Number = None
    limit: Number = None
    detectable: Number = None
    bias_found: bool | None = None
    closed_variance: Number = None
    variance_score: Number = None
    coordinates: dict[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def variance_times_milliseconds(self) -> float:
        """The variance of a mean over as many gradients as fit into a millisecond."""
        return self.mean_variance * self.milliseconds


@dataclasses.dataclass(frozen=True)
class Table:
    """All estimators on one part of a model in one state.

    Args:
        part: of the model, such as `encoder`.
        state: of the model, such as `after training`; empty where there is but one.
        n_coordinates: the length of the gradient.
        length: the Euclidean length of the exact gradient of the evidence lower bound, or the best estimate of it.
        references: for each estimand, where its exact gradient is from.
        names: of the coordinates, or of the arrays of a large part.
        rows: the estimators.
    """

    part: str
    state: str
    n_coordinates: int
    length: float
    references: dict[str, str]
    names: list[str]
    rows: tuple[Row, ...]


@dataclasses.dataclass(frozen=True)
class Approach:
    """The variance of an estimator's encoder gradient as q approaches the exact posterior.

    Args:
        estimator: its name.
        samples: draws of z per row.
        distance: of q from the posterior, in steps from the imperfect encoder, which is at 1; the posterior is at 0.
        mean_variance: per coordinate, at each distance.
    """

    estimator: str
    samples: int
    distance: tuple[float, ...]
    mean_variance: tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class Problem:
    """Everything measured on one problem.

    Args:
        name: as the command line has it.
        title: a line on what is differentiated.
        notes: what else a reader has to know.
        false_alarm: the probability that any of the problem's joint tests finds a bias where there is none.
        power: the probability at which biases of the length `detectable` are found.
        seconds: that it took.
        tables: by part and state.
        approach: see `Approach`.
    """

    name: str
    title: str
    notes: tuple[str, ...]
    false_alarm: float
    power: float
    seconds: float
    tables: tuple[Table, ...]
    approach: tuple[Approach, ...] = ()


def as_json(problem: Problem) -> dict[str, Any]:
    """The record as JSON has it, with null for what is not a finite number."""
    plain = dataclasses.asdict(problem)
    for table, record in zip(problem.tables, plain["tables"], strict=True):
        for row, entry in zip(table.rows, record["rows"], strict=True):
            entry["variance_times_milliseconds"] = row.variance_times_milliseconds
    return _finite(plain)


def _finite(node: Any) -> Any:
    if isinstance(node, dict):
        return {name: _finite(value) for name, value in node.items()}
    if isinstance(node, list | tuple):
        return [_finite(value) for value in node]
    return None if isinstance(node, float) and not math.isfinite(node) else node
