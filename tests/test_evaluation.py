"""One evaluation: its numbers against closed forms, its findings on models made to be ill, and scores of rows."""

import dataclasses
import math

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from aevb.assembly import assemble
from aevb.datasets import Dataset, Scaling
from aevb.errors import InvalidRecipeError
from aevb.evaluation import evaluate
from aevb.evaluation.bits import bits_per_dimension, level_width
from aevb.evaluation.measure import _gaps
from aevb.evaluation.methods import METHODS
from aevb.evaluation.rows import random_rows, share_below
from aevb.inference import MarginalEstimate
from aevb.preparation import Preparation
from aevb.recipe import Recipe
from aevb.run import trained_model
from aevb.trained import TrainedModel
from aevb.training import train
from oracles import LinearGaussian


def coins(n, seed):
    """Binary rows of 16 columns."""
    return (np.random.default_rng(seed).uniform(size=(n, 16)) < 0.5).astype(np.float32)


@pytest.fixture(scope="session")
def linear():
    """A linear-Gaussian model in the user's units, and rows."""
    oracle = LinearGaussian.random(4, 2, orthogonal=True)
    scaling = Scaling((3.0, -1.0, 0.0, 10.0), (2.0, 0.5, 1.0, 10.0))
    recipe = Recipe(latents=2, hidden=(4,), likelihood="gaussian", objective="sgvb-b")
    autoencoder = oracle.autoencoder(oracle.imperfect_encoder(), scaling)
    model = TrainedModel(autoencoder, Preparation(scaling, "none", 0), recipe, True)
    return oracle, model, scaling, oracle.sample(300)


def test_against_closed_forms(linear):
    oracle, model, scaling, x = linear
    jacobian = np.log(scaling.scale).sum()
    stages = []
    about = {"methods": ("importance", "iwae"), "show": lambda stage, share: stages.append((stage, share))}
    evaluation = evaluate(model, scaling.undo(x), n_samples=500, **about)
    bound, _, kl = (part.mean() for part in oracle.bound(x, oracle.imperfect_encoder()))
    # One draw per row: its noise is in the sampling error; 5 of them, false alarm 1e-6.
    assert abs(evaluation.bound.value - bound + jacobian) < 5 * evaluation.bound.sampling_error
    assert evaluation.parts["kl"].value == pytest.approx(kl, rel=1e-4)
    exact = oracle.log_marginal(x)
    marginal = evaluation.marginals[0]
    assert abs(marginal.mean - exact.mean() + jacobian) < 5 * marginal.monte_carlo_error
    assert marginal.sampling_error == pytest.approx(exact.std(ddof=1) / np.sqrt(300), rel=0.02)
    assert marginal.curve_sizes == ()
    bounds = evaluation.marginals[1]  # with q itself
    assert bounds.curve_sizes == (1, 10, 100, 500)
    assert np.all(np.diff(bounds.curve) > 0)
    assert bounds.curve[-1] == pytest.approx(bounds.mean, abs=1e-3)
    # The family holds the exact posterior: all of the loss is the encoder's.
    some = x[random_rows(300, 200, 0)]
    loss = np.mean(oracle.log_marginal(some) - oracle.bound(some, oracle.imperfect_encoder())[0])
    assert evaluation.gaps.amortization.value == pytest.approx(loss, abs=0.05)
    assert abs(evaluation.gaps.approximation.value) < 0.03
    assert evaluation.bits is None
    assert "256 levels" in evaluation.no_bits
    assert stages[-1][1] == 1.0
    assert {stage for stage, _ in stages} == {"log p(x), importance", "latents", "gaps"}


@pytest.mark.long
def test_slow_methods_get_some_of_the_rows(linear, monkeypatch):
    _, model, scaling, x = linear
    seen = []

    @dataclasses.dataclass(frozen=True)
    class Slow:
        name = "slow"

        def __call__(self, model, recognition, x, key, show):
            seen.append(len(x))
            n = len(x)
            return MarginalEstimate("slow", "up", np.zeros(n), np.ones(n), np.ones(n, bool), {})

    monkeypatch.setitem(METHODS, "slow", lambda k: Slow())
    e = evaluate(model, scaling.undo(x), methods=("slow", "importance", "slow"), slow_rows=30, n_samples=50)
    assert seen == [30]
    assert [(m.method, m.n_rows, m.bias) for m in e.marginals] == [
        ("slow", 30, "up"),
        ("importance", 300, "down"),
    ]


@pytest.mark.parametrize(
    ("about", "message"),
    [
        ({"methods": ()}, "needs a method"),
        ({"methods": ("exact",)}, "called 'exact': choose of importance"),
        ({"n_samples": 0}, "at least 1, not 0"),
        ({"slow_rows": 0}, "0 rows"),
    ],
)
def test_wrong_requests_are_refused(linear, about, message):
    _, model, _, x = linear
    with pytest.raises(InvalidRecipeError, match=message):
        evaluate(model, x, **about)


