"""Likelihoods, all that are in the table: against SciPy's, on their supports, and beside independent columns."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, optimize, stats
from scipy.special import expit

from aevb.assembly import assemble
from aevb.datasets import Dataset, Support
from aevb.errors import InvalidDataError
from aevb.models import LIKELIHOODS
from aevb.models.likelihoods.categories import Categorical, Ordinal
from aevb.preparation import Beyond
from aevb.recipe import Recipe
from conftest import FALSE_ALARM
from short_suite import short

RNG = np.random.default_rng(0)
SHAPE = (6, 3)
# Features by name, of moderate size.
FEATURES = {
    name: 0.7 * RNG.normal(size=SHAPE) for name in ("loc", "scale", "log_variance", "logits", "log_rate")
}
FEATURES |= {
    name: 0.7 * RNG.normal(size=SHAPE) for name in ("log_mean", "logit_mean", "concentration", "gate")
}
DF = np.array([-1.0, 0.0, 2.0])
COUNTS = np.array([[0.0, 1.0, 2.0], [0, 5, 1], [3, 0, 0], [1, 1, 7], [0, 0, 0], [2, 12, 4]])
REALS = 2 * RNG.normal(size=SHAPE)
POSITIVE = np.exp(REALS / 2)
SHARES = expit(REALS)


def features(name):
    likelihood = LIKELIHOODS[name]
    free = {"df": DF, "concentration": DF, "log_variance": DF[:1] if name == "gaussian-isotropic" else DF}
    of_z = {p: FEATURES[p] for p in likelihood.heads}
    return {
        p: jnp.asarray(v, jnp.float32) for p, v in {**of_z, **{p: free[p] for p in likelihood.free}}.items()
    }


def negative_binomial(mean, shape):
    return stats.nbinom(shape, shape / (shape + mean))


def zero_inflated(f):
    inner, gate = negative_binomial(np.exp(f["log_mean"]), np.exp(DF)), expit(f["gate"] - 2)
    return np.log(gate * (COUNTS == 0) + (1 - gate) * inner.pmf(COUNTS))


# Rows, and their log densities by SciPy or by a direct sum.
F = FEATURES
SCALE = np.exp(F["scale"] / 2)
SCIPY = {
    "bernoulli": (COUNTS > 1, lambda: stats.bernoulli(expit(F["logits"])).logpmf(COUNTS > 1)),
    "beta": (
        SHARES,
        lambda: stats.beta(
            *(2 * np.exp(F["concentration"]) * p for p in (mean_of_beta(), 1 - mean_of_beta()))
        ).logpdf(SHARES),
    ),
    "gaussian": (REALS, lambda: stats.norm(F["loc"], np.exp(F["log_variance"] / 2)).logpdf(REALS)),
    "gaussian-sigmoid": (
        REALS,
        lambda: stats.norm(expit(F["loc"]), np.exp(F["log_variance"] / 2)).logpdf(REALS),
    ),
    "gaussian-diagonal": (REALS, lambda: stats.norm(F["loc"], np.exp(DF / 2)).logpdf(REALS)),
    "gaussian-isotropic": (REALS, lambda: stats.norm(F["loc"], np.exp(DF[0] / 2)).logpdf(REALS)),
    "student-t": (REALS, lambda: stats.t(2.01 + np.logaddexp(0, DF + 3), F["loc"], SCALE).logpdf(REALS)),
    "laplace": (REALS, lambda: stats.laplace(F["loc"], SCALE).logpdf(REALS)),
    "log-normal": (POSITIVE, lambda: stats.lognorm(SCALE, scale=np.exp(F["loc"])).logpdf(POSITIVE)),
    "gamma": (
        POSITIVE,
        lambda: stats.gamma(
            np.exp(F["concentration"]), scale=np.exp(F["log_mean"] - F["concentration"])
        ).logpdf(POSITIVE),
    ),
    "poisson": (COUNTS, lambda: stats.poisson(np.exp(F["log_rate"])).logpmf(COUNTS)),
    "negative-binomial": (
        COUNTS,
        lambda: negative_binomial(np.exp(F["log_mean"]), np.exp(DF)).logpmf(COUNTS),
    ),
    "zero-inflated-negative-binomial": (COUNTS, lambda: zero_inflated(F)),
}
# Held against their definitions in tests of their own.
ELSEWHERE = {"continuous-bernoulli", "categorical", "ordinal"}


def mean_of_beta():
    return expit(8 * np.tanh(F["logit_mean"] / 8))


def test_every_likelihood_is_held_against_another_source():
    assert SCIPY.keys() | ELSEWHERE == LIKELIHOODS.keys()


@pytest.mark.parametrize("name", SCIPY)
def test_log_densities_are_scipys(name):
    x, expected = SCIPY[name]
    got = LIKELIHOODS[name].distribution(**features(name)).log_prob(jnp.asarray(x, jnp.float32))
    np.testing.assert_allclose(got, expected(), rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize(
    "name", short("gaussian", "gamma", of=sorted(SCIPY.keys() - {"continuous-bernoulli"}))
)
def test_means_and_variances_are_those_of_draws(name):
    """200,000 draws of a row of three cells; false-alarm rate 1e-6 for each mean, and variances within a tenth."""
    given = {p: v if v.ndim == 1 else v[:1] for p, v in features(name).items()}
    given = {p: jnp.maximum(v, 0.5) if p in ("df", "concentration") else v for p, v in given.items()}
    p = LIKELIHOODS[name].distribution(**given)
    draws = np.asarray(p.sample(jax.random.key(1), (200_000,)), np.float64)
    assert LIKELIHOODS[name].support.holds_all(draws)
    error = draws.std(0) / np.sqrt(len(draws))
    limit = stats.norm.isf(FALSE_ALARM / 6)
    np.testing.assert_array_less(np.abs(draws.mean(0) - p.mean), np.maximum(limit * error, 1e-6))
    if name not in ("student-t", "log-normal"):  # whose fourth moments are large or infinite
        np.testing.assert_allclose(draws.var(0), p.variance, rtol=0.1)


@pytest.mark.parametrize("likelihood", [Categorical(4), Ordinal(4)])
def test_categories_add_up_to_one(likelihood):
    rng = np.random.default_rng(1)
    shapes = {name: (2, likelihood.width(name, 3)) for name in likelihood.heads}
    shapes |= {name: (likelihood.width(name, 3),) for name in likelihood.free}
    given = {name: jnp.asarray(2 * rng.normal(size=shape), jnp.float32) for name, shape in shapes.items()}
    p = likelihood.distribution(**given)
    assert p.batch_shape == (2, 3)
    each = np.exp([np.asarray(p.log_prob(jnp.full((2, 3), float(code)))) for code in range(4)])
    np.testing.assert_allclose(each.sum(0), 1, rtol=1e-5)
    np.testing.assert_allclose(p.mean, np.tensordot(np.arange(4), each, 1), rtol=1e-5)
    np.testing.assert_allclose(p.variance, np.tensordot(np.arange(4) ** 2, each, 1) - p.mean**2, rtol=1e-3)
    assert np.all(np.isneginf(p.log_prob(jnp.full((2, 3), 4.0))))


def test_an_ordinal_s_cuts_rise_and_give_differences_of_sigmoids():
    likelihood, cuts = Ordinal(3), np.array([-0.4, 0.8])
    p = likelihood.distribution(loc=jnp.asarray([[0.3]]), cuts=jnp.asarray(cuts, jnp.float32))
    first = cuts[0] - 0.5
    second = first + np.logaddexp(0, cuts[1] + np.log(np.e - 1))
    low, high = expit(first - 0.3), expit(second - 0.3)
    np.testing.assert_allclose(np.exp(p.log_probabilities[0, 0]), [low, high - low, 1 - high], rtol=1e-5)


def test_categories_are_counted_and_seen_one_hot():
    likelihood = LIKELIHOODS["categorical"].fitted(np.array([[0.0, 2.0], [np.nan, 1.0]]))
    assert likelihood.n_categories == 3
    assert likelihood.domain == Support(0.0, 2.0, is_whole=True)
    seen = likelihood.inputs(jnp.asarray([[2.0, 0.0]]), jnp.asarray([[True, False]]))
    np.testing.assert_array_equal(seen, [[0, 0, 1, 0, 0, 0]])


# --- independent columns ---------------------------------------------------------------------------


def independent(rows, train, name):
    """The sum over columns."""
    return np.nansum(LIKELIHOODS[name].independent(rows, train), axis=1)


def test_independent_normal_columns_are_scipys():
    rng = np.random.default_rng(0)
    train, rows = rng.normal(2, 3, (50, 4)), rng.normal(2, 3, (7, 4))
    expected = stats.norm(train.mean(0), train.std(0)).logpdf(rows).sum(1)
    for name in ("gaussian", "gaussian-diagonal", "gaussian-isotropic", "gaussian-sigmoid"):
        np.testing.assert_allclose(independent(rows, train, name), expected)


def test_a_missing_value_is_left_out():
    train = np.array([[0.0, 1.0], [2.0, np.nan], [4.0, 5.0]])
    rows = np.array([[1.0, np.nan], [np.nan, np.nan]])
    found = independent(rows, train, "gaussian")
    np.testing.assert_allclose(found, [stats.norm(2, np.std([0, 2, 4])).logpdf(1), 0])


def test_binary_columns_have_half_a_row_of_each_kind_more():
    train = np.array([[1.0], [1.0], [0.0]])
    found = independent(np.array([[1.0], [0.0]]), train, "bernoulli")
    np.testing.assert_allclose(np.exp(found), [2.5 / 4, 1.5 / 4])


def test_columns_without_a_closed_form_are_fitted():
    """By a search of SciPy's own; a missing value is left out."""
    rng = np.random.default_rng(0)
    counts = rng.negative_binomial(2, 0.3, (400, 2)).astype(float)
    counts[0, 0] = np.nan
    found = np.nanmean(LIKELIHOODS["negative-binomial"].independent(counts, counts), axis=0)

    def best(column):
        def loss(u):
            return -negative_binomial(np.exp(u[0]), np.exp(u[1])).logpmf(column).mean()

        return -optimize.minimize(loss, [1.0, 0.0], method="Nelder-Mead").fun

    expected = [best(counts[1:, 0]), best(counts[:, 1])]
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    rates = counts[1:]
    found = LIKELIHOODS["poisson"].independent(rates, rates)
    np.testing.assert_allclose(found, stats.poisson(rates.mean(0)).logpmf(rates), rtol=1e-3)


