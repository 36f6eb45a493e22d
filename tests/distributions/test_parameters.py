"""Parameters that a family refuses, what it says, and what it takes, also under jit."""

import subprocess
import sys

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpyro.distributions import constraints

from aevb.distributions import FAMILIES, Erlang, Parameter
from aevb.errors import AevbError, InvalidParameterError

NAN, INF = float("nan"), float("inf")
L = np.array([[1.0, 0.0], [0.5, 2.0]])
# A valid member of each family.
VALID = {
    "exponential": {"rate": 2.0},
    "cauchy": {"loc": 0.0, "scale": 1.0},
    "logistic": {"loc": 0.0, "scale": 1.0},
    "rayleigh": {"scale": 1.0},
    "pareto": {"scale": 1.0, "alpha": 2.0},
    "weibull": {"scale": 1.0, "concentration": 2.0},
    "reciprocal": {"low": 1.0, "high": 2.0},
    "gompertz": {"concentration": 1.0, "rate": 2.0},
    "gumbel": {"loc": 0.0, "scale": 1.0},
    "erlang": {"shape": 3, "rate": 1.0},
    "continuous-bernoulli": {"logits": 0.0},
    "laplace": {"loc": 0.0, "scale": 1.0},
    "elliptical": {"df": 3.0, "loc": np.zeros(2), "scale_tril": L},
    "student-t": {"df": 3.0, "loc": 0.0, "scale": 1.0},
    "uniform": {"low": 0.0, "high": 1.0},
    "triangular": {"low": 0.0, "mode": 0.5, "high": 1.0},
    "gaussian": {"loc": 0.0, "log_variance": 0.0},
    "log-normal": {"loc": 0.0, "scale": 1.0},
    "gamma": {"concentration": 2.0, "rate": 1.0},
    "dirichlet": {"concentration": np.ones(3)},
    "beta": {"concentration1": 1.0, "concentration0": 2.0},
    "chi-squared": {"df": 2.0},
    "f": {"df1": 2.0, "df2": 3.0},
}
# What is changed, and what the error then says, the family's name aside.
REFUSED = [
    ("exponential", {"rate": -1.0}, "rate must be positive and finite, got -1.0"),
    ("exponential", {"rate": 1e-60}, "rate must be positive and finite, got 0.0"),  # in float32
    ("exponential", {"rate": NAN}, "rate must be positive and finite, got nan"),
    ("exponential", {"rate": INF}, "rate must be positive and finite, got inf"),
    ("exponential", {"rate": "fast"}, "rate must be positive and finite, got 'fast'"),
    ("exponential", {"rate": None}, "rate must be positive and finite, got None"),
    ("exponential", {"rate": 1j}, "rate must be positive and finite, got 1j"),
    ("laplace", {"loc": NAN}, "loc must be finite, got nan"),
    (
        "laplace",
        {"scale": np.array([1.0, 0.0, -2.0])},
        "scale must be positive and finite, got 0.0 at index 1",
    ),
    (
        "laplace",
        {"scale": [[1.0, 2.0], [-3.0, 4.0]]},
        "scale must be positive and finite, got -3.0 at index 1, 0",
    ),
    ("erlang", {"shape": 2.5}, "shape must be an integer of at least 1, got 2.5"),
    ("erlang", {"shape": 0}, "shape must be an integer of at least 1, got 0"),
    ("erlang", {"shape": np.array([2, 3])}, "shape must be an integer of at least 1, got array([2, 3])"),
    (
        "triangular",
        {"mode": 3.0},
        "mode must be finite and between low and high, got 3.0, where low is 0.0 and high is 1.0",
    ),
    ("triangular", {"high": -1.0}, "high must be finite and greater than low, got -1.0, where low is 0.0"),
    ("triangular", {"low": -INF}, "low must be finite, got -inf"),
    ("uniform", {"high": 0.0}, "high must be finite and greater than low, got 0.0, where low is 0.0"),
    ("uniform", {"high": INF}, "high must be finite and greater than low, got inf, where low is 0.0"),
    ("reciprocal", {"low": -1.0}, "low must be positive and finite, got -1.0"),
    (
        "reciprocal",
        {"low": [0.5, 3.0]},
        "high must be finite and greater than low, got 2.0 at index 1, where low is 3.0",
    ),
    (
        "dirichlet",
        {"concentration": np.array([1.0, -2.0])},
        "concentration must be positive and finite, got -2.0 at index 1",
    ),
    ("dirichlet", {"concentration": 1.0}, "concentration must be a vector, or several, got shape ()"),
    (
        "elliptical",
        {"scale_tril": L.T},
        "scale_tril must be lower triangular and finite, with a positive diagonal, got 0.5 at index 0, 1",
    ),
    (
        "elliptical",
        {"scale_tril": -L},
        "scale_tril must be lower triangular and finite, with a positive diagonal, got -1.0 at index 0, 0",
    ),
    (
        "elliptical",
        {"scale_tril": np.array([[1.0, 0.0], [INF, 1.0]])},
        "scale_tril must be lower triangular and finite, with a positive diagonal, got inf at index 1, 0",
    ),
    ("elliptical", {"scale_tril": L[:1]}, "scale_tril must be a square matrix, or several, got shape (1, 2)"),
    ("elliptical", {"loc": [0.0, INF]}, "loc must be finite, got inf at index 1"),
    ("gamma", {"rate": [1.0, 2.0], "concentration": np.ones(3)}, "shapes do not fit together"),
    ("triangular", {"mode": np.full(2, 0.5), "low": np.zeros(3)}, "mode and low, high: "),
]


