"""The bound as a mean over draws, against its closed form for linear-Gaussian models."""

import jax
import numpy as np
import pytest
from scipy.stats import chi2

from aevb.errors import InvalidRecipeError
from aevb.inference import bounds, error_of_mean, mean_bounds
from aevb.objectives import SGVBA, row_bounds
from oracles import LinearGaussian

KEY = jax.random.key(0)


@pytest.fixture(scope="module")
def oracle():
    return LinearGaussian.random(4, 2, orthogonal=True)


@pytest.fixture(scope="module")
def x(oracle):
    return oracle.sample(200)


@pytest.fixture(scope="module")
def of(oracle, x):
    """The bounds of some rows, at an encoder that is off."""
    autoencoder = oracle.autoencoder(oracle.imperfect_encoder())

    def bounds_of(n_draws=None, objective=SGVBA(), rows=x):  # noqa: B008
        return mean_bounds(objective, autoencoder.model, autoencoder.posterior, rows, KEY, n_draws)

    return bounds_of


def test_is_right_within_its_stated_error(of, oracle, x, assert_jointly_normal):
    found, (exact, reconstruction, kl) = of(400), oracle.bound(x, oracle.imperfect_encoder())
    z = (found["bound"] - exact) / found["monte_carlo_error"]
    assert_jointly_normal(z)
    assert np.sum(z**2) > chi2.ppf(1e-6, len(x))  # nor are the errors overstated
    error = error_of_mean(found["bound"], found["monte_carlo_error"])
    assert abs(np.mean(found["bound"] - exact)) < 5 * error  # false alarm 6e-7
    for name, values in (("reconstruction", reconstruction), ("kl", kl)):
        assert abs(np.mean(found[name] - values)) < 0.05


def test_a_single_draw_lies_above_log_p_where_the_mean_does_not(of, oracle, x):
    """What was reported before, and why."""
    autoencoder = oracle.autoencoder(oracle.imperfect_encoder())
    one = row_bounds(SGVBA(), autoencoder.model, autoencoder.posterior, x, KEY)["bound"]
    exact, found = oracle.log_marginal(x), of(400)
    assert np.mean(one > exact) > 0.1
    assert np.all(found["bound"] < exact + 5.5 * found["monte_carlo_error"])  # of 200 rows: false alarm 4e-6


def test_draws_until_the_error_is_a_tenth_of_the_sampling_error(of, oracle, x):
    few = of(bounds.FEWEST_DRAWS)
    aim = 0.1 * np.std(few["bound"], ddof=1) / np.sqrt(len(x))
    assert error_of_mean(few["bound"], few["monte_carlo_error"]) < aim
    assert np.array_equal(of()["bound"], few["bound"])  # enough
    alike = x[:12] * 0.3  # differ so little that more draws are called for
    shares = []
    for found in (of(bounds.FEWEST_DRAWS, rows=alike), of(rows=alike)):
        error = error_of_mean(found["bound"], found["monte_carlo_error"])
        shares.append(error / (np.std(found["bound"], ddof=1) / np.sqrt(12)))
    assert shares[0] > 0.2
    assert shares[1] < 0.1


def test_a_row_alone_has_the_same_bound(of, x):
    for name, values in of(8, rows=x[3:4]).items():
        assert values[0] == of(8)[name][3]


def test_an_exact_bound_has_no_error(oracle, x):
    """At the exact posterior each draw gives log p(x)."""
    autoencoder = oracle.autoencoder()
    found = mean_bounds(SGVBA(), autoencoder.model, autoencoder.posterior, x[:5], KEY)
    np.testing.assert_allclose(found["bound"], oracle.log_marginal(x[:5]), atol=2e-5)
    assert np.all(found["monte_carlo_error"] < 1e-5)


def test_one_draw_tells_no_error(of):
    with pytest.raises(InvalidRecipeError, match="at least 2 draws, not 1"):
        of(1)
