"""Columns on their own: those that repeat values, those with heavy tails, and what they score independently."""

import numpy as np
from jaxtyping import Float

from aevb.datasets import RepeatedColumn, repeated_columns
from aevb.evaluation.results import AgainstIndependent, Mean, Tail
from aevb.evaluation.rows import Data, TrainingData, random_rows
from aevb.trained import TrainedModel

# The distance between the 0.5% and the 99.5% quantile in distances of the quartiles: normal 3.8, exponential 4.8,
# Laplace 6.6, log-normal 9, Student's t with 2 degrees of freedom 12, Cauchy 64.
HEAVY = 10.0
# Of fewer rows no such quantiles are to be had.
LEAST_ROWS = 100
# Rows to fit independent columns to: their parameters are known to a hundredth.
TRAINING_ROWS = 20_000


def column_names(model: TrainedModel) -> tuple[str, ...]:
    """What columns are called: by their numbers from 0 where they have no names."""
    names = model.feature_names
    return tuple(f"column {j}" for j in range(model.n_features)) if names is None else tuple(map(repr, names))


def repeated_under_density(model: TrainedModel, x: Data) -> tuple[RepeatedColumn, ...]:
    """The columns whose values repeat, where the likelihood is a density: none of pixels, which all have levels."""
    if not model.likelihood.is_density or model.image_shape is not None:
        return ()
    return repeated_columns(x, model.feature_names)


def heavy_tails(model: TrainedModel, x: Data, repeated: tuple[RepeatedColumn, ...]) -> tuple[Tail, ...]:
    """The columns with values far from all others under a density, the heaviest first."""
    if not model.likelihood.is_density or model.image_shape is not None or len(x) < LEAST_ROWS:
        return ()
    skipped = {column.column for column in repeated}
    columns = [j for j in range(x.shape[1]) if j not in skipped]
    if not columns:
        return ()
    quantiles = np.nanquantile(x[:, columns].astype(np.float64), (0.005, 0.25, 0.75, 0.995), axis=0)
    low, first, third, high = quantiles
    with np.errstate(all="ignore"):
        width = np.where(third > first, (high - low) / (third - first), 0.0)
    names = column_names(model)
    found = [Tail(j, names[j], float(w)) for j, w in zip(columns, width, strict=True) if w > HEAVY]
    return tuple(sorted(found, key=lambda tail: -tail.width))


def against_independent(
    model: TrainedModel,
    given: Float[np.ndarray, "rows features"],
    bound: Float[np.ndarray, " rows"],
    x_train: TrainingData | None,
) -> AgainstIndependent | None:
    """The bound against independent columns fitted to the training rows, or to these where there are none.

    None where the value is no bound, or a density has no limit: over a column with one value.

    Args:
        model: the model.
        given: rows in scaled units.
        bound: of each.
        x_train: the user's units.
    """
    some = None if x_train is None else x_train[random_rows(len(x_train), TRAINING_ROWS, 0)]
    train = given if some is None else model.prepare(some)
    is_density = model.likelihood.is_density
    if not model.objective.is_bound or (is_density and np.any(np.nanmin(train, 0) == np.nanmax(train, 0))):
        return None
    cells = model.likelihood.independent(given.astype(np.float64), train.astype(np.float64))
    log_p = np.nansum(cells - np.asarray(model.preparation.scaling.log_scale) * is_density, axis=1)
    difference = bound.astype(np.float64) - log_p
    return AgainstIndependent(float(np.mean(log_p)), Mean.of(difference), float(np.median(difference)))
