"""What a recognition model is to objectives, inference and everything else."""

from abc import abstractmethod
from collections.abc import Callable
from typing import TypeAlias

import equinox as eqx

from aevb.batch import Batch
from aevb.models.codes import Posterior
from aevb.models.model import Model
from aevb.typing import Tree

Recognition: TypeAlias = Callable[[Batch], Posterior]
"""From rows to their posteriors: `AutoEncoder.posterior`, or anything else that gives one, such as an optimization."""


class RecognitionModel(eqx.Module):
    """q(z|x), in two steps: from rows to unconstrained parameters, and from these to distributions.

    Between the two steps the parameters of a row can be replaced by better ones, see `aevb.inference.Refined`.
    """

    @abstractmethod
    def features(self, batch: Batch) -> Tree:
        """Unconstrained parameters of q(z|x), a tree of arrays, first axis the rows."""

    @abstractmethod
    def posterior(self, features: Tree, batch: Batch, model: Model) -> Posterior:
        """q(z|x) from its unconstrained parameters.

        Args:
            features: the parameters.
            batch: the rows.
            model: beside which it is trained. Divergences are from its prior, and a posterior over several layers may
                share its networks.
        """

    @property
    def sees_mask(self) -> bool:
        """Whether it is told which values are missing."""
        return False

    @property
    def is_per_row(self) -> bool:
        """Whether it holds parameters of each training row's own, and knows nothing of other rows."""
        return False
