r"""E[z^2] under N(mu, s^2), where the mean and the variance of every estimator have a closed form.

With z = mu + s e, e ~ N(0, 1), and L draws, per coordinate:

    estimator               d/dmu                                    d/ds
    sgvb-b, stl             4 s^2 / L                                (4 mu^2 + 8 s^2) / L
    sgvb-a                  (2 s + 1/s)^2 / L                        (4 mu^2 + 2 (2 s + 1/s)^2) / L
    score, baseline b       (A - 2 b (mu^2 + 3 s^2) + b^2) / (L s^2) (B - 2 b (2 mu^2 + 10 s^2) + 2 b^2) / (L s^2)
                              - 4 mu^2 / L                             - 4 s^2 / L
                            A = mu^4 + 18 mu^2 s^2 + 15 s^4          B = 2 mu^4 + 60 mu^2 s^2 + 78 s^4
    score, leave one out    (8 mu^2 + 10 s^2) / L                    (40 mu^2 + 56 s^2) / L
                              + (8 mu^2 + 2 s^2) / (L (L - 1))         + (8 mu^2 + 8 s^2) / (L (L - 1))

At b = 0 and L = 1 the third line is mu^4 / s^2 + 14 mu^2 + 15 s^2. The last one is the variance of a sample covariance,
(m22 - m11^2) / L + (m20 m02 + m11^2) / (L (L - 1)), of z^2 and the score.
"""

import math
import time

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from aevb.batch import Batch
from aevb.distributions import LogVarianceNormal
from aevb.experiments.gradients.bias import FALSE_ALARM, POWER, exact_reference
from aevb.experiments.gradients.estimators import (
    Estimator,
    K,
    pathwise,
    repeated,
    score_functions,
    settled,
)
from aevb.experiments.gradients.measure import Study, measure, timing_note
from aevb.experiments.gradients.records import Problem, Say, silent
from aevb.models import LIKELIHOODS, AmortizedPosterior, Constant, Decoder, LatentVariableModel, Prior
from aevb.networks import MLP
from aevb.objectives import ELBO, SGVBA, LeaveOneOut, ScoreFunction
from aevb.typing import Scalar

MU, S = 2.0, 0.5
DRAWS, BLOCK = 100_000, 10_000
SETTLING_STEPS, SETTLING_ROWS = 500, 100
# With K draws; the variances of the others fall as 1/K, as that of sgvb-b and score does.
COMPARED = ("sgvb-b", "score", "score, leave one out")
NOTES = (
    "As a bound with the gradient of -E[z²]: one pixel at 0 under N(√2 z, 1), in a unit that cancels the density's "
    "constant; the code is (z - μ) / s for the values of μ and s here, at which its q is its prior.",
    "With one draw iwae and renyi are sgvb-a, and dreg and iwae-stl are stl; with more they estimate another quantity.",
    timing_note(BLOCK),
)


class Square(eqx.Module):
    """A model and a posterior whose evidence lower bound has the gradient of -E[z^2], z ~ N(mu, s^2).

    The code is u = (z - mu0) / s0 for the first values mu0, s0 of mu and s. At these values its posterior
    N((mu - mu0) / s0, (s / s0)^2) is its prior N(0, 1): the divergence has no gradient, and log w is
    log p(x|u) = -z^2.

    Args:
        mu: the mean of z.
        s: its standard deviation.
        first: mu0 and s0.
        model: p(u) p(x|u), for x = 0.
    """

    mu: Scalar
    s: Scalar
    model: LatentVariableModel
    first: tuple[float, float] = eqx.field(static=True)

    def __init__(self, mu: float, s: float):
        self.mu, self.s, self.first = jnp.asarray(mu), jnp.asarray(s), (mu, s)
        decoder = Decoder(
            LIKELIHOODS["gaussian"], MLP(1, (), key=jax.random.key(0)), 1, 1, key=jax.random.key(0)
        )
        line = (jnp.full((1, 1), math.sqrt(2) * s), jnp.full(1, math.sqrt(2) * mu))
        zeros = jax.tree.map(jnp.zeros_like, decoder)
        decoder = eqx.tree_at(lambda d: (d.heads["loc"].weight, d.heads["loc"].bias), zeros, line)
        constant = Constant(jnp.full(1, -0.5 * math.log(2 * math.pi)))
        self.model = LatentVariableModel(Prior("gaussian", 1), decoder, constant)

    def posterior(self, batch: Batch) -> AmortizedPosterior:
        """q(u) for every row."""
        mu0, s0 = self.first
        parameters = (self.mu - mu0) / s0, 2 * jnp.log(self.s / s0)
        loc, log_variance = (jnp.full((batch.n_rows, 1), value) for value in parameters)
        return AmortizedPosterior(
            LogVarianceNormal(loc, log_variance).to_event(1), self.model.prior_of(batch)
        )


