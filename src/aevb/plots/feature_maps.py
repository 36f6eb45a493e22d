"""What each feature is decoded to, over a plane of codes or for a few of them, in the user's units."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Real
from matplotlib.figure import Figure

from aevb.errors import InvalidDataError
from aevb.plots.panels import Names, Table, panels
from aevb.plots.quantiles import normal_quantiles, quantile_ticks
from aevb.plots.style import BLUE, FAINT, few_ticks, styled, wrapped


@styled
def feature_manifold(
    means: Real[np.ndarray, "n n features"],
    feature_names: Names = None,
    axes_labels: tuple[str, str] = ("z 1", "z 2"),
    *,
    values: Float[np.ndarray, "2 n"] | None = None,
    title: str = "Decoded mean over the latent plane",
) -> Figure:
    """What each feature is decoded to over a plane of two latents, in colours with a bar in the user's units.

    Args:
        means: decoded means of the codes `manifold_grid(n, values)`, reshaped to `(n, n, features)`: the first
            row of cells is the top one.
        feature_names: one for each feature; `feature 1`, ... if not given. The first 12 features are drawn,
            and the picture says so where there are more.
        axes_labels: the names of the horizontal and the vertical latent.
        values: of the horizontal and of the vertical latent at the middles of the cells, increasing, shape
            `(2, n)`; the standard normal's quantiles if not given.
        title: above the picture.

    Raises:
        InvalidDataError: if there are not as many names as features.

    Example:
        >>> feature_manifold(np.zeros((3, 3, 1)), ["age"]).axes[0].get_title()
        'age'
    """
    n = len(means)
    figure, drawn = panels(means.reshape(n * n, -1), feature_names, title, width=2.1)
    letter = 0.05 if len(drawn) > 1 else 0.03
    across, up = (
        quantile_ticks(latent, letter=letter)
        for latent in ([normal_quantiles(n)] * 2 if values is None else values)
    )
    for axes, mean in zip(drawn, np.moveaxis(means, 2, 0), strict=False):
        low, high = (float(mean.min()), float(mean.max()))
        if high - low <= 1e-9 * max(abs(low), abs(high)):
            low, high = low - 0.5, low + 0.5
        image = axes.imshow(mean, cmap="viridis", vmin=low, vmax=high, extent=(0, 1, 0, 1), aspect="auto")
        bar = figure.colorbar(image, ax=axes, aspect=14, pad=0.04)
        bar.outline.set_visible(False)
        few_ticks(bar.ax.yaxis, 7)
        bar.ax.tick_params(labelsize=7, length=2)
        axes.set_xticks(*across)
        axes.set_yticks(*up)
    figure.supxlabel(axes_labels[0])
    figure.supylabel(axes_labels[1])
    return figure


@styled
def feature_means(
    means: Table,
    names: Sequence[str],
    feature_names: Names = None,
    *,
    codes_label: str = "code",
    title: str = "Decoded mean of each code",
) -> Figure:
    """What each feature is decoded to for a few named codes, as dots beside each other.

    Args:
        means: decoded mean of each code, in the user's units, shape `(codes, features)`.
        names: of the codes; of more than about 16, some are written.
        feature_names: one for each feature; `feature 1`, ... if not given. The first 12 features are drawn,
            and the picture says so where there are more.
        codes_label: what the names are, below the picture.
        title: above the picture.

    Raises:
        InvalidDataError: if there are not as many names as codes, or as features.

    Example:
        >>> [t.get_text() for t in feature_means(np.eye(2), ["z 1", "z 2"]).axes[0].get_xticklabels()]
        ['z 1', 'z 2']
    """
    if len(names) != len(means):
        raise InvalidDataError(f"expected a name for each of {len(means)} codes, got {len(names)} names")
    figure, drawn = panels(means, feature_names, title, width=2.1)
    n, longest = len(names), max(map(len, names))
    upright = n * longest > (14 if len(drawn) > 2 else 24)
    places = range(0, n, -(-n // 16))
    for axes, mean in zip(drawn, means.T, strict=False):
        axes.plot(np.arange(n), mean, "o", ms=4.5, mew=0, color=BLUE)
        axes.set_xlim(-0.5 - max(0, 3 - n) / 2, n - 0.5 + max(0, 3 - n) / 2)
        axes.set_xticks(places, [wrapped(names[i], 0.8, 7.0, lines=1) for i in places])
        axes.tick_params(axis="x", rotation=90 if upright else 0)
        axes.grid(True, axis="x", color=FAINT)
        axes.margins(y=0.12)
        few_ticks(axes.yaxis)
    figure.supxlabel(codes_label)
    figure.supylabel("decoded mean, in the data's units")
    return figure
