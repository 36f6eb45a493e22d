"""Pictures of reproduced experiments: what is drawn, and what is refused."""

import numpy as np
import pytest

from aevb.errors import InvalidDataError
from aevb.plots import (
    BoundCurve,
    BoundPanel,
    LatentCurve,
    bound_panels,
    bounds_by_latents,
    epoch_log,
    sample_panels,
)

RISING = np.array([[1e5, -1000.0], [2e5, -180.0], [5e5, -160.0], [1e6, -150.0], [1e7, -140.0]])


def panel(*curves):
    return BoundPanel("MNIST, N_z = 3", curves)


def test_published_points_are_circles_in_the_colour_of_our_line():
    ours, paper = BoundCurve("aevb", RISING), BoundCurve("aevb", RISING + 1.0, is_published=True)
    figure = bound_panels([panel(ours, paper, BoundCurve("aevb", RISING, "train"))])
    (axes,) = figure.axes
    line, circles, dashes = axes.lines
    assert line.get_color() == circles.get_color() != dashes.get_color()
    assert (line.get_marker(), line.get_linestyle()) == ("None", "-")
    assert (circles.get_marker(), circles.get_linestyle()) == ("o", "None")
    assert dashes.get_linestyle() == "--"
    (legend,) = figure.legends
    said = [text.get_text() for text in legend.get_texts()]
    assert said == ["AEVB, estimator B", "the same on training rows", "published, test rows"]


def test_early_points_far_below_do_not_flatten_the_rest():
    (axes,) = bound_panels([panel(BoundCurve("ours", RISING))]).axes
    low, high = axes.get_ylim()
    assert -152.0 < low < -150.0
    assert high > -140.0


def test_what_is_not_finite_is_left_out_and_nothing_at_all_is_refused():
    points = np.array([[1e5, -150.0], [1e6, np.nan]])
    (axes,) = bound_panels([panel(BoundCurve("aevb", points))]).axes
    assert len(axes.lines[0].get_xdata()) == 1
    with pytest.raises(InvalidDataError, match="'MNIST, N_z = 3' has no finite bound"):
        bound_panels([panel(BoundCurve("aevb", points[1:]))])
    with pytest.raises(InvalidDataError, match="got none"):
        bound_panels([])


@pytest.mark.parametrize("n", range(1, 7))
def test_every_panel_has_axes_and_outer_ones_have_labels(n):
    figure = bound_panels([panel(BoundCurve("aevb", RISING))] * n)
    assert len(figure.axes) == n
    assert figure.axes[0].get_ylabel() == "bound (nats per data point)"
    assert figure.axes[-1].get_xlabel() == "training samples seen"


def test_bounds_by_latents_have_ticks_at_the_models():
    curve = LatentCurve("ours", [2, 20], [-130.0, None], [-131.0, -100.0])
    above, below = bounds_by_latents([("MNIST", [curve], [(2, 2), (20, 15)])]).axes
    assert [text.get_text() for text in below.get_xticklabels()] == ["2", "20"]
    test, train = above.lines
    assert list(test.get_ydata()) == [-131.0, -100.0]
    assert np.isnan(train.get_ydata()[1])


def test_samples_of_another_shape_are_refused():
    with pytest.raises(InvalidDataError, match="images of 3 x 3"):
        sample_panels([("N_z = 2", np.zeros((4, 4)))], (3, 3))


def test_a_log_shows_the_mean_over_seeds():
    figure = epoch_log([1, 2], [("test rows", np.array([[-130.0, -120.0], [-128.0, -118.0]]))], [])
    assert list(figure.axes[0].lines[0].get_ydata()) == [-129.0, -119.0]
