"""What a generative model is to objectives, inference and everything else: its methods, and nothing inside."""

from abc import abstractmethod

import equinox as eqx

from aevb.batch import Batch
from aevb.distributions import Distribution
from aevb.errors import InvalidRecipeError
from aevb.models.codes import CodeDistribution
from aevb.models.likelihoods import LIKELIHOODS, Likelihood
from aevb.models.noise import Noise
from aevb.models.space import CodeSpace
from aevb.typing import Codes, PerRow, PRNGKey, Scalar


class Model(eqx.Module):
    """p(x, z). Objectives and inference need only its methods.

    A subclass says `space`, `example`, `log_prior`, `log_likelihood`, `simulate` and `predictive`. Codes are a tree of
    arrays that matches `space`, with the rows of the batch, and any further axes before these, in front of the axes of
    a code.
    """

    @property
    @abstractmethod
    def space(self) -> CodeSpace:
        """Where codes lie."""

    @abstractmethod
    def example(self, n_rows: int = 1) -> Batch:
        """Rows with any values, for what depends on the shape of rows alone."""

    @abstractmethod
    def log_prior(self, z: Codes, batch: Batch) -> PerRow:
        """log p(z), nats per row."""

    @abstractmethod
    def log_likelihood(self, batch: Batch, z: Codes) -> PerRow:
        """log p(x|z), nats per row, of the observed cells."""

    @abstractmethod
    def simulate(self, key: PRNGKey, batch: Batch) -> tuple[Codes, Batch]:
        """A draw of (z, x) for each row of a batch: the codes, and the batch with x in place of its own."""

    @abstractmethod
    def predictive(self, batch: Batch, z: Codes) -> Distribution:
        """p(x|z) cell by cell, batch shape `(*samples, batch, features)` and no event shape, in scaled units.

        Its mean, variance, `sample` and `log_prob` are used.
        """

    @property
    def likelihood(self) -> Likelihood:
        """On which values p(x|z) is defined, and whether it is a density; by default one of any numbers."""
        return LIKELIHOODS["gaussian"]

    @property
    def n_features(self) -> int:
        """Columns of the data."""
        return self.example().x.shape[-1]

    def prior_of(self, batch: Batch) -> CodeDistribution:
        """p(z) for each row of a batch; by default by `simulate` and `log_prior`."""
        return SimulatedPrior(self, batch)

    @property
    def weight_divergence(self) -> Scalar | None:
        """KL(q(theta) || p(theta)) of a distribution over its weights, nats; None if they are numbers."""
        return None

    def with_weights(self, key: PRNGKey) -> "Model":
        """The model with a draw of its weights, differentiable in their distribution; by default itself."""
        return self

    @property
    def has_random_weights(self) -> bool:
        """Whether its weights are drawn from a distribution, so that cells depend on each other given z."""
        return False

    def for_use(self, key: PRNGKey) -> "Model":
        """The model as it is used once it is trained: by default itself."""
        return self

    def as_trained(self) -> "Model":
        """The model that `for_use` was called on."""
        return self

    def seen_through(self, noise: Noise) -> "Model":
        """p(z) p(y|z), y what is observed of x through noise.

        Raises:
            InvalidRecipeError: the model has no closed form for it.
        """
        raise InvalidRecipeError(f"a {type(self).__name__} has no closed form for values with noise")


class SimulatedPrior(CodeDistribution):
    """p(z) of any model.

    Args:
        model: whose prior.
        batch: the rows.
    """

    model: Model
    batch: Batch

    @property
    def space(self) -> CodeSpace:
        """The model's."""
        return self.model.space

    def sample(self, key: PRNGKey) -> Codes:
        """One draw of z per row."""
        return self.model.simulate(key, self.batch)[0]

    def log_prob(self, z: Codes) -> PerRow:
        """log p(z), nats per row."""
        return self.model.log_prior(z, self.batch)
