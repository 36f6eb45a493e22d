"""A generative model with the recognition model that is trained beside it."""

import equinox as eqx

from aevb.batch import Batch
from aevb.models.codes import Posterior
from aevb.models.model import Model
from aevb.models.recognition import RecognitionModel
from aevb.typing import Tree


class AutoEncoder(eqx.Module):
    """What a training run learns.

    Args:
        model: p(z) p(x|z).
        encoder: q(z|x), usually an `Encoder`.
    """

    model: Model
    encoder: RecognitionModel

    def posterior(self, batch: Batch) -> Posterior:
        """q(z|x) for the rows of a batch."""
        return self.posterior_of(self.encoder.features(batch), batch)

    def posterior_of(self, features: Tree, batch: Batch) -> Posterior:
        """q(z|x) with these unconstrained parameters, in place of those that the encoder gives."""
        return self.encoder.posterior(features, batch, self.model)
