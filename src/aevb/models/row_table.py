"""Classical variational Bayes: free parameters of q(z) for every training row, and no recognition network."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from aevb.batch import Batch
from aevb.models.encoders import FamilyRecognition, Features
from aevb.models.heads import head

# Every step moves a network's weights, but a row's numbers only when the row comes by, and then with the gradient of a
# mean over the minibatch. Adam moves each of them by about the step size, so that without a factor a latent would need
# hundreds of epochs to travel by 1. Plain gradient descent sees the square of it, about the rows of a minibatch.
STEP = 30.0


class RowTable(FamilyRecognition):
    """q(z|x_i) = q(z; phi_i) with parameters phi_i of each training row's own (Jordan et al. 1999).

    What amortized inference replaces by a function of x (Kingma & Welling 2014, section 2.1). All rows start where
    features of 0 lead, a standard normal for Gaussian codes. A batch without row numbers gets that start: what the
    parameters of other rows should be, the table does not know.

    Args:
        n_rows: the number of training rows.
        n_latents: number of latents.
        family: a name in `aevb.distributions.FAMILIES`.
        n_categories: of each categorical latent; the other families do not look at it.
    """

    rows: dict[str, Float[Array, "rows width"]]
    family: str = eqx.field(static=True)
    n_categories: int = eqx.field(static=True)

    def __init__(self, n_rows: int, n_latents: int, family: str = "gaussian", n_categories: int = 10):
        layers = head(family, n_categories)
        self.rows = {name: jnp.zeros((n_rows, layers.width(name, n_latents))) for name in layers.features}
        self.family = family
        self.n_categories = n_categories

    @property
    def is_per_row(self) -> bool:
        """Whether it holds parameters of each training row's own: yes."""
        return True

    def features(self, batch: Batch) -> Features:
        """The parameters of the rows whose numbers the batch has; zeros where it has none."""
        if batch.index is None:
            return {
                name: jnp.zeros((batch.n_rows, rows.shape[1]), rows.dtype) for name, rows in self.rows.items()
            }
        return {name: STEP * rows[batch.index] for name, rows in self.rows.items()}

    def without_rows(self) -> "RowTable":
        """The table with nothing in it, which says how parameters are laid out and holds none of a training row."""
        return eqx.tree_at(lambda t: t.rows, self, {name: rows[:0] for name, rows in self.rows.items()})
