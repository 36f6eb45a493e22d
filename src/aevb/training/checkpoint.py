"""A training state on disk: one safetensors file, written atomically, with the plain numbers in its header."""

import dataclasses
import hashlib
import json
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import safetensors
import safetensors.numpy
from pydantic import TypeAdapter
from safetensors import SafetensorError

from aevb.errors import InvalidDataError, InvalidModelFileError
from aevb.storage import write_file
from aevb.training.state import Progress, TrainingState

FORMAT = "aevb-checkpoint-2"


def save_checkpoint(path: Path, state: TrainingState, data_digest: str) -> None:
    """Write the state to the file `path` in one step.

    Args:
        path: the file, which is replaced where it exists.
        state: what to write.
        data_digest: of the data that the run trains on, to be checked by `load_checkpoint`.

    Raises:
        OSError: the disk is full or read-only.
    """
    arrays = {f"{i:04d}": np.asarray(leaf, order="C") for i, leaf in enumerate(state.arrays)}
    progress = json.dumps(dataclasses.asdict(state.progress))
    metadata = {
        "format": FORMAT,
        "data": data_digest,
        "progress": progress,
        "sha256": _digest(arrays, progress),
    }
    write_file(path, safetensors.numpy.save(arrays, metadata))


def load_checkpoint(path: Path, start: TrainingState, data_digest: str) -> TrainingState:
    """Read a state that `save_checkpoint` wrote.

    Args:
        path: the file.
        start: a state of the same run, such as its first, which says what the arrays mean.
        data_digest: of the data that the run is about to go on with.

    Raises:
        InvalidModelFileError: the file is truncated, was changed, or belongs to another model or optimizer.
        InvalidDataError: the data are not those that the run was started with.
    """
    try:
        arrays = safetensors.numpy.load_file(path)
        with safetensors.safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, KeyError) as error:
        raise InvalidModelFileError(f"the checkpoint {path} is truncated or damaged: {error}") from error
    if metadata.get("format") != FORMAT:
        raise InvalidModelFileError(f"{path} is not a checkpoint that this aevb reads")
    if metadata.get("sha256") != _digest(arrays, metadata.get("progress", "")):
        raise InvalidModelFileError(f"the checkpoint {path} was changed after it was written: wrong checksum")
    if metadata.get("data") != data_digest:
        raise InvalidDataError("the data have changed since this run was started: start another run on them")
    try:
        fields = json.loads(metadata["progress"])
        if set(fields) != {field.name for field in dataclasses.fields(Progress)}:
            raise ValueError(f"its fields are {sorted(fields)}")
        progress = TypeAdapter(Progress).validate_python(fields)
    except (LookupError, TypeError, ValueError, RecursionError) as error:
        raise InvalidModelFileError(f"{path} is not a checkpoint that this aevb reads: {error}") from error
    best = start.autoencoder if progress.best is not None else None
    template = dataclasses.replace(start, best_autoencoder=best)
    leaves = [arrays[name] for name in sorted(arrays)]
    shapes = [(leaf.shape, leaf.dtype) for leaf in leaves]
    if shapes != [(leaf.shape, leaf.dtype) for leaf in template.arrays]:
        raise InvalidModelFileError(
            f"the checkpoint {path} belongs to another model or optimizer: shapes differ"
        )
    return _with_arrays(template, [jnp.asarray(leaf) for leaf in leaves], progress)


def _with_arrays(template: TrainingState, leaves: list[jax.Array], progress: Progress) -> TrainingState:
    arrays, rest = eqx.partition(template.trees, eqx.is_array)
    filled = jax.tree.unflatten(jax.tree.structure(arrays), leaves)
    return TrainingState(*eqx.combine(filled, rest), progress)  # pyright: ignore[reportCallIssue]


def _digest(arrays: dict[str, np.ndarray], progress: str) -> str:
    digest = hashlib.sha256(progress.encode())
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].dtype} {arrays[name].shape}".encode())
        digest.update(np.ascontiguousarray(arrays[name]).tobytes())
    return digest.hexdigest()
