"""Rows of data shown as the images that they are: reconstructions, samples and the learned manifold."""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Real
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from aevb.errors import InvalidDataError
from aevb.plots.mosaics import Images, cell_size, mosaic_figure, printed_scale, tile
from aevb.plots.quantiles import normal_quantiles, quantile_ticks
from aevb.plots.style import INK, MUTED, styled

Range = tuple[float | int, float | int]
LETTER = 0.07  # inches: the width of a digit of a tick
CAPTION = 30  # printed pixels: a line of text above an image


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
    figure, axes = mosaic_figure(mosaic, height // 2, limits, (1.05, 0.35), _counted(title, shown, len(x)))
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
    captions: Sequence[str] | None = None,
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
        captions: a short text above each image.
        most: the first so many images are drawn; the picture says so where there are more.

    Raises:
        InvalidDataError: if the shapes do not fit each other, there is no image, or not a caption for each.

    Example:
        >>> image_grid(np.eye(4), (2, 2)).axes[0].get_title()
        'Random samples'
    """
    limits = _limits(x, value_range)
    shown = min(len(x), most)
    if captions is not None and len(captions) != len(x):
        raise InvalidDataError(
            f"expected a caption for each of {len(x)} images, got {len(captions)} captions"
        )
    if columns is None:
        columns = math.ceil(math.sqrt(shown * image_shape[0] / image_shape[1]))
    columns, cell = min(columns, shown), max(24, *image_shape)
    mosaic = tile(x[:shown], image_shape, columns)
    above = 0
    for _ in range(3 * (captions is not None)):  # the space for captions makes the images a little smaller
        above = math.ceil(CAPTION / printed_scale(mosaic, cell))
        mosaic = tile(x[:shown], image_shape, columns, above=above)
    figure, axes = mosaic_figure(mosaic, cell, limits, (0.1, 0.35), _counted(title, shown, len(x)))
    axes.set_xticks([])
    axes.set_yticks([])
    _note_grey_levels(axes, limits)
    if captions is not None:
        _write_captions(axes, captions[:shown], image_shape, above)
    return figure


@styled
def manifold(
    x: Images,
    image_shape: tuple[int, int],
    axes_labels: tuple[str, str] = ("z 1", "z 2"),
    *,
    values: Float[np.ndarray, "2 n"] | None = None,
    value_range: Range | None = None,
    title: str = "Learned manifold",
) -> Figure:
    """The images that a grid of codes is decoded to, each at the place of its code.

    The axes are linear in the prior's probability, and are labelled with the values of the latents.

    Args:
        x: the decoded images of `manifold_grid(n, values)`, in its order, shape `(n * n, pixels)`.
        image_shape: `(height, width)`, whose product is the number of pixels; rows of pixels run from the
            top.
        axes_labels: the names of the horizontal and the vertical latent.
        values: of the horizontal and of the vertical latent at the middles of the cells, increasing, shape
            `(2, n)`; the standard normal's quantiles if not given.
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
    figure, axes = mosaic_figure(
        mosaic, max(image_shape), limits, (0.6, 0.55), title, extent=(0.0, 1.0, 0.0, 1.0)
    )
    across, up = [normal_quantiles(n)] * 2 if values is None else values
    width = axes.get_position().width * figure.get_figwidth()
    axes.set_xticks(*quantile_ticks(across, letter=LETTER / width))
    axes.set_yticks(*quantile_ticks(up))
    axes.tick_params(length=3)
    axes.set_xlabel(axes_labels[0])
    axes.set_ylabel(axes_labels[1])
    return figure


def _filled(x: Images, columns: int) -> Float[np.ndarray, "columns pixels"]:
    """A last row made as long as the others, with nothing."""
    missing = columns - len(x)
    return np.concatenate([x.astype(float), np.full((missing, x.shape[1]), np.nan)])


def _limits(x: Images, value_range: Range | None) -> tuple[float, float]:
    if not len(x):
        raise InvalidDataError("expected at least one image, got none")
    # fmin and fmax pass over NaN, a missing pixel.
    low, high = map(float, value_range or (np.fmin.reduce(x, axis=None), np.fmax.reduce(x, axis=None)))
    if value_range is None and not (low < 0 or high > 1):
        return 0.0, 1.0
    return (low, high) if low < high else (low - 0.5, low + 0.5)


def _write_captions(axes: Axes, captions: Sequence[str], image_shape: tuple[int, int], above: int) -> None:
    """Texts in the space that `tile` left free above each image."""
    height, width, gap = cell_size(image_shape)
    columns = round((axes.get_xlim()[1] - axes.get_xlim()[0] + gap) / (width + gap))
    for i, caption in enumerate(captions):
        row, column = divmod(i, columns)
        x = column * (width + gap) + width / 2 - 0.5
        y = row * (above + height + gap) + above - 0.5
        axes.annotate(
            caption,
            (x, y),
            (0, 1.5),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=8,
            color=INK,
        )


def _counted(title: str, shown: int, available: int) -> str:
    return title if shown == available else f"{title} (first {shown:,} of {available:,})"


def _note_grey_levels(axes: Axes, limits: tuple[float, float]) -> None:
    black, white = (f"{value:.3g}".replace("-", "−") for value in limits)
    axes.set_xlabel(f"pixel value: black {black}, white {white}", color=MUTED, fontsize=8)