def run(seed: int = 0, n_draws: int = DRAWS, say: Say = silent) -> Problem:
    """Measure all estimators of this expectation's gradient."""
    started = time.perf_counter()
    subject, x = Square(MU, S), jnp.zeros((1, 1))
    baseline_key, settle_key, key = jax.random.split(jax.random.key(seed), 3)
    single, several = ([*pathwise(n), *score_functions(n, 1, baseline_key)] for n in (1, K))
    estimators = [*single, *(e for e in several if e.name in COMPARED)]
    rows = repeated(jnp.zeros((SETTLING_ROWS, 1)), SETTLING_STEPS)
    study = Study(
        subject,
        Batch(x),
        settled(estimators, subject, rows, settle_key),
        ("mu", "s"),
        {
            "mu": {ELBO: exact_reference(np.array([-2 * MU]), "closed form")},
            "s": {ELBO: exact_reference(np.array([-2 * S]), "closed form")},
        },
        closed_variances=closed_variance,
    )
    say(f"{n_draws:,} gradients of each of {len(estimators)} estimators")
    tables = measure(study, n_draws, BLOCK, key)
    title = f"E[z²] under N(μ, s²) at μ = {MU:g}, s = {S:g}"
    return Problem("toy", title, NOTES, FALSE_ALARM, POWER, time.perf_counter() - started, tuple(tables))


def closed_variance(estimator: Estimator, part: str) -> Float[np.ndarray, " 1"]:
    """The variance of an estimator's gradient with respect to `mu` or `s`, at the baseline that it has."""
    objective, n = estimator.objective, estimator.samples
    if not isinstance(objective, ScoreFunction):
        return np.array([_pathwise(part, isinstance(objective, SGVBA)) / n])
    if isinstance(objective.baseline, LeaveOneOut):
        return np.array([_leave_one_out(part, n)])
    log_w = jnp.zeros((1, 1))
    return np.array([_constant_baseline(part, -float(_only(objective.baseline(log_w, Batch(log_w))))) / n])


def _only(x: Float[Array, "1 1"]) -> Scalar:
    return x[0, 0]


def _pathwise(part: str, with_score: bool) -> float:
    slope = 2 * S + 1 / S if with_score else 2 * S
    return slope**2 if part == "mu" else 4 * MU**2 + 2 * slope**2


def _constant_baseline(part: str, b: float) -> float:
    if part == "mu":
        a = MU**4 + 18 * MU**2 * S**2 + 15 * S**4
        return (a - 2 * b * (MU**2 + 3 * S**2) + b**2) / S**2 - 4 * MU**2
    a = 2 * MU**4 + 60 * MU**2 * S**2 + 78 * S**4
    return (a - 2 * b * (2 * MU**2 + 10 * S**2) + 2 * b**2) / S**2 - 4 * S**2


def _leave_one_out(part: str, n: int) -> float:
    if part == "mu":
        return (8 * MU**2 + 10 * S**2) / n + (8 * MU**2 + 2 * S**2) / (n * (n - 1))
    return (40 * MU**2 + 56 * S**2) / n + (8 * MU**2 + 8 * S**2) / (n * (n - 1))