def test_bits_of_pixels(linear):
    """A density of 1 per level is one of 256 equal levels: 8 bits; in [0, 1] it is 255 per unit."""
    _, model, _, _ = linear
    model = dataclasses.replace(model, image_shape=(2, 2))
    grey = np.random.default_rng(0).integers(0, 256, size=(50, 4))
    n_observed = np.full(50, 4)

    def bits(x, log_p, n_observed=n_observed):
        estimate = MarginalEstimate("any", "none", log_p, np.zeros(50), np.ones(50, bool), {})
        return bits_per_dimension(model, x, estimate, n_observed)[0]

    for x, per_unit in ((grey, 1 / 256), (grey / 255, 255 / 256), (grey.astype(np.uint8), 1 / 256)):
        found = bits(x, np.full(50, 4 * math.log(per_unit)))
        assert found.per_dimension == pytest.approx(8.0)
        assert found.error == pytest.approx(0.0, abs=1e-9)
        assert found.bin_width == pytest.approx(1.0 if per_unit < 0.1 else 1 / 255)
    # Rows of which less was observed count for less.
    observed = np.array([1, 3] * 25)
    assert bits(grey, observed * math.log(1 / 256), observed).per_dimension == pytest.approx(8.0)
    noisy = bits(grey, -4 * np.log(2) * np.random.default_rng(1).normal(8.0, 1.0, 50))
    assert noisy.error == pytest.approx(1 / np.sqrt(50), rel=0.3)


@pytest.mark.parametrize(
    ("x", "width"),
    [
        ([[0, 255], [3, 7]], 1.0),
        ([[0.0, 1.0], [3 / 255, 7 / 255]], 1 / 255),
        ([[0, 1], [1, 0]], None),
        ([[0, 255], [255, 0]], None),
        ([[0.0, 0.5001]], None),
        ([[-1, 5]], None),
        ([[0, 300]], None),
        ([[0.0, np.nan], [4 / 255, 1.0]], 1 / 255),
    ],
)
def test_what_counts_as_pixels(x, width):
    assert level_width(np.array(x)) == (None if width is None else pytest.approx(width))


def test_share_below_is_that_of_the_rank_test():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 9, size=50).astype(float), rng.integers(0, 12, size=70).astype(float)
    expected = mannwhitneyu(b, a).statistic / (50 * 70)
    assert np.mean(share_below(a, b)) == pytest.approx(expected)


def test_subsets_are_random_in_order_and_repeatable():
    rows = random_rows(1000, 50, 3)
    np.testing.assert_array_equal(rows, random_rows(1000, 50, 3))
    assert np.all(np.diff(rows) > 0)
    assert not np.array_equal(rows, random_rows(1000, 50, 4))
    np.testing.assert_array_equal(random_rows(7, 50, 3), np.arange(7))


def test_discrete_codes_have_no_gaps():
    recipe = Recipe(latents=2, hidden=(4,), posterior="categorical", categories=3, test=0.0)
    dataset = Dataset("made up", coins(60, 0))
    assembly = assemble(recipe, dataset)
    model = trained_model(assembly.start, assembly.recipe, dataset, assembly)
    assert _gaps(model, coins(20, 1), 0, lambda stage, share: None) is None


@pytest.mark.long
def test_what_a_picky_reader_would_miss(linear):
    """Columns that never vary, too few rows to judge latents by, and how another method does on the same rows."""
    _, gaussian, scaling, x = linear
    constant = scaling.undo(x)
    constant[:, 1] = constant[0, 1]
    found = evaluate(gaussian, constant, n_samples=50)
    assert [str(column) for column in found.repeated] == ["column 1 (one value)"]
    assert found.independent is None
    assert "repeated values" in [f.kind for f in found.findings]
    few = evaluate(gaussian, scaling.undo(x[:1]), n_samples=50)
    assert few.findings == ()
    assert any("fewer than 20 rows" in line for line in few.not_checked)
    both = evaluate(
        gaussian, scaling.undo(x), methods=("importance", "quadrature"), slow_rows=10, n_samples=500
    ).marginals
    assert both[0].first_on_same_rows is None
    assert both[1].first_on_same_rows == pytest.approx(both[1].mean, abs=0.05)


@pytest.mark.long
def test_a_posterior_that_leaves_out_a_part_of_the_prior_is_told():
    recipe = Recipe(latents=2, hidden=(8,), posterior="uniform", steps=50, test=0.0, evaluate_every=10**6)
    dataset = Dataset("made up", coins(200, 1))
    assembly = assemble(recipe, dataset)
    *_, state = train(assembly.start, assembly.plan, assembly.data)
    model = trained_model(state, assembly.recipe, dataset, assembly)
    found = evaluate(model, coins(30, 2), n_samples=100, methods=("iwae",))
    assert "support not covered" in [f.kind for f in found.findings]
    assert found.gaps is None
