"""The posteriors of a model that was trained without a recognition network: found for each row by optimization."""

import equinox as eqx
import jax

from aevb.batch import Batch
from aevb.inference.refined import Refined
from aevb.models import AutoEncoder, LatentVariableModel, RecognitionModel, RowTable
from aevb.models.encoders import Features
from aevb.typing import PRNGKey

SEARCH = 0x73656172  # folded into the seed, so that a search shares no noise with what its result is used for


class RowSearch(RecognitionModel):
    """q(z|x) with the parameters that maximize the evidence lower bound of each row, see `Refined`.

    Observed values only are fitted. A row's parameters depend on the key and its values alone.

    Args:
        table: says how the parameters are laid out.
        model: p(z) p(x|z).
        key: random key.
    """

    refined: Refined
    family: str = eqx.field(static=True)
    n_categories: int = eqx.field(static=True)
    sees_mask: bool = eqx.field(static=True)

    def __init__(self, table: RowTable, model: LatentVariableModel, key: PRNGKey):
        self.refined = Refined(AutoEncoder(model, table.without_rows()), key)
        self.family, self.n_categories, self.sees_mask = table.family, table.n_categories, True

    def features(self, batch: Batch) -> Features:
        """The unconstrained parameters that the search ends with."""
        return self.refined.features(batch)


def with_search(autoencoder: AutoEncoder, seed: int) -> AutoEncoder:
    """The autoencoder for rows that it may not have been trained on.

    A table of parameters per training row, which is of no use for those, is replaced by a search; any other encoder
    stays as it is.
    """
    if not isinstance(autoencoder.encoder, RowTable):
        return autoencoder
    key = jax.random.fold_in(jax.random.key(seed), SEARCH)
    return AutoEncoder(autoencoder.model, RowSearch(autoencoder.encoder, autoencoder.model, key))


def without_search(autoencoder: AutoEncoder) -> AutoEncoder:
    """What is saved: the autoencoder with an empty table in place of a search."""
    if not isinstance(autoencoder.encoder, RowSearch):
        return autoencoder
    return autoencoder.encoder.refined.autoencoder
