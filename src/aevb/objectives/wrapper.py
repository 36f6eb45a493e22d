"""What objectives that add something to another one have in common."""

import equinox as eqx

from aevb.batch import Batch
from aevb.models import AutoEncoder, Model, Posterior
from aevb.objectives.bound import Bound, Objective
from aevb.typing import PRNGKey


class Wrapper(Objective):
    """Another objective with a term of the whole data set, which is not in a row's value."""

    objective: eqx.AbstractVar[Objective]

    @property
    def is_biased(self) -> bool:
        """As the wrapped objective is."""
        return self.objective.is_biased

    @property
    def value_name(self) -> str:
        """The wrapped objective's."""
        return self.objective.value_name

    @property
    def is_bound(self) -> bool:
        """As the wrapped objective's is."""
        return self.objective.is_bound

    @property
    def parts_note(self) -> str:
        """The wrapped objective's."""
        return self.objective.parts_note

    @property
    def learner(self) -> str:
        """The wrapped objective's."""
        return self.objective.learner

    @property
    def takes_all_rows(self) -> bool:
        """As the wrapped objective does."""
        return self.objective.takes_all_rows

    def check_autoencoder(self, autoencoder: AutoEncoder) -> None:
        """Refuse what the wrapped objective refuses."""
        self.objective.check_autoencoder(autoencoder)

    @property
    def steps_per_batch(self) -> int:
        """The wrapped objective's."""
        return self.objective.steps_per_batch

    @property
    def knows_rows(self) -> bool:
        """As the wrapped objective does."""
        return self.objective.knows_rows

    @property
    def fits_encoder_apart(self) -> bool:
        """As the wrapped objective does."""
        return self.objective.fits_encoder_apart

    def check(self, posterior: Posterior) -> None:
        """Refuse what the wrapped objective refuses."""
        self.objective.check(posterior)

    def prepared(self, key: PRNGKey, model: Model, batch: Batch) -> "Wrapper":
        """The wrapped objective, prepared."""
        return eqx.tree_at(lambda o: o.objective, self, self.objective.prepared(key, model, batch))

    def updated(self, batch: Batch, bound: Bound) -> "Wrapper":
        """The wrapped objective, updated."""
        return eqx.tree_at(lambda o: o.objective, self, self.objective.updated(batch, bound))
