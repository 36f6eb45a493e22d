"""Diagnostics of latents against closed forms and quadrature over a grid, in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import norm

from aevb.evaluation.latents import latent_diagnostics
from aevb.models import AutoEncoder, Encoder, LatentVariableModel, Prior
from aevb.networks import MLP
from oracles import LinearGaussian, tiny

KEY = jax.random.key(0)
N_ROWS = 40


@pytest.fixture(scope="module")
def oracle():
    return LinearGaussian.random(4, 2)


@pytest.fixture(scope="module")
def encoder(oracle):
    return oracle.imperfect_encoder(shift=0.5, stretch=-0.5)


@pytest.fixture(scope="module")
def x(oracle):
    return oracle.sample(N_ROWS)


def by_quadrature(x, encoder):
    """Information and gap of each latent and of both, for these rows' mixture, by the trapezoidal rule."""
    a, c, log_v = encoder
    m, s = x.astype(float) @ a.T + c, np.exp(log_v / 2)
    z = np.linspace(-9, 9, 901)
    step = z[1] - z[0]
    log_q = norm.logpdf(z[:, None, None], m, s)  # (grid, rows, latents)
    log_p = norm.logpdf(z)

    def split(log_q, log_p, volume):
        log_mixture = logsumexp(log_q, axis=1) - np.log(log_q.shape[1])
        kl = np.sum(np.exp(log_q) * (log_q - log_p[:, None]), axis=0).mean() * volume
        gap = np.sum(np.exp(log_mixture) * (log_mixture - log_p)) * volume
        return kl - gap, gap

    single = [split(log_q[..., j], log_p, step) for j in range(2)]
    coarse = slice(None, None, 6)
    pairs = log_q[coarse, None, :, 0] + log_q[None, coarse, :, 1]
    joint = split(
        pairs.reshape(-1, len(x)), np.add.outer(log_p[coarse], log_p[coarse]).ravel(), (6 * step) ** 2
    )
    return np.array(single).T, joint


def test_the_parts_of_the_divergence(oracle, encoder, x, assert_jointly_normal):
    """Exact for the rows given; errors are of the right size, over ten keys."""
    (information, gap), (total_information, total_gap) = by_quadrature(x, encoder)
    autoencoder = oracle.autoencoder(encoder)
    found = [latent_diagnostics(autoencoder, x, jax.random.key(i), 8) for i in range(10)]
    scores = [
        score
        for d in found
        for score in (
            *((d.information - information) / d.information_error),
            *((d.gap - gap) / d.gap_error),
            (d.total_information - total_information) / d.total_information_error,
            (d.total_gap - total_gap) / d.total_gap_error,
        )
    ]
    # Information and gap of one draw hang together; this many scores count for at least a third as many.
    assert_jointly_normal(np.array(scores) / np.sqrt(3))
    assert 0.6 < np.std(scores) < 1.5
    d = found[0]
    assert d.n_rows == N_ROWS
    assert d.most_information == pytest.approx(np.log(N_ROWS))
    assert d.gap_at_least == pytest.approx(d.gap.sum())
    assert d.gap_at_least < d.total_gap


def test_divergence_and_activity_in_closed_form(oracle, encoder, x):
    a, c, log_v = encoder
    m = x.astype(float) @ a.T + c
    d = latent_diagnostics(oracle.autoencoder(encoder), x, KEY, 2)
    np.testing.assert_allclose(d.code_variance, m.var(0), rtol=1e-4)
    np.testing.assert_allclose(d.kl, 0.5 * np.mean(np.exp(log_v) + m**2 - 1 - log_v, axis=0), rtol=1e-4)
    assert d.is_active.all()


