"""Settings inside of arguments, as scikit-learn and people reach them."""

import inspect

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

import aevb
from aevb import IWAE, MLP, VAE, Adam, Networks, Renyi
from aevb.errors import InvalidRecipeError
from aevb.estimator.settings import recipe_of
from aevb.specs import CHOICES
from command_line import quick_compilation  # noqa: F401

X = np.random.default_rng(0).normal(size=(40, 3))
SMALL = {"n_latents": 1, "hidden": (2,), "epochs": 1, "n_importance_samples": 2, "random_state": 0}


def recipe(vae):
    return recipe_of(vae.get_params(deep=False), seed=0)


def test_there_are_few_arguments():
    assert len(inspect.signature(VAE).parameters) <= 18


def test_a_name_and_its_spec_are_the_same_settings():
    specs = {"objective": IWAE(), "optimizer": Adam(), "posterior": aevb.Posterior(), "scale": aevb.Scale()}
    names = {name: spec.name for name, spec in specs.items()}
    assert recipe(VAE(**specs)) == recipe(VAE(**names))
    assert recipe(VAE(hidden=MLP(hidden=(4,)))) == recipe(VAE(hidden=(4,)))


@pytest.mark.parametrize("objective", ["iwae", IWAE(n_samples=2)])
def test_a_grid_search_reaches_settings_inside(objective):
    vae = VAE(**SMALL, objective=objective, optimizer="adam")
    grid = {"objective__n_samples": [3], "optimizer__learning_rate": [0.1]}
    best = GridSearchCV(vae, grid, cv=2).fit(X).best_estimator_
    assert best.objective == IWAE(n_samples=3)
    assert best.model_.recipe.optimizer.learning_rate == 0.1
    assert vae.objective is objective


def test_settings_inside_of_specs_inside():
    vae = VAE(hidden=Networks(mlp=MLP(hidden=(3,))))
    vae.set_params(hidden__mlp__activation="tanh")
    assert vae.hidden.mlp == MLP(hidden=(3,), activation="tanh")
    assert VAE().set_params(objective=Renyi(), objective__alpha=0.1).objective == Renyi(alpha=0.1)
    assert VAE(hidden=(7,)).set_params(hidden__activation="silu").hidden == MLP(
        hidden=(7,), activation="silu"
    )


def test_get_params_goes_inside_and_clone_keeps_specs():
    vae = VAE(objective=Renyi(alpha=0.3))
    assert vae.get_params()["objective__alpha"] == 0.3
    assert clone(vae).objective is vae.objective
    assert repr(vae) == "VAE(objective=Renyi(alpha=0.3))"


def test_a_loaded_model_says_what_it_was_trained_with(tmp_path):
    vae = VAE(**SMALL, objective=Renyi(alpha=0.3), optimizer=Adam(learning_rate=0.02)).fit(X)
    vae.save(tmp_path / "model")
    loaded = aevb.load(tmp_path / "model")
    assert loaded.objective == Renyi(alpha=0.3, n_samples=5)
    assert loaded.optimizer == Adam(learning_rate=0.02, schedule="constant", clip_norm=1.0)
    assert (loaded.posterior, loaded.prior, loaded.hidden) == ("gaussian", "gaussian", (2,))
    assert recipe(loaded).model_dump() == {**vae.model_.recipe.model_dump(), "evaluate_every": None}
    assert loaded.partial_fit(X).n_iter_ == 2


@pytest.mark.parametrize(
    ("make", "fragment"),
    [
        (lambda: Renyi(alpha=float("nan")), "Renyi: alpha = nan"),
        (lambda: IWAE(alpha=0.3), "alpha 0.3 has no use with objective iwae: it is for renyi"),
        (lambda: aevb.EM(weight_prior="normal"), "which is maximum likelihood"),
        (lambda: aevb.Concrete(temperature=0.0), "temperature = 0.0"),
        (lambda: aevb.Posterior(recognition="rows"), "recognition = 'rows'"),
        (lambda: Adam(lr=0.1), "unknown setting 'lr'"),
        (lambda: IWAE(n_samples=-1), "n_samples = -1"),
        (lambda: VAE(objective="iwae").set_params(objective__alpha=0.3), "it is for renyi"),
        (lambda: VAE(objective="iwea").set_params(objective__alpha=0.3), "no settings of its own"),
        (lambda: recipe(VAE().set_params(objective=IWAE)), r"hand in an instance, VAE\(objective=IWAE\(\)\)"),
        (
            lambda: recipe(VAE().set_params(optimizer=IWAE())),
            r"optimizer is IWAE\(\): hand in a name, or one of Adam",
        ),
        (lambda: recipe(VAE(objective="iwea")), "objective = 'iwea'.*did you mean 'iwae'"),
    ],
)
def test_mistakes_are_named_as_they_were_typed(make, fragment):
    with pytest.raises(InvalidRecipeError, match=fragment):
        make()


def test_what_is_no_argument_has_no_settings():
    with pytest.raises(ValueError, match="Invalid parameter 'objektive'"):
        VAE().set_params(objektive__alpha=0.3)


@pytest.mark.parametrize("kind", CHOICES)
def test_every_spec_is_public_and_keeps_its_settings(kind):
    for spec in CHOICES[kind].specs:
        assert getattr(aevb, spec.__name__) is spec
        assert spec().replaced(**spec().get_params()) == spec() == clone(spec())
        assert repr(spec()) == f"{spec.__name__}()"
