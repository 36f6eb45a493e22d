"""Transitions against densities whose draws are known."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from arviz_stats.base import array_stats
from scipy.stats import kstest

from aevb.chains.hmc import Chain, Kernel, begin, effective_draws, robust_variance, split_r_hat

KEY = jax.random.key(0)
N_CHAINS = 2000
FALSE_ALARM = 1e-6


def run(log_density, u, n, log_step=0.0, n_leapfrog=10, adapt_to=None):
    """All chains after n transitions, the mean acceptance rate of each transition, and the last kernel."""
    kernel = Kernel(jnp.asarray(log_step), jnp.ones(u.shape[1]), n_leapfrog)

    @jax.jit
    def all_transitions(chains, log_step):
        def step(carry, t):
            chains, kernel = carry
            keys = jax.random.split(jax.random.fold_in(KEY, t), len(u))
            chains, rates = jax.vmap(lambda key, chain: kernel(key, log_density, chain))(keys, chains)
            rate = jnp.mean(rates)
            if adapt_to is not None:
                kernel = kernel.adapted(rate, adapt_to, (1.0 + t) ** -0.6)
            return (chains, kernel), rate

        return jax.lax.scan(step, (chains, kernel), jnp.arange(n))

    (chains, kernel), rates = all_transitions(jax.vmap(lambda u: begin(log_density, u))(u), log_step)
    return chains, np.asarray(rates), kernel


def test_draws_stay_draws():
    """A Gamma(3, 1) in log coordinates, from exact draws, with a step so large that a fifth is rejected."""
    exact = np.random.default_rng(0).gamma(3.0, size=(N_CHAINS, 2))
    u = jnp.asarray(np.log(exact), jnp.float32)
    chains, rates, _ = run(lambda u: jnp.sum(3 * u - jnp.exp(u)), u, 6, log_step=-0.2, n_leapfrog=3)
    assert 0.5 < rates.mean() < 0.9
    drawn = np.exp(np.asarray(chains.position, float))
    assert np.mean(drawn == np.exp(np.asarray(u, float))) < 0.01  # every chain has moved
    for latent in range(2):
        assert kstest(drawn[:, latent], "gamma", (3.0,)).pvalue > FALSE_ALARM


def test_the_step_settles_at_the_wanted_acceptance():
    scales = jnp.array([1.0, 0.2, 3.0])

    def log_density(u):
        return -0.5 * jnp.sum(jnp.square(u / scales))

    u = jax.random.normal(KEY, (50, 3)) * scales
    for start in (jnp.asarray(2.0), jnp.asarray(-2.5)):
        _, rates, kernel = run(log_density, u, 300, log_step=start, adapt_to=0.9)
        assert rates[150:].mean() == pytest.approx(0.9, abs=0.03)
        assert -3 < float(kernel.log_step) < 0


def test_nowhere_but_where_the_density_is_a_positive_number():
    """A square root that is no number beyond 1, and a pole: chains stay between, where the law is uniform in u^2."""

    def log_density(u):
        inside = jnp.log(jnp.sqrt(1 - u[0] ** 2)) - 0.5 * jnp.log(1 - u[0] ** 2)  # 0, or NaN outside
        return inside + jnp.where(u[0] > 0.5, jnp.inf, 0.0)

    u = jax.random.uniform(KEY, (N_CHAINS, 1), minval=-1.0, maxval=0.5)
    chains, _, kernel = run(log_density, u, 30, log_step=-1.5)
    assert np.all(np.isfinite(chains.position))
    assert np.all(np.isfinite(chains.gradient))
    assert kstest(np.asarray(chains.position[:, 0], float), "uniform", (-1.0, 1.5)).pvalue > FALSE_ALARM
    moved = kernel.adapted(jnp.asarray(jnp.nan), 0.9, 0.5)
    assert float(moved.log_step) == pytest.approx(float(kernel.log_step) - 0.45)


def test_a_chain_begun_where_there_is_no_density_gets_away():
    def log_density(u):
        return jnp.where(u[0] > 4.0, -jnp.inf, -0.5 * jnp.sum(u**2))

    chains, _, _ = run(log_density, jnp.full((200, 1), 5.0), 40, log_step=-0.7)
    assert np.all(np.asarray(chains.position) <= 4.0)


def test_trajectories_of_a_whole_period_mix_all_the_same():
    """Ten steps of 2 pi / 10 lead a Gaussian's chain back to where it was, were the step not drawn anew."""
    u = jax.random.normal(KEY, (N_CHAINS, 4))
    chains, rates, _ = run(lambda u: -0.5 * jnp.sum(u**2), u, 1, log_step=float(np.log(2 * np.pi / 10)))
    assert rates.mean() > 0.9
    correlation = np.corrcoef(np.ravel(u), np.ravel(chains.position))[0, 1]
    assert abs(correlation) < 0.3


