"""The units that a model sees: a shift and a factor per feature, fitted on training rows."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Num

from aevb.errors import InvalidDataError, InvalidRecipeError

METHODS = ("auto", "none", "standard", "minmax", "mean")

# The largest value of an unsigned byte, as pixels have it.
_WHITE = 255.0
# Rows are scaled in blocks of about this many numbers: exact in float64, without a float64 copy of the data.
_BLOCK_SIZE = 1 << 17


@dataclass(frozen=True)
class Scaling:
    """The map `(x - loc) / scale` from the user's units to those that networks see.

    Plain numbers, so that it is written as JSON without loss.

    Args:
        loc: one shift per feature, in the user's units.
        scale: one positive factor per feature, in the user's units.

    >>> Scaling.fit(np.array([[1.0, 5.0], [3.0, 5.0]]), "standard")
    Scaling(loc=(2.0, 5.0), scale=(1.0, 1.0))
    """

    loc: tuple[float, ...]
    scale: tuple[float, ...]

    @classmethod
    def identity(cls, n_features: int) -> "Scaling":
        """The scaling that changes nothing."""
        return cls((0.0,) * n_features, (1.0,) * n_features)

    @classmethod
    def fit(
        cls,
        x: Num[np.ndarray, "rows features"],
        method: str = "auto",
        *,
        is_image: bool = False,
        on_unit_interval: bool = False,
    ) -> "Scaling":
        """The scaling of training rows. NaN cells are left out; a column that never changes gets scale 1.

        Args:
            x: the training rows.
            method: "none"; "standard" (mean 0, standard deviation 1); "minmax" (onto [0, 1]); "mean" (division by
                the mean of absolute values, 0 staying 0); or "auto": for images division by 255 of unsigned bytes
                above 1; "none" if all values lie in [0, 1] and either belong there (images, and what
                `on_unit_interval` says) or are binary; else "standard". A column of shares or of rates is usually
                narrow, and networks learn little of what hardly moves.
            is_image: the rows are images; a table may hold unsigned bytes that are no pixels.
            on_unit_interval: the model is one of values in [0, 1].

        Raises:
            InvalidRecipeError: an unknown method.
            InvalidDataError: values too large for single precision.
        """
        if method not in METHODS:
            raise InvalidRecipeError(f"unknown scaling {method!r}: choose one of {', '.join(METHODS)}.")
        n_features = x.shape[1]
        pixels = is_image and x.dtype == np.uint8
        if method == "auto" and pixels and x.max() > 1:  # bytes of 0 and 1 are binary, not nearly black
            return cls((0.0,) * n_features, (_WHITE,) * n_features)
        # fmin and fmax pass over NaN.
        low = np.fmin.reduce(x, axis=0).astype(np.float64)
        high = np.fmax.reduce(x, axis=0).astype(np.float64)
        if method == "auto":
            inside = np.fmin.reduce(low) >= 0 and np.fmax.reduce(high) <= 1
            stays = inside and (is_image or on_unit_interval or _is_binary(x))
            method = "none" if stays else "standard"
        loc, scale = _FITTERS[method](x, low, high)
        changing = high > low
        loc = np.where(changing | (method in _IN_PLACE), loc, np.nan_to_num(low))
        scale = np.where(changing, scale, 1.0)
        _check_range(low, high, loc, scale, method)
        return cls(tuple(loc.tolist()), tuple(scale.tolist()))

    @property
    def n_features(self) -> int:
        """The number of features that it was fitted on."""
        return len(self.loc)

    @property
    def is_identity(self) -> bool:
        """Whether it changes nothing."""
        return not any(self.loc) and all(s == 1 for s in self.scale)

    @property
    def log_scale(self) -> Float[np.ndarray, " features"]:
        """The log of each factor: a density in the user's units is the one in scaled units less their sum."""
        return np.log(np.asarray(self.scale))

    def apply(self, x: Num[np.ndarray, "rows features"]) -> Float32[np.ndarray, "rows features"]:
        """The rows in scaled units, computed in double precision and rounded once; NaN stays NaN.

        Rows in single precision come back as they are, not copied, when the scaling is the identity.
        """
        if self.is_identity:
            return x.astype(np.float32, copy=False)
        loc, scale = np.asarray(self.loc), np.asarray(self.scale)
        scaled = np.empty(x.shape, np.float32)
        for rows in _blocks(x):
            scaled[rows] = (x[rows] - loc) / scale
        return scaled

    def undo(self, x: Float[np.ndarray, "*samples features"]) -> Float[np.ndarray, "*samples features"]:
        """Rows in scaled units, back in the user's: float64, or as they came under the identity."""
        return x if self.is_identity else x * np.asarray(self.scale) + np.asarray(self.loc)


def _is_binary(x: np.ndarray) -> bool:
    return all(np.all((x[rows] == 0) | (x[rows] == 1) | np.isnan(x[rows])) for rows in _blocks(x))


def _blocks(x: np.ndarray) -> Iterator[slice]:
    step = max(1, _BLOCK_SIZE // x.shape[1])
    return (slice(start, start + step) for start in range(0, len(x), step))


def _fit_none(x: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[Any, Any]:
    return np.zeros_like(low), np.ones_like(low)


def _fit_minmax(x: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[Any, Any]:
    with np.errstate(over="ignore"):
        return low, high - low


def _fit_standard(x: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[Any, Any]:
    """Mean and standard deviation, in two passes, so that a large mean costs no digits."""
    count = np.maximum(sum(np.isfinite(x[rows]).sum(0) for rows in _blocks(x)), 1)
    with np.errstate(over="ignore", invalid="ignore"):
        mean = sum(np.nansum(x[rows], 0, dtype=np.float64) for rows in _blocks(x)) / count
        variance = sum(np.nansum((x[rows] - mean) ** 2, 0) for rows in _blocks(x)) / count
        return mean, np.sqrt(variance)


def _fit_mean(x: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[Any, Any]:
    """The mean of absolute values; 1 for a column of zeros."""
    count = np.maximum(sum(np.isfinite(x[rows]).sum(0) for rows in _blocks(x)), 1)
    with np.errstate(over="ignore"):
        mean = sum(np.nansum(np.abs(x[rows]), 0, dtype=np.float64) for rows in _blocks(x)) / count
    return np.zeros_like(low), np.where(mean > 0, mean, 1.0)


_Fitter = Callable[[np.ndarray, np.ndarray, np.ndarray], tuple[Any, Any]]
_FITTERS: dict[str, _Fitter] = {
    "none": _fit_none,
    "minmax": _fit_minmax,
    "standard": _fit_standard,
    "mean": _fit_mean,
}
# Those that leave 0 where it is.
_IN_PLACE = ("none", "mean")


def _check_range(low: np.ndarray, high: np.ndarray, loc: np.ndarray, scale: np.ndarray, method: str) -> None:
    """Refuses columns that single precision cannot hold once scaled, or whose scale over- or underflows."""
    limit = np.finfo(np.float32).max
    with np.errstate(all="ignore"):
        largest = np.maximum(np.abs((low - loc) / scale), np.abs((high - loc) / scale))
        # A column that is missing throughout has no range, and is left to whoever accepts missing values.
        held = np.isnan(low) | (np.isfinite(scale) & (scale > 0) & (largest <= limit))
    if not held.all():
        column = int(np.argmin(held))
        raise InvalidDataError(
            f"column {column} runs from {low[column]:g} to {high[column]:g}, which single precision cannot "
            f"hold under the scaling {method!r}. Express it in other units, or take its logarithm."
        )
