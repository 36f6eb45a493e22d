"""One table of every family: against SciPy, over edges of the parameter range, in float64; and in float32's tails."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from scipy.special import expit

from aevb.distributions import FAMILIES
from family_table import TABLE, compiled
from short_suite import short

# Families of vectors have rows in tests of their own.
ELSEWHERE = {"elliptical": "test_elliptical.py", "dirichlet": "test_dirichlet.py"}
NAMES = [
    "exponential",
    "cauchy",
    "logistic",
    "rayleigh",
    "pareto",
    "weibull",
    "reciprocal",
    "gompertz",
    "gumbel",
    "erlang",
    "continuous-bernoulli",
    "laplace",
    "elliptical",
    "student-t",
    "uniform",
    "triangular",
    "gaussian",
    "log-normal",
    "gamma",
    "dirichlet",
    "beta",
    "chi-squared",
    "f",
]

PROBABILITIES = np.array([1e-6, 1e-3, 0.05, 0.25, 0.499, 0.5, 0.75, 0.95, 0.999, 1 - 1e-6])
ENDS = np.array([0.0, 1.0])
N_DRAWS, N_GRADIENTS = 3000, 50
FALSE_ALARM = 1e-6  # over the whole table
# Of those made of gamma variates, whose programs are large, one is in every run of the tests.
QUICK = sorted(set(TABLE) - {"beta", "chi-squared", "f", "student-t"})


def test_every_family_is_in_a_table():
    assert {name for name, family in FAMILIES.items() if family.route != "discrete"} == set(NAMES)
    assert set(TABLE) | set(ELSEWHERE) == set(NAMES)
    assert all(name == family.name for name, family in FAMILIES.items())


@pytest.mark.parametrize("name", TABLE)
def test_every_parameter_is_in_its_row(name):
    parameters = FAMILIES[name].parameters
    assert [p.name for p in parameters if not p.static] == list(TABLE[name].settings)
    assert len(TABLE[name].static) == sum(p.static for p in parameters)


@functools.cache
def computed(name):
    """All that one family computes over its row, in one compiled program: values, and slopes in each parameter."""
    family, row = FAMILIES[name].distribution, TABLE[name]
    x = row.scipy(**row.parameters).ppf(PROBABILITIES[:, None])

    def pointwise(parameters):
        d = family(*row.static, **parameters, validate_args=False)
        return {
            "log_prob": d.log_prob(x),
            "cdf": d.cdf(x),
            "icdf": d.icdf(np.append(PROBABILITIES, ENDS)[:, None]),
            "sample": d.sample(jax.random.key(0), (N_DRAWS,)),
        }

    @compiled
    def program(parameters):
        values, linear = jax.linearize(pointwise, parameters)
        d = family(*row.static, **parameters, validate_args=False)
        values["moments"] = (d.mean, d.variance, d.entropy(), FAMILIES[name].point_summary(d))
        ones = {
            name: {key: jnp.full_like(v, key == name) for key, v in parameters.items()} for name in parameters
        }
        return values, {name: linear(tangent) for name, tangent in ones.items()}

    with jax.enable_x64(True):
        values, slopes = jax.device_get(program(row.parameters))
    assert values["sample"].dtype == np.float64
    for results in (values, *slopes.values()):
        results["icdf"], results["ends"] = np.split(results["icdf"], [len(PROBABILITIES)])
    return x, values, slopes


@pytest.mark.parametrize("name", short(*QUICK, of=TABLE))
def test_densities_and_distribution_functions_are_scipys(name):
    row = TABLE[name]
    reference = row.scipy(**row.parameters)
    x, values, _ = computed(name)
    expected = reference.logpdf(x)
    np.testing.assert_array_equal(np.isfinite(values["log_prob"]), np.isfinite(expected))
    finite = np.isfinite(expected)  # a Beta's quantile may round to 1, where its density is infinite
    error = (values["log_prob"][finite] - expected[finite]) / (1 + np.abs(expected[finite]))
    np.testing.assert_allclose(error, 0, atol=1e-11)
    np.testing.assert_allclose(values["cdf"], reference.cdf(x), rtol=1e-9)
    rounding = 1e-13 * (x.max(0) - x.min(0)) if x.min() < 0 else 0.0
    np.testing.assert_array_less(np.abs(values["icdf"] - x), 1e-8 * np.abs(x) + rounding + 1e-300)
    np.testing.assert_allclose(values["ends"], reference.ppf(ENDS[:, None]) * np.ones(x.shape[1]), rtol=1e-12)


@pytest.mark.parametrize("name", short(*QUICK, of=TABLE))
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_moments_entropy_and_the_point_that_stands_for_a_distribution_are_scipys(name):
    row = TABLE[name]
    reference = row.scipy(**row.parameters)
    mean, variance, entropy, point = computed(name)[1]["moments"]
    median = FAMILIES[name].summary == "median"
    np.testing.assert_allclose(
        point, reference.median() if median else reference.mean(), rtol=1e-9, atol=1e-12
    )
    assert np.all(np.isfinite(point))
    np.testing.assert_allclose(mean, reference.mean(), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(variance, reference.var(), rtol=row.rtol)
    np.testing.assert_allclose(entropy, reference.entropy(), rtol=row.rtol, atol=1e-10)


@pytest.mark.parametrize("name", short(*QUICK, of=TABLE))
def test_samples_follow_the_law(name):
    """By Kolmogorov-Smirnov, each setting; the false-alarm rate is 1e-6 over the whole table."""
    row = TABLE[name]
    uniform = row.scipy(**row.parameters).cdf(computed(name)[1]["sample"])
    n_tests = sum(len(next(iter(row.settings.values()))) for row in TABLE.values())
    for column in uniform.T:
        assert stats.kstest(column, "uniform").pvalue > FALSE_ALARM / n_tests


def finite_difference(name, parameter, function):
    """The slope of SciPy's function in a parameter, of fourth order, from the sides on which it may be changed."""
    row = TABLE[name]
    reach = row.reach(parameter)
    side = np.array(row.side.get(parameter, 0 * reach))

    def at(steps):
        parameters = row.parameters
        parameters[parameter] = parameters[parameter] + steps * reach
        return function(row.scipy(**parameters))

    central = (8 * (at(1) - at(-1)) - (at(2) - at(-2))) / 12
    if not side.any():
        return central / reach
    weights = (-25, 48, -36, 16, -3)
    one_sided = sum(w * at(side * k) for k, w in enumerate(weights)) / 12
    return np.where(side == 0, central, side * one_sided) / reach


