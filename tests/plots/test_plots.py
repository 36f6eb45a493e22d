"""Pictures hold what they were given, where it belongs, and reach the disk whole."""

import warnings

import matplotlib
import numpy as np
import pytest
from matplotlib.image import imread
from scipy.stats import norm

from aevb.errors import InvalidDataError, InvalidRecipeError
from aevb.plots import (
    codes_scatter,
    feature_manifold,
    feature_means,
    feature_reconstructions,
    feature_samples,
    image_grid,
    kl_per_latent,
    learning_curve,
    manifold,
    manifold_grid,
    reconstructions,
    save_figure,
)
from aevb.plots.mosaics import tile
from aevb.plots.style import wrapped
from short_suite import short

RNG = np.random.default_rng(0)
L_SHAPE = np.zeros((28, 20))
L_SHAPE[2:24, 3:6] = 1  # upright: a long stroke on the left, a foot at the bottom
L_SHAPE[21:24, 3:15] = 1


def records(n, terrible=None):
    rows = [
        {"samples_seen": 60_000 * e, "train_bound": -99 - 27 / e, "test_bound": -100 - 27 / e}
        for e in range(1, n + 1)
    ]
    if terrible is not None:
        rows[0]["train_bound"] = terrible
    return rows


def texts(figure):
    """Every text of a figure, as the reader sees it."""
    figure.canvas.draw()
    return "\n".join(t.get_text() for t in figure.findobj(matplotlib.text.Text) if t.get_visible())


def pixels(figure, tmp_path):
    return imread(save_figure(figure, tmp_path / "picture.png"))


def mosaic(figure):
    return np.ma.filled(figure.axes[0].images[0].get_array(), np.nan)


# --- images -----------------------------------------------------------------------------------------


def test_the_grid_is_the_inverse_gaussian_cdf_in_image_order():
    n = 7
    z = manifold_grid(n).reshape(n, n, 2)
    expected = norm.ppf((np.arange(n) + 0.5) / n)
    np.testing.assert_allclose(z[3, :, 0], expected, atol=1e-12)
    np.testing.assert_allclose(z[:, 3, 1], expected[::-1], atol=1e-12)
    assert z[0, 0, 0] < 0 < z[0, 0, 1]
    assert np.isfinite(manifold_grid(500)).all()


def test_a_manifold_shows_each_image_upright_at_its_code():
    n, (row, column) = 5, (1, 4)
    x = np.zeros((n * n, L_SHAPE.size))
    x[row * n + column] = L_SHAPE.ravel()
    figure = manifold(x, L_SHAPE.shape, ("z 7 (KL 3.1 nats)", "z 3"))
    shown = mosaic(figure)
    assert shown.shape == (5 * 28, 5 * 20)
    np.testing.assert_array_equal(shown[28:56, 80:100], L_SHAPE)
    assert shown.sum() == L_SHAPE.sum()
    image = figure.axes[0].images[0]
    assert image.origin == "upper"
    assert image.get_extent() == [0, 1, 0, 1]
    axes = figure.axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("z 7 (KL 3.1 nats)", "z 3")


def test_manifold_ticks_stand_at_the_quantiles_they_name():
    axes = manifold(np.zeros((400, 4)), (2, 2)).axes[0]
    for ticks, labels in (
        (axes.get_xticks(), axes.get_xticklabels()),
        (axes.get_yticks(), axes.get_yticklabels()),
    ):
        values = [float(label.get_text().replace("−", "-")) for label in labels]
        np.testing.assert_allclose(ticks, norm.cdf(values))
        assert values == [-2, -1, -0.5, 0, 0.5, 1, 2]