def test_persistent_chains_follow_a_density_that_changes_within_one_program():
    """As in training by Monte Carlo EM: chains live on while parameters move, and the step with them."""
    traced = 0

    @jax.jit
    def train(key, u, scales):
        def step(carry, given):
            nonlocal traced
            traced += 1
            u, kernel = carry
            t, scale = given

            def log_density(u):
                return -0.5 * jnp.sum(jnp.square(u / scale))

            def one(key, u):
                chain, rate = kernel(key, log_density, begin(log_density, u))
                return chain.position, rate

            u, rates = jax.vmap(one)(jax.random.split(jax.random.fold_in(key, t), len(u)), u)
            return (u, kernel.adapted(jnp.mean(rates), 0.9, 0.2)), (jnp.mean(rates), jnp.std(u))

        kernel = Kernel(jnp.asarray(0.0), jnp.ones(u.shape[1]), 10)
        return jax.lax.scan(step, (u, kernel), (jnp.arange(len(scales)), scales))[1]

    scales = jnp.geomspace(1.0, 0.2, 300)
    u = jax.random.normal(KEY, (64, 2))
    rates, spread = train(KEY, u, scales)
    train(jax.random.key(1), u, scales[::-1])
    assert traced <= 2  # a scan may trace its body twice, another call must not
    assert np.asarray(rates)[30:].mean() == pytest.approx(0.9, abs=0.04)
    np.testing.assert_allclose(np.asarray(spread)[50:].mean(), np.asarray(scales)[50:].mean(), rtol=0.1)


@jax.jit
def diagnostics(draws):
    return split_r_hat(draws), effective_draws(draws)


@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_diagnostics_are_arvizs(shift):
    rng = np.random.default_rng(0)
    draws = np.zeros((4, 100, 2), np.float32)
    for t in range(1, 100):
        draws[:, t] = 0.6 * draws[:, t - 1] + rng.normal(size=(4, 2))
    draws[0] += shift
    r_hat, effective = diagnostics(jnp.asarray(draws))
    for latent in range(2):
        theirs = array_stats.rhat(draws[..., latent], chain_axis=0, draw_axis=1)
        assert float(r_hat[latent]) == pytest.approx(float(theirs), rel=1e-3)
        ess = array_stats.ess(draws[..., latent], chain_axis=0, draw_axis=1, method="mean")
        # Theirs splits each chain in two.
        assert float(effective[latent]) == pytest.approx(float(ess), rel=0.35 if shift == 0 else 0.6)


def test_a_robust_variance():
    rng = np.random.default_rng(0)
    u = np.stack([rng.normal(3.0, 2.0, size=4000), rng.standard_cauchy(4000), np.ones(4000)], axis=1)
    variance = np.asarray(robust_variance(jnp.asarray(u, jnp.float32)))
    assert variance[0] == pytest.approx(4.0, rel=0.15)
    assert variance[1] == pytest.approx((2 / 1.349) ** 2, rel=0.2)
    assert variance[2] == 1.0  # of what does not vary nothing is known


@pytest.mark.long
def test_blackjax_is_imported_by_those_who_sample_only():
    code = "import sys, aevb.chains.hmc, aevb.inference; sys.exit('blackjax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_chain_knows_its_density():
    chain = begin(lambda u: -jnp.sum(u**2), jnp.array([1.0, 2.0]))
    assert isinstance(chain, Chain)
    assert float(chain.log_density) == -5
    np.testing.assert_array_equal(chain.gradient, [-2.0, -4.0])
