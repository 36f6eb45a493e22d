"""Rows of data shown as the images that they are: reconstructions, samples and the learned manifold."""

import math

import numpy as np
from jaxtyping import Float, Real
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from aevb.errors import InvalidDataError
from aevb.report.quantiles import quantile_ticks
from aevb.report.style import DPI, MUTED, styled, wrapped

Images = Real[np.ndarray, "images pixels"]
Mosaic = Float[np.ndarray, "height width"]
Range = tuple[float | int, float | int]
Margins = tuple[float, float]  # inches to the left and below, a multiple of 1/DPI


@styled
def reconstructions(
    x: Images,
    x_mean: Real[np.ndarray, "_ _"],
    image_shape: tuple[int, int],
    *,
    value_range: Range | None = None,
    columns: int = 10,
    most: int = 20,
    title: str = "Images and their reconstructions",
) -> Figure:
    """Images in rows, each above its reconstruction.

    Args:
        x: the images, one flattened in each row, shape `(images, pixels)`.
        x_mean: the mean of p(x | z) for each, same shape.
        image_shape: `(height, width)`, whose product is the number of pixels; rows of pixels run from the
            top.
        value_range: what black and white stand for; [0, 1] if `x` lies there, else the range of `x`. Values
            outside are clipped.
        columns: pairs beside each other.
        most: the first so many rows of `x` are drawn; the picture says so where there are more.
        title: above the picture.

    Raises:
        InvalidDataError: if the shapes do not fit each other or there is no image.

    Example:
        >>> x = np.eye(4)
        >>> [t.get_text() for t in reconstructions(x, x, (2, 2)).axes[0].get_yticklabels()]
        ['original', 'reconstruction']
    """
    if x.shape != x_mean.shape:
        raise InvalidDataError(
            f"expected a reconstruction for each image: shapes {x.shape} and {x_mean.shape} differ"
        )
    limits = _limits(x, value_range)
    shown = min(len(x), most)
    bands = []
    for start in range(0, shown, columns):
        these = slice(start, min(start + columns, shown))
        pair = [_filled(rows[these], min(columns, shown)) for rows in (x, x_mean)]
        bands.append(tile(np.concatenate(pair), image_shape, min(columns, shown)))
    between = np.full((max(2, bands[0].shape[0] // 12), bands[0].shape[1]), np.nan)
    mosaic = np.concatenate([part for band in bands for part in (band, between)][:-1])
    height = bands[0].shape[0]
    figure, axes = _mosaic_figure(mosaic, height // 2, limits, (1.05, 0.35), _counted(title, shown, len(x)))
    starts = (height + len(between)) * np.arange(len(bands))
    centres = np.add.outer(starts, [0.25 * height, 0.75 * height]).ravel() - 0.5
    axes.set_yticks(centres, ["original", "reconstruction"] * len(bands))
    axes.set_xticks([])
    _note_grey_levels(axes, limits)
    return figure


@styled
def image_grid(
    x: Images,
    image_shape: tuple[int, int],
    title: str = "Random samples",
    *,
    value_range: Range | None = None,
    columns: int | None = None,
    most: int = 400,
) -> Figure:
    """Images side by side, row by row from the top left.

    Args:
        x: the images, one flattened in each row, shape `(images, pixels)`.
        image_shape: `(height, width)`, whose product is the number of pixels; rows of pixels run from the
            top.
        title: above the picture.
        value_range: what black and white stand for; [0, 1] if `x` lies there, else the range of `x`. Values
            outside are clipped. Give the range of the data where samples can lie outside it.
        columns: images beside each other; if not given, as makes the picture about square.
        most: the first so many images are drawn; the picture says so where there are more.

    Raises:
        InvalidDataError: if the shapes do not fit each other or there is no image.

    Example:
        >>> image_grid(np.eye(4), (2, 2)).axes[0].get_title()
        'Random samples'
    """
    limits = _limits(x, value_range)
    shown = min(len(x), most)
    if columns is None:
        columns = math.ceil(math.sqrt(shown * image_shape[0] / image_shape[1]))
    mosaic = tile(x[:shown], image_shape, min(columns, shown))
    figure, axes = _mosaic_figure(
        mosaic, max(24, *image_shape), limits, (0.1, 0.35), _counted(title, shown, len(x))
    )
    axes.set_xticks([])
    axes.set_yticks([])
    _note_grey_levels(axes, limits)
    return figure


@styled
def manifold(
    x: Images,
    image_shape: tuple[int, int],
    axes_labels: tuple[str, str] = ("z 1", "z 2"),
    *,
    value_range: Range | None = None,
    title: str = "Learned manifold",
) -> Figure:
    """The images that a grid of codes is decoded to, each at the place of its code.

    The axes are linear in the standard normal prior's probability, and are labelled with the values of the
    latents.

    Args:
        x: the decoded images of `manifold_grid(n)`, in its order, shape `(n * n, pixels)`.
        image_shape: `(height, width)`, whose product is the number of pixels; rows of pixels run from the
            top.
        axes_labels: the names of the horizontal and the vertical latent.
        value_range: what black and white stand for; [0, 1] if `x` lies there, else the range of `x`. Values
            outside are clipped.
        title: above the picture.

    Raises:
        InvalidDataError: if the number of images is not a square, or the shapes do not fit each other.

    Example:
        >>> manifold(np.eye(4), (2, 2), ("z 1", "z 3")).axes[0].get_ylabel()
        'z 3'
    """
    limits = _limits(x, value_range)
    n = math.isqrt(len(x))
    if n * n != len(x):
        raise InvalidDataError(
            f"expected the n * n images of manifold_grid(n), got {len(x)}, which is not a square"
        )
    mosaic = tile(x, image_shape, n, gap=0)
    figure, axes = _mosaic_figure(
        mosaic, max(image_shape), limits, (0.6, 0.55), title, extent=(0.0, 1.0, 0.0, 1.0)
    )
    places, values = quantile_ticks(n)
    axes.set_xticks(places, values)
    axes.set_yticks(places, values)
    axes.tick_params(length=3)
    axes.set_xlabel(axes_labels[0])
    axes.set_ylabel(axes_labels[1])
    return figure


def tile(x: Images, image_shape: tuple[int, int], columns: int, gap: int | None = None) -> Mosaic:
    """One large image of many small ones, row by row from the top left, NaN where there is nothing.

    Args:
        x: flattened images, shape `(images, pixels)`.
        image_shape: `(height, width)` of each.
        columns: images beside each other.
        gap: pixels between neighbours. If not given, a fourteenth of an image, and small images are first
            enlarged, each pixel to a square, so that this is less than one of their pixels.
    """
    height, width = image_shape
    if x.shape[1] != height * width:
        raise InvalidDataError(
            f"images of {height} x {width} have {height * width} pixels, the rows have {x.shape[1]}"
        )
    zoom = 1 if gap is not None else math.ceil(24 / max(height, width))
    images = x.reshape(-1, height, width).astype(float).repeat(zoom, axis=1).repeat(zoom, axis=2)
    gap = max(1, round(min(images.shape[1:]) / 14)) if gap is None else gap
    rows = math.ceil(len(images) / columns)
    cells = np.full((rows * columns, images.shape[1] + gap, images.shape[2] + gap), np.nan)
    cells[: len(images), : images.shape[1], : images.shape[2]] = images
    cells = cells.reshape(rows, columns, *cells.shape[1:]).transpose(0, 2, 1, 3)
    mosaic = cells.reshape(rows * cells.shape[1], columns * cells.shape[3])
    return mosaic[: mosaic.shape[0] - gap, : mosaic.shape[1] - gap]


def _filled(x: Images, columns: int) -> Float[np.ndarray, "columns pixels"]:
    """A last row made as long as the others, with nothing."""
    missing = columns - len(x)
    return np.concatenate([x.astype(float), np.full((missing, x.shape[1]), np.nan)])


def _limits(x: Images, value_range: Range | None) -> tuple[float, float]:
    if not len(x):
        raise InvalidDataError("expected at least one image, got none")
    low, high = (float(value) for value in value_range or (x.min(), x.max()))
    if value_range is None and low >= 0 and high <= 1:
        return 0.0, 1.0
    return (low, high) if low < high else (low - 0.5, low + 0.5)


def _mosaic_figure(
    mosaic: Mosaic,
    cell: int,
    limits: tuple[float, float],
    margins: Margins,
    title: str,
    extent: tuple[float, float, float, float] | None = None,
) -> tuple[Figure, Axes]:
    """A figure around a large image, sized so that every image pixel is a whole number of printed ones."""
    height, width = mosaic.shape
    scale = 1000 / max(height, width)
    # At most 200 printed pixels for an image: a few small ones are not blown up to fill a page.
    scale = max(1, min(round(scale), 200 // cell)) if scale > 2 / 3 else 1.5 * scale
    box_width, box_height = round(width * scale) / DPI, round(height * scale) / DPI
    left, below = margins
    right = 0.1
    spare = max(0.0, 2.6 - left - right - box_width)  # a narrow picture still needs room for its title
    total_width = left + box_width + right + spare
    title = wrapped(title, total_width - 0.2, 10.0)
    above = 0.15 + 0.2 * (title.count("\n") + 1)
    total_height = below + box_height + above
    figure = Figure(figsize=(total_width, total_height))
    at = left + round(spare / 2 * DPI) / DPI
    axes = figure.add_axes(
        (at / total_width, below / total_height, box_width / total_width, box_height / total_height)
    )
    axes.imshow(
        np.clip(mosaic, *limits),
        cmap="gray",
        vmin=limits[0],
        vmax=limits[1],
        aspect="auto",
        extent=extent,
        interpolation="nearest" if scale >= 1 else "antialiased",
    )
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    axes.set_title(title, loc="center")
    return figure, axes


def _counted(title: str, shown: int, available: int) -> str:
    return title if shown == available else f"{title} (first {shown:,} of {available:,})"


def _note_grey_levels(axes: Axes, limits: tuple[float, float]) -> None:
    black, white = (f"{value:.3g}".replace("-", "−") for value in limits)
    axes.set_xlabel(f"pixel value: black {black}, white {white}", color=MUTED, fontsize=8)