def test_every_family_has_a_valid_member_and_every_parameter_a_description():
    assert set(VALID) == {name for name, family in FAMILIES.items() if family.route != "discrete"}
    for name, parameters in VALID.items():
        d = FAMILIES[name](**parameters)
        assert type(d) is FAMILIES[name].distribution
        assert [p.name for p in FAMILIES[name].parameters] == list(parameters)
        assert all(p.description and p.requirement for p in FAMILIES[name].parameters)


@pytest.mark.parametrize(("name", "change", "message"), REFUSED)
def test_a_bad_parameter_is_refused_by_name(name, change, message):
    with pytest.raises(InvalidParameterError) as error:
        FAMILIES[name](**VALID[name] | change)
    assert str(error.value).startswith(f"{name}: {message}")
    assert isinstance(error.value, AevbError)
    assert isinstance(error.value, ValueError)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"loc": 0.0}, "gumbel lacks scale: its parameters are loc, scale"),
        ({"loc": 0.0, "rate": 1.0}, "gumbel does not know rate, lacks scale: its parameters are loc, scale"),
    ],
)
def test_unknown_and_missing_names_are_refused(parameters, message):
    with pytest.raises(InvalidParameterError, match=message):
        FAMILIES["gumbel"](**parameters)


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("laplace", {"scale": -1.0}),
        ("reciprocal", {"high": 0.5}),
        ("triangular", {"mode": 2.0}),
        ("dirichlet", {"concentration": np.array([1.0, NAN, 2.0])}),
        ("elliptical", {"scale_tril": L.T}),
    ],
)
def test_traced_values_are_checked_when_the_program_runs(name, bad):
    ((parameter, value),) = bad.items()

    @eqx.filter_jit
    def entropy(value):
        return FAMILIES[name](**VALID[name] | {parameter: value}).entropy()

    good = entropy(jnp.asarray(VALID[name][parameter]))  # a Python number would not be traced
    np.testing.assert_allclose(good, FAMILIES[name](**VALID[name]).entropy(), rtol=1e-6)
    requirement = next(p.requirement for p in FAMILIES[name].parameters if p.name == parameter)
    with pytest.raises(eqx.EquinoxRuntimeError, match=f"{name}: {parameter} must be {requirement}"):
        jax.block_until_ready(entropy(jnp.asarray(value)))


def test_static_and_known_values_are_checked_while_tracing():
    with pytest.raises(
        InvalidParameterError, match="shape must be an integer of at least 1, got a traced value"
    ):
        jax.jit(lambda n: FAMILIES["erlang"](shape=n, rate=1.0).mean)(3)
    with pytest.raises(InvalidParameterError, match="scale must be positive and finite, got -1"):
        jax.jit(lambda loc: FAMILIES["laplace"](loc=loc, scale=-1.0).mean)(0.0)


def test_checked_distributions_go_through_vmap_and_grad():
    def mean(scale):
        return FAMILIES["rayleigh"](scale=scale).mean

    np.testing.assert_allclose(jax.vmap(jax.grad(mean))(jnp.array([1.0, 2.0])), np.sqrt(np.pi / 2), rtol=1e-6)


def test_erlang_itself_takes_any_kind_of_integer():
    assert Erlang(np.int64(2), 1.0).concentration == 2


def test_a_constraint_without_words_is_named():
    assert Parameter("x", constraints.unit_interval).requirement == repr(constraints.unit_interval)


def test_the_table_is_read_without_a_device():
    code = (
        "from aevb.distributions import FAMILIES; assert len(FAMILIES) >= 23;"
        "from jax._src import xla_bridge; assert not xla_bridge._backends"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("shape", [2.5, 0, -1, "2", None])
def test_an_erlang_refuses_a_shape_that_counts_nothing(shape):
    with pytest.raises(InvalidParameterError, match="shape must be an integer of at least 1"):
        Erlang(shape, 1.0)
