"""Exact EM against closed forms and scikit-learn; the linear autoencoder against principal components."""

import dataclasses

import numpy as np
import pytest
from scipy.linalg import subspace_angles
from scipy.stats import multivariate_normal
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA, FactorAnalysis

from aevb import VAE, Adam, Scale
from aevb.assembly import assemble
from aevb.datasets import Dataset
from aevb.errors import InvalidRecipeError
from aevb.recipe import Recipe
from aevb.training import train
from oracles import LinearGaussian

IRIS = load_iris().data
LINEAR = {"hidden": (), "n_latents": 2, "scale": "none", "random_state": 0}


def em(likelihood, epochs, **changes):
    return VAE(**{**LINEAR, "likelihood": likelihood, "objective": "em", "epochs": epochs, **changes}).fit(
        IRIS
    )


def density_of(vae):
    decoder = vae.model_.autoencoder.model.decoder
    return LinearGaussian(
        np.asarray(decoder.heads["loc"].weight, float).T,
        np.asarray(decoder.heads["loc"].bias, float),
        np.broadcast_to(np.asarray(decoder.free["log_variance"], float), len(decoder.heads["loc"].bias)),
    )


def test_ends_at_probabilistic_pca():
    vae = em("gaussian-isotropic", 300)
    exact, best = LinearGaussian.ppca(IRIS, 2)
    found = density_of(vae)
    assert best / len(IRIS) - found.log_marginal(IRIS).mean() == pytest.approx(0.0, abs=1e-4)
    assert PCA(2).fit(IRIS).score(IRIS) == pytest.approx(best / len(IRIS), abs=0.02)  # it divides by n - 1
    assert np.rad2deg(subspace_angles(found.weight, exact.weight)).max() < 0.1


@pytest.mark.long
def test_ends_at_factor_analysis():
    """As scikit-learn's, which climbs by another road."""
    x = LinearGaussian.random(6, 2, seed=1).sample(400)
    settings = {**LINEAR, "likelihood": "gaussian-diagonal", "objective": "em", "epochs": 500}
    found = density_of(VAE(**settings).fit(x))
    theirs = FactorAnalysis(2, tol=1e-8, max_iter=10000, svd_method="lapack").fit(x)
    assert found.log_marginal(x).mean() == pytest.approx(theirs.score(x), abs=1e-3)


def test_the_likelihood_never_falls_and_the_bound_is_tight():
    """The encoder is the exact posterior, so that the bound of a row is its log density; both networks' numbers are
    right at every iteration."""
    vae = em("gaussian-diagonal", 20)
    trace = [record["train_bound"] for record in vae.history_]
    assert np.all(np.diff(trace) > -1e-5)
    found = density_of(vae)
    exact = multivariate_normal(found.bias, found.covariance).logpdf(IRIS)
    assert trace[-1] == pytest.approx(exact.mean(), abs=1e-4)
    # The bound has a draw of z in no term but the reconstruction, whose mean over draws is exact.
    bounds = np.mean([vae.elbo(IRIS + 1e-6 * i).mean() for i in range(30)])
    assert bounds == pytest.approx(exact.mean(), abs=0.1)
    record = vae.history_[-1]
    assert record["train_bound"] == pytest.approx(
        record["train_reconstruction"] - record["train_kl"], abs=1e-9
    )
    assert vae.score_samples(IRIS[:20], method="iwae") == pytest.approx(exact[:20], abs=1e-3)


@pytest.mark.long
def test_bounds_are_in_the_units_of_the_data_whatever_their_scale():
    stretched = IRIS * np.array([100.0, 1.0, 0.01, 1.0])
    vae = VAE(**LINEAR | {"scale": "standard"}, likelihood="gaussian-diagonal", objective="em", epochs=200)
    vae.fit(stretched)
    assert vae.history_[-1]["train_bound"] == pytest.approx(
        vae.score_samples(stretched, method="iwae").mean(), abs=1e-3
    )
    # A density of stretched data is that of the data over the stretch, which here is 1 in all.
    assert vae.history_[-1]["train_bound"] == pytest.approx(
        em("gaussian-diagonal", 200, scale="standard").history_[-1]["train_bound"], abs=1e-4
    )


@pytest.mark.long
def test_columns_of_enormous_numbers_leave_finite_weights():
    vae = VAE(**LINEAR, likelihood="gaussian-diagonal", objective="em", epochs=5).fit(1e4 * IRIS)
    assert np.isfinite(vae.history_[-1]["train_bound"])
    assert np.all(np.isfinite(vae.score_samples(1e4 * IRIS)))


def test_a_budget_that_is_spent_ends_a_run_at_once():
    assembly = assemble(
        Recipe.parse(
            {"hidden": (), "latents": 2, "scale": "none", "likelihood": "gaussian-diagonal"}
            | {"objective": "em", "epochs": 2}
        ),
        Dataset("iris", IRIS.astype(np.float32)),
    )
    *_, end = train(assembly.start, assembly.plan, assembly.data)
    running = dataclasses.replace(end, progress=dataclasses.replace(end.progress, status="running"))
    (after,) = train(running, assembly.plan, assembly.data)
    assert (end.progress.status, after.progress.status, after.progress.epoch) == ("finished", "finished", 2)


def test_linear_autoencoder_spans_the_principal_components():
    """Squared error is all that a Gaussian of one variance sees (Baldi & Hornik 1989)."""
    settings = {"objective": "autoencoder", "likelihood": "gaussian-isotropic", "batch_size": 150}
    rows = np.tile(IRIS, (20, 1))  # the same problem, and 20 steps between two evaluations
    optimizer = Adam(learning_rate=2e-2, schedule="cosine")
    vae = VAE(**LINEAR, **settings, epochs=100, optimizer=optimizer).fit(rows)
    pca = PCA(2).fit(IRIS)
    assert np.rad2deg(subspace_angles(density_of(vae).weight, pca.components_.T)).max() < 1.0
    theirs = pca.inverse_transform(pca.transform(IRIS))
    ours = vae.reconstruct(IRIS)
    assert np.mean((ours - IRIS) ** 2) == pytest.approx(np.mean((theirs - IRIS) ** 2), rel=1e-3)


@pytest.mark.parametrize(
    ("changes", "fragment"),
    [
        ({"hidden": (5,)}, "hidden to none"),
        ({"likelihood": "gaussian"}, "likelihood to gaussian-diagonal"),
        ({"posterior": "laplace"}, "posterior and prior Gaussian"),
        ({"missing": "nan"}, "complete rows"),
        ({"scale": Scale(name="none", binarize="dynamic")}, "as they are"),
    ],
)
def test_refuses_what_is_not_linear_and_gaussian(changes, fragment):
    with pytest.raises(InvalidRecipeError, match=fragment):
        em("gaussian-diagonal", 2, **changes) if "likelihood" not in changes else em(epochs=2, **changes)
