"""The Dirichlet: against SciPy, its marginals, and gradients of expectations with closed forms, in float64."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats
from scipy.special import digamma

from aevb.distributions import Dirichlet
from family_table import compiled

CONCENTRATIONS = np.array([[0.05, 0.3, 1.0], [1.0, 1.0, 1.0], [2.5, 30.0, 4.0], [1e3, 500.0, 0.5]])
N_DRAWS = 3000
FALSE_ALARM = 1e-6  # per test


def reference(function):
    return np.stack([function(stats.dirichlet(a)) for a in CONCENTRATIONS])


def expectations(a, x):
    """E[x], E[log x] and E[x_0 x_1] in closed form, and what they are expectations of."""
    total = jnp.sum(a, axis=-1, keepdims=True)
    log_mean = jax.scipy.special.digamma(a) - jax.scipy.special.digamma(total)
    product = a[..., :1] * a[..., 1:2] / (total * (total + 1))
    return (
        jnp.concatenate([a / total, log_mean, product], axis=-1),
        jnp.concatenate([x, jnp.log(x), x[..., :1] * x[..., 1:2]], axis=-1),
    )


@functools.cache
def computed():
    @compiled
    def program(a):
        d = Dirichlet(a)
        x, linear = jax.linearize(lambda a: Dirichlet(a).sample(jax.random.key(0), (N_DRAWS,)), a)
        slopes = []
        for tangent in np.eye(3):
            tangent = jnp.broadcast_to(tangent, a.shape)
            dx = linear(tangent)
            exact = jax.jvp(lambda a: expectations(a, a)[0], (a,), (tangent,))[1]
            pathwise = jax.jvp(lambda x: expectations(a, x)[1], (x,), (dx,))[1]
            slopes.append((exact, jnp.mean(pathwise, 0), jnp.std(pathwise, 0) / np.sqrt(N_DRAWS)))
        return {
            "x": x,
            "log_prob": d.log_prob(x),
            "moments": (d.mean, d.variance, d.entropy()),
            "slopes": slopes,
        }

    with jax.enable_x64(True):
        return jax.device_get(program(CONCENTRATIONS))


def test_density_and_moments_are_scipys():
    results = computed()
    x = results["x"][:10]
    expected = np.stack([stats.dirichlet(a).logpdf(x[:, i].T) for i, a in enumerate(CONCENTRATIONS)], axis=1)
    np.testing.assert_allclose(results["log_prob"][:10], expected, rtol=1e-9)
    mean, variance, entropy = results["moments"]
    np.testing.assert_allclose(mean, reference(lambda d: d.mean()), rtol=1e-12)
    np.testing.assert_allclose(variance, reference(lambda d: d.var()), rtol=1e-12)
    np.testing.assert_allclose(entropy, reference(lambda d: d.entropy()), rtol=1e-9)


def test_marginals_are_betas():
    """By Kolmogorov-Smirnov."""
    x, total = computed()["x"], CONCENTRATIONS.sum(1, keepdims=True)
    uniform = stats.beta(CONCENTRATIONS, total - CONCENTRATIONS).cdf(x)
    assert (
        min(stats.kstest(column, "uniform").pvalue for column in uniform.reshape(N_DRAWS, -1).T)
        > FALSE_ALARM / 12
    )


def test_gradients_of_expectations(assert_jointly_normal):
    """In each concentration. That of the sum of x is 0 without error, and the third of x tells nothing new."""
    for exact, mean, error in computed()["slopes"]:
        assert_jointly_normal(((mean - exact) / error)[:, [0, 1, 3, 4, 5, 6]])


def test_gradients_of_the_density():
    x = np.array([[0.2, 0.3, 0.5]] * 4)
    program = compiled(jax.grad(lambda a, x: jnp.sum(Dirichlet(a).log_prob(x)), argnums=(0, 1)))
    with jax.enable_x64(True):
        in_a, in_x = jax.device_get(program(CONCENTRATIONS, x))
    exact = np.log(x) - digamma(CONCENTRATIONS) + digamma(CONCENTRATIONS.sum(1, keepdims=True))
    np.testing.assert_allclose(in_a, exact, rtol=1e-10)
    np.testing.assert_allclose(in_x, (CONCENTRATIONS - 1) / x, rtol=1e-12)


def test_has_density_on_the_simplex_only():
    x = np.array([[0.2, 0.3, 0.5], [0.0, 0.5, 0.5], [0.2, 0.3, 0.6], [-0.2, 0.5, 0.7]], np.float32)

    def log_prob(a):
        return Dirichlet(a, validate_args=False).log_prob(x)

    value, slopes = compiled(lambda a: (log_prob(a), jax.jacobian(log_prob)(a)))(np.ones(3, np.float32))
    np.testing.assert_allclose(value, [np.log(2), np.log(2), -np.inf, -np.inf], rtol=1e-5)
    np.testing.assert_array_equal(slopes[2:], 0)


def test_float32_points_of_many_categories_are_on_the_simplex():
    @compiled
    def program(a):
        return Dirichlet(a).log_prob(Dirichlet(a).sample(jax.random.key(0), (100,)))

    assert np.all(np.isfinite(program(np.full(2000, 0.5, np.float32))))
