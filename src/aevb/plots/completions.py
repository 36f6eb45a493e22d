"""Images of which a part was hidden: what was seen, what the rest may be, and what it was."""

import numpy as np
from jaxtyping import Bool, Real
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from aevb.errors import InvalidDataError
from aevb.plots.mosaics import Images, mosaic_figure, tile
from aevb.plots.style import styled

HIDDEN = "#0072b2"
Range = tuple[float | int, float | int]


@styled
def completions(
    x: Images,
    draws: Real[np.ndarray, "_ _ _"],
    mean: Real[np.ndarray, "_ _"],
    truth: Real[np.ndarray, "_ _"] | None,
    image_shape: tuple[int, int],
    *,
    value_range: Range | None = None,
    columns: int = 10,
    most: int = 20,
    title: str = "Images completed",
) -> Figure:
    """Images as they were seen, each above draws of the whole, the mean and the truth.

    Args:
        x: the images as they were seen, one flattened in each row, shape `(images, pixels)`; NaN where a pixel was
            hidden, which is drawn in blue.
        draws: completed images.
        mean: their means.
        truth: the images as they were; None where it is not known.
        image_shape: `(height, width)`, whose product is the number of pixels; rows of pixels run from the top.
        value_range: what black and white stand for; the range of `mean` and `truth` if not given.
        columns: images beside each other.
        most: the first so many images are drawn; the picture says so where there are more.
        title: above the picture.

    Raises:
        InvalidDataError: if the shapes do not fit each other or there is no image.

    Example:
        >>> x = np.eye(4)
        >>> [t.get_text() for t in completions(x, x[None], x, x, (2, 2)).axes[0].get_yticklabels()]
        ['input', 'draw', 'mean', 'truth']
    """
    parts = _named(x, draws, mean, truth)
    if not len(x) or any(part.shape != x.shape for part in parts.values()):
        shapes = ", ".join(f"{name} {part.shape}" for name, part in parts.items())
        raise InvalidDataError(f"expected images of one shape, at least one of each kind, got {shapes}")
    shown = min(len(x), most)
    columns = min(columns, shown)
    bands, overlays = [], []
    for start in range(0, shown, columns):
        these = slice(start, min(start + columns, shown))
        stack = np.concatenate([_filled(part[these], columns) for part in parts.values()])
        hidden = np.zeros(stack.shape)
        hidden[: these.stop - start] = np.isnan(x[these])
        bands.append(tile(stack, image_shape, columns))
        overlays.append(np.nan_to_num(tile(hidden, image_shape, columns)))
    height = len(bands[0])
    between = max(2, height // len(parts) // 3)
    mosaic, overlay = (
        _joined(all_bands, between, fill) for all_bands, fill in ((bands, np.nan), (overlays, 0.0))
    )
    limits = _limits(mean if truth is None else np.concatenate([mean, truth]), value_range)
    counted = title if shown == len(x) else f"{title} (first {shown:,} of {len(x):,})"
    figure, axes = mosaic_figure(mosaic, height // len(parts), limits, (0.62, 0.12), counted)
    axes.imshow(
        _coloured(overlay > 0), aspect="auto", interpolation="nearest", extent=axes.images[0].get_extent()
    )
    centres = (np.arange(len(parts)) + 0.5) * height / len(parts) - 0.5
    starts = (height + between) * np.arange(len(bands))
    axes.set_yticks(np.add.outer(starts, centres).ravel(), [*parts] * len(bands))
    axes.set_xticks([])
    return figure


def _named(
    x: np.ndarray, draws: np.ndarray, mean: np.ndarray, truth: np.ndarray | None
) -> dict[str, np.ndarray]:
    names = ["draw"] if len(draws) == 1 else [f"draw {i + 1}" for i in range(len(draws))]
    parts = {"input": x, **dict(zip(names, draws, strict=True)), "mean": mean}
    return parts if truth is None else {**parts, "truth": truth}


def _filled(x: Images, columns: int) -> Real[np.ndarray, "columns pixels"]:
    """A last row made as long as the others, with nothing."""
    return np.concatenate([x.astype(float), np.full((columns - len(x), x.shape[1]), np.nan)])


def _joined(bands: list[np.ndarray], between: int, fill: float) -> Real[np.ndarray, "height width"]:
    gap = np.full((between, bands[0].shape[1]), fill)
    return np.concatenate([part for band in bands for part in (band, gap)][:-1])


def _coloured(hidden: Bool[np.ndarray, "height width"]) -> Real[np.ndarray, "height width 4"]:
    return hidden[..., None] * np.array(to_rgba(HIDDEN))


def _limits(x: Images, value_range: Range | None) -> tuple[float, float]:
    low, high = (float(value) for value in value_range or (np.nanmin(x), np.nanmax(x)))  # NaN: never known
    return (low, high) if low < high else (low - 0.5, low + 0.5)
