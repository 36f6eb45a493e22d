"""Pictures of rows that lack values."""

import numpy as np
import pytest

from aevb.plots import feature_reconstructions, feature_samples, image_grid, reconstructions

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3))
HOLES = np.where(RNG.uniform(size=X.shape) < 0.4, np.nan, X)
HOLES[:, 2] = np.nan


def texts(axes):
    return [text.get_text() for text in axes.texts]


def test_reconstructions_of_what_was_observed():
    figure = feature_reconstructions(HOLES, X)
    points = figure.axes[0].collections[0].get_offsets()
    assert len(points) == np.sum(~np.isnan(HOLES[:, 0]))
    assert texts(figure.axes[0]) == ["R² 1.00"]
    assert texts(figure.axes[2]) == ["no value observed"]


def test_histograms_of_what_was_observed():
    figure = feature_samples(HOLES, X)
    patch = figure.axes[1].patches[0]
    values, edges, _ = patch.get_data()
    assert np.sum(values * np.diff(edges)) == pytest.approx(1.0)
    assert texts(figure.axes[2]) == ["no value observed"]


@pytest.mark.parametrize(
    "draw", [lambda x: reconstructions(x, np.abs(X[:, :2]), (1, 2)), lambda x: image_grid(x, (1, 2))]
)
@pytest.mark.parametrize(("scale", "low"), [(5.0, -4), (0.01, 0)])
def test_black_and_white_are_of_what_was_observed(draw, scale, low):
    x = scale * (HOLES[:, :2] if low else np.abs(HOLES[:, :2]))
    image = draw(x).axes[0].images[0]
    expected = (np.nanmin(x), np.nanmax(x)) if low else (0.0, 1.0)
    assert image.get_clim() == pytest.approx(expected)
    assert np.ma.getmaskarray(np.ma.masked_invalid(image.get_array())).any()
