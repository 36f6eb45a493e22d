"""One evaluation of a trained model on rows of data."""

import dataclasses
import functools
import math
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from aevb import inference
from aevb.errors import InvalidRecipeError
from aevb.evaluation.bits import bits_per_dimension
from aevb.evaluation.findings import find
from aevb.evaluation.methods import FOR_ALL_ROWS, make_method
from aevb.evaluation.results import (
    Evaluation,
    Gaps,
    Marginal,
    Mean,
    Reconstruction,
    TrainingGap,
    summarize,
)
from aevb.evaluation.rows import (
    Data,
    ShowStage,
    TrainingData,
    count_shared,
    random_rows,
    share_below,
    show_no_stage,
)
from aevb.inference import Importance, MarginalEstimate
from aevb.inference.diagnostics import latent_diagnostics
from aevb.inference.gaps import inference_gaps
from aevb.inference.importance import curve_sizes
from aevb.trained import TrainedModel

# Rows for what costs more per row than the bound and importance sampling do, a random subset of those given.
SLOW_ROWS = 100
LATENT_ROWS = 2000
GAP_ROWS = 200
TRAINING_ROWS = 10_000


def evaluate(
    model: TrainedModel,
    x: Data,
    *,
    methods: Sequence[str] = ("importance",),
    n_samples: int = 200,
    slow_rows: int = SLOW_ROWS,
    seed: int = 0,
    x_train: TrainingData | None = None,
    show: ShowStage = show_no_stage,
) -> Evaluation:
    """How good a model is on these rows, where it falls short, and what to try.

    Args:
        model: the model.
        x: the rows, the user's units.
        methods: of estimating log p(x), keys of `METHODS`; the first one's estimate is the headline.
        n_samples: K of importance sampling.
        slow_rows: rows for the methods that are too slow for all of them, a random subset.
        seed: of all randomness, the choice of subsets included.
        x_train: the rows that it was trained on, to look for overfitting; not if they are `x`.
        show: called with a stage's name and the share of it that is done.

    Raises:
        InvalidRecipeError: no method, an unknown one, or one that does not suit the model.
        InvalidDataError: rows that cannot be used.
    """
    if not methods or slow_rows < 1:
        raise InvalidRecipeError(
            f"an evaluation needs a method and a row, not {list(methods)} and {slow_rows} rows"
        )
    chosen = [
        make_method(name, n_samples) for name in dict.fromkeys(methods)
    ]  # checked before anything is computed
    given = model.prepare(x)
    bounds = model.bounds(x)
    estimates = [_estimate(model, x, method, slow_rows, seed, show) for method in chosen]
    first, rows = estimates[0]
    bits, no_bits = bits_per_dimension(model, x[rows], first, np.sum(~np.isnan(given[rows]), axis=1))
    some = given[random_rows(len(given), LATENT_ROWS, seed)]
    latents = latent_diagnostics(
        model.autoencoder, some, jax.random.key(seed), show=functools.partial(show, "latents")
    )
    evaluation = Evaluation(
        n_rows=len(x),
        bound_name=model.bound,
        is_normalized=model.is_normalized,
        bound=Mean.of(bounds["bound"]),
        parts={name: Mean.of(bounds[name]) for name in ("reconstruction", "kl")},
        parts_note=model.objective.parts_note,
        marginals=tuple(
            _marginal(estimate, method) for (estimate, _), method in zip(estimates, chosen, strict=True)
        ),
        bits=bits,
        no_bits=no_bits,
        latents=latents,
        gaps=_gaps(model, given, seed, show),
        reconstruction=_reconstruction(model, x),
        training=None if x_train is None else _training_gap(model, x, bounds["bound"], x_train, seed),
    )
    return dataclasses.replace(evaluation, findings=find(evaluation), not_checked=_not_checked(evaluation))


def _estimate(
    model: TrainedModel, x: Data, method: inference.MarginalMethod, slow_rows: int, seed: int, show: ShowStage
) -> tuple[MarginalEstimate, np.ndarray]:
    """The estimate, and on which rows."""
    rows = random_rows(len(x), len(x) if method.name in FOR_ALL_ROWS else slow_rows, seed)
    stage = functools.partial(show, f"log p(x), {method.name}")
    return model.log_marginal(x[rows], method, seed, stage), rows


def _marginal(estimate: MarginalEstimate, method: inference.MarginalMethod) -> Marginal:
    settings = {
        name: value for name, value in _fields(method).items() if isinstance(value, bool | int | float | str)
    }
    sizes = tuple(curve_sizes(method.n_samples)) if isinstance(method, Importance) else ()
    return summarize(estimate, settings, sizes)


def _fields(method: Any) -> dict[str, Any]:
    return {field.name: getattr(method, field.name) for field in dataclasses.fields(method)}


def _gaps(model: TrainedModel, given: np.ndarray, seed: int, show: ShowStage) -> Gaps | None:
    """The amortization gap and the approximation gap; None for discrete codes, which are not refined."""
    rows = given[random_rows(len(given), GAP_ROWS, seed)]
    try:
        levels = inference_gaps(
            model.autoencoder, rows, jax.random.key(seed), functools.partial(show, "gaps")
        )
    except InvalidRecipeError:
        return None
    amortized, refined, log_p = (
        levels[name].astype(np.float64) for name in ("amortized", "refined", "log_p")
    )
    return Gaps(
        len(rows),
        float(np.mean(amortized)),
        float(np.mean(refined)),
        float(np.mean(log_p)),
        Mean.of(refined - amortized),
        Mean.of(log_p - refined),
    )


def _reconstruction(model: TrainedModel, x: Data) -> Reconstruction:
    """Over observed values; columns weigh as their squared units do."""
    rows = model.given(x).astype(np.float64)
    mse = float(np.nanmean((model.reconstruct(x) - rows) ** 2))
    variance = float(np.nanmean((rows - np.nanmean(rows, axis=0)) ** 2))
    return Reconstruction(math.sqrt(mse), mse, 1 - mse / variance if variance > 0 else math.nan)


def _training_gap(
    model: TrainedModel, x: Data, bound: Float[np.ndarray, " rows"], x_train: TrainingData, seed: int
) -> TrainingGap:
    rows = x_train[random_rows(len(x_train), TRAINING_ROWS, seed)]
    at_training = model.bounds(rows)["bound"]
    mean, other = Mean.of(at_training), Mean.of(bound)
    return TrainingGap(
        len(rows),
        mean,
        mean.value - other.value,
        math.hypot(mean.sampling_error, other.sampling_error),
        float(np.mean(share_below(bound, at_training))),
        count_shared(x, x_train),
    )


def _not_checked(evaluation: Evaluation) -> tuple[str, ...]:
    """What could not be looked at, and why."""
    missing = []
    if evaluation.training is None:
        missing.append("overfitting: these are the training rows, or none came along to compare with")
    if evaluation.gaps is None:
        missing.append("amortization and approximation gap: discrete codes are not refined by gradients")
    if all(marginal.share_k_hat_high is None for marginal in evaluation.marginals):
        missing.append(
            "importance weights: no importance sampling was done, or its samples are too few to tell"
        )
    return tuple(missing)
