"""One look for every picture, and the one way in which a picture reaches the disk."""

import functools
import io
import math
import os
import re
import textwrap
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import ParamSpec

import matplotlib
import matplotlib.style
from matplotlib import font_manager
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import MaxNLocator, ScalarFormatter
from PIL import Image

from aevb.errors import InvalidRecipeError, printable
from aevb.storage import write_file

P = ParamSpec("P")

DPI = 200
MAX_BYTES = 200_000
INK, MUTED, FAINT = "#222222", "#6b6b6b", "#d9d9d9"
BLUE, ORANGE, RED = "#0072b2", "#e69f00", "#d55e00"
# Tol (2021), "Colour schemes", the muted one: nine classes for every kind of colour vision, and a grey.
CLASSES = (
    *("#332288", "#88ccee", "#117733", "#ddcc77", "#cc6677"),
    *("#44aa99", "#882255", "#999933", "#aa4499", "#888888"),
)

# Fonts for characters that ours lacks, the first of which is free.
FALLBACKS = (
    *("Noto Sans CJK JP", "Noto Sans CJK SC", "WenQuanYi Zen Hei", "Unifont", "Arial Unicode MS"),
    *("Hiragino Sans", "PingFang SC", "Yu Gothic", "Microsoft YaHei", "Malgun Gothic", "Noto Color Emoji"),
)
_GLYPH = re.compile(r"Glyph (\d+) .*missing from")

STYLE = {
    "font.family": "DejaVu Sans",  # ships with matplotlib: the same letters on every machine
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.titlepad": 7.0,
    "axes.labelsize": 9.0,
    "figure.titlesize": 10.0,
    "figure.labelsize": 9.0,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "axes.linewidth": 0.7,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "lines.linewidth": 1.6,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "figure.constrained_layout.w_pad": 0.08,
    "figure.constrained_layout.h_pad": 0.08,
    "text.parse_math": False,  # a column called "price in $" is a name, not TeX
}


def _our_style() -> AbstractContextManager[None]:
    families = [STYLE["font.family"], *_installed_fallbacks()]
    return matplotlib.style.context(["default", {**STYLE, "font.family": families}])


@functools.cache
def _installed_fallbacks() -> tuple[str, ...]:
    installed = set(font_manager.get_font_names())
    return tuple(font for font in FALLBACKS if font in installed)


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Draw in our style whatever the user's matplotlibrc says, and leave the user's settings as they were."""

    @functools.wraps(draw)
    def in_style(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with (
            _our_style(),
            warnings.catch_warnings(action="ignore", category=UserWarning),
        ):  # `save_figure` tells
            figure = draw(*args, **kwargs)
            for text in figure.findobj(Text):
                text.set_text(printable(text.get_text()))  # names out of a file may hold anything
            return figure

    return in_style


def save_figure(figure: Figure, path: str | os.PathLike[str]) -> Path:
    """Write a figure as a PNG file, completely or not at all.

    The same figure gives the same bytes: no date or version is stored. Files stay below 200 kB; a picture too
    detailed for that at 200 dots per inch is written with fewer.

    Args:
        figure: what any function of `aevb.plots` returned.
        path: where to, ending in `.png`; an existing file is replaced.

    Returns:
        The path.

    Raises:
        InvalidRecipeError: if the path does not end in `.png`.
        OSError: if the file cannot be written; it names the path.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_figure(Figure(), f"{folder}/empty.png").name
        'empty.png'
    """
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise InvalidRecipeError(f"pictures are PNG files: expected a path ending in .png, got {str(path)!r}")
    write_file(path, _png(figure))
    return path


def _png(figure: Figure) -> bytes:
    content = b""
    with _our_style(), _missing_glyphs_told_once():
        for dpi in (DPI, 150, 120, 100, 80, 60):
            rendered = io.BytesIO()
            figure.savefig(rendered, format="rgba", dpi=dpi)
            width, height = (int(inches * dpi + 1e-9) for inches in figure.get_size_inches())
            picture = Image.frombytes("RGBA", (width, height), rendered.getvalue()).convert("RGB")
            # 256 colours are all that a picture in grey has, and more than the eye misses in a plot.
            for mode in (
                picture.convert("L") if _is_grey(picture) else picture,
                picture.quantize(256, dither=Image.Dither.NONE),
            ):
                buffer = io.BytesIO()
                mode.save(buffer, "png", optimize=True, dpi=(dpi, dpi))
                content = buffer.getvalue()
                if len(content) < MAX_BYTES:
                    return content
    return content


@contextmanager
def _missing_glyphs_told_once() -> Iterator[None]:
    """One warning for all characters that no font has, in place of one for each."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    messages = dict.fromkeys((str(warning.message), warning.category) for warning in caught)
    glyphs = [found[1] for message, _ in messages if (found := _GLYPH.match(message))]
    for message, category in messages:
        if not _GLYPH.match(message):
            warnings.warn(message, category, stacklevel=4)
    if glyphs:
        characters = "".join(chr(int(code)) for code in glyphs)
        warnings.warn(
            f"no font on this machine has the characters {printable(characters)!r}, and pictures show boxes in their "
            f"place: install one that has them, such as {FALLBACKS[0]}",
            stacklevel=4,
        )


def _is_grey(picture: Image.Image) -> bool:
    red, green, blue = (band.tobytes() for band in picture.split())
    return red == green == blue


def number(value: float) -> str:
    """A value with four significant digits and a true minus sign, never in scientific notation below 10^7."""
    if value == 0:
        return "0"
    size = math.floor(math.log10(abs(value)))
    text = f"{value:.3g}" if not -4 <= size < 7 else f"{value:,.{max(0, 3 - size)}f}"
    return text.replace("-", "−")


def wrapped(text: str, inches: float, points: float = 9.0, lines: int = 4) -> str:
    """Break a text so that it fits a width; of one with too many lines, show the beginning and the end."""
    characters = max(6, int(inches * 72 / (0.58 * points)))
    text = _shortened(text, 2 * characters * lines)  # nobody waits for thousands of characters to be wrapped
    shown = textwrap.wrap(text, characters)
    kept = len(text)
    while len(shown) > lines:
        kept -= 1
        shown = textwrap.wrap(_shortened(text, kept), characters)
    return "\n".join(shown)


def _shortened(text: str, kept: int) -> str:
    """The beginning and the end, so many characters in all."""
    if len(text) <= kept:
        return text
    head = kept // 2
    return f"{text[:head].rstrip()} … {text[len(text) - kept + head :].lstrip()}"


def few_ticks(axis: Axis, most: int = 5, *, integer: bool = False) -> None:
    """Ticks for a small panel: few, at round values, powers of ten factored out; called when the limits are set."""
    axis.set_major_locator(MaxNLocator(most, steps=[1, 2, 2.5, 5, 10], integer=integer))
    formatter = ScalarFormatter()
    formatter.set_powerlimits((-2, 4))
    axis.set_major_formatter(formatter)
    formatter.set_locs(list(axis.get_majorticklocs()))
    if (
        axis is axis.axes.yaxis and formatter.get_offset()
    ):  # which stands above the axis, where the title would be
        title = axis.axes.title
        axis.axes.set_title(title.get_text(), fontsize=title.get_fontsize(), pad=12)
