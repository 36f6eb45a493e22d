"""Published curves and numbers, as they are bundled with the package."""

import functools
import json
import math
from collections.abc import Sequence
from importlib.resources import files
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

Points = Float[np.ndarray, "points 2"]  # training samples seen, nats per data point
Method = Literal["aevb", "wake-sleep"]
Split = Literal["train", "test"]


@functools.cache
def published() -> dict[str, Any]:
    """Everything in `published.json`, which names the source of each part."""
    return json.loads(files("aevb.experiments.reproduce").joinpath("published.json").read_text())


def figure_2_curve(dataset: str, n_latents: int, method: Method, split: Split) -> Points | None:
    """The lower bound in figure 2 of the AEVB paper, or None where the figure has no such curve."""
    found = _figure_2(dataset, n_latents, method, split)
    return None if found is None else np.array(found["points"], dtype=float)


def figure_2_best(dataset: str, n_latents: int, method: Method, split: Split) -> float | None:
    """The highest bound of such a curve, nats per data point."""
    found = _figure_2(dataset, n_latents, method, split)
    return None if found is None else found["best"]


def _figure_2(dataset: str, n_latents: int, method: Method, split: Split) -> dict[str, Any] | None:
    wanted = {"dataset": dataset, "n_latents": n_latents, "method": method, "split": split}
    curves = published()["aevb"]["figure_2"]
    return next((curve for curve in curves if wanted.items() <= curve.items()), None)


def value_at(curve: Sequence[Sequence[float | int]] | Points | None, samples: float | int) -> float | None:
    """A curve's value after a number of samples, linear in the logarithm of that number between two points.

    None outside the curve's points, where it would be a guess, and where there is no curve.

    Example:
        >>> round(value_at([(100, 1.0), (10_000, 2.0)], 1000), 6)
        1.5
    """
    points = np.array(curve if curve is not None else (), dtype=float).reshape(-1, 2)
    if not len(points) or not points[0, 0] <= samples <= points[-1, 0]:
        return None
    value = np.interp(math.log(samples), np.log(points[:, 0]), points[:, 1])
    return float(value) if math.isfinite(value) else None


def tutorial_log() -> dict[int, tuple[float, float]]:
    """By epoch, the bound on training rows (as they were trained on) and on test rows, nats per data point."""
    return {int(epoch): (train, test) for epoch, train, test in published()["tutorial"]["log"]}
