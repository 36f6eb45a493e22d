"""Which rows a run was trained on, in what its data hold now."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from aevb.datasets import NAMES, RowDigests, row_digests, split_rows
from aevb.errors import InvalidDataError, InvalidModelFileError
from aevb.recipe import Recipe
from aevb.run import RunFolder, load_dataset

WORDS: dict[str, str] = {
    "train": "were trained on",
    "validation": "were held out for validation",
    "test": "were held out for testing",
    "new": "are new to the run",
}
NAMED: dict[str, str] = {"train": "training", "validation": "validation", "test": "test"}


@dataclass(frozen=True)
class RunRows:
    """A run's own rows, as far as its data still hold them.

    Args:
        data: what the data are called.
        splits: the run's rows of each split, in its order, the user's units.
        had: how many rows of each split the run had.
        n_new: how many rows of the data the run never had.
    """

    data: str
    splits: dict[str, np.ndarray]
    had: dict[str, int]
    n_new: int = 0

    @property
    def train(self) -> np.ndarray:
        """The rows that parameters were fitted to."""
        return self.splits["train"]

    @property
    def held_out(self) -> np.ndarray:
        """The rows that they were not: test and validation rows."""
        return np.concatenate([self.splits["test"], self.splits["validation"]])

    def judged_by(self) -> str:
        """The split to evaluate on: the first of test, validation and training rows that the run had.

        Raises:
            InvalidDataError: none of those rows is left.
        """
        split = next(name for name in ("test", "validation", "train") if self.had[name])
        if not len(self.splits[split]):
            raise InvalidDataError(
                f"none of the {self.had[split]:,} {NAMED[split]} rows of this run are in {self.data} any more, so that "
                "nothing in it can be called so. Give the run its data back, or name rows to evaluate on; those that "
                "it was trained on are told apart."
            )
        return split

    @property
    def change(self) -> str:
        """What has become of the data since the run, in words; empty if nothing has."""
        n_gone = sum(self.had[name] - len(rows) for name, rows in self.splits.items())
        if not (n_gone or self.n_new):
            return ""
        counts = {name: len(rows) for name, rows in self.splits.items()} | {"new": self.n_new}
        return (
            f"{self.data} has changed since the run: of its rows {in_words(counts)}; {n_gone:,} of the run's rows are "
            "gone."
        )


def find_rows(folder: RunFolder, recipe: Recipe, data_dir: Path | None) -> RunRows:
    """The rows of the run in this folder, in what its data hold now.

    Raises:
        AevbError: the data cannot be read, or the folder does not say which rows were the run's own.
    """
    dataset = load_dataset(recipe, data_dir, folder)
    if recipe.data in NAMES:
        kept, held_out = split_rows(dataset.n_train, recipe.validation or 0.0, recipe.seed)
        test = dataset.x_train[:0] if dataset.x_test is None else dataset.x_test
        splits = {"train": dataset.x_train[kept], "validation": dataset.x_train[held_out], "test": test}
        return RunRows(recipe.data, splits, {name: len(rows) for name, rows in splits.items()})
    x = dataset.x_train if dataset.x_test is None else np.concatenate([dataset.x_train, dataset.x_test])
    known, digests = _digests_of_file(folder, recipe), row_digests(x)
    splits = {name: x[known.find(digests, name)] for name in NAMED}
    had = {name: len(getattr(known, name)) for name in NAMED}
    return RunRows(recipe.data, splits, had, int(known.splits(digests)["new"].sum()))


def run_digests(folder: RunFolder, recipe: Recipe, data_dir: Path | None) -> RowDigests:
    """The digests of the rows that the run in this folder had; its file need not be there any more.

    Raises:
        AevbError: the folder does not say; or it is a named set's run, and that set is not to be had.
    """
    if recipe.data in NAMES:
        return RowDigests.of(load_dataset(recipe, data_dir, folder), recipe.validation or 0.0, recipe.seed)
    return _digests_of_file(folder, recipe)


def _digests_of_file(folder: RunFolder, recipe: Recipe) -> RowDigests:
    if not folder.rows.is_file():
        raise InvalidModelFileError(
            f"{folder.rows} is missing, which says what rows of {recipe.data} the run was trained on: without it none "
            "can be called test rows. Name the rows to use."
        )
    return RowDigests.from_bytes(folder.rows.read_bytes(), str(folder.rows))


def told_apart(known: RowDigests, x: np.ndarray) -> str:
    """How many rows of `x` the run had, and as what, in words."""
    counts = {name: int(rows.sum()) for name, rows in known.splits(row_digests(x)).items()}
    return f"Of {len(x):,} rows {in_words(counts)}."


def in_words(counts: dict[str, int]) -> str:
    """Such as "270 were trained on, 30 held out for testing"; splits without rows are left out."""
    return ", ".join(f"{n:,} {WORDS[name]}" for name, n in counts.items() if n)
