"""What an experiment is: jobs whose results are plain numbers, and what is made of all of them together."""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from matplotlib.figure import Figure

Results = Mapping[str, Any]  # by the key of a job, what it returned


@dataclasses.dataclass(frozen=True)
class Size:
    """How much of the experiment at full length is done.

    Args:
        share: of the training samples, at most 1; 1 is full length.
        data: a named data set in place of the experiment's own, for trying it out; None for its own.
    """

    share: float = 1.0
    data: str | None = None

    @property
    def is_full(self) -> bool:
        """Whether results can be held against published ones."""
        return self.share >= 1 and self.data is None

    def of(self, n: int, least: int = 1) -> int:
        """The same share of a number at full length, but no less than `least`."""
        return max(least, round(self.share * n))


@dataclasses.dataclass(frozen=True)
class Setting:
    """What a job is given by whoever runs it.

    Args:
        size: how much to do.
        data_dir: where to look for data sets that are not bundled.
        folder: the job's own, for checkpoints; deleted once its result is stored.
        show: to be called with the share of the job that is done.
    """

    size: Size
    data_dir: Path | None
    folder: Path
    show: Callable[[float], None]

    def part(self, i: int, n: int) -> "Setting":
        """The setting of part `i` of `n` equal ones of a job, in a folder of its own."""
        return dataclasses.replace(
            self, folder=self.folder / str(i), show=lambda share: self.show((i + share) / n)
        )


@dataclasses.dataclass(frozen=True)
class Job:
    """A part of an experiment that is done as a whole, and whose result is stored.

    Args:
        key: its name, unique in the experiment.
        run: from the setting to the result, which must be JSON: numbers, strings, lists and mappings.
        cost: its share of the experiment's time, in any unit that the experiment's jobs have in common.
        needs: keys of jobs whose results it is given, as the second argument of `run`.
    """

    key: str
    run: Callable[[Setting, Results], Any]
    cost: float | int = 1.0
    needs: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Verdict:
    """A sentence of the report that was computed from the results.

    Args:
        text: one sentence, with the numbers and their errors.
        holds: whether the result is as published, within the tolerance that the sentence states, or better; None
            where nothing is held against anything.
    """

    text: str
    holds: bool | None = None


class Experiment(ABC):
    """A published figure or table, done again."""

    name: ClassVar[str]
    title: ClassVar[str]  # what it shows, one line
    source: ClassVar[str]  # the paper and where in it
    takes_other_data: ClassVar[bool] = True  # images with test rows, to try it out
    full_minutes: ClassVar[float]  # at full length on two cores, about; budgets are shares of it
    parts: ClassVar[
        tuple[str, ...]
    ] = ()  # that can be done alone: their jobs' keys begin with the part and a hyphen

    @abstractmethod
    def jobs(self, size: Size, data_dir: Path | None) -> Sequence[Job]:
        """The jobs in the order in which they are to be done. Seeds are fixed in them."""

    @abstractmethod
    def verdicts(self, results: Results, size: Size) -> Sequence[Verdict]:
        """What the results say, against what was published."""

    @abstractmethod
    def figures(self, results: Results, size: Size) -> Mapping[str, Figure]:
        """The figures by the name of their file, without its ending; published curves and numbers are drawn in."""

    def tables(self, results: Results, size: Size) -> str:
        """Tables for the report, in Markdown."""
        return ""

    def notes(self, size: Size) -> str:
        """What a reader must know to judge it: choices that the paper leaves open, in Markdown."""
        return ""
