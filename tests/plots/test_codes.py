"""Each kind of code gets the axes that suit it, and nothing is left out of a picture in silence."""

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_hex
from numpy import inf

from aevb.errors import InvalidDataError
from aevb.plots import codes_scatter, save_figure

RNG = np.random.default_rng(0)  # of the parameters
POSITIVE, UNIT = (0, inf), (0.0, 1.0)


@pytest.fixture
def rng():
    return np.random.default_rng(1)


def texts(figure):
    """Every text of a figure, as the reader sees it."""
    figure.canvas.draw()
    return "\n".join(t.get_text() for t in figure.findobj(matplotlib.text.Text) if t.get_visible())


def limits(figure):
    return np.array([figure.axes[0].get_xlim(), figure.axes[0].get_ylim()])


def ticks(axis):
    return {
        label.get_text(): place
        for place, label in zip(axis.get_majorticklocs(), axis.get_ticklabels(), strict=True)
    }


def test_codes_are_coloured_as_the_legend_says(rng):
    codes, labels = rng.normal(size=(60, 2)), np.repeat([10, 9, 2], 20)
    figure = codes_scatter(codes, labels, ("z 7 (KL 3.1 nats)", "z 3"), label_name="digit")
    legend = figure.axes[0].get_legend()
    assert [t.get_text() for t in legend.get_texts()] == ["2", "9", "10"], "numbers in the order of numbers"
    colour = {
        t.get_text(): to_hex(h.get_color())
        for t, h in zip(legend.get_texts(), legend.legend_handles, strict=True)
    }
    dots = figure.axes[0].collections[0]
    np.testing.assert_array_equal(dots.get_offsets(), codes)
    assert [to_hex(c) for c in dots.get_facecolors()] == [colour[str(label)] for label in labels]
    assert len(set(colour.values())) == 3
    assert "z 7 (KL 3.1 nats)" in texts(figure)


def test_both_axes_have_one_scale(rng):
    axes = codes_scatter(rng.normal(size=(50, 2)) * [1, 0.01]).axes[0]
    assert np.ptp(axes.get_xlim()) == pytest.approx(np.ptp(axes.get_ylim()))
    assert axes.get_box_aspect() == 1


def test_continuous_labels_get_a_colour_bar_and_many_classes_a_rest(rng):
    codes = rng.normal(size=(100, 2))
    assert codes_scatter(codes, rng.random(100), label_name="age").axes[1].get_ylabel() == "age"
    names = [f"class {i % 25}" for i in range(100)]
    legend = codes_scatter(codes, names).axes[0].get_legend()
    assert len(legend.get_texts()) == 20
    assert legend.get_texts()[-1].get_text() == "6 others"


# --- real codes -------------------------------------------------------------------------------------


def test_real_codes_are_shown_whole_on_linear_axes(rng):
    codes = rng.normal(size=(10_000, 2)) * [1, 3] + [5, 0]
    figure = codes_scatter(codes)
    low, high = limits(figure).T
    assert (low < codes.min(0)).all()
    assert (high > codes.max(0)).all()
    np.testing.assert_allclose(high - low, 1.08 * np.ptp(codes, axis=0).max())
    assert figure.axes[0].get_xscale() == figure.axes[0].get_yscale() == "linear"
    assert "outside" not in figure.axes[0].get_title()


def test_a_few_far_codes_do_not_squeeze_the_others_and_are_counted(rng):
    near, far = rng.uniform(-2, 2, (1992, 2)), np.array([[1e4, 0], [-1e4, 1], [0, 300], [50, 50]] * 2)
    figure = codes_scatter(np.concatenate([near, far]), title="Medians")
    assert (np.ptp(limits(figure), axis=1) < 10).all()
    assert texts(figure).replace("\u00a0", " ").count("Medians (8 of 2,000 lie outside)") == 1
    outside = (np.abs(near - limits(figure).mean(1)) > np.ptp(limits(figure), axis=1) / 2).any(1)
    assert not outside.any(), "the count is of all that are outside"


def test_of_a_long_tail_a_twentieth_of_each_latent_may_lie_outside(rng):
    codes = rng.standard_cauchy((4000, 2))
    figure = codes_scatter(codes)
    low, high = limits(figure).T
    outside = ((codes < low) | (codes > high)).mean(0)
    assert (outside < 0.05).all()
    assert (high - low < 20 * 2).all(), "the middle half of a standard Cauchy is 2 long"


def test_among_few_codes_none_is_left_out(rng):
    codes = np.r_[rng.normal(size=(18, 2)), [[1e6, 0]]]
    assert limits(codes_scatter(codes))[0, 1] > 1e6


# --- positive codes ---------------------------------------------------------------------------------


def test_positive_codes_over_decades_get_logarithmic_axes_with_equal_decades(rng):
    codes = 10 ** rng.uniform([-1.9, -0.1], [1.9, 0.1], (500, 2))
    figure = codes_scatter(codes, rng.integers(0, 3, 500), interval=POSITIVE)
    axes = figure.axes[0]
    assert axes.get_xscale() == axes.get_yscale() == "log"
    (left, right), (bottom, top) = np.log10(limits(figure))
    assert right - left == pytest.approx(top - bottom)
    assert left < np.log10(codes[:, 0].min()) < np.log10(codes[:, 0].max()) < right
    assert ticks(axes.xaxis) == pytest.approx({"0.01": 0.01, "0.1": 0.1, "1": 1, "10": 10, "100": 100})
    assert "outside" not in axes.get_title()


