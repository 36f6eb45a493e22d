"""The picture of gradient estimators shows the numbers it was given, on axes that say what they are."""

import warnings

import matplotlib
import numpy as np
import pytest
from matplotlib.image import imread

from aevb.errors import InvalidDataError
from aevb.plots import gradient_variances, save_figure
from short_suite import short

DISTANCES = [1.0, 0.25, 0.0625, 0.0]


def row(estimator, variance, ms=0.01, samples=1, closed=None):
    return {
        "estimator": estimator,
        "samples": samples,
        "mean_variance": variance,
        "milliseconds": ms,
        "closed_variance": closed,
    }


def table(part, rows, state=""):
    return {"part": part, "state": state, "rows": rows}


def problem(title, *tables, approach=()):
    return {"title": title, "tables": list(tables), "approach": list(approach)}


def curve(name, variances):
    return {"estimator": name, "samples": 1, "distance": DISTANCES, "mean_variance": variances}


TOY = problem(
    "E[z²]",
    table("d/dμ", [row("sgvb-b", 1.02, closed=1.0), row("score", 124.0, closed=123.75, samples=5)]),
    table("d/ds", [row("sgvb-b", 18.1, closed=18.0), row("score", 385.0, closed=386.5, samples=5)]),
)
IMAGES = problem(
    "An image VAE",
    table("encoder", [row("stl", 1e-5, 20.0), row("score", 8.0, 10.0)], "at initialization"),
    table("encoder", [row("stl", 2e-3, 20.0), row("score", 20.0, 10.0)], "after training"),
)
VANISHING = problem(
    "A linear-Gaussian VAE",
    table("encoder", [row("stl", 0.9)]),
    approach=[curve("stl", [0.9, 0.06, 0.004, 1e-13]), curve("sgvb-a", [2.0, 1.2, 1.0, 1.0])],
)


def texts(figure):
    figure.canvas.draw()
    return [t.get_text() for t in figure.findobj(matplotlib.text.Text) if t.get_visible() and t.get_text()]


def lines(axes):
    return {line.get_label(): line for line in axes.get_lines() if not line.get_label().startswith("_")}


def test_each_estimator_has_its_variance_and_its_cost():
    left, right = gradient_variances([TOY]).axes
    drawn = lines(left)
    assert set(drawn) == {"d/dμ", "d/ds", "closed form"}
    np.testing.assert_array_equal(drawn["d/dμ"].get_xdata(), [1.02, 124.0])
    np.testing.assert_array_equal(drawn["d/ds"].get_ydata(), [0, 1])
    np.testing.assert_array_equal(drawn["closed form"].get_xdata(), [1.0, 123.75, 18.0, 386.5])
    np.testing.assert_array_equal(drawn["closed form"].get_ydata(), [0, 1, 0, 1])
    np.testing.assert_allclose(lines(right)["d/dμ"].get_xdata(), [10.2, 1240.0])
    assert right.get_xlabel() == "variance × µs per gradient"
    assert [t.get_text() for t in left.get_yticklabels()] == ["sgvb-b, 1 draw", "score, 5 draws"]
    assert left.yaxis_inverted(), "the first estimator is at the top"


def test_axes_are_logarithmic_and_named():
    figure = gradient_variances([TOY, IMAGES])
    for axes in figure.axes:
        assert axes.get_xscale() == "log"
        assert "variance" in axes.get_xlabel()
    shown = texts(figure)
    for words in (
        "An image VAE",
        "encoder, at initialization",
        "encoder, after training",
        "closed form",
    ):
        assert words in shown
    assert figure.axes[3].get_xlabel() == "variance × ms per gradient"
    ticks = [tick.get_text() for tick in figure.axes[2].get_xticklabels()]
    assert {"10⁻⁵", "10⁰"} <= set(ticks)
    assert not any("mathdefault" in tick for tick in ticks)


def test_series_are_told_apart_without_colour():
    first, second = list(lines(gradient_variances([IMAGES]).axes[0]).values())
    assert first.get_marker() != second.get_marker()
    assert first.get_color() != second.get_color()


def test_legends_lie_outside_of_the_panels():
    figure = gradient_variances([TOY, VANISHING])
    figure.canvas.draw()
    legends = [axes.get_legend() for axes in figure.axes if axes.get_legend()]
    assert len(legends) == 3
    for legend in legends:
        box = legend.get_window_extent()
        assert not any(box.overlaps(axes.get_window_extent()) for axes in figure.axes)
        assert not any(box.overlaps(other.get_window_extent()) for other in legends if other is not legend)


def test_the_way_to_the_posterior_has_a_place_for_distance_zero():
    axes = gradient_variances([VANISHING]).axes[2]
    stl, at_zero = axes.get_lines()[:2]
    np.testing.assert_array_equal(stl.get_xdata(), [1.0, 0.25, 0.0625])
    np.testing.assert_array_equal(at_zero.get_ydata(), [1e-13])
    assert 0 < at_zero.get_xdata()[0] < 0.0625
    assert [t.get_text() for t in axes.get_xticklabels()] == ["0", "1/16", "1/4", "1"]
    assert axes.get_yscale() == "log"


ODD = {
    "one estimator": [problem("One", table("encoder", [row("stl", 0.3)]))],
    "equal variances": [problem("Equal", table("encoder", [row("a", 2.0), row("b", 2.0)]))],
    "a variance of zero": [problem("Zero", table("encoder", [row("a", 0.0), row("b", 1.0)]))],
    "nothing known": [problem("None", table("encoder", [row("a", None), row("b", 1.0)]))],
    "all": [TOY, IMAGES, VANISHING],
    "a long title": [problem("A VAE of " + "very " * 60 + "many words", table("encoder", [row("a", 1.0)]))],
    "vanished": [
        problem("Gone", table("encoder", [row("stl", 1.0)]), approach=[curve("stl", [1.0, 0.1, 0.01, 0.0])])
    ],
}


@pytest.mark.parametrize("name", short("equal variances", "vanished", of=ODD))
def test_odd_cases_are_drawn_without_a_warning_and_stay_small(name, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        path = save_figure(gradient_variances(ODD[name]), tmp_path / "odd.png")
    assert path.stat().st_size < 200_000
    assert imread(path).shape[1] >= 250


def test_a_narrow_range_still_has_labels():
    figure = gradient_variances([problem("Narrow", table("encoder", [row("a", 2.1), row("b", 3.9)]))])
    figure.canvas.draw()
    for axes in figure.axes:
        low, high = axes.get_xlim()
        labelled = [
            t for t, v in zip(axes.get_xticklabels(), axes.get_xticks(), strict=True) if low <= v <= high
        ]
        assert len([t for t in labelled if t.get_text()]) >= 2


def test_nothing_to_draw_is_refused():
    with pytest.raises(InvalidDataError, match="got 1 problems without"):
        gradient_variances([problem("Empty")])
