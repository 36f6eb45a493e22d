"""A prior, a network and a whole model of the user's own, handed to `VAE` and used from end to end."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpyro.distributions import Categorical, MixtureSameFamily, Normal

import aevb
from aevb.datasets import Dataset
from aevb.errors import InvalidModelFileError, InvalidRecipeError
from aevb.evaluation import evaluate
from aevb.models import AutoEncoder, Conditional
from aevb.report import draw_figures
from own_models import BIAS, TwoLayers, TwoLayersExact, kinds, two_layers
from short_suite import short

RNG = np.random.default_rng(0)
EXACT = TwoLayersExact()
CLASSES = ("TwoLayers", "TwoLayerRecognition", "Kinds", "KindsRecognition")


class LearnedMixture(Conditional):
    """p(z_j), a mixture of two normal distributions with places of their own."""

    places: jax.Array

    def __call__(self, *given):
        mixture = MixtureSameFamily(
            Categorical(logits=jnp.zeros(2)), Normal(self.places, 1.0), validate_args=False
        )
        return mixture.to_event(1)


class Shallow(eqx.Module):
    """A network of one hidden layer."""

    layer: eqx.nn.Linear

    def __call__(self, x):
        return jnp.tanh(self.layer(x))


def rows(n):
    """Rows of `two_layers`, in other units."""
    z = RNG.multivariate_normal(BIAS, EXACT.covariance, n)
    return (100 + 10 * z).astype(np.float32)


def build_two_layers(n_features, *, key):
    return two_layers()


def build_kinds(n_features, *, key):
    return kinds()


X = rows(300)
BUILDERS = {"two layers": build_two_layers, "kinds": build_kinds}


@pytest.fixture(scope="module", params=short("two layers", of=BUILDERS))
def fitted(request):
    optimizer = aevb.Adam(learning_rate=0.02, schedule="cosine")
    vae = aevb.VAE(
        model=BUILDERS[request.param], epochs=60, batch_size=50, random_state=0, optimizer=optimizer
    )
    return request.param, vae.fit(X)


def test_a_model_of_ones_own_is_trained_and_scores(fitted):
    case, vae = fitted
    assert vae.history_[-1]["train_bound"] > vae.history_[0]["train_bound"]
    assert vae.model_.recipe.model == "custom"
    assert vae.model_.recipe.objective.name == {"two layers": "sgvb-a", "kinds": "score-function"}[case]
    scores = vae.score_samples(X[:50])
    # In the user's units; the covariance of the rows, of which there are 300, is known to a few percent.
    truth = EXACT.log_p((X[:50] - 100) / 10) - 3 * np.log(10)
    assert abs(scores.mean() - truth.mean()) < (0.2 if case == "two layers" else 0.5)


def test_it_has_codes_samples_imputations(fitted):
    case, vae = fitted
    width = {"two layers": 2, "kinds": 4}[case]
    codes = vae.transform(X[:5])
    assert codes.shape == (5, width)
    assert vae.inverse_transform(codes).shape == (5, 3)
    samples = vae.sample(2000)
    np.testing.assert_allclose(samples.mean(0), X.mean(0), atol=2)
    gaps = X[:5].copy()
    gaps[:, 1] = np.nan
    filled = vae.impute(gaps)
    mean, _ = EXACT.missing((gaps - 100) / 10)
    if case == "two layers":
        np.testing.assert_allclose(filled[:, 1], 100 + 10 * mean[:, 1], atol=5)


def test_it_is_evaluated_and_drawn(fitted, tmp_path):
    _, vae = fitted
    found = evaluate(vae.model_, X[:60], n_samples=50, x_train=X[60:])
    assert np.isfinite(found.bound.value)
    assert found.latents.is_active.any()
    files = draw_figures(vae.model_, Dataset("X", X[:60]), list(vae.history_), tmp_path)
    names = {path.stem for path in files}
    assert {"samples", "reconstructions", "learning_curve"} <= names


def test_it_comes_back_with_its_classes(fitted, tmp_path):
    _, vae = fitted
    vae.save(tmp_path / "m")
    with pytest.raises(InvalidModelFileError, match="own_models:"):
        aevb.load(tmp_path / "m")
    import own_models

    classes = {f"own_models:{name}": getattr(own_models, name) for name in CLASSES}
    again = aevb.load(tmp_path / "m", networks=classes)
    np.testing.assert_array_equal(again.score_samples(X[:5]), vae.score_samples(X[:5]))
    np.testing.assert_array_equal(again.transform(X[:5]), vae.transform(X[:5]))
    assert again.fit(X[:60]).transform(X[:5]).shape == vae.transform(X[:5]).shape


def test_what_does_not_go_with_a_model_of_ones_own_is_refused():
    with pytest.raises(InvalidRecipeError, match="n_latents, prior have no effect"):
        aevb.VAE(model=build_kinds, n_latents=3, prior="gaussian").fit(X)
    with pytest.raises(InvalidRecipeError, match="4 columns, and the model is one of 3"):
        aevb.VAE(model=build_kinds).fit(np.zeros((60, 4)))
    with pytest.raises(InvalidRecipeError, match="must return an aevb"):
        aevb.VAE(model=lambda n_features, *, key: None).fit(X)
    with pytest.raises(InvalidRecipeError, match="another objective than mcem"):
        aevb.VAE(model=build_kinds, objective="mcem").fit(X)


def changed(**methods):
    """A builder of the first model with some of its methods replaced."""
    own = two_layers()
    cls = type("Changed", (TwoLayers,), methods)
    fields = [getattr(own.model, field.name) for field in dataclasses.fields(TwoLayers)]
    return lambda n_features, *, key: AutoEncoder(cls(*fields), own.encoder)


WRONG = {
    "log_prior must give a number per draw and row": {
        "log_prior": lambda self, z, batch: jnp.sum(TwoLayers.log_prior(self, z, batch))
    },
    "log_likelihood must give a number per draw and row": {
        "log_likelihood": lambda self, batch, z: self.predictive(batch, z).log_prob(batch.x)
    },
    "in the place of a missing value": {
        "log_likelihood": lambda self, batch, z: jnp.sum(self.predictive(batch, z).log_prob(batch.x), axis=-1)
    },
    "must be an aevb.models.CodeSpace": {"space": property(lambda self: {"top": 1})},
    "simulate gives codes of shape": {
        "simulate": lambda self, key, batch: ({"top": jnp.zeros((2, 5)), "bottom": jnp.zeros((2, 1))}, batch)
    },
    "log_prior fails on 2 rows": {"log_prior": lambda self, z, batch: z["nowhere"]},
}


@pytest.mark.parametrize("message", WRONG)
def test_a_model_that_gives_other_shapes_is_refused_by_the_methods_name(message):
    with pytest.raises(InvalidRecipeError, match=message):
        aevb.VAE(model=changed(**WRONG[message])).fit(X)


def test_what_cannot_be_a_model_or_a_prior_is_refused():
    for wrong in (two_layers(), "usual"):
        with pytest.raises(InvalidRecipeError, match="cannot be called"):
            aevb.VAE().set_params(model=wrong).fit(X)
    with pytest.raises(InvalidRecipeError, match="and fails"):
        aevb.VAE(model=lambda n_features: two_layers()).fit(X)
    with pytest.raises(InvalidRecipeError, match="not another callable"):
        aevb.VAE().set_params(prior=lambda batch: None).fit(X)
    with pytest.raises(InvalidRecipeError, match="weights have no distribution"):
        aevb.VAE(model=build_two_layers, objective=aevb.SGVBA(weight_posterior="gaussian")).fit(X)


@pytest.fixture(scope="module")
def own_prior():
    networks = aevb.Networks(encoder=Shallow(eqx.nn.Linear(3, 8, key=jax.random.key(0))))
    prior = LearnedMixture(jnp.asarray([[-0.5, 0.5], [-0.1, 0.1]]))
    about = {"prior": prior, "hidden": networks, "likelihood": "gaussian-diagonal"}
    return aevb.VAE(n_latents=2, epochs=20, batch_size=50, random_state=0, **about).fit(X)


def test_a_prior_with_weights_of_its_own_is_learned(own_prior):
    learned = own_prior.model_.trainable.model.prior.places
    assert np.abs(learned - np.asarray([[-0.5, 0.5], [-0.1, 0.1]])).max() > 0.01
    assert own_prior.model_.recipe.objective.name == "sgvb-a"  # no divergence in closed form
    assert own_prior.history_[-1]["train_bound"] > own_prior.history_[0]["train_bound"]
    assert np.isfinite(own_prior.score_samples(X[:5])).all()


def test_it_comes_back_with_its_prior_and_network(own_prior, tmp_path):
    own_prior.save(tmp_path / "m")
    names = {f"{cls.__module__}:{cls.__name__}": cls for cls in (LearnedMixture, Shallow)}
    again = aevb.load(tmp_path / "m", networks=names)
    np.testing.assert_array_equal(again.transform(X[:5]), own_prior.transform(X[:5]))
    assert isinstance(again.prior, LearnedMixture)
    assert isinstance(again.hidden.encoder, Shallow)


def test_a_prior_of_other_codes_is_refused():
    with pytest.raises(InvalidRecipeError, match=r"codes of shape \(2,\), and the posterior gaussian of 3"):
        aevb.VAE(n_latents=3, prior=LearnedMixture(jnp.zeros((2, 2)))).fit(X)
