"""The likelihood of independent columns, against SciPy and NumPyro's own densities and a numerical maximum."""

from typing import get_args

import numpy as np
import pytest
from scipy import integrate, optimize, stats

from aevb.datasets import independent_log_likelihood
from aevb.models import Likelihood


def test_normal_columns_are_scipys():
    rng = np.random.default_rng(0)
    train, rows = rng.normal(2, 3, (50, 4)), rng.normal(2, 3, (7, 4))
    expected = stats.norm(train.mean(0), train.std(0)).logpdf(rows).sum(1)
    for name in ("gaussian", "gaussian-diagonal", "gaussian-isotropic", "gaussian-sigmoid"):
        np.testing.assert_allclose(independent_log_likelihood(rows, train, name), expected)


def test_a_missing_value_is_left_out():
    train = np.array([[0.0, 1.0], [2.0, np.nan], [4.0, 5.0]])
    rows = np.array([[1.0, np.nan], [np.nan, np.nan]])
    found = independent_log_likelihood(rows, train, "gaussian")
    np.testing.assert_allclose(found, [stats.norm(2, np.std([0, 2, 4])).logpdf(1), 0])


def test_binary_columns_have_half_a_row_of_each_kind_more():
    train = np.array([[1.0], [1.0], [0.0]])
    found = independent_log_likelihood(np.array([[1.0], [0.0]]), train, "bernoulli")
    np.testing.assert_allclose(np.exp(found), [2.5 / 4, 1.5 / 4])


@pytest.mark.parametrize("mean", [0.001, 0.3, 0.5, 0.97])
def test_continuous_bernoulli_columns_are_normalized_and_likeliest(mean: float):
    x = np.array([[mean]])

    def log_density(value: float) -> float:
        return float(independent_log_likelihood(np.array([[value]]), x, "continuous-bernoulli")[0])

    total, _ = integrate.quad(lambda value: np.exp(log_density(value)), 0, 1)
    assert total == pytest.approx(1, abs=1e-6)

    def negative(logit: float) -> float:
        normalizer, _ = integrate.quad(lambda value: np.exp(logit * value), 0, 1)
        return np.log(normalizer) - logit * mean

    best = -optimize.minimize_scalar(negative, bounds=(-2000, 500), method="bounded").fun
    assert log_density(mean) == pytest.approx(best, abs=1e-3)


def test_every_likelihood_has_columns():
    train = np.random.default_rng(0).integers(0, 2, (20, 3)).astype(float)
    for name in get_args(Likelihood):
        assert np.isfinite(independent_log_likelihood(train, train, name)).all()
