"""The right word for each of eight runs, every rule at its threshold, and scores of rows."""

import dataclasses
import json
import math

import numpy as np
import pytest

from aevb.evaluation import evaluate, find, score_rows
from aevb.evaluation.history import read_history
from aevb.evaluation.results import Tail
from aevb.inference import Importance
from eight_runs import CASES, judged, linked, trained, unrelated
from short_suite import short

# The others are trained in `make test-long`; every rule is tried at its threshold here.
SHORT = ("healthy", "collapsed", "overfitted")


class Once(dict):
    """What a function gives for each name, found when it is first asked for."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def __missing__(self, name):
        self[name] = self.function(name)
        return self[name]


@pytest.fixture(scope="module")
def runs():
    """The run of each name."""
    return Once(trained)


@pytest.fixture(scope="module")
def evaluations(runs):
    """The evaluation of each."""
    return Once(lambda name: judged(name, runs[name]))


def kinds(evaluation):
    return [finding.kind for finding in evaluation.findings]


@pytest.mark.parametrize("name", short(*SHORT, of=CASES))
def test_the_right_word_for_each_run(evaluations, name):
    """The first word is the right one, and no other is wrong; a run that is well gets none."""
    _, _, word, others = CASES[name]
    first, *rest = kinds(evaluations[name]) or [None]
    assert first == word
    assert set(rest) <= others


@pytest.mark.long
@pytest.mark.parametrize("seed", range(1, 6))
@pytest.mark.parametrize("name", CASES)
def test_the_right_word_whatever_the_seed(name, seed):
    _, _, word, others = CASES[name]
    first, *rest = kinds(judged(name, trained(name, seed), seed)) or [None]
    assert first == word
    assert set(rest) <= others


def changed(evaluation, **changes):
    """Kinds of findings after these parts were replaced."""
    return [finding.kind for finding in find(dataclasses.replace(evaluation, **changes))]


def test_each_rule_at_its_threshold(evaluations):
    e = evaluations["healthy"]
    assert changed(e) == []
    assert changed(e, is_normalized=False) == ["improper likelihood"]
    latents = e.latents
    four = {
        f.name: np.tile(v, 2) for f in dataclasses.fields(latents) if np.ndim(v := getattr(latents, f.name))
    }
    few = dataclasses.replace(latents, **four | {"is_active": np.array([True, False, False, True])})
    assert changed(e, latents=few) == ["unused latents"]
    none = dataclasses.replace(latents, is_active=np.zeros(2, bool))
    assert changed(e, latents=none) == ["posterior collapse"]
    for share, found in ((0.1, []), (0.101, ["unreliable importance weights"])):
        assert changed(e, marginals=(dataclasses.replace(e.marginals[0], share_k_hat_high=share),)) == found
    half = latents.kl.sum() / 2
    for gap, found in ((0.05, []), (0.3, ["prior mismatch"])):
        off = dataclasses.replace(latents, gap=np.full(2, gap * half), gap_error=np.full(2, 1e-3))
        assert changed(e, latents=off) == found
    for gain, found in ((0.9, []), (1.2, ["weak encoder"])):
        slow = dataclasses.replace(e.gaps, amortization=dataclasses.replace(e.gaps.amortization, value=gain))
        assert changed(e, gaps=slow) == found
    overfitting = ["overfitting"]
    for gap, share, found in ((1.0, 0.54, []), (0.01, 0.6, []), (1.0, 0.6, overfitting)):
        training = dataclasses.replace(e.training, gap=gap, gap_error=0.1, share_above=share)
        assert changed(e, training=training) == found
    # Means that a few rows make uncertain: ranks decide, whose error among 400 and 1,000 rows is 0.017.
    for share, found in ((0.545, []), (0.7, overfitting)):
        training = dataclasses.replace(e.training, gap=1000.0, gap_error=700.0, share_above=share)
        assert changed(e, training=training) == found
    for n_shared, by_chance, found in ((40, 0.0, []), (60, 0.0, ["training rows"]), (397, 397.0, [])):
        training = dataclasses.replace(e.training, n_shared=n_shared, n_by_chance=by_chance)
        assert changed(e, training=training) == found


def test_rules_about_training_at_their_thresholds(evaluations):
    e = evaluations["healthy"]
    gain = e.history.gain
    for changes, found in (
        ({"fall": 0.9}, []),
        ({"fall": 0.21 * gain + 1}, ["diverged"]),
        ({"fall": float("inf")}, ["diverged"]),
        ({"value": e.independent.log_p - 17}, []),
        ({"value": e.independent.log_p - 19}, ["diverged"]),
        ({"rise": 0.09 * gain, "rise_error": 1e-3}, []),
        ({"rise": 0.11 * gain, "rise_error": 1e-3}, ["undertrained"]),
        ({"rise": 0.11 * gain, "rise_error": 0.1 * gain}, []),
        ({"rise": None}, []),
        ({"held_out": "test", "held_out_fall": 0.21 * gain + 1}, ["overfitting"]),
        ({"held_out": "test", "held_out_fall": 0.9}, []),
    ):
        assert changed(e, history=dataclasses.replace(e.history, **changes)) == found, changes
    assert changed(e, history=None) == []
    for difference, error, median, found in (
        (-0.4, 0.01, -0.4, []),
        (-0.6, 0.01, -0.1, ["below independent columns"]),
        (-1e6, 1e6, -0.4, []),
        (-1e6, 1e6, -0.6, ["below independent columns"]),
    ):
        mean = dataclasses.replace(e.independent.difference, value=difference, sampling_error=error)
        independent = dataclasses.replace(e.independent, difference=mean, median=median)
        assert changed(e, independent=independent) == found


def test_rules_about_rows_at_their_thresholds(evaluations):
    e = evaluations["healthy"]
    shift = np.zeros((6, 6))
    for distance, difference, found in (
        (0.14, 0.0, []),
        (0.16, 0.0, ["unlike the data"]),
        (0.0, 0.19, []),
        (0.0, 0.24, ["unlike the data"]),
    ):
        shift[0, 1] = shift[1, 0] = -difference
        off = dataclasses.replace(e.simulated, distance=np.array([distance, *[0.0] * 5]), difference=shift)
        assert changed(e, simulated=off) == found
    tails = (Tail(0, "'a'", 12.0),)
    assert changed(e, tails=tails) == []
    assert changed(e, tails=tails, bound_median=e.bound.value + 1.1) == ["heavy tails"]


def record(step, **values):
    return {"step": step, **{f"{split}_bound": value for split, value in values.items()}}


def test_what_a_history_says():
    rising = [record(10 * i, train=-100 + 5 * i, test=-101 + 4 * i) for i in range(1, 10)]
    found = read_history(rising, independent=-120.0)
    assert (found.n_records, found.value, found.gain, found.fall) == (9, -55.0, 65.0, 0.0)
    assert (found.held_out, found.held_out_fall) == ("test", 0.0)
    # A third of 80 steps at 0.4 a step, as test rows rise less.
    assert found.rise == pytest.approx(80 / 3 * 0.4)
    assert found.rise_error == pytest.approx(0.0, abs=1e-9)
    assert read_history(rising).gain == 40.0
    kept = read_history(rising, chosen_step=50)
    assert (kept.value, kept.rise) == (-75.0, None)
    fallen = read_history([*rising, record(100, train=-300.0, test=float("nan"))])
    assert (fallen.fall, fallen.held_out_fall) == (245.0, float("inf"))
    assert read_history(rising[:2]).rise is None
    assert read_history([]) is None
    both = [record(1, train=-3.0, validation=-4.0, test=-5.0)]
    assert read_history(both).held_out == "validation"


@pytest.mark.long
def test_rows_that_were_trained_on_are_told_by_their_values(runs):
    """Also in another type; and 60 of 400 are too many, which a threshold of most of the rows let pass."""
    run, new = runs["healthy"], CASES["healthy"][0](340, 5)
    mixed = np.concatenate([new, run.x[:60]])
    found = evaluate(run.model, mixed, x_train=run.x, n_samples=50)
    assert (found.training.n_shared, found.training.n_by_chance) == (60, 0.0)
    assert kinds(found) == ["training rows"]


def test_the_numbers_behind_it(evaluations):
    healthy, overfitted, collapsed = (evaluations[name] for name in ("healthy", "overfitted", "collapsed"))
    assert abs(healthy.training.gap) < 3 * healthy.training.gap_error
    assert overfitted.training.share_above > 0.6
    assert collapsed.latents.kl.sum() < 0.1 < 1 < healthy.latents.kl.sum()
    # Six standard normal columns have an entropy of 6 * log(2 pi e) / 2 nats; the error over 400 rows is 0.09.
    assert collapsed.marginals[0].mean == pytest.approx(-3 * math.log(2 * math.pi * math.e), abs=0.4)
    assert collapsed.independent.difference.value == pytest.approx(0.0, abs=0.1)
    assert collapsed.reconstruction.mse == pytest.approx(1.0, abs=0.08)
    assert collapsed.reconstruction.unit == "standard deviations of the columns"
    assert collapsed.reconstruction.share_explained == pytest.approx(0.0, abs=0.08)
    assert healthy.reconstruction.share_explained > 0.3
    assert all(0 < e.bound_monte_carlo_error < 0.2 * e.bound.sampling_error for e in (healthy, collapsed))


@pytest.fixture
def few(runs):
    """The evaluation of one row by one sample."""
    return evaluate(runs["healthy"].model, linked(1, 3), n_samples=1)


def test_json_holds_everything_and_nothing_that_is_no_number(evaluations):
    for name in SHORT:
        evaluation = evaluations[name]
        results = json.loads(json.dumps(evaluation.to_json(), allow_nan=False))
        assert results["bound"] == evaluation.bound.value
        assert results["log_p"] == evaluation.marginals[0].mean
        assert results["bound_monte_carlo_error"] == evaluation.bound_monte_carlo_error
        assert len(results["latents"]["information"]) == 2
        assert results["gaps"]["amortization"]["value"] == evaluation.gaps.amortization.value
        assert [f["kind"] for f in results["findings"]] == [f.kind for f in evaluation.findings]


@pytest.mark.long
def test_what_one_row_and_one_sample_cannot_tell_is_no_number(few):
    results = json.loads(json.dumps(few.to_json(), allow_nan=False))
    assert results["bound"] == few.bound.value
    assert results["bound_sampling_error"] is None
    assert results["log_p_monte_carlo_error"] is None
    assert any("overfitting" in line for line in few.not_checked)
    assert any("importance weights" in line for line in few.not_checked)


def test_odd_rows_score_low(runs):
    model, x_train = runs["healthy"].model, runs["healthy"].x
    usual, odd = linked(200, 5), 3 * unrelated(200, 5)
    scores = score_rows(model, np.concatenate([usual, odd]), Importance(100), x_train, 900)
    assert scores.n_reference == 900
    # Percentiles of usual rows are even: their mean is 50, with an error of 2.2.
    assert abs(scores.percentile[:200].mean() - 50) < 11
    assert np.median(scores.percentile[200:]) < 10
    assert np.all((scores.percentile >= 0) & (scores.percentile <= 100))
    alone = score_rows(model, odd[:1], Importance(100))
    assert alone.percentile is None
    assert alone.estimate.log_p[0] == scores.estimate.log_p[200]
    assert next(iter(alone.columns(is_normalized=False))) == "importance_weighted_cross_entropy"
    assert scores.table().shape == (400, 4)


@pytest.mark.long
def test_a_second_look_tells_whether_failed_diagnostics_matter(runs):
    """On rows like those of training nothing moves; for rows far out an encoder's q is no proposal."""
    model = runs["healthy"].model

    @dataclasses.dataclass(frozen=True)
    class Doubtful:
        """Importance sampling whose diagnostics pass or do not, and whose estimates lie too low."""

        too_low: float
        passes: bool = False
        name = "doubtful"

        def __call__(self, *about):
            found = Importance(300)(*about)
            return dataclasses.replace(
                found, log_p=found.log_p - self.too_low, reliable=np.full(len(found.log_p), self.passes)
            )

    for too_low, matters in ((0.0, False), (3.0, True)):
        look = score_rows(model, linked(30, 5), Doubtful(too_low), linked(300, 6)).second_look
        assert look.n_rows == 30
        assert look.rise == pytest.approx(too_low, abs=0.1)
        assert look.matters == matters
    assert score_rows(model, linked(30, 5), Doubtful(3.0, passes=True)).second_look is None
