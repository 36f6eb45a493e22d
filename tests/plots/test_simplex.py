"""Codes on a simplex lie where their components say."""

import numpy as np
import pytest

from aevb.errors import InvalidDataError
from aevb.plots import save_figure, simplex_scatter

RNG = np.random.default_rng(0)  # of the parameters
TRIANGLE = np.array([[0, 1], [np.sqrt(3) / 2, -0.5], [-np.sqrt(3) / 2, -0.5]])


@pytest.fixture
def rng():
    return np.random.default_rng(1)


def offsets(figure):
    return np.concatenate([np.asarray(dots.get_offsets()) for dots in figure.axes[0].collections])


def named(figure):
    return {text.get_text(): np.array(text.get_position()) for text in figure.axes[0].texts}


def test_a_ternary_plot_has_its_corners_clockwise_from_the_top():
    codes = np.concatenate([np.eye(3), [[0.5, 0.5, 0], [1 / 3, 1 / 3, 1 / 3]]])
    figure = simplex_scatter(codes, title="Codes")
    expected = [*TRIANGLE, (TRIANGLE[0] + TRIANGLE[1]) / 2, [0, 0]]
    np.testing.assert_allclose(offsets(figure), expected, atol=1e-12)
    for k in range(3):
        np.testing.assert_allclose(named(figure)[f"z {k + 1}"], 1.05 * TRIANGLE[k], atol=1e-12)
    assert figure.axes[0].get_title() == "Codes"
    assert figure.axes[0].get_box_aspect() == 1
    assert np.ptp(figure.axes[0].get_xlim()) == pytest.approx(np.ptp(figure.axes[0].get_ylim()))


def test_a_level_of_a_ternary_plot_is_written_where_its_component_has_it():
    """On each edge the levels are those of the component whose corner is at its end, clockwise."""
    texts = simplex_scatter(np.eye(3)).axes[0].texts
    levels = [(float(t.get_text()), np.array(t.get_position())) for t in texts if t.get_text()[0] == "0"]
    assert len(levels) == 12
    for i, (level, place) in enumerate(levels):
        k = i // 4  # 4 levels of each component
        shares = np.linalg.solve(np.vstack([TRIANGLE.T, np.ones(3)]), [*place, 1])
        assert shares[k] == pytest.approx(level, abs=1e-9)
        assert shares[(k + 1) % 3] < 0, "beyond the edge from the corner before"


@pytest.mark.parametrize("n", [4, 6, 10, 50])
def test_more_components_are_projected_on_a_polygon_which_the_title_says(n, rng):
    codes = rng.dirichlet(np.full(n, 0.3), 200)
    figure = simplex_scatter(codes, rng.integers(0, 3, 200), title="Codes")
    angles = np.pi / 2 - 2 * np.pi * np.arange(n) / n
    corners = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    np.testing.assert_allclose(offsets(figure), codes @ corners, atol=1e-12)
    assert figure.axes[0].get_title() == "Codes\neach at the weighted mean of the corners"
    names = {name: place for name, place in named(figure).items() if name.startswith("z ")}
    assert names.keys() == {f"z {k + 1}" for k in range(0, n, 1 if n <= 30 else 2)}
    np.testing.assert_allclose(names["z 3"], 1.05 * corners[2], atol=1e-12)


def test_corners_have_the_names_given_and_the_legend_stays_clear_of_them(rng):
    names = [f"z 2 = {k}" for k in range(1, 9)]
    figure = simplex_scatter(rng.dirichlet(np.ones(8), 50), np.arange(50) % 3, names, label_name="kind")
    figure.canvas.draw()
    corners = [t for t in figure.axes[0].texts if t.get_text() in names]
    assert [t.get_text() for t in corners] == names
    legend = figure.axes[0].get_legend()
    assert legend.get_title().get_text() == "kind"
    boxes = [text.get_window_extent() for text in corners]
    assert not any(legend.get_window_extent().overlaps(box) for box in boxes)
    width = figure.get_size_inches()[0] * figure.dpi
    assert all(0 <= box.x0 < box.x1 <= width for box in boxes)


@pytest.mark.filterwarnings("error")
def test_long_names_and_continuous_labels_fit(tmp_path, rng):
    names = ["the north wind", "a", "the south wind", "the west wind, which is a long name"]
    figure = simplex_scatter(rng.dirichlet(np.ones(4), 50), rng.random(50), names, label_name="age")
    assert save_figure(figure, tmp_path / "simplex.png").stat().st_size < 200_000
    bar = figure.axes[1].get_window_extent()
    corners = [t for t in figure.axes[0].texts if t.get_text()]
    assert len(corners) == 4
    assert not any(bar.overlaps(text.get_window_extent()) for text in corners)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.full((3, 2), 0.5),), "at least three components, got 2"),
        ((np.eye(3), None, ["a"]), "each of 3 components, got 1 names"),
        ((np.eye(3), ["a"]), "got 1 labels"),
        ((np.zeros((0, 3)),), "at least one code"),
        ((np.array([[1, 0, 0], [0.5, 0.1, 0.1]]),), r"row 1 go from 0.1 up and have the sum 0.7"),
        ((np.array([[1.5, -0.5, 0]]),), r"row 0 go from -0.5 up"),
        ((np.full((2, 3), np.nan),), "row 0"),
    ],
)
def test_what_is_no_point_of_a_simplex_is_refused(arguments, message):
    with pytest.raises(InvalidDataError, match=message):
        simplex_scatter(*arguments)
