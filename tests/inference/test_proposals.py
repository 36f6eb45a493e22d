"""What importance samples are drawn from: densities by quadrature, and errors that hold where q is too narrow."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from arviz_stats.base import array_stats
from scipy.stats import binom, kstest

from aevb import inference
from aevb.batch import Batch
from aevb.errors import InvalidRecipeError
from aevb.inference import Importance
from aevb.inference.importance import covers
from aevb.inference.pareto import k_hat
from aevb.inference.proposals import Widened, widened
from aevb.models import (
    LIKELIHOODS,
    AutoEncoder,
    Constant,
    Decoder,
    Encoder,
    LatentVariableModel,
    Prior,
    choose_prior,
)
from aevb.networks import MLP
from oracles import LinearGaussian

KEY = jax.random.key(0)


def of_family(family, scale=1.0):
    """A model of one latent with a posterior of this family, its weights drawn at random."""
    key = jax.random.key(1)
    decoder = Decoder(LIKELIHOODS["gaussian"], MLP(1, (), key=key), 1, 3, key=key)
    model = LatentVariableModel(Prior(choose_prior("auto", family), 1), decoder, Constant(jnp.zeros(3)))
    return AutoEncoder(model, Encoder(MLP(3, (), key=key), 3, 1, family, key=key))


@pytest.mark.parametrize("family", ["gaussian", "log-normal", "uniform"])
def test_draws_have_the_density_that_is_said(family):
    """It adds up to one, and its distribution function is that of 4,000 draws (Kolmogorov-Smirnov at 1e-6)."""
    autoencoder, batch = of_family(family), Batch(jnp.asarray([[0.3, -1.0, 2.0]]))

    @eqx.filter_jit
    def drawn_and_density(z):
        q = widened(autoencoder.model, autoencoder.posterior)(batch)
        draws = jax.vmap(q.sample)(jax.random.split(KEY, 4000))
        return draws[:, 0, 0], jnp.exp(q.log_prob(z[:, None, None]))[:, 0]

    z = np.geomspace(1e-5, 1e5, 100_001) if family == "log-normal" else np.linspace(-20, 20, 200_001)
    z = z.astype(np.float32)
    draws, density = (np.asarray(part, float) for part in drawn_and_density(z))
    cumulated = np.concatenate(
        [[0.0], np.cumsum((density[1:] + density[:-1]) / 2 * np.diff(z.astype(float)))]
    )
    assert cumulated[-1] == pytest.approx(1, abs=2e-3)
    assert kstest(draws, lambda at: np.interp(at, z, cumulated)).pvalue > 1e-6


@pytest.mark.long
def test_no_part_is_wider_than_the_prior():
    """A q that is the prior stays as it is, so that latents that are not used cost nothing."""
    oracle = LinearGaussian(np.zeros((3, 2)), np.zeros(3), np.zeros(3))
    autoencoder, batch = oracle.autoencoder(), Batch(jnp.zeros((1, 3)))
    parts = Widened.of(autoencoder.model, autoencoder.posterior(batch), batch)
    np.testing.assert_allclose(np.exp(parts.log_scales), 1, atol=0.5)
    x = np.zeros((4, 3), np.float32) + np.arange(4, dtype=np.float32)[:, None]
    found = inference.log_marginal(
        autoencoder.model, autoencoder.posterior, x, KEY, Importance(200, "widened")
    )
    assert np.all(found.diagnostics["effective_samples"] > 170)


def test_the_prior_covers_what_the_posterior_leaves_out():
    autoencoder = of_family("uniform")
    assert not covers(autoencoder.model, autoencoder.posterior)
    assert covers(autoencoder.model, widened(autoencoder.model, autoencoder.posterior))


def test_errors_hold_where_q_is_too_narrow():
    """Variances a fifth of the right ones: 95% intervals of 200 rows."""
    oracle = LinearGaussian.random(4, 2, orthogonal=True)
    (a, c, log_v), x = oracle.exact_encoder, oracle.sample(200)
    autoencoder, exact = oracle.autoencoder((a, c, log_v + np.log(0.2))), oracle.log_marginal(x)

    def covered(proposal):
        found = inference.log_marginal(
            autoencoder.model, autoencoder.posterior, x, KEY, Importance(400, proposal)
        )
        within = np.abs(found.log_p - exact) < 1.96 * found.monte_carlo_error
        return within.sum(), found.reliable.mean(), "iwae" in found.diagnostics

    few, few_reliable, has_curve = covered("posterior")
    many, many_reliable, has_other = covered("widened")
    assert few < binom.ppf(1e-6, 200, 0.95) <= many
    assert few_reliable < 0.5
    assert many_reliable > 0.9
    assert (has_curve, has_other) == (True, False)


def test_discrete_codes_are_drawn_from_q_and_the_prior():
    key = jax.random.key(1)
    prior, mlp = Prior("categorical", 2, 3), MLP(6, (), key=key)
    model = LatentVariableModel(
        prior, Decoder(LIKELIHOODS["bernoulli"], mlp, 6, 4, key=key), Constant(jnp.zeros(4))
    )
    encoder = Encoder(MLP(4, (), key=key), 4, 2, "categorical", 3, key=key)
    autoencoder = AutoEncoder(model, encoder)
    x = np.array([[0, 1, 1, 0], [1, 1, 0, 1]], np.float32)
    exact = inference.log_marginal(model, autoencoder.posterior, x, KEY, inference.Quadrature()).log_p
    found = inference.log_marginal(model, autoencoder.posterior, x, KEY, Importance(2000, "widened"))
    assert np.all(np.abs(found.log_p - exact) < 5 * found.monte_carlo_error + 1e-5)


def test_unknown_proposals_are_refused():
    with pytest.raises(InvalidRecipeError, match=r"no proposal 'wide': choose posterior or widened"):
        Importance(10, "wide")


@pytest.mark.parametrize("n", [25, 100, 226, 1000])
def test_k_hat_is_arvizs(n):
    rng = np.random.default_rng(0)
    log_w = np.concatenate([k * rng.exponential(size=(8, n)) for k in (0.1, 0.5, 1.5)])
    log_w = np.concatenate([log_w, rng.normal(0, 3, (8, n))])
    expected = [array_stats.psislw(-row)[1] for row in log_w]
    np.testing.assert_allclose(k_hat(log_w), expected, rtol=1e-9)