def test_ticks_of_a_short_logarithmic_axis_stand_at_1_2_5(rng):
    codes = np.exp(np.log(10) * rng.uniform(-1, 0.5, (400, 2)))
    axes = codes_scatter(codes, interval=POSITIVE).axes[0]
    assert ticks(axes.xaxis) == pytest.approx({"0.1": 0.1, "0.2": 0.2, "0.5": 0.5, "1": 1, "2": 2})


def test_ticks_far_from_1_are_powers_of_ten_the_same_on_both_axes(rng):
    codes = np.exp(np.log(10) * rng.uniform([-8, -4.3], [2, 5.7], (400, 2)))
    axes = codes_scatter(codes, interval=POSITIVE).axes[0]
    across, up = ticks(axes.xaxis), ticks(axes.yaxis)
    assert across == pytest.approx(
        {"10⁻⁸": 1e-8, "10⁻⁶": 1e-6, "10⁻⁴": 1e-4, "10⁻²": 0.01, "10⁰": 1, "10²": 100}
    )
    assert set(up) >= {"10⁻⁴", "10⁻²", "10⁰", "10²", "10⁴"}
    assert len(axes.xaxis.get_minorticklocs()) == 0


def test_positive_codes_within_a_decade_get_linear_axes_from_0(rng):
    codes = rng.uniform(5, 8, (300, 2))
    figure = codes_scatter(codes, interval=POSITIVE)
    assert figure.axes[0].get_xscale() == "linear"
    (left, right), (bottom, top) = limits(figure)
    assert (left, right) == (bottom, top)
    assert left == pytest.approx(0, abs=0.03 * right)
    assert left < 0
    assert right == pytest.approx(1.05 * codes.max())


def test_a_positive_code_that_underflowed_is_counted_as_outside(rng):
    codes = np.exp(rng.normal(size=(400, 2)) * 2)
    codes[7] = 0
    figure = codes_scatter(codes, interval=POSITIVE)
    assert figure.axes[0].get_xscale() == "log"
    assert "1 of 400 lie outside" in texts(figure).replace("\u00a0", " ")
    assert np.ptp(np.log10(limits(figure)[0])) < 9


def test_classes_are_named_at_their_medians_on_logarithmic_axes(rng):
    labels = np.repeat([0, 1], 100)
    codes = np.exp(rng.normal(size=(200, 2)) + 4 * labels[:, None])
    named = {
        t.get_text(): t.get_position() for t in codes_scatter(codes, labels, interval=POSITIVE).axes[0].texts
    }
    for label in (0, 1):
        np.testing.assert_allclose(named[str(label)], np.median(codes[labels == label], axis=0))


# --- bounded codes ----------------------------------------------------------------------------------


@pytest.mark.parametrize("codes", [RNG.beta(0.1, 0.1, (50, 2)), RNG.uniform(0.49, 0.51, (50, 2))])
def test_bounded_codes_are_shown_on_the_whole_square(codes):
    figure = codes_scatter(codes, interval=UNIT)
    np.testing.assert_allclose(limits(figure), [[-0.02, 1.02]] * 2)
    (square,) = figure.axes[0].patches
    assert square.get_bbox().extents.tolist() == [0, 0, 1, 1]


def test_classes_that_crowd_in_a_corner_are_named_in_the_legend_only(rng):
    labels = rng.integers(0, 10, 100)
    crowded = codes_scatter(1 - 1e-3 * rng.random((100, 2)), labels, interval=UNIT)
    assert not crowded.axes[0].texts
    assert len(crowded.axes[0].get_legend().get_texts()) == 10


@pytest.mark.parametrize(
    ("code", "interval", "message"),
    [
        (-0.5, POSITIVE, r"codes in \[0, inf\], got -0.5"),
        (1.5, UNIT, r"in \[0, 1\], got 1.5"),
        (np.nan, UNIT, "nan"),
    ],
)
def test_codes_outside_their_interval_are_refused(code, interval, message):
    with pytest.raises(InvalidDataError, match=message):
        codes_scatter(np.array([[0.5, 0.5], [code, 0.5]]), interval=interval)


ODD = {
    "all zero": (np.zeros((30, 2)), POSITIVE),
    "one positive code": (np.array([[2.0, 1e9]]), POSITIVE),
    "two positive codes": (np.array([[2.0, 1e9], [1e-9, 3]]), POSITIVE),
    "float32": (RNG.gamma(0.01, size=(300, 2)).astype(np.float32), POSITIVE),
    "the same code": (np.full((300, 2), 0.5), UNIT),
    "half the rows alike": (
        np.where(RNG.random((300, 1)) < 0.6, 0.0, RNG.standard_cauchy((300, 2))),
        (-inf, inf),
    ),
}


@pytest.mark.parametrize("name", ODD)
@pytest.mark.filterwarnings("error")
def test_odd_codes_are_drawn_without_a_warning(name, tmp_path):
    codes, interval = ODD[name]
    figure = codes_scatter(codes, np.arange(len(codes)) % 4, interval=interval)
    assert save_figure(figure, tmp_path / "odd.png").stat().st_size < 200_000