def test_many_rows_give_the_information_of_their_distribution(oracle, assert_jointly_normal):
    """z = A x + c + noise, x ~ N(b, C): 1/2 log det(I + A C A' / v), whose mixture is the exact posterior's prior."""
    oracle = LinearGaussian.random(4, 2, orthogonal=True)
    d = latent_diagnostics(oracle.autoencoder(), oracle.sample(1000), KEY, 2)
    a, _, log_v = oracle.exact_encoder
    of_means = a @ oracle.covariance @ a.T / np.exp(log_v)
    exact = 0.5 * np.log1p(np.diag(of_means))
    # Over rows information varies by about one nat; 5 standard errors, false alarm 1e-6.
    np.testing.assert_allclose(d.information, exact, atol=5 / np.sqrt(1000))
    np.testing.assert_allclose(
        d.total_information, 0.5 * np.linalg.slogdet(np.eye(2) + of_means)[1], atol=0.2
    )
    assert np.all(np.abs(d.gap) < 0.03)


def test_a_collapsed_encoder_tells_nothing(oracle, x):
    nothing = np.zeros((2, 4))
    d = latent_diagnostics(oracle.autoencoder((nothing, np.zeros(2), np.zeros(2))), x, KEY)
    for values in (d.information, d.gap, d.kl, d.code_variance):
        np.testing.assert_allclose(values, 0.0, atol=1e-5)
    assert abs(d.total_information) < 1e-5
    assert abs(d.total_gap) < 1e-5
    assert not d.is_active.any()
    assert not d.is_capped
    # The same for every row, but not the prior: no information, all gap.
    d = latent_diagnostics(oracle.autoencoder((nothing, np.array([1.0, 0.0]), np.zeros(2))), x, KEY, 40)
    np.testing.assert_allclose(d.information, 0.0, atol=1e-5)
    assert d.gap[0] == pytest.approx(0.5, abs=5 * d.gap_error[0])


def test_rows_far_apart_are_told_apart_up_to_the_logarithm_of_their_number(oracle):
    a = np.zeros((2, 4))
    a[0, 0] = 1.0
    x = np.diag([0.0, 0, 0, 0]).astype(np.float32)
    x[:, 0] = [-30, -10, 10, 30]
    d = latent_diagnostics(oracle.autoencoder((a, np.zeros(2), np.zeros(2))), x, KEY)
    assert d.information[0] == pytest.approx(np.log(4), abs=1e-5)
    assert d.total_information == pytest.approx(np.log(4), abs=1e-5)
    assert d.is_capped
    np.testing.assert_array_equal(d.is_active, [True, False])


def test_one_row_and_one_draw(oracle, encoder, x):
    d = latent_diagnostics(oracle.autoencoder(encoder), x[:1], KEY, 1)
    np.testing.assert_allclose(d.information, 0.0, atol=1e-6)
    assert np.isnan(d.information_error).all()
    assert d.most_information == 0


@pytest.mark.parametrize(
    ("family", "columns", "width"),
    [("categorical", 2, 6), pytest.param("dirichlet", 1, 3, marks=pytest.mark.long)],
)
def test_codes_that_hang_together(family, columns, width):
    """One entry for each categorical latent, one for all of a Dirichlet; parts sum to the divergence."""
    n_latents = 3 if family == "dirichlet" else 2
    encoder = Encoder(MLP(5, (4,), "tanh", key=KEY), 5, n_latents, family, 3, key=KEY)
    encoder = jax.tree.map(lambda w: 6 * w if w.ndim == 2 else w, encoder)
    decoder = tiny(k=width).model.decoder
    model = LatentVariableModel(Prior(family, n_latents, 3), decoder, tiny().model.log_scale)
    x = np.random.default_rng(0).normal(size=(30, 5)).astype(np.float32)
    d = latent_diagnostics(AutoEncoder(model, encoder), x, KEY, 30)
    assert d.kl.shape == d.information.shape == d.gap.shape == (columns,)
    assert d.code_variance.shape == (width,)
    errors = 5 * np.hypot(d.information_error, d.gap_error) + 1e-5
    np.testing.assert_array_less(np.abs(d.information + d.gap - d.kl), errors + 0.1 * (family == "dirichlet"))
    if family == "dirichlet":
        assert d.gap_at_least == 0
    assert jnp.all(d.information > -5 * d.information_error)
