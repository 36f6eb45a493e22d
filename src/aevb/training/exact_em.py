"""Exact EM as a learner: a step is one iteration over all rows, of which their mean and covariance are enough."""

import dataclasses
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from aevb.training import linear_em
from aevb.training.state import Plan, TrainingData, TrainingState


class Moments(NamedTuple):
    """What EM needs of the rows, in double precision."""

    n_rows: int
    mean: Float[np.ndarray, " features"]
    covariance: Float[np.ndarray, "features features"]


class ExpectationMaximization:
    """EM for a linear-Gaussian model, see `aevb.objectives.ExactEM`."""

    def init(self, data: TrainingData) -> Moments:
        """The moments of the training rows."""
        rows = data.train.astype(np.float64)
        mean = np.asarray(rows.mean(axis=0))
        return Moments(len(rows), mean, (rows - mean).T @ (rows - mean) / len(rows))

    def steps(self, state: TrainingState, plan: Plan, given: Moments, n_steps: int) -> TrainingState:
        """The state after so many iterations, each an epoch."""
        log_volume = linear_em.log_volume(state.autoencoder)
        for _ in range(n_steps):
            model = linear_em.read(state.autoencoder).improved(given.covariance)
            written = linear_em.written(state.autoencoder, model, given.mean)
            at = state.progress
            bound, kl = (
                model.log_likelihood(given.covariance) - log_volume,
                model.divergence(given.covariance),
            )
            terms = {"bound": bound, "reconstruction": bound + kl, "kl": kl}
            state = dataclasses.replace(state, autoencoder=written).noted(
                epoch=at.epoch + 1,
                step=at.step + 1,
                samples_seen=at.samples_seen + given.n_rows,
                sums={name: at.sums.get(name, 0.0) + given.n_rows * value for name, value in terms.items()},
                sum_rows=at.sum_rows + given.n_rows,
            )
        return state
