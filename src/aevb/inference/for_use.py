"""What a model needs, to be used, that training has no use for: posteriors found row by row, draws of the weights."""

import equinox as eqx
import jax

from aevb.batch import Batch
from aevb.inference.refined import Refined
from aevb.models import (
    AutoEncoder,
    BayesianDecoder,
    DecoderEnsemble,
    LatentVariableModel,
    RecognitionModel,
    RowTable,
)
from aevb.models.encoders import Features
from aevb.typing import PRNGKey

# Folded into the seed, so that these share no noise with what their results are used for.
SEARCH, WEIGHTS = 0x73656172, 0x77656967
WEIGHT_DRAWS = 16


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


def for_use(autoencoder: AutoEncoder, seed: int) -> AutoEncoder:
    """A trained autoencoder as it is used, for rows that it may not have been trained on.

    A table of parameters per training row, which is of no use for those, is replaced by a search, and a distribution
    over a decoder's weights by draws of them; everything else stays as it is.
    """
    model, encoder = autoencoder.model, autoencoder.encoder
    search_key, weight_key = (jax.random.fold_in(jax.random.key(seed), use) for use in (SEARCH, WEIGHTS))
    if isinstance(model.decoder, BayesianDecoder):
        model = model.with_decoder(DecoderEnsemble(model.decoder, WEIGHT_DRAWS, weight_key))
    if isinstance(encoder, RowTable):
        encoder = RowSearch(encoder, model, search_key)
    if model is autoencoder.model and encoder is autoencoder.encoder:
        return autoencoder
    return AutoEncoder(model, encoder)


def as_trained(autoencoder: AutoEncoder) -> AutoEncoder:
    """What is saved, and trained on: the reverse of `for_use`, but for an empty table of no row."""
    model, encoder = autoencoder.model, autoencoder.encoder
    if isinstance(encoder, RowSearch):
        encoder = encoder.refined.autoencoder.encoder
    if isinstance(model.decoder, DecoderEnsemble):
        model = model.with_decoder(model.decoder.source)
    if model is autoencoder.model and encoder is autoencoder.encoder:
        return autoencoder
    return AutoEncoder(model, encoder)
