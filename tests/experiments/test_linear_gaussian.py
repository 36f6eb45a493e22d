"""The linear-Gaussian VAE: its exact gradients against quadrature, and estimators against both."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from aevb.batch import Batch
from aevb.experiments.gradients import linear_gaussian
from aevb.experiments.gradients import linear_gaussian_exact as exact
from aevb.experiments.gradients.estimators import for_continuous_codes
from aevb.experiments.gradients.linear_gaussian import PARTS, LinearGaussian
from aevb.models import split_learned
from aevb.models.conditional import soft_clip
from command_line import quick_compilation  # noqa: F401

ORACLE = LinearGaussian(3)
SUBJECT = ORACLE.at(1.0)


def by_quadrature(autoencoder, x, n_nodes=6):
    """The bound's gradient from the library's densities on a grid of noise, exact for the polynomials that they are."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(n_nodes)
    k = 2
    grid = np.array(list(itertools.product(nodes, repeat=k)))
    weights = np.prod(list(itertools.product(weights, repeat=k)), axis=1) / (2 * np.pi) ** (k / 2)
    with jax.enable_x64(True):
        double = jax.tree.map(
            lambda w: jnp.asarray(np.asarray(w, float)) if eqx.is_inexact_array(w) else w, autoencoder
        )
        learned, rest = split_learned(double)
        batch = Batch(jnp.asarray(x, float))

        @jax.jit
        def bound(learned):
            autoencoder = eqx.combine(learned, rest)
            q = autoencoder.encoder(batch)
            loc, scale = q.base_dist.loc, jnp.exp(q.base_dist.log_variance / 2)

            def at(e):
                z = loc + scale * e
                return batch.mean(
                    autoencoder.model.log_likelihood(batch, z)
                    + autoencoder.model.log_prior(z, batch)
                    - q.log_prob(z)
                )

            return jnp.asarray(weights) @ jax.vmap(at)(jnp.asarray(grid))

        gradient = jax.grad(bound)(learned)
        return {part: np.asarray(ravel_pytree(getattr(gradient, part))[0]) for part in PARTS}


@pytest.mark.long
def test_the_closed_form_is_the_gradient_by_quadrature():
    """Of every array, also the weights of the decoder's log-variance, which are zero here."""
    closed, quadrature = (f(SUBJECT, ORACLE.x) for f in (exact.exact_gradient, by_quadrature))
    for part in PARTS:
        assert np.all(closed[part] != 0)
        np.testing.assert_allclose(closed[part], quadrature[part], rtol=1e-9, atol=1e-10)


@pytest.mark.long
@pytest.mark.parametrize("order", [1.0, 0.5])
def test_quasi_monte_carlo_of_one_draw_is_the_closed_form(order):
    closed = exact.exact_gradient(SUBJECT, ORACLE.x)
    replicates = exact.power_mean_gradients(SUBJECT, ORACLE.x, order, 1, seed=0)
    for part in PARTS:
        assert replicates[part].shape == (exact.REPLICATES, closed[part].size)
        error = np.linalg.norm(replicates[part].mean(0) - closed[part])
        assert error < 1e-4 * np.linalg.norm(closed[part])


def test_log_variances_are_held_as_the_library_holds_them():
    x = np.linspace(-20, 20, 41).astype(np.float32)
    np.testing.assert_allclose(exact.held(jnp.asarray(x)), soft_clip(jnp.asarray(x), -12.0, 12.0), atol=1e-5)
    y = np.linspace(-5, 5, 11)
    with jax.enable_x64(True):
        np.testing.assert_allclose(exact.held(jnp.asarray(exact.unheld(y))), y, atol=1e-12)


@pytest.mark.long
def test_at_distance_zero_q_is_the_posterior():
    """The bound's encoder gradient is zero there, and not at 1."""
    at_zero, at_one = (exact.exact_gradient(ORACLE.at(t), ORACLE.x)["encoder"] for t in (0.0, 1.0))
    assert np.linalg.norm(at_zero) < 1e-5 * np.linalg.norm(at_one)


SHOWN = {("sgvb-a", 1), ("stl", 1), ("score", 1), ("dreg", 5), ("iwae-stl", 5)}


@pytest.fixture(scope="module")
def measured():
    """A run of some of the estimators."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            linear_gaussian,
            "for_continuous_codes",
            lambda *given: [e for e in for_continuous_codes(*given) if (e.name, e.samples) in SHOWN],
        )
        patch.setattr(exact, "POINTS", 1024)
        return linear_gaussian.run(n_draws=10_000)


def test_no_bias_is_found_but_where_it_is_declared(measured):
    for table in measured.tables:
        for row in table.rows:
            if not row.declared_biased:
                assert row.bias_found is False
                assert 0 < row.detectable < (1.0 if "score" in row.estimator else 0.2)
    encoder = {row.estimator: row for row in measured.tables[0].rows}
    assert encoder["iwae-stl"].declared_biased
    assert encoder["iwae-stl"].bias_found
    assert encoder["dreg"].held_against == "importance-weighted bound (K = 5)"
    assert encoder["score"].held_against == "evidence lower bound"


def test_the_score_function_varies_by_orders_of_magnitude_more(measured):
    encoder = {row.estimator: row.mean_variance for row in measured.tables[0].rows}
    assert encoder["score"] > 100 * encoder["sgvb-a"]


def test_sticking_the_landing_vanishes_with_the_square_of_the_distance(measured):
    curves = {curve.estimator: np.array(curve.mean_variance) for curve in measured.approach}
    distance = np.array(measured.approach[0].distance)
    stl, pathwise = curves["stl"], curves["sgvb-a"]
    assert distance[-1] == 0
    assert stl[-1] < 1e-10 * pathwise[-1]
    falls = np.diff(np.log(stl[1:-1])) / np.diff(np.log(distance[1:-1]))
    np.testing.assert_allclose(falls, 2, atol=0.1)
    assert np.all(pathwise > 0.3 * pathwise[0])


def test_every_coordinate_is_recorded_under_its_name(measured):
    encoder, decoder = measured.tables
    assert (encoder.n_coordinates, decoder.n_coordinates) == (36, 48)
    assert len(encoder.names) == len(set(encoder.names)) == 36
    row = encoder.rows[0]
    assert all(len(values) == 36 for values in row.coordinates.values())
    assert np.mean(row.coordinates["variance"]) == pytest.approx(row.mean_variance)
    np.testing.assert_allclose(np.linalg.norm(row.coordinates["exact"]), encoder.length, rtol=1e-6)
