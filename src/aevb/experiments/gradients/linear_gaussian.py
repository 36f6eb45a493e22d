"""A linear-Gaussian VAE: gradients against exact ones, and on the way to the exact posterior."""

import math
import time

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from aevb.batch import Batch
from aevb.experiments.gradients.bias import (
    FALSE_ALARM,
    POWER,
    Reference,
    exact_reference,
    replicated_reference,
)
from aevb.experiments.gradients.draws import Draws, block_size
from aevb.experiments.gradients.estimators import Estimator, for_continuous_codes, repeated, settled
from aevb.experiments.gradients.linear_gaussian_exact import (
    POINTS,
    REPLICATES,
    autoencoder,
    exact_gradient,
    power_mean_gradients,
)
from aevb.experiments.gradients.measure import Study, measure, timing_note
from aevb.experiments.gradients.moments import Accumulator
from aevb.experiments.gradients.records import Approach, Problem, Say, silent
from aevb.models import AutoEncoder
from aevb.objectives import ELBO, ImportanceWeighted, Renyi
from aevb.typing import PRNGKey

N_FEATURES, N_LATENTS, N_ROWS = 8, 2, 8
DRAWS, BLOCK = 100_000, 2000
SETTLING_STEPS = 1000
PARTS = ("encoder", "model")
DISTANCES = (1.0, 2.0**-2, 2.0**-4, 2.0**-6, 2.0**-8, 0.0)
APPROACH_DRAWS = 2000
APPROACHING = {
    ("sgvb-b", 1),
    ("sgvb-a", 1),
    ("stl", 1),
    ("score, leave one out", 5),
    ("iwae", 5),
    ("dreg", 5),
}
NOTES = (
    f"{N_ROWS} rows of {N_FEATURES} features, {N_LATENTS} latents; the gradient of the mean over rows.",
    "At distance 0 what is left of a variance that vanishes is rounding in single precision.",
    "Exact gradients: of the evidence lower bound by its closed form; of the other estimands by quasi-Monte Carlo, "
    f"{REPLICATES} x {POINTS:,} points; both in double precision and in formulas of their own.",
    timing_note(BLOCK),
)


class LinearGaussian:
    """p(x|z) = N(W z + b, diag(exp(v))) with W' diag(exp(-v)) W diagonal, which makes the posterior's covariance so.

    Args:
        seed: of the parameters and the rows.
    """

    def __init__(self, seed: int):
        rng = np.random.default_rng(seed)
        d, k = N_FEATURES, N_LATENTS
        v = rng.uniform(-1, 1, d)
        w = np.linalg.qr(rng.normal(size=(d, k)))[0] * np.linspace(1.0, 2.0, k) * np.exp(v / 2)[:, None]
        self._decoder = (w, rng.normal(size=d), v)
        scaled = w.T / np.exp(v)
        self._variances = 1 / (1 + np.diag(scaled @ w))
        self._map = self._variances[:, None] * scaled
        self._away = (
            rng.normal(size=(k, d)),
            rng.normal(size=k),
            rng.normal(size=(k, d)),
            rng.normal(size=k),
        )
        z = rng.normal(size=(N_ROWS, k))
        noise = np.exp(v / 2) * rng.normal(size=(N_ROWS, d))
        self.x: Float[np.ndarray, "rows features"] = (z @ w.T + self._decoder[1] + noise).astype(np.float32)

    def at(self, distance: float) -> AutoEncoder:
        """With the exact posterior at distance 0, and an encoder whose every parameter is off by some 0.2 at 1."""
        b = self._decoder[1]
        exact = (self._map, -self._map @ b, np.zeros_like(self._map), np.log(self._variances))
        moved = (w + 0.2 * distance * away for w, away in zip(exact, self._away, strict=True))
        a, c, slope, g = moved
        return autoencoder((a, c, slope, g), self._decoder)


def run(seed: int = 0, n_draws: int = DRAWS, say: Say = silent) -> Problem:
    """Measure all estimators for continuous codes."""
    started = time.perf_counter()
    oracle = LinearGaussian(seed)
    subject, x = oracle.at(1.0), jnp.asarray(oracle.x)
    baseline_key, settle_key, key, approach_key = jax.random.split(jax.random.key(seed), 4)
    estimators = settled(
        for_continuous_codes(N_FEATURES, baseline_key), subject, repeated(x, SETTLING_STEPS), settle_key
    )
    say("exact gradients")
    found = references(subject, oracle.x, estimators, seed)
    say(f"{n_draws:,} gradients of each of {len(estimators)} estimators")
    tables = measure(Study(subject, Batch(x), estimators, PARTS, found), n_draws, BLOCK, key)
    say("the variance as q approaches the exact posterior")
    approach = approaches(oracle, estimators, block_size(n_draws, BLOCK)[0], approach_key)
    title = "A linear-Gaussian VAE at an imperfect encoder"
    seconds = time.perf_counter() - started
    return Problem("linear-gaussian", title, NOTES, FALSE_ALARM, POWER, seconds, tuple(tables), approach)


def references(
    subject: AutoEncoder, x: Float[np.ndarray, "rows features"], estimators: list[Estimator], seed: int
) -> dict[str, dict[str, Reference]]:
    """The exact gradient of every estimand, part by part."""
    exact = exact_gradient(subject, x)
    found = {part: {ELBO: exact_reference(exact[part], "closed form")} for part in PARTS}
    for estimator in estimators:
        objective = estimator.objective
        if isinstance(objective, ImportanceWeighted | Renyi) and objective.estimand not in found[PARTS[0]]:
            order = 1.0 - objective.alpha if isinstance(objective, Renyi) else 1.0
            replicates = power_mean_gradients(subject, x, order, objective.n_samples, seed)
            for part in PARTS:
                found[part][objective.estimand] = replicated_reference(replicates[part], "quasi-Monte Carlo")
    return found


def approaches(
    oracle: LinearGaussian, estimators: list[Estimator], block: int, key: PRNGKey
) -> tuple[Approach, ...]:
    """The encoder's gradient on the way from the imperfect encoder to the exact posterior.

    Args:
        oracle: gives the encoders.
        estimators: all, of which some are shown.
        block: gradients per call, as in `measure`, whose programs these are.
        key: of all randomness.
    """
    n_calls = math.ceil(APPROACH_DRAWS / block)
    chosen = [e for e in estimators if (e.name, e.samples) in APPROACHING]
    batch, subjects = Batch(jnp.asarray(oracle.x)), [oracle.at(distance) for distance in DISTANCES]
    found = []
    for i, estimator in enumerate(chosen):
        variances = []
        for subject in subjects:
            draws = Draws(estimator.objective, subject, batch, PARTS, block, jax.random.fold_in(key, i))
            moments = Accumulator()
            for _ in range(n_calls):
                moments.add(draws()["encoder"])
            variances.append(moments.moments().mean_variance)
        found.append(Approach(estimator.name, estimator.samples, DISTANCES, tuple(variances)))
    return tuple(found)
