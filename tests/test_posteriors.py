"""A VAE with each family as its posterior: it trains, and what does not fit is refused with the reason."""

import functools
import itertools

import numpy as np
import pytest
from sklearn.datasets import load_digits

from aevb import MLP, VAE, Adam, Categorical, ScoreFunction
from aevb.distributions import FAMILIES
from aevb.errors import InvalidRecipeError
from aevb.models import choose_prior
from short_suite import short

X = load_digits().data[:600]
TANH = MLP(activation="tanh")
HEAVY_TAILS = ("cauchy", "student-t", "elliptical", "pareto", "f", "log-normal")


def fitted(**settings):
    small = {"n_latents": 3, "scale": "minmax", "epochs": 8, "optimizer": Adam(learning_rate=3e-3)}
    family = settings.get("posterior")
    # Where means are not held in [0, 1], a heavy tail shows in the bound.
    likelihood = "gaussian" if family in HEAVY_TAILS else "gaussian-sigmoid"
    hidden = MLP(hidden=(32,), activation="tanh" if family == "cauchy" else "relu")
    return VAE(**small, likelihood=likelihood, hidden=hidden, random_state=0, **settings).fit(X)


@pytest.fixture(scope="module")
def of_family():
    """A VAE with each family as its posterior, trained when it is first asked for."""
    return functools.cache(
        lambda family: fitted(posterior=Categorical(categories=4) if family == "categorical" else family)
    )


# Positive codes and discrete ones in every run of the tests; the others' densities and
# gradients are held against SciPy there, too, and they train in `make test-long`.
TRAINED = ("gamma", "categorical")


@pytest.mark.parametrize("family", short(*TRAINED, of=FAMILIES))
def test_the_bound_rises_and_stays_finite(family, of_family):
    vae = of_family(family)
    bounds = np.array([record["train_bound"] for record in vae.history_])
    assert np.all(np.isfinite(bounds))
    assert bounds[-1] > bounds[0] + 5
    codes = vae.transform(X)
    width = 12 if family == "categorical" else 3
    assert codes.shape == (600, width)
    assert np.all(np.isfinite(codes))
    assert np.all(np.isfinite(vae.elbo(X[:50])))
    assert np.all(np.isfinite(vae.sample(20)))


@pytest.mark.parametrize("family", short("categorical", of=["gamma", "dirichlet", "uniform", "categorical"]))
def test_log_p_is_above_the_bound(family, of_family):
    vae = of_family(family)
    assert vae.score(X[:50]) > np.mean(vae.elbo(X[:50]))


@pytest.mark.parametrize(
    ("posterior", "objective"),
    short(
        ("bernoulli", "score-function"),
        ("categorical", "concrete"),
        of=list(itertools.product(("bernoulli", "categorical"), ("score-function", "concrete"))),
    ),
)
def test_discrete_codes_train_with_either_estimator(posterior, objective):
    vae = fitted(posterior=posterior, objective=objective)
    bounds = [record["train_bound"] for record in vae.history_]
    assert bounds[-1] > bounds[0] + 5


@pytest.mark.long
@pytest.mark.parametrize("baseline", ["none", "moving-average", "leave-one-out", "learned"])
def test_the_score_function_trains_with_each_baseline(baseline):
    vae = fitted(objective=ScoreFunction(baseline=baseline))
    bounds = [record["train_bound"] for record in vae.history_]
    assert bounds[-1] > bounds[0] + 5


@pytest.mark.parametrize(
    ("settings", "fragment"),
    [
        ({"posterior": "gaussian", "prior": "gamma"}, r"codes lie anywhere in \(-inf, inf\)"),
        ({"posterior": "uniform", "prior": "uniform"}, r"density on \(0, 1\) only"),
        ({"posterior": "gamma", "prior": "pareto"}, r"density on \(1, inf\) only"),
        (
            {"posterior": "cauchy", "prior": "gaussian", "hidden": TANH},
            "tails of cauchy are too heavy",
        ),
        ({"posterior": "dirichlet", "prior": "beta"}, "points of a simplex"),
        ({"posterior": "beta", "prior": "dirichlet"}, "points of a simplex"),
        ({"posterior": "bernoulli", "prior": "beta"}, "one is discrete"),
        ({"posterior": "dirichlet", "n_latents": 1}, "set `n_latents=2`"),
        ({"posterior": "gama"}, "did you mean 'gamma'"),
        ({"posterior": "auto"}, "posterior must be a family's name"),
        ({"posterior": "uniform", "objective": "score-function"}, "support of q moves"),
        ({"posterior": "uniform", "objective": "stl"}, "support of q moves"),
        ({"posterior": "bernoulli", "objective": "sgvb-b"}, "score-function or concrete"),
        ({"posterior": "logistic", "prior": "logistic", "objective": "sgvb-b"}, "sgvb-a"),
        ({"posterior": "cauchy"}, "its bound is minus infinity"),
        ({"objective": "concrete"}, "relaxes discrete codes"),
        ({"objective": ScoreFunction(n_samples=1)}, "at least 2 samples"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_reason(settings, fragment):
    with pytest.raises(InvalidRecipeError, match=fragment):
        VAE(**{"n_latents": 3, **settings}).fit(X)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_default_prior_fits(family):
    prior = choose_prior("auto", family)
    assert choose_prior(prior, family) == prior
