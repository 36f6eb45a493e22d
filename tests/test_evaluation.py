"""One evaluation: its numbers against closed forms, its findings on models made to be ill, and scores of rows."""

import dataclasses
import json
import math

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from aevb.assembly import assemble
from aevb.datasets import Dataset, Scaling
from aevb.errors import InvalidRecipeError
from aevb.evaluation import evaluate, find, score_rows
from aevb.evaluation.bits import bits_per_dimension, level_width
from aevb.evaluation.measure import _gaps
from aevb.evaluation.methods import METHODS
from aevb.evaluation.rows import random_rows, share_below
from aevb.inference import Importance, MarginalEstimate
from aevb.preparation import Preparation
from aevb.recipe import Recipe
from aevb.run import trained_model
from aevb.trained import TrainedModel
from aevb.training import train
from oracles import LinearGaussian

N_FEATURES = 16


def patterned(n, seed):
    """Binary rows with four latents behind them."""
    rng, weight = np.random.default_rng(seed), 2 * np.random.default_rng(99).normal(size=(4, N_FEATURES))
    p = 1 / (1 + np.exp(-rng.normal(size=(n, 4)) @ weight))
    return (rng.uniform(size=p.shape) < p).astype(np.float32)


def coins(n, seed):
    """Binary rows with nothing behind them, so that there is nothing for codes to tell."""
    return (np.random.default_rng(seed).uniform(size=(n, N_FEATURES)) < 0.5).astype(np.float32)


def fitted(x, steps):
    recipe = Recipe(
        latents=4,
        hidden=(64,),
        learning_rate=3e-3,
        batch_size=64,
        steps=steps,
        test=0.0,
        evaluate_every=10**6,
    )
    dataset = Dataset("made up", x)
    assembly = assemble(recipe, dataset)
    *_, state = train(assembly.start, assembly.plan, assembly.data)
    return trained_model(state, recipe, dataset, assembly)


@pytest.fixture(scope="session")
def patients():
    """A model that is well, one that has learned 100 rows by heart, and one of rows that have nothing in common."""
    rows = {"well": patterned(4000, 1), "overfitted": patterned(100, 1), "collapsed": coins(4000, 1)}
    steps = {"well": 2000, "overfitted": 1500, "collapsed": 400}
    return {name: (fitted(x, steps[name]), x) for name, x in rows.items()}


@pytest.fixture(scope="session")
def evaluations(patients):
    found = {}
    for name, (model, x_train) in patients.items():
        x = (coins if name == "collapsed" else patterned)(1000, 2)
        found[name] = evaluate(model, x, x_train=x_train)
    return found


def test_the_right_diagnosis(evaluations):
    """An encoder that has learned rows by heart is no good proposal for others either."""
    kinds = {name: [finding.kind for finding in e.findings] for name, e in evaluations.items()}
    assert kinds["well"] == []
    assert kinds["overfitted"][0] == "overfitting"
    assert set(kinds["overfitted"][1:]) <= {"unreliable importance weights", "weak encoder"}
    assert kinds["collapsed"] == ["posterior collapse"]


def test_the_numbers_behind_it(evaluations):
    well, overfitted, collapsed = (evaluations[name] for name in ("well", "overfitted", "collapsed"))
    assert abs(well.training.gap) < 3 * well.training.gap_error
    assert overfitted.training.share_above > 0.6
    assert overfitted.training.gap > 5 * overfitted.training.gap_error
    assert collapsed.latents.kl.sum() < 0.1 < 1 < well.latents.kl.sum()
    # Sixteen fair coins cost 16 log 2 nats a row, one bit each.
    assert collapsed.marginals[0].mean == pytest.approx(-16 * math.log(2), abs=0.05)
    assert collapsed.bits.per_dimension == pytest.approx(1.0, abs=0.01)
    assert collapsed.reconstruction.mse == pytest.approx(1.0, abs=0.04)
    assert collapsed.reconstruction.unit == "standard deviations of the columns"
    assert collapsed.reconstruction.share_explained == pytest.approx(0.0, abs=0.04)
    assert well.reconstruction.share_explained > 0.3


