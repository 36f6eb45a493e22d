"""The joint test of bias keeps its rates on synthetic draws, whatever their covariance."""

import numpy as np
import pytest

from aevb.experiments.gradients.bias import (
    FALSE_ALARM,
    POWER,
    BiasTest,
    exact_reference,
    replicated_reference,
    sampled_reference,
    sketch,
)
from aevb.experiments.gradients.moments import Accumulator

RNG = np.random.default_rng(1)
P, N, REPEATS = 6, 400, 1000
EXACT = RNG.normal(size=P)
# Strongly correlated coordinates, two of them equal, one of them a hundred times as large.
FACTOR = RNG.normal(size=(2, P)) * np.array([1, 1, 1, 1, 100, 1])
FACTOR[:, 3] = FACTOR[:, 2]


def found(reference, bias, repeats=REPEATS, alarm=0.05):
    """The tests of many sets of draws with this bias."""
    results = []
    for _ in range(repeats):
        draws = EXACT + bias + RNG.normal(size=(N, 2)) @ FACTOR
        accumulator = Accumulator()
        accumulator.add(reference.statistics(draws))
        results.append(BiasTest.of(reference, accumulator.moments(), alarm))
    return results


def rate(results):
    return np.mean([result.found for result in results])


def below(rate, n=REPEATS):
    """Four standard errors above a rate, which a right test exceeds once in 30,000 times."""
    return rate + 4 * np.sqrt(rate * (1 - rate) / n)


def test_no_bias_is_seldom_found():
    results = found(exact_reference(EXACT, "known"), 0.0)
    assert rate(results) < below(0.05)
    along, error = np.mean([(r.along, r.along_error) for r in results], axis=0)
    assert abs(along) < 4 * error / np.sqrt(REPEATS)


def test_a_planted_bias_is_found_at_the_stated_power():
    reference = exact_reference(EXACT, "known")
    length = found(reference, 0.0)[0].detectable * np.linalg.norm(EXACT)
    for direction in (np.eye(P)[4], FACTOR[0] / np.linalg.norm(FACTOR[0]), EXACT / np.linalg.norm(EXACT)):
        assert rate(found(reference, length * direction, repeats=400)) > POWER - 0.06
    assert rate(found(reference, 1e-3 * length * np.eye(P)[4], repeats=400)) < below(0.05, n=400)


def test_a_bias_along_the_gradient_is_reported_as_its_share():
    results = found(exact_reference(EXACT, "known"), 0.25 * EXACT)
    along, error = np.mean([(r.along, r.along_error) for r in results], axis=0)
    assert along == pytest.approx(0.25, abs=4 * error / np.sqrt(REPEATS))


def test_a_coordinate_that_never_changes_must_be_exact():
    reference = exact_reference(np.array([1.0, 2.0]), "known")
    draws = np.stack([1 + RNG.normal(size=N), np.full(N, 2.0)], axis=1)
    for shift, is_found in ((0.0, False), (1e-3, True)):
        accumulator = Accumulator()
        accumulator.add(reference.statistics(draws + np.array([0, shift])))
        assert BiasTest.of(reference, accumulator.moments(), FALSE_ALARM).found == is_found


def test_the_error_of_a_reference_counts():
    """A mean of replicates that is as inaccurate as the means held against it, which would else be called biased."""
    spread = 8 * FACTOR / np.sqrt(N)  # of one replicate of 64
    results = []
    for _ in range(100):
        reference = replicated_reference(EXACT + RNG.normal(size=(64, 2)) @ spread, "replicates")
        results += found(reference, 0.0, repeats=5)
    assert rate(results) < below(0.05, n=100)


def test_a_long_run_gives_the_length_of_the_gradient_without_that_of_its_noise():
    gradient = np.zeros(5000)
    gradient[0] = 1.0
    lengths = [
        sampled_reference(lambda: gradient + 0.1 * RNG.normal(size=(10, 5000)), 10, "long run").length
        for _ in range(20)
    ]
    # The direction is off by the noise of the first half, so that the length along it is less than 1, never more.
    assert 0.7 < np.mean(lengths) < 1.0


def test_a_sketch_keeps_every_coordinate_with_a_sign():
    draws = np.eye(37, dtype=np.float32)
    got = sketch(draws)
    assert got.shape == (37, 16)
    assert np.array_equal(np.abs(got).sum(axis=1), np.ones(37))
    assert set(got[got != 0]) == {-1.0, 1.0}
