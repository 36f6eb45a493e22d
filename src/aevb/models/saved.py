"""A model on disk: `model.json` says what it is made of, `weights.safetensors` holds its arrays. Data only.

Loading builds nothing but registered classes and those that the caller hands in: a file never causes an import,
and nothing is unpickled.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import numpy as np
import safetensors.numpy

from aevb.batch import Batch
from aevb.errors import InvalidModelFileError
from aevb.models.auto_encoder import AutoEncoder
from aevb.models.structure import CLASSES, describe, rebuild
from aevb.storage import existing_folder, write_folder

FORMAT = "aevb-model"
VERSION = 5


def save_model(path: Path, autoencoder: AutoEncoder, about: Mapping[str, Any]) -> None:
    """Write the folder `path` in one step.

    Args:
        path: the folder, which is replaced where it exists.
        autoencoder: what to save.
        about: what else belongs to the model, as JSON: feature names, image shape, recipe.

    Raises:
        UnsavableNetworkError: a user's network holds something that cannot be written as data, such as a lambda.
        OSError: the disk is full or read-only.
    """
    arrays: dict[str, np.ndarray] = {}
    structure = describe(autoencoder, "", arrays)
    weights = safetensors.numpy.save(arrays)
    document = {
        "format": FORMAT,
        "version": VERSION,
        "about": dict(about),
        "autoencoder": structure,
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
    }
    document["sha256"] = _digest(document)
    text = json.dumps(document, indent=1, ensure_ascii=False)
    write_folder(path, {"model.json": text.encode(), "weights.safetensors": weights})


def load_model(
    path: Path, networks: Mapping[str, type[eqx.Module]] | None = None
) -> tuple[AutoEncoder, dict[str, Any]]:
    """Read what `save_model` wrote.

    Args:
        path: the folder.
        networks: the classes of a user's own networks, by the name under which the model was saved.

    Returns:
        The autoencoder and `about`.

    Raises:
        InvalidModelFileError: not a model, truncated, changed since it was written, or it needs a class that was
            not handed in; the message names the file or the class.
    """
    try:
        return _load(existing_folder(path), networks or {})
    except RecursionError as error:
        raise InvalidModelFileError(f"{path / 'model.json'} is damaged: it is nested too deeply") from error


def _load(path: Path, networks: Mapping[str, type[eqx.Module]]) -> tuple[AutoEncoder, dict[str, Any]]:
    document = _read_document(path / "model.json")
    arrays = _read_weights(path / "weights.safetensors", document["weights_sha256"])
    _check_classes(path, document["autoencoder"], networks)
    try:
        autoencoder = rebuild(document["autoencoder"], arrays, {**CLASSES, **networks})
        n_features = autoencoder.model.n_features
        eqx.filter_eval_shape(_try_out, autoencoder, jax.ShapeDtypeStruct((1, n_features), np.float32))
    except Exception as error:  # a description may be of anything, and fail in any way when it is tried out
        raise InvalidModelFileError(f"{path / 'model.json'} does not describe a model: {error}") from error
    return autoencoder, document["about"]


def _try_out(autoencoder: AutoEncoder, x: jax.Array) -> jax.Array:
    batch = Batch(x)
    z = autoencoder.posterior(batch).sample(jax.random.key(0))
    return autoencoder.model.log_likelihood(batch, z) + autoencoder.model.log_prior(z, batch)


def _digest(document: Mapping[str, Any]) -> str:
    content = {key: value for key, value in document.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _read_document(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise InvalidModelFileError(f"no saved model in {path.parent}: it has no {path.name}") from None
    except (ValueError, RecursionError) as error:
        raise InvalidModelFileError(f"{path} is damaged: it is not valid JSON ({error})") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise InvalidModelFileError(f"{path} is not the description of an aevb model")
    if document.get("version") != VERSION:
        raise InvalidModelFileError(
            f"{path} has format version {document.get('version')}; this aevb reads version {VERSION}. "
            "Train it again, or if its run's folder is there, let `aevb train --resume` write it anew."
        )
    if document.get("sha256") != _digest(document):
        raise InvalidModelFileError(f"{path} was changed after it was written: its checksum does not match")
    missing = {"about", "autoencoder", "weights_sha256"} - set(document)
    if missing:
        raise InvalidModelFileError(f"{path} lacks {', '.join(sorted(missing))}")
    return document


def _read_weights(path: Path, sha256: str) -> dict[str, np.ndarray]:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise InvalidModelFileError(f"{path} is missing") from None
    if hashlib.sha256(content).hexdigest() != sha256:
        raise InvalidModelFileError(
            f"{path} is truncated, or was changed after it was written: its checksum does not match model.json's"
        )
    try:
        weights = safetensors.numpy.load(content)
    except Exception as error:  # the library's own, and those of Python's on what it did not expect
        raise InvalidModelFileError(f"{path} is damaged: {error}") from error
    unreal = sorted(name for name, weight in weights.items() if weight.dtype.kind not in "biuf")
    if unreal:
        raise InvalidModelFileError(f"{path} is no model's: {', '.join(unreal[:5])} are not real numbers")
    return weights


def _check_classes(path: Path, structure: Any, networks: Mapping[str, type[eqx.Module]]) -> None:
    """Refuse a model with a class that is neither ours nor handed in, before anything is built."""
    unknown = sorted(_class_names(structure) - set(CLASSES) - set(networks))
    if unknown:
        example = ", ".join(f'"{name}": {name.rpartition(":")[2].rpartition(".")[2]}' for name in unknown)
        raise InvalidModelFileError(
            f"{path} was saved with a network of class {', '.join(unknown)}, and aevb imports nothing on a file's "
            f"word. If you trust it, import the class yourself and hand it in: "
            f"aevb.load({str(path)!r}, networks={{{example}}})"
        )


def _class_names(structure: Any) -> set[str]:
    if isinstance(structure, list):
        return set().union(*map(_class_names, structure))
    if isinstance(structure, dict):
        own = {structure["class"]} if isinstance(structure.get("class"), str) else set()
        return own.union(*map(_class_names, structure.values()))
    return set()
