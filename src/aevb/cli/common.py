"""What every command that computes does first: compiled programs kept, the model and the rows at hand."""

import contextlib
import glob
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

from aevb.cli.options import listed
from aevb.cli.terminal import say
from aevb.datasets import Keys, load_rows, read_keys
from aevb.errors import RunFolderError
from aevb.recipe import Recipe
from aevb.run import RunFolder
from aevb.storage import cache_folder, existing_folder
from aevb.trained import TrainedModel

# What JAX says where a compiled program that it kept cannot be read, as after a kill while it was written.
UNREADABLE = re.compile(r"Error reading persistent compilation cache entry for '(?P<name>[^']+)'")


def cache_compilations() -> None:
    """Keep compiled programs from one command to the next, in the user's cache folder if there is one.

    A cache that JAX's own settings name (`JAX_COMPILATION_CACHE_DIR`) is left where it is.
    """
    if _cache() is None:
        jax.config.update("jax_compilation_cache_dir", str(cache_folder() / "compiled"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    # A cache that cannot be written or read costs time, nothing else.
    warnings.filterwarnings("ignore", message=".*persistent compilation cache")
    warnings.filterwarnings("always", message=UNREADABLE.pattern)
    if not isinstance(warnings.showwarning, _RepairCache):
        warnings.showwarning = _RepairCache(warnings.showwarning)


class _RepairCache:
    """Shows warnings as before, except those about programs in the cache that cannot be read: these are deleted.

    JAX compiles such a program anew, and keeps it only if there is no file in its place. It tells the program's name,
    which several files may begin with; the good ones among them are compiled once more.
    """

    def __init__(self, show: Any):
        self.show = show

    def __call__(self, message: Any, *about: Any, **options: Any) -> None:
        unreadable = UNREADABLE.match(str(message))
        folder = _cache()
        if unreadable is None or folder is None:
            self.show(message, *about, **options)
            return
        for entry in Path(folder).glob(f"{glob.escape(unreadable['name'])}-*"):
            with contextlib.suppress(OSError):  # of another user, or already deleted by another process
                entry.unlink()


def _cache() -> str | None:
    return jax.config.jax_compilation_cache_dir  # pyright: ignore[reportAttributeAccessIssue]


def load_run(path: Path) -> TrainedModel:
    """The model of a run folder, or of a model's own folder.

    Raises:
        RunFolderError: there is none.
    """
    cache_compilations()
    for folder in (RunFolder(path).model, path):
        if (existing_folder(folder) / "model.json").exists():
            return TrainedModel.load(folder)
    if not path.is_dir():
        raise RunFolderError(
            f"there is no folder {path}: name the folder of a run, as `aevb train` printed it"
        )
    advice = "name the folder of a run, as `aevb train` printed it"
    if RunFolder(path).recipe.exists():
        advice = f"its run did not come to an end; go on with `aevb train --resume --out {path}`"
    raise RunFolderError(
        f"no trained model in {path}, which has neither model/model.json nor model.json: {advice}"
    )


@dataclass(frozen=True)
class Given:
    """Rows out of a file, and what comes with them.

    Args:
        x: the rows, the user's units.
        y: their labels, if there are any.
        label: what those are called.
        keys: what names the rows, by name.
    """

    x: np.ndarray
    y: np.ndarray | None
    label: str
    keys: Keys


def rows_for(
    model: TrainedModel,
    data: str,
    data_dir: Path | None,
    *,
    allow_missing: bool | None = None,
    keep: str | None = None,
    reading: Mapping[str, str] | None = None,
) -> Given:
    """Rows to apply a model to, columns as it was trained on them. What was taken for what is said on standard error.

    Args:
        model: what is applied.
        data: a named set or a file.
        data_dir: where to look for named sets first.
        allow_missing: whether values may be missing; None if the model was trained with such.
        keep: columns that name rows, separated by commas; left out of these but where the model was trained on them.
        reading: options that replace those with which the training rows were read; `drop` is added to these.

    Raises:
        AevbError: an option is wrong, or the rows cannot be used.
    """
    asked = dict(reading or {})
    names = [name for name in listed(keep) if name not in (model.feature_names or ())]
    left_out = [*model.recipe.drop, *listed(asked.get("drop")), *names]
    settings = model.recipe.model_dump(exclude_none=True) | asked | {"drop": left_out}
    how = Recipe.parse(settings, source="the options").reading | {"image_shape": None}
    rows = load_rows(
        data,
        n_features=model.n_features,
        feature_names=model.feature_names,
        data_dir=data_dir,
        allow_missing=model.sees_missing if allow_missing is None else allow_missing,
        **how,
    )
    for note in rows.notes:
        say(note, err=True)
    return Given(rows.x, rows.y, how["label"] or "label", read_keys(data, listed(keep), len(rows.x), **how))
