"""KL divergences against quadrature, Monte Carlo, NumPyro, and themselves where floating point is hard."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from aevb.distributions import LogVarianceNormal, kl_divergence

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


@pytest.mark.parametrize("wrap", [lambda d: d, lambda d: d.to_event(1)])
def test_an_unknown_pair_is_refused(wrap):
    q, p = wrap(normal(np.zeros(2), np.zeros(2))), wrap(dist.Laplace(jnp.zeros(2), jnp.ones(2)))
    with pytest.raises(NotImplementedError):
        kl_divergence(q, p)


def test_known_pairs_of_numpyros_pass_through():
    q, p = dist.Normal(jnp.ones(2), 1.0).to_event(1), dist.Normal(jnp.zeros(2), 1.0).to_event(1)
    assert float(kl_divergence(q, p)) == pytest.approx(1.0)