ALL_SLOPES = [(name, parameter) for name, row in TABLE.items() for parameter in row.settings]
SLOPES = short(*(slope for slope in ALL_SLOPES if slope[0] in QUICK), of=ALL_SLOPES)


@pytest.mark.parametrize(("name", "parameter"), SLOPES)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_gradients_of_densities_and_distribution_functions(name, parameter):
    """Against finite differences of SciPy's, between the quantiles 0.05 and 0.95."""
    x, values, slopes = computed(name)
    middle = (PROBABILITIES >= 0.05) & (PROBABILITIES <= 0.95)
    if name == "laplace":  # whose density has a kink at the median, see below
        middle &= PROBABILITIES != 0.5
    x, f = x[middle], np.exp(values["log_prob"][middle])
    assert np.isfinite(values["cdf"]).all()
    slopes = {key: slopes[parameter][key][middle] for key in ("log_prob", "cdf", "icdf")}
    in_density = finite_difference(name, parameter, lambda d: d.logpdf(x))
    in_cdf = finite_difference(name, parameter, lambda d: d.cdf(x))
    size = np.abs(in_cdf).max(0)
    np.testing.assert_allclose(slopes["cdf"] / size, in_cdf / size, atol=1e-6)
    known = np.isfinite(in_density)
    np.testing.assert_array_less(
        np.abs(slopes["log_prob"] - in_density)[known], (1e-6 * np.abs(in_density) + 1e-4 * size)[known]
    )
    # x moves with the quantile: dF + f dx = 0.
    moved = np.where(np.isfinite(f), slopes["icdf"] * f + in_cdf, 0)
    np.testing.assert_allclose(moved / size, 0, atol=1e-6)


