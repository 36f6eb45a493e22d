"""Pictures of completed images: what was hidden is marked, and everything is where its name says."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.image import imread

from aevb.errors import InvalidDataError
from aevb.plots import completions, save_figure
from aevb.plots.completions import HIDDEN

RNG = np.random.default_rng(0)


def images(n):
    """Images of 28 x 20, and the same with their left half hidden."""
    truth = RNG.uniform(size=(n, 560))
    seen = truth.copy().reshape(n, 28, 20)
    seen[:, :, :10] = np.nan
    return seen.reshape(n, -1), truth


def names(figure):
    return [label.get_text() for label in figure.axes[0].get_yticklabels()]


def mosaic(figure):
    return np.ma.filled(figure.axes[0].images[0].get_array(), np.nan)


def test_each_band_holds_what_its_name_says():
    seen, truth = images(3)
    draws, mean = RNG.uniform(size=(2, 3, 560)), RNG.uniform(size=(3, 560))
    figure = completions(seen, draws, mean, truth, (28, 20), value_range=(0, 1))
    assert names(figure) == ["input", "draw 1", "draw 2", "mean", "truth"]
    shown = mosaic(figure)
    gap = (len(shown) - 5 * 28) // 4
    for i, part in enumerate([seen, *draws, mean, truth]):
        for j in range(3):
            top, left = i * (28 + gap), j * (20 + gap)
            np.testing.assert_array_equal(shown[top : top + 28, left : left + 20].ravel(), part[j])
    middles = figure.axes[0].get_yticks()
    np.testing.assert_allclose(middles, (28 + gap) * np.arange(5) + 13.5, atol=2)


def test_hidden_pixels_are_blue_and_no_others(tmp_path):
    seen, truth = images(2)
    figure = completions(seen, truth[None], truth, truth, (28, 20), title="t")
    picture = imread(save_figure(figure, tmp_path / "x.png"))[..., :3]
    is_blue = np.abs(picture - to_rgb(HIDDEN)).max(-1) < 0.02
    overlay = figure.axes[0].images[1].get_array()[..., 3]
    assert overlay.sum() == 2 * 28 * 10
    box = figure.axes[0].get_position()
    area = picture.shape[0] * picture.shape[1] * box.width * box.height
    assert is_blue.sum() == pytest.approx(area * overlay.mean(), rel=0.02)
    assert names(figure) == ["input", "draw", "mean", "truth"]


def test_rows_of_images_that_are_not_full():
    seen, truth = images(5)
    figure = completions(seen, np.zeros((0, 5, 560)), truth, None, (28, 20), columns=3)
    assert names(figure) == ["input", "mean", "input", "mean"]
    assert np.isnan(mosaic(figure)[-20:, -20:]).all()
    overlay = figure.axes[0].images[1].get_array()[..., 3]
    assert overlay.sum() == 5 * 28 * 10


def test_only_the_first_are_drawn_and_the_title_says_so():
    seen, truth = images(25)
    figure = completions(seen, truth[None], truth, truth, (28, 20), title="Completed", most=4)
    assert figure.axes[0].get_title() == "Completed (first 4 of 25)"


def test_constant_images_and_noisy_ones_are_drawn(tmp_path):
    """Noise lies outside the range of black and white, which is that of mean and truth."""
    flat = np.full((2, 16), 3.0)
    noisy = flat + RNG.normal(size=flat.shape)
    figure = completions(noisy, flat[None], flat, None, (4, 4))
    assert figure.axes[0].images[0].get_clim() == (2.5, 3.5)
    assert save_figure(figure, tmp_path / "x.png").stat().st_size < 200_000


def test_shapes_that_do_not_fit_are_refused():
    seen, truth = images(3)
    with pytest.raises(InvalidDataError, match=r"mean \(2, 560\)"):
        completions(seen, truth[None], truth[:2], truth, (28, 20))
    with pytest.raises(InvalidDataError, match="at least one"):
        completions(seen[:0], truth[None, :0], truth[:0], truth[:0], (28, 20))
    with pytest.raises(InvalidDataError, match="pixels"):
        completions(seen, truth[None], truth, truth, (20, 20))