def test_json_holds_everything_and_nothing_that_is_no_number(evaluations, patients):
    model, _ = patients["well"]
    few = evaluate(model, patterned(1, 3), n_samples=1)
    for evaluation in (*evaluations.values(), few):
        results = json.loads(json.dumps(evaluation.to_json(), allow_nan=False))
        assert results["elbo"] == evaluation.bound.value
        assert results["log_p"] == evaluation.marginals[0].mean
        assert len(results["latents"]["information"]) == 4
        assert results["gaps"]["amortization"]["value"] == evaluation.gaps.amortization.value
        assert [f["kind"] for f in results["findings"]] == [f.kind for f in evaluation.findings]
    assert results["elbo_sampling_error"] is None
    assert results["log_p_monte_carlo_error"] is None
    assert any("overfitting" in line for line in few.not_checked)
    assert any("importance weights" in line for line in few.not_checked)


@pytest.fixture(scope="session")
def linear():
    """A linear-Gaussian model in the user's units, and rows."""
    oracle = LinearGaussian.random(4, 2, orthogonal=True)
    scaling = Scaling((3.0, -1.0, 0.0, 10.0), (2.0, 0.5, 1.0, 10.0))
    recipe = Recipe(latents=2, hidden=(4,), likelihood="gaussian")
    autoencoder = oracle.autoencoder(oracle.imperfect_encoder(), scaling)
    model = TrainedModel(autoencoder, Preparation(scaling, "none", 0), recipe, "gaussian", True)
    return oracle, model, scaling, oracle.sample(300)


def test_against_closed_forms(linear):
    oracle, model, scaling, x = linear
    jacobian = np.log(scaling.scale).sum()
    stages = []
    evaluation = evaluate(
        model, scaling.undo(x), n_samples=500, show=lambda stage, share: stages.append((stage, share))
    )
    bound, _, kl = (part.mean() for part in oracle.bound(x, oracle.imperfect_encoder()))
    # One draw per row: its noise is in the sampling error; 5 of them, false alarm 1e-6.
    assert abs(evaluation.bound.value - bound + jacobian) < 5 * evaluation.bound.sampling_error
    assert evaluation.parts["kl"].value == pytest.approx(kl, rel=1e-4)
    exact = oracle.log_marginal(x)
    marginal = evaluation.marginals[0]
    assert abs(marginal.mean - exact.mean() + jacobian) < 5 * marginal.monte_carlo_error
    assert marginal.sampling_error == pytest.approx(exact.std(ddof=1) / np.sqrt(300), rel=0.02)
    assert marginal.curve_sizes == (1, 10, 100, 500)
    assert np.all(np.diff(marginal.curve) > 0)
    assert marginal.curve[-1] == pytest.approx(marginal.mean, abs=1e-3)
    # The family holds the exact posterior: all of the loss is the encoder's.
    some = x[random_rows(300, 200, 0)]
    loss = np.mean(oracle.log_marginal(some) - oracle.bound(some, oracle.imperfect_encoder())[0])
    assert evaluation.gaps.amortization.value == pytest.approx(loss, abs=0.05)
    assert abs(evaluation.gaps.approximation.value) < 0.03
    assert evaluation.bits is None
    assert "256 levels" in evaluation.no_bits
    assert stages[-1][1] == 1.0
    assert {stage for stage, _ in stages} == {"log p(x), importance", "latents", "gaps"}


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


def changed(evaluation, **changes):
    """Kinds of findings after these parts were replaced."""
    return [finding.kind for finding in find(dataclasses.replace(evaluation, **changes))]


