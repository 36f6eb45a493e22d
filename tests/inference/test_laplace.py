"""Gaussians around modes against the exact posterior of linear-Gaussian models, whatever the encoder says."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aevb.batch import Batch
from aevb.errors import InvalidRecipeError
from aevb.inference import Laplace
from aevb.inference.proposals import Widened
from aevb.models import LIKELIHOODS, AutoEncoder, Constant, Decoder, Encoder, LatentVariableModel, Prior
from aevb.networks import MLP
from oracles import LinearGaussian

KEY = jax.random.key(0)
N_ROWS = 6


@pytest.fixture(scope="module")
def oracle():
    return LinearGaussian.random(5, 2)


@pytest.fixture(scope="module")
def autoencoder(oracle):
    """With an encoder that is far off."""
    return oracle.autoencoder(oracle.imperfect_encoder(shift=3.0, stretch=-2.0))


@eqx.filter_jit
def found(laplace, batch):
    q = laplace(batch)
    return (
        q.centre,
        q.root,
        q.log_prob(q.centre[None]),
        Widened.of(laplace.autoencoder.model, q, batch).centre,
    )


@pytest.fixture(scope="module")
def x(oracle):
    """Rows that lack more and more of their last values."""
    x = oracle.sample(N_ROWS)
    seen = np.arange(oracle.d) < np.array([5, 5, 4, 3, 1, 0])[:, None]
    return Batch(jnp.asarray(np.where(seen, x, 0.0)), jnp.asarray(seen))


def exact(oracle, x):
    """Means and precisions of p(z|x_observed)."""
    means, precisions = [], []
    for row, seen in zip(np.asarray(x.x, float), np.asarray(x.mask), strict=True):
        scaled = oracle.weight[seen].T / np.exp(oracle.log_variance[seen])
        precisions.append(np.eye(oracle.k) + scaled @ oracle.weight[seen])
        means.append(np.linalg.solve(precisions[-1], scaled @ (row[seen] - oracle.bias[seen])))
    return np.array(means), np.array(precisions)


def test_is_the_exact_posterior_of_a_linear_model(oracle, autoencoder, x):
    centre, root, log_q, middle = found(Laplace(autoencoder, KEY), x)
    means, precisions = exact(oracle, x)
    np.testing.assert_allclose(centre, means, atol=2e-3)
    np.testing.assert_allclose(middle, centre, atol=1e-6)
    np.testing.assert_allclose(root @ root.mT, precisions, rtol=2e-4, atol=1e-3)
    expected = 0.5 * np.linalg.slogdet(root @ root.mT)[1] - np.log(2 * np.pi)
    np.testing.assert_allclose(log_q[0], expected, atol=1e-4)


def test_a_row_depends_on_the_key_and_itself_alone(autoencoder, x):
    order = np.random.default_rng(0).permutation(N_ROWS)
    laplace = Laplace(autoencoder, KEY)
    shuffled = found(laplace, jax.tree.map(lambda leaf: leaf[order], x))
    for whole, other in zip(found(laplace, x)[:2], shuffled[:2], strict=True):
        np.testing.assert_array_equal(np.asarray(whole)[order], other)


def test_draws_have_the_density_that_is_said(oracle, autoencoder, x):
    """E_q[log q] is minus the entropy; 4,000 draws of a chi-square with 2 degrees of freedom: 5 standard errors."""

    @eqx.filter_jit
    def levels(laplace, batch):
        q = laplace(batch)
        z = jax.vmap(q.sample)(jax.random.split(KEY, 4000))
        return q.log_prob(z), q.log_prob(q.centre)

    drawn, top = levels(Laplace(autoencoder, KEY), x)
    np.testing.assert_allclose(np.mean(drawn, axis=0) - top, -oracle.k / 2, atol=5 / np.sqrt(4000))


def test_discrete_codes_are_refused():
    prior, mlp = Prior("categorical", 2, 3), MLP(6, (), key=KEY)
    model = LatentVariableModel(
        prior, Decoder(LIKELIHOODS["bernoulli"], mlp, 6, 4, key=KEY), Constant(jnp.zeros(4))
    )
    encoder = Encoder(MLP(4, (), key=KEY), 4, 2, "categorical", 3, key=KEY)
    with pytest.raises(InvalidRecipeError, match="discrete"):
        Laplace(AutoEncoder(model, encoder), KEY)
