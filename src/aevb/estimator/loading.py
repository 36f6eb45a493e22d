"""`load`: a `VAE` from a folder."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import equinox as eqx
import numpy as np

from aevb.estimator.networks import Networks
from aevb.estimator.settings import arguments_of
from aevb.estimator.vae import VAE
from aevb.models import BayesianDecoder
from aevb.networks import OverRows
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
    vae = VAE(**arguments_of(model.recipe), n_importance_samples=model.importance_samples)
    if model.recipe.likelihood == CUSTOM:
        vae.likelihood = model.likelihood
    own = _own_networks(model)
    if own.encoder or own.decoder:
        vae.hidden = own
    vae.model_, vae.bound_, vae._seed = model, model.bound, model.recipe.seed
    vae.history_ = list(model.history)
    vae.n_iter_ = model.history[-1]["epoch"] if model.history else 0
    vae.n_features_in_ = model.n_features  # pyright: ignore[reportAttributeAccessIssue]
    if model.feature_names is not None:
        names = np.array(model.feature_names, dtype=object)
        vae.feature_names_in_ = names  # pyright: ignore[reportAttributeAccessIssue]
    return vae


def _own_networks(model: TrainedModel) -> Networks:
    """The user's own networks inside, as far as there are any."""
    decoder = getattr(model.trainable.model, "decoder", None)
    decoder = decoder.mean if isinstance(decoder, BayesianDecoder) else decoder
    encoder, decoder = (
        network.network if isinstance(network := getattr(part, "network", None), OverRows) else None
        for part in (model.autoencoder.encoder, decoder)
    )
    return Networks(encoder, decoder, model.recipe.network)
