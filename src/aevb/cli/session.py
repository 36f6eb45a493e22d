"""What every command that computes does first."""

from pathlib import Path

import jax
import platformdirs

from aevb.errors import RunFolderError
from aevb.run import RunFolder
from aevb.storage import existing_folder
from aevb.trained import TrainedModel


def cache_compilations() -> None:
    """Keep compiled programs from one command to the next, in the user's cache folder.

    A cache that JAX's own settings name (`JAX_COMPILATION_CACHE_DIR`) is left alone.
    """
    if jax.config.jax_compilation_cache_dir is None:
        jax.config.update("jax_compilation_cache_dir", str(Path(platformdirs.user_cache_dir("aevb")) / "compiled"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)


def load_run(path: Path) -> TrainedModel:
    """The model of a run folder, or of a model's own folder.

    Raises:
        RunFolderError: there is none.
    """
    cache_compilations()
    for folder in (RunFolder(path).model, path):
        if (existing_folder(folder) / "model.json").exists():
            return TrainedModel.load(folder)
    raise RunFolderError(f"no trained model in {path}: neither model/model.json nor model.json is there")
