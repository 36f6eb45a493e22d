"""Many independent gradients of an objective, and the time that each takes."""

import dataclasses
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, runtime_checkable

import equinox as eqx
import jax
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Key

from aevb.batch import Batch
from aevb.experiments.gradients.moments import Accumulator, Moments
from aevb.models import Model, Posterior, split_learned
from aevb.objectives import Objective
from aevb.objectives.draws import over_draws
from aevb.typing import PRNGKey, Scalar, Tree

Statistics = Callable[[Float[np.ndarray, "draws coordinates"]], Float[np.ndarray, "draws statistics"]]
# At least as many timed calls of every program, so that their median means something.
MIN_CALLS = 10


@runtime_checkable
class Subject(Protocol):
    """What gradients are taken of: an `aevb.models.AutoEncoder`, or a stand-in."""

    @property
    def model(self) -> Model:
        """p(z) p(x|z)."""
        ...

    def posterior(self, batch: Batch) -> Posterior:
        """q(z|x) for the rows of a batch."""
        ...


@eqx.filter_jit
def gradient_draws(
    objective: Objective,
    subject: Subject,
    batch: Batch,
    keys: Key[Array, " draws"],
    parts: tuple[str, ...],
) -> dict[str, Float[Array, "draws _"]]:
    """Independent gradients of the mean over rows of an objective's surrogate, one for each random key.

    Args:
        objective: of the library.
        subject: its model and posterior.
        batch: the minibatch, the same for all.
        keys: random keys.
        parts: attributes of `subject`; the gradient with respect to each is one flat vector.
    """
    learned, rest = split_learned(subject)

    def surrogate(learned: Tree, key: PRNGKey) -> Scalar:
        subject: Subject = eqx.combine(learned, rest)
        return batch.mean(objective(key, subject.model, subject.posterior(batch), batch).surrogate)

    def one(key: PRNGKey) -> dict[str, Float[Array, " _"]]:
        gradient = jax.grad(surrogate)(learned, key)
        return {part: ravel_pytree(getattr(gradient, part))[0] for part in parts}

    return over_draws(one, keys)


def coordinate_names(subject: Subject, part: str) -> list[tuple[str, int]]:
    """The arrays of a part in the order of its flat gradient, each with its number of coordinates."""
    arrays, _ = jax.tree_util.tree_flatten_with_path(getattr(split_learned(subject)[0], part))
    return [(jax.tree_util.keystr(path).lstrip("."), array.size) for path, array in arrays]


@dataclasses.dataclass(frozen=True)
class Sampled:
    """What was drawn of one estimator.

    Args:
        coordinates: moments of the gradient's coordinates, part by part.
        statistics: moments of what the test of bias looks at, for parts that have a reference.
        milliseconds: per gradient, of all parts together; the median over calls of the compiled program.
    """

    coordinates: dict[str, Moments]
    statistics: dict[str, Moments]
    milliseconds: float


class Draws:
    """One estimator's gradients, drawn a block at a time.

    Args:
        objective: of the library.
        subject: its model and posterior.
        batch: the minibatch.
        parts: see `gradient_draws`.
        block: gradients per call of the compiled program.
        key: of all randomness.
    """

    def __init__(
        self,
        objective: Objective,
        subject: Subject,
        batch: Batch,
        parts: tuple[str, ...],
        block: int,
        key: PRNGKey,
    ):
        self._given = (objective, subject, batch)
        self._parts, self._block, self._key = parts, block, key
        self._n_calls = 0
        self.seconds: list[float] = []

    def __call__(self) -> dict[str, Float[np.ndarray, "draws _"]]:
        """The next block; the first call compiles, and is not timed."""
        keys = jax.random.split(jax.random.fold_in(self._key, self._n_calls), self._block)
        if self._n_calls == 0:
            jax.block_until_ready(gradient_draws(*self._given, keys, self._parts))
        started = time.perf_counter()
        drawn = jax.block_until_ready(gradient_draws(*self._given, keys, self._parts))
        self.seconds.append(time.perf_counter() - started)
        self._n_calls += 1
        return {part: np.asarray(gradients) for part, gradients in drawn.items()}

    @property
    def milliseconds(self) -> float:
        """Per gradient."""
        return 1e3 * float(np.median(self.seconds)) / self._block


def block_size(n_draws: int, largest: int) -> tuple[int, int]:
    """Gradients per call and the number of calls, for at least this many draws in `MIN_CALLS` calls or more."""
    block = max(1, min(largest, n_draws // MIN_CALLS))
    return block, math.ceil(n_draws / block)


def sample_interleaved(
    draws: Sequence[Draws],
    n_calls: int,
    statistics: Sequence[Mapping[str, Statistics]],
    measured: Mapping[str, int],
) -> list[Sampled]:
    """Take blocks of all estimators in turn, so that what else the machine does falls on all of them alike.

    Args:
        draws: the estimators.
        n_calls: blocks of each.
        statistics: for each estimator and each part with a reference, what the test of bias looks at.
        measured: the parts whose moments are wanted, with the number of powers to keep.
    """
    coordinates = [{part: Accumulator(powers) for part, powers in measured.items()} for _ in draws]
    tested = [{part: Accumulator(n_powers=2) for part in wanted} for wanted in statistics]
    for _ in range(n_calls):
        for i, estimator in enumerate(draws):
            block = estimator()
            for part in measured:
                coordinates[i][part].add(block[part])
            for part, of in statistics[i].items():
                tested[i][part].add(of(block[part]))
    return [
        Sampled(_moments(coordinates[i]), _moments(tested[i]), draws[i].milliseconds)
        for i in range(len(draws))
    ]


def _moments(accumulators: Mapping[str, Accumulator]) -> dict[str, Moments]:
    return {part: accumulator.moments() for part, accumulator in accumulators.items()}
