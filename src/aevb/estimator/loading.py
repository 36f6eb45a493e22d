"""`load`: a `VAE` from a folder."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import equinox as eqx
import numpy as np

from aevb.estimator.networks import Networks
from aevb.estimator.settings import arguments_of
from aevb.estimator.vae import VAE
from aevb.models import AutoEncoder, BayesianDecoder
from aevb.networks import OverRows
from aevb.recipe import CUSTOM
from aevb.run import RunFolder, read_records
from aevb.storage import existing_folder
from aevb.trained import TrainedModel
from aevb.typing import PRNGKey


def load(path: str | Path, networks: Mapping[str, type[eqx.Module]] | None = None) -> VAE:
    """A `VAE` from a folder that `VAE.save` or `aevb train` wrote.

    Args:
        path: the folder of a model or of a run.
        networks: the classes of a user's own networks, likelihood, prior or model, by the names under which they were
            saved:
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
    own = {"likelihood": model.likelihood, "prior": _prior(model), "model": _AsItWas(model.trainable)}
    vae.set_params(**{name: part for name, part in own.items() if getattr(model.recipe, name) == CUSTOM})
    own_networks = _own_networks(model)
    if own_networks.encoder or own_networks.decoder:
        vae.hidden = own_networks
    vae.model_, vae.bound_, vae._seed = model, model.bound, model.recipe.seed
    vae.history_ = list(model.history)
    vae.n_iter_ = model.history[-1]["epoch"] if model.history else 0
    vae.n_features_in_ = model.n_features  # pyright: ignore[reportAttributeAccessIssue]
    if model.feature_names is not None:
        names = np.array(model.feature_names, dtype=object)
        vae.feature_names_in_ = names  # pyright: ignore[reportAttributeAccessIssue]
    return vae


class _AsItWas:
    """Builds a user's own model as it was saved."""

    def __init__(self, autoencoder: AutoEncoder):
        self._autoencoder = autoencoder

    def __call__(self, n_features: int, *, key: PRNGKey) -> AutoEncoder:
        in_units: Any = self._autoencoder.model
        return AutoEncoder(in_units.model, self._autoencoder.encoder)


def _prior(model: TrainedModel) -> Any:
    return getattr(model.trainable.model, "prior", None)


def _own_networks(model: TrainedModel) -> Networks:
    """The user's own networks inside, as far as there are any."""
    decoder = getattr(model.trainable.model, "decoder", None)
    decoder = decoder.mean if isinstance(decoder, BayesianDecoder) else decoder
    encoder, decoder = (getattr(part, "network", None) for part in (model.autoencoder.encoder, decoder))
    own = [part.network if isinstance(part, OverRows) else None for part in (encoder, decoder)]
    return Networks(own[0], own[1], model.recipe.network)
