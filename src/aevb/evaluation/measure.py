"""One evaluation of a trained model on rows of data."""

import dataclasses
import functools
import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from aevb import inference
from aevb.errors import InvalidRecipeError
from aevb.evaluation.bits import bits_per_dimension
from aevb.evaluation.columns import (
    against_independent,
    column_names,
    heavy_tails,
    repeated_under_density,
)
from aevb.evaluation.findings import find
from aevb.evaluation.gaps import inference_gaps
from aevb.evaluation.history import read_history
from aevb.evaluation.latents import latent_diagnostics
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
from aevb.evaluation.rules_of_codes import LEAST_ROWS
from aevb.evaluation.simulated import hold_against
from aevb.inference import Importance, MarginalEstimate, error_of_mean
from aevb.inference.importance import covers, curve_sizes
from aevb.trained import TrainedModel

History = Sequence[Mapping[str, Any]]
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
    history: History = (),
    chosen_step: int | None = None,
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
        history: records of the training run's evaluations, to look for how it went: the lines of `metrics.jsonl`,
            `VAE.history_`.
        chosen_step: the step of the record whose model this is; the last one's if not given.
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
    same = [_on_same_rows(estimates[0], other) for other in estimates]
    bits, no_bits = bits_per_dimension(model, x[rows], first, np.sum(~np.isnan(given[rows]), axis=1))
    repeated = repeated_under_density(model, x if x_train is None else x_train)
    independent = against_independent(model, given, bounds["bound"], x_train)
    start = math.nan if independent is None else independent.log_p
    some = given[random_rows(len(given), LATENT_ROWS, seed)]
    latents = latent_diagnostics(
        model.autoencoder, some, jax.random.key(seed), show=functools.partial(show, "latents")
    )
    evaluation = Evaluation(
        n_rows=len(x),
        bound_name=model.bound,
        is_normalized=model.is_normalized,
        bound=Mean.of(bounds["bound"]),
        bound_monte_carlo_error=error_of_mean(bounds["bound"], bounds["monte_carlo_error"]),
        bound_median=float(np.median(bounds["bound"])),
        parts={name: Mean.of(bounds[name]) for name in ("reconstruction", "kl")},
        parts_note=model.objective.parts_note,
        marginals=tuple(
            dataclasses.replace(
                _marginal(estimate, method), first_on_same_rows=mean, is_covered=_is_covered(model, method)
            )
            for (estimate, _), method, mean in zip(estimates, chosen, same, strict=True)
        ),
        bits=bits,
        no_bits=no_bits,
        latents=latents,
        gaps=_gaps(model, given, seed, show),
        reconstruction=_reconstruction(model, x),
        repeated=repeated,
        tails=heavy_tails(model, x, repeated),
        names=column_names(model),
        training=None if x_train is None else _training_gap(model, x, bounds["bound"], x_train, seed),
        independent=independent,
        simulated=hold_against(model, x, repeated, seed),
        history=read_history(history, chosen_step, start),
    )
    return dataclasses.replace(evaluation, findings=find(evaluation), not_checked=_not_checked(evaluation))


def _estimate(
    model: TrainedModel, x: Data, method: inference.MarginalMethod, slow_rows: int, seed: int, show: ShowStage
) -> tuple[MarginalEstimate, np.ndarray]:
    """The estimate, and on which rows."""
    rows = random_rows(len(x), len(x) if method.name in FOR_ALL_ROWS else slow_rows, seed)
    stage = functools.partial(show, f"log p(x), {method.name}")
    return model.log_marginal(x[rows], method, seed, stage), rows


def _is_covered(model: TrainedModel, method: inference.MarginalMethod) -> bool | None:
    """Whether importance weights see all of the prior; None for other methods."""
    return (
        method.covers(model.autoencoder.model, model.recognition) if isinstance(method, Importance) else None
    )


def _on_same_rows(
    first: tuple[MarginalEstimate, np.ndarray], other: tuple[MarginalEstimate, np.ndarray]
) -> float | None:
    """The mean of the first estimate over the rows of another, where it has these and more."""
    (estimate, rows), (_, some) = first, other
    if len(some) == len(rows) or not np.isin(some, rows).all():
        return None
    return float(np.mean(estimate.log_p[np.searchsorted(rows, some)]))


def _marginal(estimate: MarginalEstimate, method: inference.MarginalMethod) -> Marginal:
    settings = {
        name: value for name, value in _fields(method).items() if isinstance(value, bool | int | float | str)
    }
    sizes = tuple(curve_sizes(method.n_samples)) if isinstance(method, Importance) else ()
    return summarize(estimate, settings, sizes)


def _fields(method: Any) -> dict[str, Any]:
    return {field.name: getattr(method, field.name) for field in dataclasses.fields(method)}


def _gaps(model: TrainedModel, given: np.ndarray, seed: int, show: ShowStage) -> Gaps | None:
    """The two gaps; None for discrete codes, which are not refined, and where q(z|x) does not cover p(z)."""
    if not covers(model.autoencoder.model, model.recognition):
        return None
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
        Mean.of(refined - amortized) if model.recipe.has_encoder else None,
        Mean.of(log_p - refined),
    )


def _reconstruction(model: TrainedModel, x: Data) -> Reconstruction:
    """Over observed values; the columns of a table, whose units differ, in their standard deviations."""
    rows = model.given(x).astype(np.float64)
    errors = (model.reconstruct(x) - rows) ** 2
    with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):  # columns without a value
        variances = np.nanmean((rows - np.nanmean(rows, axis=0)) ** 2, axis=0)
    varied = variances > 0
    is_image = model.image_shape is not None
    if not is_image and varied.any():
        errors, variances = errors[:, varied] / variances[varied], np.ones(int(varied.sum()))
    mse = float(np.nanmean(errors))
    observed = np.sum(~np.isnan(errors), axis=0)
    variance = float(np.nansum(variances * observed) / max(observed.sum(), 1))
    unit = "the data's units" if is_image or not varied.any() else "standard deviations of the columns"
    return Reconstruction(math.sqrt(mse), mse, unit, 1 - mse / variance if variance > 0 else math.nan)


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
        *count_shared(x, x_train),
    )


def _not_checked(evaluation: Evaluation) -> tuple[str, ...]:
    """What could not be looked at, and why."""
    missing = []
    if evaluation.training is None:
        missing.append("overfitting: these are the training rows, or none came along to compare with")
    if evaluation.history is None:
        missing.append("how training went: its records did not come along")
    elif evaluation.history.rise is None:
        missing.append(
            "whether training had come to its end: too few evaluations, or the model is not that of the last one"
        )
    if evaluation.simulated is None:
        missing.append("samples against rows: too few rows, or too much of them is missing")
    if evaluation.independent is None:
        missing.append(
            "the bound against independent columns: the value is no bound, or a column has one value only"
        )
    if evaluation.gaps is None:
        missing.append(
            "amortization and approximation gap: discrete codes are not refined by gradients, and log p(x) cannot be "
            "had from a q(z|x) that leaves out a part of the prior"
        )
    if evaluation.n_rows < LEAST_ROWS:
        missing.append(f"latents: fewer than {LEAST_ROWS} rows do not tell how they are used")
    of_weights = [m for m in evaluation.marginals if m.method == Importance.name]
    if not of_weights:
        missing.append("importance weights: no importance sampling was done")
    elif of_weights[0].share_k_hat_high is None:
        missing.append("importance weights: the samples are too few to tell")
    return tuple(missing)
