"""Monte Carlo EM (Wei & Tanner 1990), with Hamiltonian chains in place of a recognition model."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array

from aevb.batch import Batch
from aevb.chains.coordinates import Point, Target, require_continuous
from aevb.chains.hmc import Chain, Kernel, begin
from aevb.models import AutoEncoder, Constant, Model, Posterior
from aevb.objectives.bound import Bound, Objective
from aevb.objectives.requirements import require_draws
from aevb.objectives.sgvb import SGVBA
from aevb.typing import Codes, PerRow, PRNGKey, Scalar

ACCEPTANCE = 0.9
# How far the logarithm of the step moves per minibatch and unit of acceptance: a tenth too low shortens it by 5%.
GAIN = 0.5
FIRST_STEP = 0.1


class MonteCarloEM(Objective):
    """EM whose E-step is a chain: every training row keeps a draw of z, which Hamiltonian transitions move.

    For a minibatch the chains of its rows take transitions that leave p(z|x) under the present weights invariant, and
    then the generative weights ascend log p(x, z) at these draws for a few steps (Kingma & Welling 2014, Appendix E).
    Chains go on from where the row was last left. The step size follows the acceptance rate, one for all rows.
    There is no recognition model, and no evidence lower bound while training: the value is log p(x, z).

    Args:
        model: with its initial weights, whose prior the chains start from.
        n_rows: the number of training rows.
        key: random key of the chains' start.
        n_leapfrog: leapfrog steps of a transition.
        n_transitions: of each visit to a row.
        n_updates: of the weights, on each minibatch.

    Raises:
        InvalidRecipeError: a number below 1, or discrete codes.
    """

    chains: Constant
    log_step: Constant
    n_leapfrog: int = eqx.field(static=True)
    n_transitions: int = eqx.field(static=True)
    n_updates: int = eqx.field(static=True)

    def __init__(
        self,
        model: Model,
        n_rows: int,
        *,
        key: PRNGKey,
        n_leapfrog: int = 10,
        n_transitions: int = 1,
        n_updates: int = 5,
    ):
        for number in (n_leapfrog, n_transitions, n_updates):
            require_draws(self, number)
        require_continuous(model, "Monte Carlo EM")
        target = Target(model, model.example())
        keys = jax.random.split(key, n_rows)
        start = jax.vmap(lambda key: target.start(None, key))(keys) if n_rows else jnp.zeros((0, 0))
        self.chains = Constant(start)
        self.log_step = Constant(jnp.log(jnp.asarray(FIRST_STEP)))
        self.n_leapfrog, self.n_transitions, self.n_updates = n_leapfrog, n_transitions, n_updates

    @property
    def estimand(self) -> str:
        """What EM maximizes, by way of E[log p(x, z)] under p(z|x)."""
        return "log p(x)"

    @property
    def is_biased(self) -> bool:
        """A chain's draw is not yet one from the posterior under weights that have just changed."""
        return True

    @property
    def value_name(self) -> str:
        """Not of x alone, but of x and z."""
        return "complete-data log-likelihood"

    @property
    def is_bound(self) -> bool:
        """It is none."""
        return False

    @property
    def parts_note(self) -> str:
        """There is no divergence, and of other rows than those of training there are no chains."""
        return (
            "In the place of kl is -log p(z): of training rows at the draws that their chains are at, of other rows at "
            "draws of a q(z) that is searched for."
        )

    @property
    def steps_per_batch(self) -> int:
        """As many as were asked for."""
        return self.n_updates

    @property
    def knows_rows(self) -> bool:
        """Their chains."""
        return True

    @property
    def evaluated(self) -> Objective:
        """The evidence lower bound, at whatever posterior is found for a row."""
        return SGVBA()

    def check(self, posterior: Posterior) -> None:
        """Chains need no q(z|x); of discrete codes there are none."""

    def prepared(self, key: PRNGKey, model: Model, batch: Batch) -> "MonteCarloEM":
        """With the chains of these rows moved, and the step size adapted."""
        index = self._rows(batch)
        kernel = Kernel(self.log_step.value, jnp.ones(self.chains.value.shape[1]), self.n_leapfrog)

        def move(key: PRNGKey, row: Batch, u: Point) -> tuple[Point, Scalar]:
            target = Target(model, row).log_joint

            def transition(chain: Chain, key: PRNGKey) -> tuple[Chain, Scalar]:
                return kernel(key, target, chain)

            end, acceptance = jax.lax.scan(
                transition, begin(target, u), jax.random.split(key, self.n_transitions)
            )
            return end.position, jnp.mean(acceptance)

        # Rows that are equal must not share their randomness, as they would by `each_row`: their chains would meet.
        keys = jax.vmap(jax.random.fold_in, (None, 0))(key, index)
        moved, acceptance = jax.vmap(move)(keys, batch.rows, self.chains.value[index])
        adapted = kernel.adapted(batch.mean(acceptance), ACCEPTANCE, GAIN)
        # A padding row's number is beyond the last one.
        chains = self.chains.value.at[index].set(moved, mode="drop")
        return eqx.tree_at(lambda o: (o.chains.value, o.log_step.value), self, (chains, adapted.log_step))

    def for_training(self, key: PRNGKey, autoencoder: AutoEncoder, batch: Batch) -> Bound:
        """log p(x, z) at the chains of these rows."""
        model = autoencoder.model
        return self._complete_data(model, batch, model.space.code(self.chains.value[self._rows(batch)]))

    def __call__(self, key: PRNGKey, model: Model, posterior: Posterior, batch: Batch) -> Bound:
        """log p(x, z) at a draw of the posterior, for rows that have no chain."""
        return self._complete_data(model, batch, posterior.sample(key))

    def _complete_data(self, model: Model, batch: Batch, z: Codes) -> Bound:
        likelihood, log_prior = model.log_likelihood(batch, z), model.log_prior(z, batch)
        parts: dict[str, PerRow] = {"reconstruction": likelihood, "kl": -log_prior}
        return Bound(likelihood + log_prior, parts, surrogate=likelihood + log_prior)

    def _rows(self, batch: Batch) -> Array:
        assert batch.index is not None, "batches of an objective that knows rows carry their numbers"
        return jnp.where(batch.index < 0, len(self.chains.value), batch.index)
