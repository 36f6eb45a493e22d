"""Names and numbers that nobody had in mind: everything fits, is read, and hides nothing."""

import time
import warnings

import numpy as np
import pytest

from aevb.plots import codes_scatter, feature_samples, kl_per_latent, learning_curve, save_figure
from aevb.plots.style import wrapped

RNG = np.random.default_rng(0)
LONG = "a very long name that goes on and on " * 5


def history(values, keys=("train_bound", "validation_bound", "test_bound")):
    return [{"samples_seen": 200 * (i + 1), **dict.fromkeys(keys, v)} for i, v in enumerate(values)]


def boxes(figure, artists):
    figure.draw_without_rendering()
    return [artist.get_window_extent() for artist in artists]


def test_a_name_of_thousands_of_characters_costs_no_time():
    start = time.perf_counter()
    shown = wrapped("x" * 8000, 1.35, 8.5, lines=2)
    assert time.perf_counter() - start < 1
    assert shown.count("\n") == 1
    assert "…" in shown


@pytest.mark.parametrize(
    "values", [[-5.0], -5 - np.arange(10.0) ** 2, [-9, -8, -7, -8.9e18], -123456.7 + np.arange(200)]
)
def test_the_legend_of_a_learning_curve_hides_no_point_and_fits(values):
    figure = learning_curve(history(values))
    axes = figure.axes[0]
    legend, panel, whole = boxes(figure, [figure.legends[0], axes, figure])
    assert not legend.overlaps(panel)
    assert whole.x0 <= legend.x0
    assert legend.x1 <= whole.x1
    for line in axes.lines:
        x, y = axes.transData.transform((line.get_xdata()[-1], line.get_ydata()[-1]))
        assert panel.x0 < x < panel.x1
        assert panel.y0 < y < panel.y1


@pytest.mark.parametrize("start", [[-1e9, -7e5, -3e4, -2e4], [-1e9] * 12])
def test_a_diverged_start_does_not_flatten_the_curve(start):
    rest = -7 - 3 * np.exp(-np.arange(1.5 * len(start)) / 3)
    figure = learning_curve(history([*start, *rest]))
    low, high = figure.axes[0].get_ylim()
    assert high - low < 6
    assert "down to −1e+09" in [text.get_text() for text in figure.axes[0].texts]


@pytest.mark.parametrize("kl", [[1.5] * 20, [2.0], [0.0] * 5, [3.0, 2.9, 0.1]])
def test_the_legend_of_divergences_covers_no_bar(kl):
    figure = kl_per_latent(np.array(kl))
    axes = figure.axes[0]
    legend, *bars = boxes(figure, [axes.get_legend(), *axes.patches[: len(kl)]])
    assert not any(legend.overlaps(bar) for bar in bars if bar.height > 1)


@pytest.mark.parametrize("labels", [["a", "b"] * 20, RNG.normal(size=40) * 1e7])
def test_a_long_name_of_labels_fits(labels):
    figure = codes_scatter(RNG.normal(size=(40, 2)), labels, label_name=LONG)
    width = figure.get_figwidth()
    assert width < 8
    figure.draw_without_rendering()
    assert figure.get_tightbbox().x1 < width + 0.05


def test_classes_are_in_the_order_of_people():
    labels = [f"class {i}" for i in (10, 2, 1)]
    legend = codes_scatter(RNG.normal(size=(3, 2)), labels).axes[0].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["class 1", "class 2", "class 10"]


def test_names_are_shown_as_they_are_or_escaped_and_missing_glyphs_are_told_once(tmp_path):
    names = ["\x1b[31mred\x07", "price in $ and $x_1^2$", "\ue000\ue001"]
    x = RNG.normal(size=(5, 3))
    figure = feature_samples(x, x, names)
    assert [axes.get_title() for axes in figure.axes[:2]] == ["\\x1b[31mred\\x07", "price in $ and\n$x_1^2$"]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        save_figure(figure, tmp_path / "x.png")
    (warning,) = caught
    assert str(warning.message).startswith("no font on this machine has the characters")


def test_a_power_of_ten_above_an_axis_is_clear_of_the_title():
    x = RNG.normal(size=(50, 4)) * 1e-6
    figure = feature_samples(x, x, ["a name that is as wide as its panel is"] * 4)
    axes = figure.axes[0]
    title, power = boxes(figure, [axes.title, axes.yaxis.offsetText])
    assert axes.yaxis.offsetText.get_text()
    assert not title.overlaps(power)
