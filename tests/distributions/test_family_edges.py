"""Where families end: edges of supports, tails in float32, medians; and how distributions behave as trees of arrays."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpyro.distributions import constraints
from numpyro.distributions.distribution import validation_enabled

import aevb.distributions
from aevb.distributions import FAMILIES
from family_table import TABLE, compiled
from short_suite import short

# Parameters, and values outside the support, at its edge, and inside.
EDGES = {
    "exponential": ({"rate": [2.0]}, [-1.0, -1e-9, 0.0, 1.0]),
    "rayleigh": ({"scale": [2.0]}, [-1.0, -1e-9, 0.0, 1.0]),
    "pareto": ({"scale": [2.0], "alpha": [3.0]}, [-1.0, 0.0, 1.9, 2.0, 2.5]),
    "weibull": ({"scale": [2.0] * 3, "concentration": [0.5, 1.0, 2.0]}, [-1.0, 0.0, 1.0]),
    "reciprocal": ({"low": [2.0], "high": [3.0]}, [-1.0, 0.0, 1.9, 2.0, 3.0, 3.1]),
    "gompertz": ({"concentration": [0.5], "rate": [2.0]}, [-1.0, 0.0, 1.0]),
    "erlang": ({"rate": [2.0]}, [-1.0, 0.0, 1.0]),
    "continuous-bernoulli": ({"logits": [-3.0, 0.0, 3.0]}, [-0.1, 0.0, 1.0, 1.1]),
    "uniform": ({"low": [2.0], "high": [3.0]}, [1.9, 2.0, 3.0, 3.1]),
    "triangular": (
        {"low": [2.0] * 3, "mode": [2.0, 2.5, 3.0], "high": [3.0] * 3},
        [1.9, 2.0, 2.2, 2.5, 3.0, 3.1],
    ),
    "log-normal": ({"loc": [0.5], "scale": [2.0]}, [-1.0, 0.0, 1.0]),
    "gamma": ({"concentration": [0.5, 1.0, 2.0], "rate": [3.0] * 3}, [-1.0, 0.0, 1.0]),
    "beta": ({"concentration1": [0.5, 1.0, 2.0], "concentration0": [0.5, 1.0, 2.0]}, [-0.1, 0.0, 1.0, 1.1]),
    "chi-squared": ({"df": [1.0, 2.0, 4.0]}, [-1.0, 0.0, 1.0]),
    "f": ({"df1": [1.0, 2.0, 4.0], "df2": [3.0] * 3}, [-1.0, 0.0, 1.0]),
}
REAL = {"cauchy", "logistic", "gumbel", "laplace", "student-t", "gaussian"}
VECTORS = {"dirichlet", "elliptical"}

# Parameters that float32 can barely hold samples for, or not at all.
EXTREMES = {
    "exponential": {"rate": [1e-30, 1e-3, 1e30, 1.0]},
    "cauchy": {"loc": [0.0, 0.0, 1e6, 0.0], "scale": [1e-6, 1e6, 1.0, 1.0]},
    "logistic": {"loc": [0.0, 0.0, 1e6, 0.0], "scale": [1e-6, 1e6, 1.0, 1.0]},
    "rayleigh": {"scale": [1e-15, 1e15, 1e-3, 1.0]},
    "pareto": {"scale": [1.0, 1e-6, 1.0, 1e6], "alpha": [0.05, 0.3, 1e4, 1.0]},
    "weibull": {"scale": [1.0, 1e-6, 1.0, 1e6], "concentration": [0.05, 0.3, 1e4, 1.0]},
    "reciprocal": {"low": [1e-20, 1.0, 1e-30, 1.0], "high": [1e20, 1.00001, 1e-29, 3.0]},
    "gompertz": {"concentration": [1e-6, 1e6, 1e-30, 1.0], "rate": [1e-6, 1e-6, 1.0, 1e6]},
    "gumbel": {"loc": [0.0, 0.0, 1e6, 0.0], "scale": [1e-6, 1e6, 1.0, 1.0]},
    "erlang": {"rate": [1e-30, 1e-3, 1e30, 1.0]},
    "continuous-bernoulli": {"logits": [-500.0, -80.0, 0.0, 80.0]},
    "laplace": {"loc": [0.0, 0.0, 1e6, 0.0], "scale": [1e-6, 1e6, 1.0, 1.0]},
    "student-t": {"df": [0.05, 0.3, 1e4, 1.0], "loc": [0.0] * 4, "scale": [1.0] * 4},
    "uniform": {"low": [-1e30, 1.0, -1e-30, 0.0], "high": [1e30, 1.000001, 1e-30, 1.0]},
    "triangular": {
        "low": [-1e6, 1.0, 0.0, 0.0],
        "mode": [0.0, 1.000002, 0.0, 1.0],
        "high": [1e6, 1.000003, 1.0, 1.0],
    },
    "gaussian": {"loc": [0.0, 0.0, 1e6, 0.0], "log_variance": [-60.0, 60.0, 0.0, 0.0]},
    "log-normal": {"loc": [0.0, 0.0, -30.0, 30.0], "scale": [30.0, 1e-3, 5.0, 5.0]},
    "gamma": {"concentration": [0.01, 0.05, 1e4, 1.0], "rate": [1.0, 1e-3, 1.0, 1e6]},
    "dirichlet": {
        "concentration": [[0.01, 0.01, 0.01], [0.01, 1.0, 100.0], [1e4, 1e4, 1.0], [1.0, 1.0, 1.0]]
    },
    "beta": {"concentration1": [0.01, 0.01, 1e4, 1.0], "concentration0": [0.01, 10.0, 1e4, 1.0]},
    "chi-squared": {"df": [0.02, 0.1, 1e4, 1.0]},
    "f": {"df1": [0.1, 1e3, 0.1, 1e4], "df2": [0.1, 0.1, 1e3, 1e4]},
    "elliptical": {
        "df": [0.05, 0.3, 1e4, 2.0],
        "loc": [[0.0, 0.0]] * 4,
        "scale_tril": [
            [[1.0, 0.0], [0.5, 1e-3]],
            [[1e3, 0.0], [0.0, 1.0]],
            *[[[1.0, 0.0], [-30.0, 1.0]]] * 2,
        ],
    },
}
N_DRAWS = 250_000  # of each setting
# Of those made of gamma variates, whose programs are large, one is in every run of the tests.
QUICK = sorted(set(EXTREMES) - {"beta", "chi-squared", "dirichlet", "elliptical", "f", "student-t"})


def build(name, parameters):
    return FAMILIES[name].distribution(*(3,) * (name == "erlang"), **parameters, validate_args=False)


def arrays(parameters):
    return {key: np.array(value, float) for key, value in parameters.items()}


def test_every_family_is_in_the_tables():
    names = {name for name, family in FAMILIES.items() if family.route != "discrete"}
    assert set(EDGES) | REAL | VECTORS == names
    assert set(EXTREMES) == names


@pytest.mark.parametrize("name", short(*(set(EDGES) - {"f"}), of=EDGES))
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_edges_of_the_support(name):
    parameters, values = arrays(EDGES[name][0]), np.array(EDGES[name][1])[:, None]
    reference = TABLE[name].scipy(**parameters)

    @compiled
    def evaluate(parameters, x):
        def both(parameters, x):
            d = build(name, parameters)
            return d.log_prob(x), d.cdf(x)

        # Backwards with weight on what is inside only: a weight of 0 times infinity would be NaN.
        _, pull = jax.vjp(lambda p: both(p, x), parameters)
        forwards = jax.jvp(lambda p: both(p, x), (parameters,), (ones,))[1]
        return both(parameters, x), forwards, pull((inside, inside))

    ones = jax.tree.map(np.ones_like, parameters)
    low, high = reference.ppf(0.0), reference.ppf(1.0)
    inside, outside = np.where((values > low) & (values < high), 1.0, 0.0), (values < low) | (values > high)
    with jax.enable_x64(True):
        (log_prob, cdf), slopes, gradient = jax.device_get(evaluate(parameters, values))
    expected = reference.logpdf(values)
    expected = np.where(outside, -np.inf, expected)
    np.testing.assert_allclose(log_prob, expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(cdf, reference.cdf(values), rtol=1e-12)
    assert np.all(log_prob[0] == -np.inf)
    for slope in slopes:  # what lies outside or at the edge does not spoil a gradient
        np.testing.assert_array_equal(slope[np.broadcast_to(outside, slope.shape)], 0)
        assert np.all(np.isfinite(slope))
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(gradient))


@functools.cache
def computed(name):
    """What a family in float32 computes from a million draws, in one compiled program."""
    family = FAMILIES[name]
    parameters = {key: jnp.asarray(np.array(value, np.float32)) for key, value in EXTREMES[name].items()}

    @compiled
    def program(parameters, d):
        wide = d.expand((N_DRAWS, 4)).to_event(1)
        x = wide.sample(jax.random.key(0))

        def log_prob(parameters, x):
            values = build(name, parameters).log_prob(x)
            return jnp.sum(values), values

        (_, values), slopes = jax.value_and_grad(log_prob, argnums=(0, 1), has_aux=True)(parameters, x)
        axes = tuple(i for i in range(x.ndim) if i != 1)
        few = x[:5]
        return {
            "d": d,
            "least": jnp.min(x, axes),
            "greatest": jnp.max(x, axes),
            "finite": jax.tree.map(lambda v: jnp.all(jnp.isfinite(v)), (values, slopes)),
            "log_prob": values[:5],
            "mapped": jax.vmap(lambda d, x: d.log_prob(x), (0, 1), 1)(d, few),
            "wide": d.expand((5, 4)).to_event(1).log_prob(few),
            "point": family.point_summary(wide),
            "draws": x,
            "mean": d.mean,
            "variance": d.variance,
            "entropy": d.entropy(),
        }

    return parameters, program(parameters, build(name, parameters))


@pytest.mark.parametrize("name", short(*QUICK, of=EXTREMES))
def test_a_million_draws_in_float32(name):
    """All inside the open support, with finite densities, and finite gradients in the value and every parameter."""
    parameters, results = computed(name)
    least, greatest = np.asarray(results["least"]), np.asarray(results["greatest"])
    assert least.dtype == np.float32
    assert np.all(np.isfinite(least) & np.isfinite(greatest))
    assert all(jax.tree.leaves(results["finite"])), results["finite"]
    support = FAMILIES[name].support
    if support in (constraints.positive, constraints.unit_interval, constraints.simplex):
        assert np.all(least > 0)
    if support in (constraints.unit_interval, constraints.simplex):
        assert np.all(greatest < 1)
    if name == "pareto":
        assert np.all(least >= parameters["scale"])
    if "low" in parameters:
        assert np.all(least >= parameters["low"])
        assert np.all(greatest <= parameters["high"])


@pytest.mark.parametrize("name", short(*QUICK, of=EXTREMES))
def test_is_a_tree_of_arrays(name):
    """Through jit and vmap, with dimensions added by expand or made events, in the dtype of its parameters."""
    family, (parameters, results) = FAMILIES[name], computed(name)
    d = results["d"]
    assert type(d) is family.distribution
    assert all(np.all(getattr(d, key) == value) for key, value in parameters.items())
    assert d.has_rsample
    assert len(d.event_shape) == family.event_dim
    assert family.support_moves == isinstance(family.support, str)
    np.testing.assert_allclose(results["mapped"], results["log_prob"], rtol=1e-3, atol=0.02)
    np.testing.assert_allclose(results["wide"], np.sum(results["log_prob"], axis=1), rtol=1e-3, atol=0.05)
    assert results["draws"].shape == results["point"].shape == (N_DRAWS, 4, *d.event_shape)
    assert results["mean"].shape == results["variance"].shape == (4, *d.event_shape)
    assert results["entropy"].shape == (4,)
    for key in ("draws", "point", "mean", "variance", "entropy"):
        assert results[key].dtype == np.float32


@pytest.mark.parametrize("name", sorted(set(EXTREMES) - VECTORS))
def test_parameters_broadcast(name):
    """The first of shape (2, 1), the others of shape (3,) or, in a second pass, plain numbers."""

    def everything(parameters):
        d = build(name, parameters)
        x = jnp.ones(d.batch_shape)
        return (
            d.mean,
            d.variance,
            d.entropy(),
            d.sample(jax.random.key(0)),
            d.log_prob(x),
            d.cdf(x),
            d.icdf(x),
        )

    values = {key: jnp.asarray(value, jnp.float32)[-1] for key, value in EXTREMES[name].items()}
    first = next(iter(values))
    for others, shape in (((3,), (2, 3 if len(values) > 1 else 1)), ((), (2, 1))):
        parameters = {
            key: jnp.full((2, 1) if key == first else others, value) for key, value in values.items()
        }
        results = jax.eval_shape(everything, parameters)
        assert {(result.shape, result.dtype) for result in results} == {(shape, np.dtype(np.float32))}
    numbers = {key: float(value) for key, value in values.items()}
    results = jax.eval_shape(lambda: everything(numbers))
    assert {(result.shape, result.dtype) for result in results} == {((), np.dtype(np.float32))}


@pytest.mark.parametrize(
    "bad",
    [
        lambda: aevb.distributions.Rayleigh(-1.0),
        lambda: aevb.distributions.F(2.0, -1.0),
        lambda: aevb.distributions.Erlang(2, -1.0),
        lambda: aevb.distributions.Chi2(-1.0),
        lambda: aevb.distributions.StudentT(-1.0),
        lambda: aevb.distributions.ContinuousBernoulli(jnp.nan),
        lambda: aevb.distributions.EllipticalStudentT(-1.0, jnp.zeros(2), jnp.eye(2)),
    ],
)
def test_validates_as_numpyro_does(bad):
    with validation_enabled(), pytest.raises(ValueError, match="invalid"):
        bad()
    with validation_enabled(False):
        bad()


def test_warns_as_numpyro_does_of_values_outside_the_support():
    with pytest.warns(UserWarning, match="Out-of-support"):
        assert aevb.distributions.Rayleigh(1.0, validate_args=True).log_prob(-1.0) == -np.inf