def test_gradients_of_the_laplace_distribution_at_its_median():
    at_median = PROBABILITIES == 0.5
    _, _, slopes = computed("laplace")
    scale = TABLE["laplace"].parameters["scale"]
    np.testing.assert_allclose(slopes["loc"]["cdf"][at_median], [-0.5 / scale], rtol=1e-12)
    np.testing.assert_allclose(slopes["loc"]["icdf"][at_median], 1)
    np.testing.assert_array_equal(slopes["scale"]["cdf"][at_median], 0)
    np.testing.assert_array_equal(slopes["loc"]["log_prob"][at_median], 0)


@pytest.mark.parametrize(("name", "parameter"), SLOPES)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_gradients_of_samples(name, parameter):
    """Each is -(dF/dparameter) / f, as implicit differentiation of a fixed quantile has it."""
    if parameter in TABLE[name].uncertain:
        pytest.skip("from several variates: see test_gradients_of_expectations")
    _, values, slopes = computed(name)
    x, slope = values["sample"][:N_GRADIENTS], slopes[parameter]["sample"][:N_GRADIENTS]
    reference = TABLE[name].scipy(**TABLE[name].parameters)
    in_cdf = finite_difference(name, parameter, lambda d: d.cdf(x))
    size = np.abs(in_cdf).max(0)
    away = np.abs(reference.cdf(x) - 0.5) < 0.49  # from edges that a finite step crosses
    error = np.where(away, slope * reference.pdf(x) + in_cdf, 0) / size
    np.testing.assert_allclose(error, 0, atol=1e-6)
    assert away.mean() > 0.9


# For families of several variates, slopes in x of a few functions of x. Student's t is standardized.
FUNCTIONS = {
    "beta": (lambda x: np.ones_like(x), lambda x: 2 * x, lambda x: 1 / x),
    "f": (lambda x: 1 / x, lambda x: 1 / (x * np.cosh(np.log(x)) ** 2), lambda x: 1 / (1 + x) ** 2),
    "student-t": (
        lambda z: 2 * z / (1 + z**2),
        lambda z: -2 * z / (1 + z**2) ** 2,
        lambda z: -z * np.exp(-(z**2) / 2),
    ),
}


UNCERTAIN = [(name, p) for name in FUNCTIONS for p in TABLE[name].uncertain]


@pytest.mark.parametrize(
    ("name", "parameter"), short(*(case for case in UNCERTAIN if case[0] in QUICK), of=UNCERTAIN)
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_gradients_of_expectations(name, parameter, assert_jointly_normal):
    """d E[g] / dparameter: the mean of g'(x) dx/dparameter, against -int g'(x) dF/dparameter dx by quadrature."""
    row = TABLE[name]
    s = np.linspace(-36, 36, 2001)[:, None]
    q, weight = expit(s), (s[1] - s[0]) * expit(s) * expit(-s)
    reference = row.scipy(**row.parameters)
    x = reference.ppf(q)
    implicit = -finite_difference(name, parameter, lambda d: d.cdf(x)) / reference.pdf(x)
    _, values, slopes = computed(name)
    draws, slope = values["sample"], slopes[parameter]["sample"]
    if name == "student-t":
        loc, scale = row.parameters["loc"], row.parameters["scale"]
        x, implicit, draws, slope = (x - loc) / scale, implicit / scale, (draws - loc) / scale, slope / scale
    scores = []
    for function in FUNCTIONS[name]:
        terms = np.where(weight * np.ones_like(x) > 1e-13, weight * function(x) * implicit, 0)
        pathwise = function(draws) * slope
        error = pathwise.std(0, ddof=1) / np.sqrt(len(draws))
        scores.append((pathwise.mean(0) - terms.sum(0)) / error)
    assert_jointly_normal(scores)
