"""From estimators and references to the tables of a problem."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import jax
import numpy as np
from jaxtyping import Float

from aevb.batch import Batch
from aevb.experiments.gradients.bias import FALSE_ALARM, BiasTest, Reference
from aevb.experiments.gradients.draws import (
    Draws,
    Sampled,
    Subject,
    block_size,
    coordinate_names,
    sample_interleaved,
)
from aevb.experiments.gradients.estimators import Estimator
from aevb.experiments.gradients.moments import Moments
from aevb.experiments.gradients.records import Row, Table
from aevb.objectives import ELBO, Concrete
from aevb.typing import PRNGKey

MOST_COORDINATES = 1000  # of which each is reported
SHOWN_AS = {"model": "decoder", "mu": "d/dμ", "s": "d/ds"}

# The exact gradients of a part by estimand.
References = Mapping[str, Mapping[str, Reference]]
ClosedVariances = Callable[[Estimator, str], Float[np.ndarray, " coordinates"] | None]


def timing_note(block: int) -> str:
    """What the milliseconds of a problem are."""
    at_once = (
        f"calls with up to {block:,} gradients at once, per gradient" if block > 1 else "single gradients"
    )
    return f"Times: of all parameters' gradient; the median over {at_once}, estimators taking turns."


def no_closed_variances(estimator: Estimator, part: str) -> None:
    """For problems that have none."""


@dataclasses.dataclass(frozen=True)
class Study:
    """What is measured.

    Args:
        subject: a model and its posterior.
        batch: the minibatch.
        estimators: of its gradient.
        parts: attributes of the subject, all of which are differentiated.
        references: for each part to be reported, the exact gradient by estimand.
        state: what the state of the model is called.
        closed_variances: of an estimator's coordinates, where known.
    """

    subject: Subject
    batch: Batch
    estimators: Sequence[Estimator]
    parts: tuple[str, ...]
    references: References
    state: str = ""
    closed_variances: ClosedVariances = no_closed_variances


def measure(
    study: Study, n_draws: int, largest_block: int, key: PRNGKey, tests: int | None = None
) -> list[Table]:
    """Draw every estimator's gradients and hold them against their references, a table for each part.

    Args:
        study: what.
        n_draws: gradients of each estimator, at least.
        largest_block: gradients in one call of a compiled program.
        key: of all randomness.
        tests: joint tests of the problem, which share the rate of false alarms; None for those of this study.
    """
    block, n_calls = block_size(n_draws, largest_block)
    keys = jax.random.split(key, len(study.estimators))
    draws = [
        Draws(estimator.objective, study.subject, study.batch, study.parts, block, k)
        for estimator, k in zip(study.estimators, keys, strict=True)
    ]
    statistics = [
        {
            part: of[name].statistics
            for part, of in study.references.items()
            if (name := _held_against(estimator, of))
        }
        for estimator in study.estimators
    ]
    powers = {part: 2 if is_large(study.subject, part) else 4 for part in study.references}
    sampled = sample_interleaved(draws, n_calls, statistics, powers)
    tests = tests or sum(map(len, statistics))
    return [_table(study, part, sampled, FALSE_ALARM / tests) for part in study.references]


def is_large(subject: Subject, part: str) -> bool:
    """Whether a part has too many coordinates to report each."""
    return sum(size for _, size in coordinate_names(subject, part)) > MOST_COORDINATES


def _held_against(estimator: Estimator, references: Mapping[str, Reference]) -> str | None:
    """The estimand's name, or of a relaxed objective, whose value is the evidence lower bound, that one's."""
    objective = estimator.objective
    name = ELBO if isinstance(objective, Concrete) else objective.estimand
    return name if name in references else None


def _table(study: Study, part: str, sampled: Sequence[Sampled], false_alarm: float) -> Table:
    arrays = coordinate_names(study.subject, part)
    large = is_large(study.subject, part)
    return Table(
        part=SHOWN_AS.get(part, part),
        state=study.state,
        n_coordinates=sum(size for _, size in arrays),
        length=study.references[part][ELBO].length,
        references={estimand: reference.how for estimand, reference in study.references[part].items()},
        names=[name for name, _ in arrays]
        if large
        else [f"{name}[{i}]" if size > 1 else name for name, size in arrays for i in range(size)],
        rows=tuple(
            _row(study, part, estimator, of, false_alarm, [size for _, size in arrays] if large else None)
            for estimator, of in zip(study.estimators, sampled, strict=True)
        ),
    )


def _row(
    study: Study,
    part: str,
    estimator: Estimator,
    sampled: Sampled,
    false_alarm: float,
    sizes: list[int] | None,
) -> Row:
    """The record of one estimator; `sizes` of its arrays where there are too many coordinates to report each."""
    moments = sampled.coordinates[part]
    held_against = _held_against(estimator, study.references[part])
    reference = study.references[part][held_against] if held_against else None
    row = Row(
        estimator=estimator.name,
        samples=estimator.samples,
        estimand=estimator.objective.estimand,
        held_against=held_against,
        declared_biased=estimator.objective.is_biased,
        draws=moments.n,
        mean_variance=moments.mean_variance,
        mean_variance_error=moments.mean_variance_error,
        milliseconds=sampled.milliseconds,
        coordinates=_coordinates(moments, reference) if sizes is None else _arrays(moments, sizes),
    )
    if reference is not None:
        row = _with_bias(row, BiasTest.of(reference, sampled.statistics[part], false_alarm))
    closed = study.closed_variances(estimator, part)
    return row if closed is None else _with_closed_variance(row, moments, closed)


def _with_bias(row: Row, test: BiasTest) -> Row:
    return dataclasses.replace(
        row,
        bias=test.along,
        bias_error=test.along_error,
        largest_score=test.largest_score,
        limit=test.limit,
        detectable=test.detectable,
        bias_found=test.found,
    )


def _with_closed_variance(row: Row, moments: Moments, closed: Float[np.ndarray, " coordinates"]) -> Row:
    mean = float(np.mean(closed))
    score = (moments.mean_variance - mean) / moments.mean_variance_error
    return dataclasses.replace(row, closed_variance=mean, variance_score=score)


def _coordinates(moments: Moments, reference: Reference | None) -> dict[str, list[float]]:
    numbers = {
        "mean": moments.mean,
        "mean_error": moments.mean_error,
        "variance": moments.variance,
        "variance_error": moments.variance_error,
    }
    if reference is not None and reference.every_coordinate:
        numbers["exact"] = reference.expected[1:]
    return {name: values.tolist() for name, values in numbers.items()}


def _arrays(moments: Moments, sizes: list[int]) -> dict[str, list[float]]:
    """The variance per coordinate, averaged over each array."""
    pieces = np.split(moments.variance, np.cumsum(sizes)[:-1])
    return {"variance": [float(piece.mean()) for piece in pieces]}
