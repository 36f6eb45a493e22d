"""Pictures of an evaluation show the numbers they are given."""

import numpy as np
import pytest

from aevb.errors import InvalidDataError
from aevb.plots import bound_gaps, importance_curve, latent_information, save_figure


def test_the_curve_has_its_points():
    bounds = np.array([-108.3, -105.2, -103.96])
    axes = importance_curve([1, 10, 100], bounds, "nats").axes[0]
    np.testing.assert_allclose(axes.lines[0].get_xydata(), np.c_[[1, 10, 100], bounds])
    assert [text.get_text() for text in axes.texts] == ["−108.3", "−104.0"]
    assert axes.get_ylabel() == "nats"


def test_one_point_is_a_curve_too(tmp_path):
    save_figure(importance_curve([1], np.array([-3.0])), tmp_path / "one.png")


@pytest.mark.parametrize(("sizes", "bounds"), [([], []), ([1, 10], [-3.0])])
def test_a_curve_needs_a_bound_for_each_size(sizes, bounds):
    with pytest.raises(InvalidDataError, match="a bound for each"):
        importance_curve(sizes, np.array(bounds, float))


def test_bars_stack_information_and_gap_in_the_order_of_kl():
    kl, information, gap = np.array([1.0, 3.0, 0.0]), np.array([0.8, 2.5, -0.01]), np.array([0.2, 0.5, 0.0])
    axes = latent_information(kl, information, gap).axes[0]
    heights = [bar.get_height() for bar in axes.patches]
    np.testing.assert_allclose(heights, [2.5, 0.8, 0.0, 0.5, 0.2, 0.0])
    np.testing.assert_allclose([bar.get_y() for bar in axes.patches[3:]], [2.5, 0.8, 0.0])
    assert [label.get_text() for label in axes.get_xticklabels()] == ["2", "1", "3"]
    assert "KL 4.000" in axes.get_title()


@pytest.mark.parametrize("n", [1, 30, 150])
def test_any_number_of_latents(tmp_path, n):
    kl = np.linspace(1, 0, n)
    path = save_figure(latent_information(kl, 0.9 * kl, 0.1 * kl), tmp_path / "latents.png")
    assert path.stat().st_size < 200_000


def test_latents_need_all_three_numbers():
    with pytest.raises(InvalidDataError, match="2, 2, 1"):
        latent_information.__wrapped__.__wrapped__(np.ones(2), np.ones(2), np.ones(1))


def test_gaps_reach_from_level_to_level():
    axes = bound_gaps([-110.104, -105.932, -103.99], [0.136, 0.036], top="the end").axes[0]
    np.testing.assert_allclose([bar.get_x() for bar in axes.patches], [-110.104, -105.932])
    np.testing.assert_allclose([bar.get_width() for bar in axes.patches], [4.172, 1.942])
    labels = [label.get_text().split("\n") for label in axes.get_yticklabels()]
    assert [about for _, about in labels] == ["−110.10", "4.17 ± 0.14", "−105.93", "1.942 ± 0.036", "−103.99"]
    assert labels[-1][0] == "the end"


@pytest.mark.parametrize("errors", [[0.0, 0.0], [float("nan")] * 2])
def test_gaps_without_errors(tmp_path, errors):
    save_figure(bound_gaps([-1.0, -1.0, -1.0], errors), tmp_path / "gaps.png")


def test_without_an_encoder_there_is_one_gap():
    axes = bound_gaps([-105.932, -103.99], [0.036]).axes[0]
    np.testing.assert_allclose([bar.get_x() for bar in axes.patches], [-105.932])
    np.testing.assert_allclose([bar.get_width() for bar in axes.patches], [1.942])
    labels = [label.get_text().split("\n") for label in axes.get_yticklabels()]
    assert labels == [
        ["bound at searched posteriors", "−105.932"],
        ["approximation gap", "1.942 ± 0.036"],
        ["log p(x)", "−103.990"],
    ]


@pytest.mark.parametrize(
    ("bounds", "errors"), [([-1.0, -2.0], [0.1, 0.1]), ([-1.0], []), ([-1.0] * 4, [0.1] * 3)]
)
def test_gaps_need_a_level_more_than_errors(bounds, errors):
    with pytest.raises(InvalidDataError, match=f"three levels and .*, got {len(bounds)} and {len(errors)}"):
        bound_gaps(bounds, errors)
