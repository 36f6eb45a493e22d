"""A likelihood of the user's own, made with what the package exports, handed to `VAE`."""

import jax.numpy as jnp
import numpy as np
import pytest
from numpyro import distributions

import aevb
from aevb.errors import InvalidDataError, InvalidModelFileError
from aevb.models import Likelihood, Support


class Geometric(Likelihood):
    """The number of failures before a success."""

    name = "geometric"
    summary = "waiting times"
    heads = ("logits",)
    support = Support(0.0, is_whole=True)
    is_density = False
    auto_scale = "none"

    def distribution(self, logits):
        return distributions.GeometricLogits(logits, validate_args=False)

    def inputs(self, observed, mask):
        return jnp.log1p(observed)


X = np.random.default_rng(0).geometric(0.3, (60, 3)) - 1


@pytest.fixture(scope="module")
def vae():
    return aevb.VAE(n_latents=1, hidden=(4,), epochs=3, random_state=0, likelihood=Geometric()).fit(X)


def test_it_is_trained_on_what_it_knows(vae):
    assert vae.bound_ == "evidence lower bound"
    assert vae.model_.preparation.scaling.is_identity
    samples = vae.sample(50)
    assert np.all((samples >= 0) & (samples == np.round(samples)))
    with pytest.raises(InvalidDataError, match="geometric likelihood needs whole numbers of at least 0"):
        vae.fit(X - 1)
    with pytest.raises(InvalidDataError, match="geometric likelihood needs whole numbers"):
        vae.fit(X + 0.5)


def test_what_it_does_not_know_is_impossible(vae):
    rows = X[:3].astype(float)
    rows[1, 2] = 0.5
    with pytest.warns(UserWarning, match="1 of 3"):
        scores = vae.score_samples(rows)
    assert np.isneginf(scores[1])
    assert np.isfinite(scores[[0, 2]]).all()


@pytest.mark.long
def test_it_imputes(vae):
    rows = X[:4].astype(float)
    rows[:, 1] = np.nan
    filled = vae.impute(rows, random_state=0)
    assert np.isfinite(filled).all()
    np.testing.assert_array_equal(filled[:, [0, 2]], rows[:, [0, 2]])


def test_it_comes_back_with_its_class(vae, tmp_path):
    vae.save(tmp_path / "model")
    with pytest.raises(InvalidModelFileError, match="Geometric"):
        aevb.load(tmp_path / "model")
    name = f"{Geometric.__module__}:Geometric"
    again = aevb.load(tmp_path / "model", networks={name: Geometric})
    assert isinstance(again.likelihood, Geometric)
    np.testing.assert_array_equal(again.score_samples(X[:5]), vae.score_samples(X[:5]))