@pytest.mark.parametrize("mean", [0.001, 0.3, 0.5, 0.97])
def test_continuous_bernoulli_columns_are_normalized_and_likeliest(mean: float):
    x = np.array([[mean]])

    def log_density(value: float) -> float:
        return float(independent(np.array([[value]]), x, "continuous-bernoulli")[0])

    total, _ = integrate.quad(lambda value: np.exp(log_density(value)), 0, 1)
    assert total == pytest.approx(1, abs=1e-6)

    def negative(logit: float) -> float:
        normalizer, _ = integrate.quad(lambda value: np.exp(logit * value), 0, 1)
        return np.log(normalizer) - logit * mean

    best = -optimize.minimize_scalar(negative, bounds=(-2000, 500), method="bounded").fun
    assert log_density(mean) == pytest.approx(best, abs=1e-3)


@pytest.mark.parametrize("name", short("poisson", of=["poisson", "negative-binomial"]))
def test_counts_of_any_size_are_fitted_from_the_first_step(name):
    """Without a level of each column's own, means near 1 would have millions of nats to climb."""
    x = np.random.default_rng(0).poisson([8000.0, 0.1, 3e6], (100, 3)).astype(float)
    recipe = Recipe(latents=1, hidden=(4,), epochs=1, likelihood=name, validation=0.0)
    decoder = assemble(recipe, Dataset("counts", x)).autoencoder.model.decoder
    np.testing.assert_allclose(np.log(decoder(jnp.zeros((1, 1))).mean[0] / x.mean(0)), 0, atol=2)


