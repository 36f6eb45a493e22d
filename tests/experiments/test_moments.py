"""Moments of draws that arrive in blocks, against NumPy and SciPy on all draws at once."""

import numpy as np
import pytest
from scipy import stats

from aevb.experiments.gradients.moments import Accumulator

RNG = np.random.default_rng(0)


def moments(draws, blocks=1, n_powers=4):
    accumulator = Accumulator(n_powers)
    for block in np.array_split(draws, blocks):
        accumulator.add(block)
    return accumulator.moments()


@pytest.mark.parametrize("blocks", [1, 7])
@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_moments_are_those_of_all_draws_together(blocks, offset):
    draws = offset + RNG.gamma(2.0, size=(500, 3)) * [1, 10, 0.1]
    got = moments(draws, blocks)
    assert got.n == 500
    np.testing.assert_allclose(got.mean, draws.mean(0), rtol=1e-12)
    np.testing.assert_allclose(got.variance, draws.var(0, ddof=1), rtol=1e-8)
    np.testing.assert_allclose(got.fourth, stats.moment(draws, 4), rtol=1e-8)
    np.testing.assert_allclose(got.mean_error, stats.sem(draws), rtol=1e-8)
    assert got.mean_variance == pytest.approx(draws.var(0, ddof=1).mean())


def test_two_powers_give_the_same_but_for_fourth_moments():
    draws = RNG.normal(size=(40, 5)).astype(np.float32)
    two, four = moments(draws, 8, n_powers=2), moments(draws, 8)
    np.testing.assert_array_equal(two.variance, four.variance)
    assert two.mean_variance_error == four.mean_variance_error
    assert two.fourth is None


def test_the_errors_of_variances_are_their_spread():
    """Also that of the mean variance, of columns that move together. Over 2000 repeats a spread is known to 2%."""
    factor = RNG.normal(size=(3, 3))
    repeats = [moments(RNG.normal(size=(400, 3)) @ factor) for _ in range(2000)]
    spread = np.std([r.variance for r in repeats], axis=0)
    np.testing.assert_allclose(np.mean([r.variance_error for r in repeats], axis=0), spread, rtol=0.08)
    spread = np.std([r.mean_variance for r in repeats])
    assert np.mean([r.mean_variance_error for r in repeats]) == pytest.approx(spread, rel=0.08)


def test_a_column_that_never_changes_has_no_variance():
    got = moments(np.full((10, 2), 0.1), blocks=3)
    assert got.variance.tolist() == [0, 0]
    assert got.variance_error.tolist() == [0, 0]