def test_the_file_shows_the_image_upright_too(tmp_path):
    x = np.zeros((4, L_SHAPE.size))
    x[1] = L_SHAPE.ravel()
    picture = pixels(manifold(x, L_SHAPE.shape), tmp_path)
    picture = picture if picture.ndim == 2 else picture[..., :3].mean(-1)
    black = picture < 0.01
    rows, columns = np.flatnonzero(black.mean(1) > 0.25), np.flatnonzero(black.mean(0) > 0.25)
    box = picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    top_right = box[: box.shape[0] // 2, box.shape[1] // 2 :]
    assert box.sum() == pytest.approx(top_right.sum(), rel=1e-6)
    scale = top_right.shape[0] // 28
    np.testing.assert_array_equal(top_right[scale // 2 :: scale, scale // 2 :: scale] > 0.5, L_SHAPE > 0.5)


def test_image_grid_fills_rows_from_the_top_left_and_clips():
    x = np.stack([np.full(784, value) for value in (-3.0, 0.25, 0.5, 0.75, 9.0)])
    shown = mosaic(image_grid(x, (28, 28), value_range=(0, 1), columns=3))
    assert [shown[10, 10], shown[10, 40], shown[10, 70]] == [0, 0.25, 0.5]
    assert [shown[40, 10], shown[40, 40]] == [0.75, 1]
    assert np.isnan(shown[40, 70])


def test_reconstructions_stand_below_their_originals():
    x = np.stack([np.full(784, i / 40) for i in range(13)])
    figure = reconstructions(x, x + 0.5, (28, 28), columns=10)
    shown = mosaic(figure)
    assert shown[10, 10 + 30 * 3] == pytest.approx(3 / 40)
    assert shown[40, 10 + 30 * 3] == pytest.approx(3 / 40 + 0.5)
    names = {
        t.get_text(): y
        for y, t in zip(figure.axes[0].get_yticks(), figure.axes[0].get_yticklabels(), strict=True)
    }
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == ["original", "reconstruction"] * 2
    second_band = shown[int(names["original"]), :]
    assert second_band[10] == pytest.approx(10 / 40)
    assert np.isnan(second_band[10 + 30 * 3])


def test_pictures_say_when_they_leave_something_out():
    x = RNG.random((30, 40))
    assert "first 20 of 30" in texts(reconstructions(x, x, (8, 5)))
    assert "first 10 of 30" in texts(image_grid(x, (8, 5), most=10))
    assert "first 12 of 40 features" in texts(feature_reconstructions(x, x))


def test_tiles_of_tiny_images_are_enlarged_evenly():
    shown = tile(np.array([[1.0, 2, 3, 4]] * 2), (2, 2), columns=2)
    assert shown.shape == (24, 50)
    np.testing.assert_array_equal(shown[[0, 0, 23, 23], [0, 23, 0, 23]], [1, 2, 3, 4])


def test_captions_stand_above_their_images():
    x = np.stack([np.full(64, value / 7) for value in range(7)])
    for columns in (3, 7):
        figure = image_grid(x, (8, 8), captions=[f"z {i + 1}" for i in range(7)], columns=columns)
        shown, axes = mosaic(figure), figure.axes[0]
        assert [text.get_text() for text in axes.texts] == [f"z {i + 1}" for i in range(7)]
        for value, text in zip(x[:, 0], axes.texts, strict=True):
            column, row = np.round(text.xy).astype(int)
            assert shown[row + 2, column] == pytest.approx(value), "below the caption its image"
            assert np.isnan(shown[row - 2, column])
        boxes = [text.get_window_extent() for text in axes.texts]
        assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    with pytest.raises(InvalidDataError, match="each of 7 images, got 2 captions"):
        image_grid(x, (8, 8), captions=["a", "b"])


# --- curves -----------------------------------------------------------------------------------------


def test_a_learning_curve_shows_its_records_and_its_unit():
    figure = learning_curve(
        records(10), "cross-entropy bound (nats per data point; grey pixels, not a density)"
    )
    axes = figure.axes[0]
    train, test = axes.get_lines()
    np.testing.assert_allclose(train.get_xdata(), 60_000 * np.arange(1, 11))
    np.testing.assert_allclose(test.get_ydata(), -100 - 27 / np.arange(1, 11))
    shown = texts(figure).replace("\n", " ")
    assert "cross-entropy bound (nats per data point; grey pixels, not a density)" in shown
    assert "training samples seen" in shown
    assert "at the end training rows: −101.7 test rows: −102.7" in shown
    assert axes.get_xscale() == "linear"
    assert learning_curve(records(1000)).axes[0].get_xscale() == "log"


def test_a_terrible_first_point_does_not_flatten_the_rest():
    figure = learning_curve(records(10, terrible=-1e5))
    low, high = figure.axes[0].get_ylim()
    assert high - low < 60
    assert low < -127 < -102 < high, "the test curve, whose first point is not terrible, is whole"
    assert "down to −100,000" in texts(figure)


def test_a_bad_point_in_the_middle_is_shown():
    rows = records(10)
    rows[6]["test_bound"] = -1e4
    assert learning_curve(rows).axes[0].get_ylim()[0] < -1e4


def test_missing_bounds_are_left_out():
    rows = [
        {"samples_seen": 1, "train_bound": 5.0, "test_bound": None},
        {"samples_seen": 2, "train_bound": float("nan")},
    ]
    (line,) = learning_curve(rows).axes[0].get_lines()
    assert line.get_ydata().tolist() == [5.0]
    with pytest.raises(InvalidDataError, match="1 records without"):
        learning_curve(rows[1:])


def test_kl_bars_are_sorted_named_and_counted():
    axes = kl_per_latent(np.array([0.5, 0.001, 3.0])).axes[0]
    assert [bar.get_height() for bar in axes.patches[:3]] == [3.0, 0.5, 0.001]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["3", "1", "2"]
    assert "2 of 3 active (KL ≥ 0.01 nats), 3.5 nats in total" in axes.get_title()
    assert "nats" in axes.get_ylabel()


# --- features ---------------------------------------------------------------------------------------


def test_feature_panels_show_each_column_under_its_name():
    x = RNG.normal(size=(30, 3)) * [1, 1e6, 1e-6]
    names = ["sepal length (cm)", "price in $ or $", "x"]
    figure = feature_reconstructions(x, 2 * x, names)
    for i, axes in enumerate(figure.axes):
        assert axes.get_title() == names[i]
        np.testing.assert_allclose(axes.collections[0].get_offsets(), np.stack([x[:, i], 2 * x[:, i]], 1))
    assert "data's units" in texts(figure)
    assert "reconstruction" in texts(figure)


def test_sample_histograms_are_densities_over_shared_bins():
    x, far = RNG.normal(size=(400, 1)), np.full((100, 1), 1e9)
    figure = feature_samples(x, np.concatenate([x, far]))
    (data, edges, _), (samples, same_edges, _) = (patch.get_data() for patch in figure.axes[0].patches)
    np.testing.assert_array_equal(edges, same_edges)
    assert np.sum(data * np.diff(edges)) == pytest.approx(1)
    assert np.sum(samples * np.diff(edges)) == pytest.approx(0.8)
    assert "20% of samples outside" in texts(figure)


def test_a_feature_manifold_has_large_z2_at_the_top():
    z = manifold_grid(5).reshape(5, 5, 2)
    figure = feature_manifold(z, ["first", "second"], ("z 1", "z 2 (KL 1 nat)"))
    first, second = (figure.axes[i].images[0] for i in range(2))
    np.testing.assert_array_equal(first.get_array(), z[..., 0])
    assert second.get_array()[0, 0] == z[..., 1].max()
    assert second.origin == "upper"
    assert "z 2 (KL 1 nat)" in texts(figure)


def test_feature_means_stand_above_the_names_of_their_codes():
    means = np.array([[1.0, 50], [2, 40], [4, 30]])
    figure = feature_means(means, ["a", "b", "c"], ["age", "price in $"], codes_label="category of z 1")
    for axes, column, name in zip(figure.axes, means.T, ["age", "price in $"], strict=True):
        (dots,) = axes.get_lines()
        np.testing.assert_array_equal(dots.get_ydata(), column)
        np.testing.assert_array_equal(dots.get_xdata(), axes.get_xticks())
        assert [label.get_text() for label in axes.get_xticklabels()] == ["a", "b", "c"]
        assert axes.get_title() == name
    assert "category of z 1" in texts(figure)
    assert "data's units" in texts(figure)
    with pytest.raises(InvalidDataError, match="each of 3 codes, got 1 names"):
        feature_means(means, ["a"])


# --- files ------------------------------------------------------------------------------------------

WIDE = RNG.normal(size=(300, 40)) * 10.0 ** RNG.integers(-6, 9, 40)
WIDE[:, 2] = 5
NAMES = [f"a very long feature name that a CSV file might have, number {i}" for i in range(40)]
SMALL = RNG.random((1, 4))
ODD = {
    "one record": lambda: learning_curve(records(1)),
    "1000 records": lambda: learning_curve(records(1000)),
    "before training": lambda: learning_curve([{"samples_seen": 0, "test_bound": -540.0}, *records(300)]),
    "terrible": lambda: learning_curve(records(10, -1e5)),
    "positive": lambda: learning_curve([{"samples_seen": i, "test_bound": 900 - 1 / i} for i in range(1, 9)]),
    "one image": lambda: reconstructions(SMALL, SMALL, (2, 2)),
    "constant images": lambda: image_grid(np.full((3, 6), 7), (3, 2)),
    "noise": lambda: image_grid(RNG.random((400, 784)), (28, 28)),
    "large images": lambda: image_grid(RNG.random((4, 300 * 200)), (300, 200)),
    "one cell": lambda: manifold(SMALL, (2, 2)),
    "one code": lambda: codes_scatter(np.zeros((1, 2)), ["_a"]),
    "10,000 codes": lambda: codes_scatter(
        RNG.normal(size=(10_000, 2)), RNG.integers(0, 10, 10_000), label_name="digit"
    ),
    "constant labels": lambda: codes_scatter(WIDE[:, :2], np.full(300, 0.5)),
    "25 long classes": lambda: codes_scatter(WIDE[:, :2], [NAMES[i % 25] for i in range(300)]),
    "one latent": lambda: kl_per_latent(np.array([2.0])),
    "500 latents": lambda: kl_per_latent(np.r_[RNG.random(200), np.zeros(300)]),
    "all collapsed": lambda: kl_per_latent(np.zeros(20)),
    "40 features": lambda: feature_reconstructions(WIDE, WIDE, NAMES),
    "one row": lambda: feature_reconstructions(SMALL, SMALL),
    "one feature": lambda: feature_samples(WIDE[:, :1], WIDE[:5, :1]),
    "constant feature": lambda: feature_samples(WIDE[:, 2:3], WIDE[:, 2:3]),
    "far samples": lambda: feature_samples(WIDE, 1e30 * WIDE, NAMES),
    "flat manifold": lambda: feature_manifold(np.ones((2, 2, 1)), ["x"]),
    "40 features of 50 codes": lambda: feature_means(WIDE[:50], [f"z {i + 1}" for i in range(50)], NAMES),
    "one code's mean": lambda: feature_means(SMALL, NAMES[:1]),
    "40 heat maps": lambda: feature_manifold(RNG.random((4, 4, 40)), NAMES),
}


LARGE = {"40 heat maps", "40 features of 50 codes", "noise", "500 latents"}


@pytest.mark.parametrize("name", short(*(set(ODD) - LARGE), of=ODD))
def test_odd_cases_are_drawn_without_a_warning_and_stay_small(name, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        path = save_figure(ODD[name](), tmp_path / "odd.png")
    assert path.stat().st_size < 200_000
    assert imread(path).shape[1] >= 250
    assert [file.name for file in tmp_path.iterdir()] == ["odd.png"]


def test_the_same_figure_gives_the_same_bytes_whatever_the_users_style(tmp_path):
    def written(name):
        return save_figure(learning_curve(records(10)), tmp_path / name).read_bytes()

    first = written("a.png")
    before = dict(matplotlib.rcParams)
    with matplotlib.rc_context({"font.size": 30, "savefig.bbox": "tight", "axes.facecolor": "black"}):
        assert written("b.png") == first
    assert dict(matplotlib.rcParams) == before
    assert b"matplotlib" not in first.lower()
    assert b"tEXt" not in first


def test_a_failed_write_leaves_the_old_file_and_no_draft(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    path.write_bytes(b"old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OSError, match="No space left"):
        save_figure(kl_per_latent(np.ones(2)), path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_unwritable_paths_are_refused_by_name(tmp_path):
    figure = kl_per_latent(np.ones(2))
    with pytest.raises(OSError, match="nowhere"):
        save_figure(figure, tmp_path / "nowhere" / "a.png")
    with pytest.raises(InvalidRecipeError, match="pdf"):
        save_figure(figure, tmp_path / "a.pdf")


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: image_grid(SMALL, (3, 2)), "3 x 2 have 6 pixels, the rows have 4"),
        (lambda: image_grid(np.zeros((0, 4)), (2, 2)), "at least one image"),
        (lambda: manifold(np.zeros((5, 4)), (2, 2)), "not a square"),
        (lambda: reconstructions(SMALL, SMALL[:, :2], (2, 2)), "differ"),
        (lambda: codes_scatter(np.zeros((3, 2)), ["a"]), "got 1 labels"),
        (lambda: feature_reconstructions(SMALL, SMALL, ["a"]), "got 1 names"),
        (lambda: feature_samples(SMALL, SMALL[:, :2]), "4 features"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(draw, message):
    with pytest.raises(InvalidDataError, match=message):
        draw()


def test_long_names_keep_both_ends():
    short = wrapped(NAMES[17], 1.3, 8.5, lines=2)
    assert short.startswith("a very")
    assert short.endswith("17")
    assert short.count("\n") == 1