def test_too_many_categories_are_refused():
    with pytest.raises(InvalidDataError, match="the code 90,210"):
        LIKELIHOODS["categorical"].fitted(np.array([[0.0, 90_210.0]]))


# --- supports --------------------------------------------------------------------------------------


def test_only_what_lies_outside_is_moved_and_told():
    x = np.array([[1e-8, 0.0], [-1.0, np.nan], [2.0, 3.0]])
    known, beyond = Beyond.of(x, Support(0.0, is_open=True))
    np.testing.assert_array_equal(beyond.cells, [[False, True], [True, False], [False, False]])
    np.testing.assert_array_equal(known[~beyond.cells], x[~beyond.cells])
    assert np.all(known[beyond.cells] > 0)
    rounded, beyond = Beyond.of(np.array([[1 + 1e-8, 0.5]]), Support(0.0, 1.0))
    assert beyond.cells is None
    np.testing.assert_array_equal(rounded, [[1.0, 0.5]])


def test_supports_hold_what_they_say():
    x = np.array([-1.0, 0.0, 0.5, 1.0, 2.0, np.nan])
    cases = {
        Support(): (1, 1, 1, 1, 1, 1),
        Support(0.0, 1.0): (0, 1, 1, 1, 0, 1),
        Support(0.0, is_open=True): (0, 0, 1, 1, 1, 1),
        Support(0.0, is_whole=True): (0, 1, 0, 1, 1, 1),
        Support(0.0, 1.0, is_open=True): (0, 0, 1, 0, 0, 1),
    }
    for support, inside in cases.items():
        np.testing.assert_array_equal(support.holds(x), inside)
        known = x[support.holds(x)]
        assert support.holds_all(known)
        assert support.holds_all(x) == all(inside)
        assert support.holds_all(support.nearest(x))
        np.testing.assert_array_equal(support.nearest(known), known)
    assert len({str(support) for support in cases}) == len(cases)
