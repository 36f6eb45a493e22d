"""What every command that computes does first: compiled programs kept, the model and the rows at hand."""

import warnings
from pathlib import Path
from typing import Any

import jax
import numpy as np

from aevb.cli.options import listed
from aevb.cli.terminal import say
from aevb.datasets import load_rows
from aevb.errors import RunFolderError
from aevb.run import RunFolder
from aevb.storage import cache_folder, existing_folder
from aevb.trained import TrainedModel


def cache_compilations() -> None:
    """Keep compiled programs from one command to the next, in the user's cache folder.

    A cache that JAX's own settings name (`JAX_COMPILATION_CACHE_DIR`) is left alone.
    """
    if jax.config.jax_compilation_cache_dir is None:  # pyright: ignore[reportAttributeAccessIssue]
        jax.config.update("jax_compilation_cache_dir", str(cache_folder() / "compiled"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    # A cache that cannot be written or read costs time, nothing else.
    warnings.filterwarnings("ignore", message=".*persistent compilation cache")


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


def rows_for(
    model: TrainedModel,
    data: str,
    data_dir: Path | None,
    *,
    allow_missing: bool | None = None,
    label: str | None = None,
    drop: str | None = None,
    keep: str | None = None,
    **reading: Any,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Rows to apply a model to, columns as it was trained on them, and their labels if there are any.

    What was taken for what is said on standard error.

    Args:
        model: what is applied.
        data: a named set or a file.
        data_dir: where to look for named sets first.
        allow_missing: whether values may be missing; None if the model was trained with such.
        label: the column of labels, if it is not the one of the training.
        drop: columns to leave out, separated by commas, beside those that the training left out.
        keep: columns that name rows; left out, too, but for those that the model was trained on.
        reading: other options that replace those with which the training rows were read, if they are not None.
    """
    names = [name for name in listed(keep) if name not in (model.feature_names or ())]
    given = {name: value for name, value in reading.items() if value is not None}
    given["label"] = label or model.recipe.label
    given["drop"] = [*model.recipe.drop, *listed(drop), *names]
    rows = load_rows(
        data,
        n_features=model.n_features,
        feature_names=model.feature_names,
        data_dir=data_dir,
        allow_missing=model.sees_missing if allow_missing is None else allow_missing,
        **{**model.recipe.reading, "image_shape": None, **given},
    )
    for note in rows.notes:
        say(note, err=True)
    return rows.x, rows.y
