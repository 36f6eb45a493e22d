"""Grids and ticks at even steps of any prior's probability."""

import numpy as np
import pytest
from scipy import stats

from aevb.plots import feature_manifold, grid_probabilities, manifold, manifold_grid
from aevb.plots.quantiles import quantile_ticks

PRIORS = {
    "normal": stats.norm(),
    "gamma": stats.expon(),
    "log-normal": stats.lognorm(1),
    "pareto": stats.pareto(2),
    "beta": stats.uniform(),
    "cauchy": stats.cauchy(),
    "student-t": stats.t(5),
    "reciprocal": stats.loguniform(0.01, 100),
    "triangular": stats.triang(0.5, -1, 2),
    "tiny": stats.norm(0, 1e-5),
    "far": stats.norm(1000, 3),
}
EXPECTED = {
    "normal": ["−2", "−1", "−0.5", "0", "0.5", "1", "2"],
    "gamma": ["0.1", "0.3", "0.5", "0.7", "1", "2"],
    "beta": [f"0.{k}" for k in range(1, 10)],
    "log-normal": ["0.2", "0.5", "1", "2", "5"],
    "cauchy": ["−10", "−2", "−1", "−0.5", "0", "0.5", "1", "2", "10"],
}


def number(text):
    return float(text.replace("−", "-"))


def test_a_grid_has_the_given_values_in_the_order_of_images():
    across, up = np.array([1.0, 2, 3]), np.array([10.0, 20, 30])
    z = manifold_grid(3, np.stack([across, up])).reshape(3, 3, 2)
    np.testing.assert_array_equal(z[1, :, 0], across)
    np.testing.assert_array_equal(z[:, 1, 1], up[::-1])


@pytest.mark.parametrize("name", PRIORS)
@pytest.mark.parametrize("n", [5, 20])
def test_ticks_are_numbers_at_their_probability_and_apart(name, n):
    prior = PRIORS[name]
    places, texts = quantile_ticks(prior.ppf(grid_probabilities(n)))
    if name != "far":  # its numbers have three digits in common
        assert len(places) >= 3
    np.testing.assert_allclose(places, prior.cdf([number(text) for text in texts]), atol=0.5 / n)
    assert (np.diff(places) >= 0.09).all()
    if n == 20 and name in EXPECTED:
        assert texts == EXPECTED[name]


def test_the_normals_ticks_are_exact_and_wide_letters_leave_room():
    values = PRIORS["normal"].ppf(grid_probabilities(20))
    places, texts = quantile_ticks(values)
    np.testing.assert_allclose(places, stats.norm.cdf([number(text) for text in texts]), rtol=1e-12)
    assert quantile_ticks(values, letter=0.05)[1] == ["−2", "−1", "0", "1", "2"]


def test_one_cell_and_equal_values_have_a_tick_at_most():
    assert quantile_ticks(np.zeros(1)) == ([0.5], ["0"])
    assert len(quantile_ticks(np.full(20, 3.0))[0]) <= 1


@pytest.mark.parametrize("draw", [manifold, feature_manifold])
def test_a_manifolds_ticks_are_values_of_its_latents(draw):
    values = np.stack(
        [PRIORS["gamma"].ppf(grid_probabilities(20)), PRIORS["beta"].ppf(grid_probabilities(20))]
    )
    if draw is manifold:
        axes = manifold(np.zeros((400, 4)), (2, 2), values=values).axes[0]
    else:
        axes = feature_manifold(np.zeros((20, 20, 1)), values=values).axes[0]
    for axis, name in ((axes.xaxis, "gamma"), (axes.yaxis, "beta")):
        written = [number(label.get_text()) for label in axis.get_ticklabels()]
        assert len(written) >= 4
        np.testing.assert_allclose(axis.get_majorticklocs(), PRIORS[name].cdf(written), atol=0.01)
