"""The divergence of Gaussians, what is dispatched to what, and where floating point is hard."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from scipy.integrate import quad
from scipy.stats import f, logistic, norm

from aevb.distributions import (
    Beta,
    Dirichlet,
    Exponential,
    F,
    Gamma,
    Logistic,
    LogNormal,
    LogVarianceNormal,
    Pareto,
    StudentT,
    Weibull,
    kl_divergence,
)

PAIRS = [(0.0, 0.0, 0.0, 0.0), (1.5, -2.0, -0.5, 1.0), (-3.0, 2.0, 1.0, -1.0), (0.1, -6.0, 0.0, 0.0)]
M, A, N, B = (np.array(column) for column in zip(*PAIRS, strict=True))


def normal(loc, log_variance):
    return LogVarianceNormal(jnp.asarray(loc), jnp.asarray(log_variance))


@pytest.mark.parametrize(("m", "a", "n", "b"), PAIRS)
def test_is_the_integral(m, a, n, b):
    s = np.exp(a / 2)
    q, p = norm(m, s), norm(n, np.exp(b / 2))
    expected, _ = quad(lambda z: q.pdf(z) * (q.logpdf(z) - p.logpdf(z)), m - 12 * s, m + 12 * s, epsabs=1e-12)
    with jax.enable_x64(True):
        assert float(kl_divergence(normal(m, a), normal(n, b))) == pytest.approx(expected, abs=1e-9)


def test_is_the_mean_of_its_samples(assert_jointly_normal):
    q, p = normal(M, A), normal(N, B)
    z = q.sample(jax.random.key(0), (20_000,))
    draws = np.asarray(q.log_prob(z) - p.log_prob(z), float)[:, 1:]  # the first pair is equal: no spread
    errors = draws.std(0, ddof=1) / np.sqrt(len(draws))
    assert_jointly_normal((draws.mean(0) - kl_divergence(q, p)[1:]) / errors)


def test_is_numpyros():
    q, p = normal(M, A), normal(N, B)
    expected = dist.kl_divergence(dist.Normal(M, np.exp(A / 2)), dist.Normal(N, np.exp(B / 2)))
    np.testing.assert_allclose(kl_divergence(q, p), expected, rtol=1e-5, atol=1e-6)


def test_is_the_papers_for_a_standard_normal_prior():
    """Kingma & Welling 2014, Appendix B."""
    mu, log_variance = np.random.default_rng(0).normal(size=(2, 6, 3))
    zeros = np.zeros(3)
    got = kl_divergence(normal(mu, log_variance).to_event(1), normal(zeros, zeros).to_event(1))
    expected = -0.5 * np.sum(1 + log_variance - mu**2 - np.exp(log_variance), axis=1)
    np.testing.assert_allclose(got, expected, rtol=1e-5)


def test_sums_event_dimensions_and_no_others():
    q, p = normal(np.ones((5, 4, 3)), np.zeros((5, 4, 3))), normal(np.zeros((4, 3)), np.zeros((4, 3)))
    assert kl_divergence(q, p).shape == (5, 4, 3)
    np.testing.assert_allclose(kl_divergence(q.to_event(1), p.to_event(1)), np.full((5, 4), 1.5))
    np.testing.assert_allclose(kl_divergence(q.to_event(2), p.to_event(2)), np.full(5, 6.0))


def test_is_never_negative_nor_imprecise_for_nearly_equal_distributions():
    """exp(d) - 1 - d for tiny d: a difference of two numbers near 1 would leave rounding noise of 6e-8."""
    d = np.float32(10.0) ** -np.arange(1, 20)
    got = np.asarray(kl_divergence(normal(np.zeros(19), d), normal(np.zeros(19), np.zeros(19))))
    assert np.all(got >= 0)
    np.testing.assert_allclose(got, 0.5 * (np.expm1(d.astype(float)) - d), rtol=1e-3, atol=2e-9)


@pytest.mark.parametrize("log_variance", [-60.0, 60.0])
@pytest.mark.parametrize("loc", [-1e4, 1e4])
def test_is_finite_with_its_gradients_at_extremes(loc, log_variance):
    def kl(loc, log_variance):
        return kl_divergence(LogVarianceNormal(loc, log_variance), normal(0.0, 0.0))

    value, gradient = jax.value_and_grad(kl, argnums=(0, 1))(jnp.float32(loc), jnp.float32(log_variance))
    expected = 0.5 * (np.expm1(log_variance) - log_variance + loc**2)
    assert float(value) == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(gradient, (loc, 0.5 * np.expm1(log_variance)), rtol=1e-5)


def test_a_gaussian_divergence_traces_to_what_its_equation_needs():
    """It is in the training loop: families are told apart while tracing, and nothing of others is computed."""
    q, p = normal(M, A).to_event(1), normal(N, B).to_event(1)
    operations = [str(equation.primitive) for equation in jax.make_jaxpr(kl_divergence)(q, p).eqns]
    assert sorted(operations) == sorted(
        ["sub", "sub", "square", "neg", "exp", "mul", "expm1", "sub", "add", "mul", "reduce_sum"]
    )


NEARLY_EQUAL = {
    Gamma: ([0.01, 0.5, 3.0, 40.0, 2000.0], [0.1, 1.0, 30.0, 2.0, 500.0]),
    Beta: ([0.01, 0.5, 3.0, 40.0, 2000.0], [0.1, 1.0, 30.0, 2.0, 500.0]),
    LogNormal: ([-3.0, 0.5, 3.0, 1.0, 10.0], [0.1, 1.0, 3.0, 2.0, 0.5]),
    Pareto: ([0.01, 0.5, 3.0, 40.0, 2000.0], [0.1, 1.0, 30.0, 2.0, 50.0]),
}


@pytest.mark.parametrize("family", NEARLY_EQUAL)
def test_is_precise_in_single_precision_for_nearly_equal_distributions(family):
    """Textbook formulas are differences of terms of the size of log Gamma: at a difference of 1e-3 they are noise."""
    d = np.array([[1e-1], [1e-2], [1e-3]])
    p = [np.broadcast_to(np.float32(column), (3, 5)) for column in NEARLY_EQUAL[family]]
    q = [np.float32(p[0] * (1 + d)), np.float32(p[1] * (1 - d / 2))]

    @jax.jit
    def kl(q, p):
        value, pull_back = jax.vjp(lambda *q: kl_divergence(family(*q), family(*p)), *q)
        return value, *pull_back(jnp.ones_like(value))

    got = kl(q, p)
    with jax.enable_x64(True):
        expected = kl(*([x.astype(float) for x in law] for law in (q, p)))
    assert np.all(np.asarray(got[0]) >= 0)
    for part, exact in zip(map(np.asarray, got), map(np.asarray, expected), strict=True):
        assert np.all(np.abs(part - exact) <= 3e-6 / d * np.abs(exact))


# q, its parameters, p, its parameters, and how many of the four divergences are infinite, as moments are.
INFINITE = [
    (StudentT, ([0.5, 1.0, 2.0, 3.0], 0.0, 1.0), LogVarianceNormal, (0.0, 1.0), 3),
    (Pareto, (1.0, [0.5, 1.0, 2.0, 3.0]), dist.Normal, (0.0, 1.0), 3),
    (Pareto, (1.0, [0.5, 1.0, 1.5, 3.0]), Exponential, (2.0,), 2),
    (Pareto, (1.0, [0.5, 1.0, 2.0, 3.0]), Weibull, (1.0, 2.0), 3),
    (F, (3.0, [1.0, 2.0, 4.0, 5.0]), Gamma, (2.0, 1.0), 2),
]


@pytest.fixture(scope="module")
def divergences_with_gradients():
    """Of all of the above, compiled together."""

    def kl(q, p, parameters):
        return kl_divergence(q(*parameters[0]), p(*parameters[1]))

    @jax.jit
    def of_all(all_parameters):
        results = []
        for (q, _, p, _, _), parameters in zip(INFINITE, all_parameters, strict=True):
            value, pull_back = jax.vjp(partial(kl, q, p), parameters)
            results.append((value, pull_back(jnp.ones(4))))
        return results

    return of_all(
        [[[np.broadcast_to(np.float32(x), 4) for x in law] for law in row[1::2]] for row in INFINITE]
    )


@pytest.mark.parametrize("i", range(len(INFINITE)))
def test_is_infinite_element_by_element_with_finite_gradients(i, divergences_with_gradients):
    value, gradient = divergences_with_gradients[i]
    n = INFINITE[i][-1]
    assert list(np.isposinf(value)) == [k < n for k in range(4)]
    assert np.all(np.isfinite(value[n:]))
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(gradient))


def test_a_support_that_never_nests_makes_it_infinite():
    got = kl_divergence(
        normal(np.zeros((4, 3)), np.zeros(3)).to_event(1), dist.Gamma(jnp.ones(3), 1.0).to_event(1)
    )
    np.testing.assert_array_equal(got, np.full(4, np.inf))
    assert float(kl_divergence(dist.Weibull(1.0, 2.0), dist.Pareto(0.1, 2.0))) == np.inf


def logistic_divergence(q, p):
    q, p = logistic(*q), logistic(*p)
    return quad(lambda z: q.pdf(z) * (q.logpdf(z) - p.logpdf(z)), -80, 80, epsabs=1e-12, limit=200)[0]


@pytest.mark.parametrize(
    ("m", "n", "s"), [(0.0, 0.0, 1.0), (0.0, 0.4, 1.0), (1.0, -2.0, 0.5), (-20.0, 20.0, 1.5)]
)
def test_logistics_of_equal_scale(m, n, s):
    expected = logistic_divergence((m, s), (n, s))
    with jax.enable_x64(True):

        def kl(m, n, s):
            return kl_divergence(Logistic(m, s), Logistic(n, s))

        compiled = jax.jit(jax.value_and_grad(kl))  # an unknown array is known to be equal to itself
        got, gradient = compiled(m, n, s)
        after, before = (compiled(m + h, n, s)[0] for h in (1e-6, -1e-6))
        known = jax.jit(lambda m: kl_divergence(Logistic(m, s), Logistic(n, np.full(2, s))))(m)
    np.testing.assert_allclose([float(got), *map(float, known)], expected, rtol=1e-9, atol=1e-9)
    assert float(gradient) == pytest.approx((float(after) - float(before)) / 2e-6, abs=1e-8)


def test_logistics_of_other_scales_are_refused():
    q, p = (Logistic(jnp.zeros(3), jnp.asarray(scale)) for scale in ([1.0, 1.0, 2.0], [1.0, 1.0, 1.0]))
    with pytest.raises(NotImplementedError, match=r"Logistic \|\| Logistic.*scales are equal.*sgvb-a"):
        kl_divergence(q, p)
    with pytest.raises(NotImplementedError, match="known to be"):
        jax.jit(lambda s: kl_divergence(Logistic(0.0, s), p))(jnp.ones(3))
    np.testing.assert_array_equal(kl_divergence(p, p), np.zeros(3))


def test_f_of_equal_ratio():
    q, p = f(6, 9), f(4, 6)
    expected, _ = quad(lambda z: q.pdf(z) * (q.logpdf(z) - p.logpdf(z)), 0, np.inf, epsabs=1e-12)
    with jax.enable_x64(True):
        got = jax.jit(lambda: kl_divergence(F(6.0, 9.0), F(4.0, 6.0)))()
    assert float(got) == pytest.approx(expected, rel=1e-8)
    with pytest.raises(NotImplementedError, match=r"F \|\| F.*ratios.*sgvb-a"):
        kl_divergence(F(6.0, 9.0), F(4.0, 5.0))


@pytest.mark.parametrize("wrap", [lambda d: d, lambda d: d.to_event(1)])
def test_an_unknown_pair_is_refused(wrap):
    q, p = wrap(StudentT(jnp.ones(2), 0.0, 1.0)), wrap(dist.Laplace(jnp.zeros(2), jnp.ones(2)))
    with pytest.raises(NotImplementedError, match=r"KL\(StudentT \|\| Laplace\).*sgvb-a"):
        kl_divergence(q, p)
    with pytest.raises(NotImplementedError, match=r"KL\(Normal.to_event\(1\) \|\| Dirichlet\)"):
        kl_divergence(dist.Normal(jnp.zeros(2), 1.0).to_event(1), dist.Dirichlet(jnp.ones(2)))


def test_numpyros_truncated_series_is_not_passed_off_as_a_closed_form():
    """NumPyro adds up ten terms of KL(Kumaraswamy || Beta), and is off by 0.77 nats here; the integral is 1.984."""
    q, p = dist.Kumaraswamy(0.5, 0.5), dist.Beta(2.0, 3.0)
    assert float(jax.jit(lambda: dist.kl_divergence(q, p))()) == pytest.approx(1.2153, abs=1e-3)
    with pytest.raises(NotImplementedError, match=r"Kumaraswamy \|\| Beta"):
        kl_divergence(q, p)


def test_is_numpyros_where_that_is_right():
    pairs = [
        (dist.Normal(0.3, 2.0), dist.Normal(-1.0, 1.5)),
        (dist.Gamma(2.0, 0.7), dist.Gamma(1.1, 3.0)),
        (dist.Dirichlet(jnp.array([2.0, 0.7, 1.0])), Dirichlet(jnp.array([1.1, 3.0, 4.0]))),
        (dist.Weibull(2.0, 0.7), dist.Gamma(1.1, 3.0)),
        (dist.CategoricalProbs(jnp.array([0.2, 0.8])), dist.CategoricalProbs(jnp.array([0.5, 0.5]))),
    ]
    got, expected = (
        jax.jit(lambda kl=kl: [kl(q, p) for q, p in pairs])() for kl in (kl_divergence, dist.kl_divergence)
    )
    np.testing.assert_allclose(got, expected, rtol=1e-5)


def test_expanded_distributions_and_events_of_events():
    q = normal(np.ones(3), np.zeros(3)).expand((5, 4, 3))
    p = normal(np.zeros(()), np.zeros(())).expand((4, 3))
    np.testing.assert_allclose(kl_divergence(q, p), np.full((5, 4, 3), 0.5))
    np.testing.assert_allclose(kl_divergence(q.to_event(1), p.to_event(1)), np.full((5, 4), 1.5))
    np.testing.assert_allclose(kl_divergence(q.to_event(3), p.to_event(2).expand((5,)).to_event(1)), 30.0)


def test_numpyros_registry_is_as_it_was():
    assert len(dist.kl_divergence.funcs) > 10
    assert {function.__module__ for function in dist.kl_divergence.funcs.values()} == {
        "numpyro.distributions.kl"
    }
