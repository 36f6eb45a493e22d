"""Every pair of univariate families against quadrature of SciPy's densities, with its gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aevb.distributions import FAMILIES, kl_divergence
from aevb.distributions.divergence import closed_forms
from distributions.divergence_cases import CASES, integral_of_divergence
from short_suite import short

# Rows are q, columns p, in the order of CASES: x closed form, o infinite, = under a condition, . unknown.
TABLE = """
Normal              x x x . x . . o o o o o o o o o o o o o o o
LogVarianceNormal   x x x . x . . o o o o o o o o o o o o o o o
Laplace             x x x . x . . o o o o o o o o o o o o o o o
Logistic            x x x = x . . o o o o o o o o o o o o o o o
Gumbel              x x . . x . . o o o o o o o o o o o o o o o
Cauchy              x x x . x x x o o o o o o o o o o o o o o o
StudentT            x x . . x . . o o o o o o o o o o o o o o o
Uniform             x x x . x . . x x x x x x x x x x . x x x x
Triangular          x x x . . . . x x x x x x . x . . . x x x x
Exponential         x x x . x . . o o x x x x x x x x . o o o o
Gamma               x x . . x . . o o x x x x x x x x . o o o o
Chi2                x x . . x . . o o x x x x x x x x . o o o o
Erlang              x x . . x . . o o x x x x x x x x . o o o o
Weibull             x x . . . . . o o x x x x x x . x . o o o o
Rayleigh            x x . . . . . o o x x x x x x . x . o o o o
Gompertz            . . . . x . . o o x . . . . . x . . o o o o
LogNormal           x x . . . . . o o x x x x x x x x . o o o o
F                   x x . . . . . o o x x x x x x x x = o o o o
Pareto              x x . . . . . o o x x x x x x x x . x o o o
LogUniform          x x . . . . . x . x x x x x x . x . x x . x
Beta                x x . . . . . x . x x x x x x . x . o o x x
ContinuousBernoulli x x . . . . . x . x x x x . x . . . o o x x
"""
ROWS = {
    name: dict(zip(CASES, marks, strict=True)) for name, *marks in map(str.split, TABLE.strip().splitlines())
}
# Infinite for all parameters, but for reasons that lie too far in the tails for quadrature.
TOO_FAR = {("StudentT", "Gumbel"), ("LogNormal", "Gompertz"), ("Pareto", "Gompertz"), ("F", "Gompertz")}


def marked(q, marks):
    return [p for p, mark in ROWS[q].items() if mark in marks]


def test_the_table_is_what_the_code_claims():
    claimed = {(q.__name__, p.__name__): status for (q, p), status in closed_forms().items()}
    marks = {"closed": "x", "infinite": "o"}
    got = {(q, p): marks.get(claimed[q, p], "=") if (q, p) in claimed else "." for q in CASES for p in CASES}
    assert got == {(q, p): ROWS[q][p] for q in CASES for p in CASES}


def test_every_family_is_in_the_table_or_among_the_vectors_and_discrete_ones():
    elsewhere = {"Dirichlet", "EllipticalStudentT", "BernoulliCodes", "CategoricalCodes"}
    assert {family.distribution.__name__ for family in FAMILIES.values()} <= set(CASES) | elsewhere


@pytest.mark.parametrize("q", short("Normal", "Uniform", "Gamma", "Pareto", of=CASES))
def test_is_the_integral(q):
    with jax.enable_x64(True):
        parameters = CASES[q].parameters(np.repeat)
        for p in marked(q, "xo"):
            got = kl_divergence(CASES[q].make(*parameters), CASES[p].make(*CASES[p].parameters(np.tile)))
            pairs = [(i, j) for i in range(4) for j in range(4)]
            expected = [np.inf if (q, p) in TOO_FAR else integral_of_divergence(q, i, p, j) for i, j in pairs]
            assert got.shape == (16,)
            np.testing.assert_allclose(got, expected, rtol=1e-8, atol=1e-8, err_msg=f"KL({q} || {p})")


def direction(name, parameters, rng):
    """Of a small step, which leaves ordered parameters ordered."""
    if name in ("Uniform", "Triangular"):
        shift, stretch = rng.normal(size=(2, 16))
        return [(parameters[-1] - parameters[0]) * shift + (x - parameters[0]) * stretch for x in parameters]
    return [rng.normal(size=16) * jnp.maximum(jnp.abs(x), 0.1) for x in parameters]


@pytest.mark.parametrize("q", short("Normal", "Gamma", of=CASES))
def test_gradients_are_finite_and_those_of_finite_differences(q):
    rng, step = np.random.default_rng(0), 1e-5
    with jax.enable_x64(True):
        for p in marked(q, "x"):

            def kl(parameters, p=p):
                return kl_divergence(CASES[q].make(*parameters[0]), CASES[p].make(*parameters[1]))

            at = CASES[q].parameters(np.repeat), CASES[p].parameters(np.tile)
            along = tuple(direction(name, x, rng) for name, x in zip((q, p), at, strict=True))
            value, pull_back = jax.vjp(kl, at)
            (gradient,) = pull_back(jnp.ones_like(value))
            assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(gradient)), f"KL({q} || {p})"
            got = sum(jax.tree.leaves(jax.tree.map(jnp.multiply, gradient, along)))
            after, before = (kl(jax.tree.map(lambda x, v, h=h: x + h * v, at, along)) for h in (step, -step))
            difference = (after - before) / (2 * step)
            inside = np.isfinite(difference) & np.isfinite(
                value
            )  # at the edge of p's support one side is outside
            scale = np.where(inside, np.abs(value) + np.abs(difference) + 1, 1.0)
            off = np.where(inside, np.abs(got - difference) / scale, 0.0)
            assert np.max(off) < 1e-6, f"KL({q} || {p}): {got} is not {difference}"


@pytest.mark.parametrize("name", [name for name in CASES if ROWS[name][name] == "x"])
def test_is_zero_from_itself_and_never_negative(name):
    case = CASES[name]
    with jax.enable_x64(True):
        p = case.make(*case.parameters(np.repeat))
        np.testing.assert_allclose(kl_divergence(p, p), 0.0, atol=1e-12)
        assert np.all(kl_divergence(case.make(*case.parameters(np.tile)), p) >= -1e-12)