def test_each_rule_at_its_threshold(evaluations):
    e = evaluations["well"]
    assert changed(e) == []
    assert changed(e, is_normalized=False) == ["improper likelihood"]
    latents = e.latents
    few = dataclasses.replace(latents, is_active=np.array([True, False, False, True]))
    assert changed(e, latents=few) == ["unused latents"]
    none = dataclasses.replace(latents, is_active=np.zeros(4, bool))
    assert changed(e, latents=none) == ["posterior collapse"]
    for share, kinds in ((0.1, []), (0.101, ["unreliable importance weights"])):
        assert changed(e, marginals=(dataclasses.replace(e.marginals[0], share_k_hat_high=share),)) == kinds
    quarter = latents.kl.sum() / 4
    for gap, kinds in ((0.09, []), (0.3, ["prior mismatch"])):
        off = dataclasses.replace(latents, gap=np.full(4, gap * quarter), gap_error=np.full(4, 1e-3))
        assert changed(e, latents=off) == (kinds if gap * 4 * quarter > 0.5 else [])
    for gain, kinds in ((0.9, []), (1.2, ["weak encoder"])):
        slow = dataclasses.replace(e.gaps, amortization=dataclasses.replace(e.gaps.amortization, value=gain))
        assert changed(e, gaps=slow) == kinds
    for gap, share, kinds in ((1.0, 0.54, []), (0.01, 0.6, []), (1.0, 0.6, ["overfitting"])):
        training = dataclasses.replace(e.training, gap=gap, gap_error=0.1, share_above=share)
        assert changed(e, training=training) == kinds


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


def test_odd_rows_score_low(patients):
    model, x_train = patients["well"]
    usual, odd = patterned(200, 5), coins(200, 5)
    method = Importance(100)
    scores = score_rows(model, np.concatenate([usual, odd]), method, x_train, 1000)
    assert scores.n_training == 1000
    # Percentiles of usual rows are even: their mean is 50, with an error of 2.2.
    assert abs(scores.percentile[:200].mean() - 50) < 11
    assert np.median(scores.percentile[200:]) < 10
    assert np.all((scores.percentile >= 0) & (scores.percentile <= 100))
    alone = score_rows(model, odd[:1], method)
    assert alone.percentile is None
    assert alone.estimate.log_p[0] == scores.estimate.log_p[200]
    assert next(iter(alone.columns(is_normalized=False))) == "importance_weighted_cross_entropy"
    assert scores.table().shape == (400, 4)


def test_subsets_are_random_in_order_and_repeatable():
    rows = random_rows(1000, 50, 3)
    np.testing.assert_array_equal(rows, random_rows(1000, 50, 3))
    assert np.all(np.diff(rows) > 0)
    assert not np.array_equal(rows, random_rows(1000, 50, 4))
    np.testing.assert_array_equal(random_rows(7, 50, 3), np.arange(7))


def test_discrete_codes_have_no_gaps():
    recipe = Recipe(latents=2, hidden=(4,), posterior="categorical", categories=3, test=0.0)
    dataset = Dataset("made up", patterned(60, 0))
    assembly = assemble(recipe, dataset)
    model = trained_model(assembly.start, recipe, dataset, assembly)
    assert _gaps(model, patterned(20, 1), 0, lambda stage, share: None) is None


def test_what_a_picky_reader_would_miss(evaluations, patients, linear):
    """Training rows given for new ones, columns that never vary, too few rows to judge latents by, and how another
    method does on the same rows."""
    model, x_train = patients["well"]
    kinds = [f.kind for f in evaluate(model, x_train[:500], x_train=x_train, n_samples=50).findings]
    assert kinds == ["training rows"]
    _, gaussian, scaling, x = linear
    constant = scaling.undo(x)
    constant[:, 1] = constant[0, 1]
    found = evaluate(gaussian, constant, n_samples=50)
    assert found.n_constant == 1
    assert "constant columns" in [f.kind for f in found.findings]
    few = evaluate(model, patterned(1, 3), n_samples=50)
    assert few.findings == ()
    assert any("fewer than 20 rows" in line for line in few.not_checked)
    both = evaluate(
        gaussian, scaling.undo(x), methods=("importance", "quadrature"), slow_rows=10, n_samples=500
    ).marginals
    assert both[0].first_on_same_rows is None
    assert both[1].first_on_same_rows == pytest.approx(both[1].mean, abs=0.05)


def test_a_posterior_that_leaves_out_a_part_of_the_prior_is_told():
    recipe = Recipe(latents=2, hidden=(8,), posterior="uniform", steps=50, test=0.0, evaluate_every=10**6)
    dataset = Dataset("made up", patterned(200, 1))
    assembly = assemble(recipe, dataset)
    *_, state = train(assembly.start, assembly.plan, assembly.data)
    model = trained_model(state, recipe, dataset, assembly)
    found = evaluate(model, patterned(30, 2), n_samples=100)
    assert "support not covered" in [f.kind for f in found.findings]
    assert found.gaps is None
