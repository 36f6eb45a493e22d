"""`load`: a `VAE` from a folder."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import equinox as eqx
import numpy as np

from aevb.estimator.settings import ARGUMENT_NAMES
from aevb.estimator.vae import VAE
from aevb.models import BayesianDecoder
from aevb.networks import Network, OverRows
from aevb.recipe import CUSTOM
from aevb.run import RunFolder, read_records
from aevb.storage import existing_folder
from aevb.trained import TrainedModel


def load(path: str | Path, networks: Mapping[str, type[eqx.Module]] | None = None) -> VAE:
    """A `VAE` from a folder that `VAE.save` or `aevb train` wrote.

    Args:
        path: the folder of a model or of a run.
        networks: the classes of a user's own networks, by the name under which the model was saved:
            `aevb.load(path, networks={"mypackage:Net": Net})`. Nothing is imported on a file's word.

    Raises:
        InvalidModelFileError: not a model, damaged, or it needs a class that was not handed in.
    """
    folder = Path(path)
    run = RunFolder(folder)
    is_run = existing_folder(run.model).exists()
    model = TrainedModel.load(run.model if is_run else folder, networks)
    if is_run and run.metrics.is_file():
        model = replace(model, history=tuple(read_records(run)))
    fields = {**model.recipe.model_dump(), "random_state": model.recipe.seed}
    arguments = {ARGUMENT_NAMES.get(name, name): value for name, value in fields.items()}
    vae = VAE(**{name: value for name, value in arguments.items() if name in VAE().get_params()})
    if model.recipe.likelihood == CUSTOM:
        vae.likelihood = model.likelihood
    vae.n_importance_samples = model.importance_samples
    decoder = getattr(model.trainable.model, "decoder", None)
    decoder = decoder.mean if isinstance(decoder, BayesianDecoder) else decoder
    vae.encoder_network = _own_network(getattr(model.autoencoder.encoder, "network", None))
    vae.decoder_network = _own_network(getattr(decoder, "network", None))
    vae.model_, vae.bound_, vae._seed = model, model.bound, model.recipe.seed
    vae.history_ = list(model.history)
    vae.n_iter_ = model.history[-1]["epoch"] if model.history else 0
    vae.n_features_in_ = model.n_features  # pyright: ignore[reportAttributeAccessIssue]
    if model.feature_names is not None:
        names = np.array(model.feature_names, dtype=object)
        vae.feature_names_in_ = names  # pyright: ignore[reportAttributeAccessIssue]
    return vae


def _own_network(network: Network | None) -> eqx.Module | None:
    """The user's own network inside, if there is one."""
    return network.network if isinstance(network, OverRows) else None
