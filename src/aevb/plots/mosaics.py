"""Many small images as one large one, printed pixel by pixel."""

import math

import numpy as np
from jaxtyping import Float, Real
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from aevb.errors import InvalidDataError
from aevb.plots.style import DPI, wrapped

Images = Real[np.ndarray, "images pixels"]
Mosaic = Float[np.ndarray, "height width"]
Margins = tuple[float, float]


def cell_size(image_shape: tuple[int, int]) -> tuple[int, int, int]:
    """Height, width and the gap to its neighbours of an image in a mosaic, where a small one is enlarged."""
    zoom = math.ceil(24 / max(image_shape))
    height, width = (zoom * side for side in image_shape)
    return height, width, max(1, round(min(height, width) / 14))


def tile(
    x: Images, image_shape: tuple[int, int], columns: int, gap: int | None = None, above: int = 0
) -> Mosaic:
    """One large image of many small ones, row by row from the top left, NaN where there is nothing.

    Args:
        x: flattened images, shape `(images, pixels)`.
        image_shape: `(height, width)` of each.
        columns: images beside each other.
        gap: pixels between neighbours. If not given, a fourteenth of an image, and small images are first
            enlarged, each pixel to a square, so that this is less than one of their pixels.
        above: pixels, of the enlarged ones, left free above each image.

    Raises:
        InvalidDataError: if the rows have not as many pixels as an image.
    """
    height, width = image_shape
    if x.shape[1] != height * width:
        raise InvalidDataError(
            f"images of {height} x {width} have {height * width} pixels, the rows have {x.shape[1]}"
        )
    images = x.reshape(-1, height, width).astype(float)
    if gap is None:
        tall, _, gap = cell_size(image_shape)
        images = images.repeat(tall // height, axis=1).repeat(tall // height, axis=2)
    rows = math.ceil(len(images) / columns)
    cells = np.full((rows * columns, above + images.shape[1] + gap, images.shape[2] + gap), np.nan)
    cells[: len(images), above : above + images.shape[1], : images.shape[2]] = images
    cells = cells.reshape(rows, columns, *cells.shape[1:]).transpose(0, 2, 1, 3)
    mosaic = cells.reshape(rows * cells.shape[1], columns * cells.shape[3])
    return mosaic[: mosaic.shape[0] - gap, : mosaic.shape[1] - gap]


def printed_scale(mosaic: Mosaic, cell: int) -> float:
    """Printed pixels for a pixel of a mosaic: a whole number, but for very large mosaics.

    At most 200 for an image, whose longer side is `cell`: a few small ones are not blown up to fill a page.
    """
    scale = 1000 / max(mosaic.shape)
    return float(max(1, min(round(scale), 200 // cell))) if scale > 2 / 3 else 1.5 * scale


def mosaic_figure(
    mosaic: Mosaic,
    cell: int,
    limits: tuple[float, float],
    margins: Margins,
    title: str,
    extent: tuple[float, float, float, float] | None = None,
) -> tuple[Figure, Axes]:
    """A figure around a large image, sized so that every image pixel is a whole number of printed ones.

    Args:
        mosaic: from `tile`.
        cell: the longer side of an image, in pixels of the mosaic.
        limits: the values of black and white.
        margins: inches to the left and below, multiples of 1/DPI.
        title: above the picture.
        extent: left, right, lower and upper end of the axes; pixels of the mosaic if not given.
    """
    height, width = mosaic.shape
    scale = printed_scale(mosaic, cell)
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
