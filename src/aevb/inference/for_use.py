"""What a model needs, to be used, that training has no use for: posteriors found row by row, draws of the weights."""

import jax

from aevb.batch import Batch
from aevb.inference.refined import Refined
from aevb.models import AutoEncoder, Model, Posterior, RecognitionModel, RowTable
from aevb.typing import PRNGKey, Tree

# Folded into the seed, so that these share no noise with what their results are used for.
SEARCH, WEIGHTS = 0x73656172, 0x77656967


class RowSearch(RecognitionModel):
    """q(z|x) with the parameters that maximize the evidence lower bound of each row, see `Refined`.

    Observed values only are fitted. A row's parameters depend on the key and its values alone.

    Args:
        table: says how the parameters are laid out.
        model: p(z) p(x|z).
        key: random key.
    """

    refined: Refined

    def __init__(self, table: RowTable, model: Model, key: PRNGKey):
        self.refined = Refined(AutoEncoder(model, table.without_rows()), key)

    @property
    def sees_mask(self) -> bool:
        """Whether it is told which values are missing: yes."""
        return True

    @property
    def table(self) -> RecognitionModel:
        """The empty table."""
        return self.refined.autoencoder.encoder

    def features(self, batch: Batch) -> Tree:
        """The unconstrained parameters that the search ends with."""
        return self.refined.features(batch)

    def posterior(self, features: Tree, batch: Batch, model: Model) -> Posterior:
        """q(z|x) with these parameters."""
        return self.table.posterior(features, batch, model)


def for_use(autoencoder: AutoEncoder, seed: int) -> AutoEncoder:
    """A trained autoencoder as it is used, for rows that it may not have been trained on.

    A table of parameters per training row, which is of no use for those, is replaced by a search, and a distribution
    over a decoder's weights by draws of them; everything else stays as it is.
    """
    search_key, weight_key = (jax.random.fold_in(jax.random.key(seed), use) for use in (SEARCH, WEIGHTS))
    model, encoder = autoencoder.model.for_use(weight_key), autoencoder.encoder
    if isinstance(encoder, RowTable):
        encoder = RowSearch(encoder, model, search_key)
    return _replaced(autoencoder, model, encoder)


def as_trained(autoencoder: AutoEncoder) -> AutoEncoder:
    """What is saved, and trained on: the reverse of `for_use`, but for an empty table of no row."""
    model, encoder = autoencoder.model.as_trained(), autoencoder.encoder
    return _replaced(autoencoder, model, encoder.table if isinstance(encoder, RowSearch) else encoder)


def _replaced(autoencoder: AutoEncoder, model: Model, encoder: RecognitionModel) -> AutoEncoder:
    """The autoencoder itself if nothing is new."""
    if model is autoencoder.model and encoder is autoencoder.encoder:
        return autoencoder
    return AutoEncoder(model, encoder)
