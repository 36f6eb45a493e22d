"""The score function estimator, which needs no derivative of a sample."""

import equinox as eqx
import jax
import jax.numpy as jnp

from aevb.batch import Batch
from aevb.models import Model, Posterior
from aevb.objectives.baselines import Baseline, NoBaseline
from aevb.objectives.bound import Bound
from aevb.objectives.draws import draw, log_densities, stopped
from aevb.objectives.evidence_lower_bound import EvidenceLowerBound
from aevb.objectives.requirements import require_draws, require_fixed_support
from aevb.typing import PRNGKey


class ScoreFunction(EvidenceLowerBound):
    """The evidence lower bound, differentiated as E[(log w - b) grad log q(z|x) + grad log p(x, z)].

    log w = log p(x, z) - log q(z|x) at z ~ q(z|x), and b is a baseline. The gradient of the -log q inside log w is
    left out: its mean is zero. (Williams 1992; Paisley, Blei & Jordan 2012; the "naive" estimator of Kingma & Welling
    2014, section 2.2.) For continuous and discrete codes.

    Args:
        n_samples: draws of z per row.
        baseline: what is taken from log w.

    Raises:
        InvalidRecipeError: fewer samples than the baseline needs.
    """

    baseline: Baseline = NoBaseline()

    def __check_init__(self):
        reason = f"{type(self.baseline).__name__} compares the draws of a row with each other"
        require_draws(self, self.n_samples, self.baseline.min_samples, reason)

    def check(self, posterior: Posterior) -> None:
        """Refuse a support that moves with the parameters of q."""
        require_fixed_support(self, posterior)

    def updated(self, batch: Batch, bound: Bound) -> "ScoreFunction":
        """With the baseline's running statistics brought up to date."""
        return eqx.tree_at(lambda o: o.baseline, self, self.baseline.updated(batch, bound.value))

    def __call__(self, key: PRNGKey, model: Model, posterior: Posterior, batch: Batch) -> Bound:
        """The bound on each row; value and parts are those of `SGVBA`."""
        z = draw(stopped(posterior), key, self.n_samples)
        log_p = log_densities(model, posterior, batch, z)
        log_w = jax.lax.stop_gradient(log_p.log_weight)
        signal = log_w - jax.lax.stop_gradient(self.baseline(log_w, batch))
        surrogate = jnp.mean(signal * log_p.posterior + log_p.likelihood + log_p.prior, axis=0)
        bound = log_p.bound()
        return Bound(bound.value, bound.parts, surrogate - self.baseline.error(log_w, batch))
