"""What a training history says: whether the bound fell, still rose at the end, or parted from that of other rows."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

# A line through fewer evaluations says nothing about where they go.
LEAST_RECORDS = 3
Series = Float[np.ndarray, " records"]


@dataclasses.dataclass(frozen=True)
class TrainingHistory:
    """The objective's value over the evaluations of a training run, nats.

    Args:
        n_records: evaluations.
        value: of the model that was kept, on training rows.
        gain: by how much the best value on training rows lies above independent columns, or the first value where
            these are not known.
        fall: from its best to the model's, on training rows.
        held_out: the split that was evaluated beside them, validation before test; None without.
        held_out_fall: the same as `fall` on that split.
        rise: over the last third of the run, by a straight line through the evaluations there, or through the last
            three if they are fewer: the lesser of those on training and held-out rows. None with fewer than three
            evaluations, or where the model is not that of the last.
        rise_error: its standard error.
    """

    n_records: int
    value: float
    gain: float
    fall: float
    held_out: str | None
    held_out_fall: float
    rise: float | None
    rise_error: float


def read_history(
    records: Sequence[Mapping[str, Any]], chosen_step: int | None = None, independent: float = math.nan
) -> TrainingHistory | None:
    """What there is to be read from the records of a training run.

    Args:
        records: of its evaluations, as in `metrics.jsonl` and `VAE.history_`.
        chosen_step: of the evaluation whose model was kept; the last one if not given.
        independent: log p(x) where columns are independent, nats per row: what a model has that has learned nothing.

    Returns:
        None where there are no records.
    """
    values = _series(records, "train")
    if not len(values):
        return None
    steps = np.array([record["step"] for record in records], np.float64)
    chosen = len(steps) - 1 if chosen_step is None else int(np.argmin(np.abs(steps - chosen_step)))
    others = next((name for name in ("validation", "test") if f"{name}_bound" in records[-1]), None)
    held_out = values if others is None else _series(records, others)
    best = float(np.max(values[: chosen + 1]))
    start = independent if math.isfinite(independent) else float(values[0])
    rise, error = math.inf, math.nan
    for series in (values, held_out):
        slope = _rise(steps, series)
        if slope is not None and slope[0] < rise:
            rise, error = slope
    is_known = math.isfinite(rise) and chosen == len(steps) - 1
    return TrainingHistory(
        len(values),
        float(values[chosen]),
        best - start,
        best - float(values[chosen]),
        others,
        float(np.max(held_out[: chosen + 1]) - held_out[chosen]),
        rise if is_known else None,
        error,
    )


def _series(records: Sequence[Mapping[str, Any]], split: str) -> Series:
    """A split's values; those that are not finite are as low as can be."""
    values = np.array([record.get(f"{split}_bound", math.nan) for record in records], np.float64)
    return np.where(np.isfinite(values), values, -math.inf)


def _rise(steps: Series, values: Series) -> tuple[float, float] | None:
    """Of a straight line over the last third of the steps, and its standard error; None for too few of them."""
    if len(steps) < LEAST_RECORDS:
        return None
    span = float(steps[-1] - steps[0]) / 3
    n = max(int(np.sum(steps >= steps[-1] - span)), LEAST_RECORDS)
    t, y = steps[-n:], values[-n:]
    if not np.isfinite(y).all():
        return None
    t = t - t.mean()
    slope = float(t @ y / (t @ t))
    residual = y - y.mean() - slope * t
    error = math.sqrt(float(residual @ residual) / (len(t) - 2) / float(t @ t))
    return slope * span, error * span
