"""What objectives refuse, and what they say that they are."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aevb.batch import Batch
from aevb.distributions import FAMILIES
from aevb.errors import InvalidRecipeError
from aevb.models import AmortizedPosterior, CodeSpace, Encoder, FamilyPrior, Posterior, Prior, Site
from aevb.models.priors import choose_prior
from aevb.networks import MLP
from aevb.objectives import (
    SGVBA,
    SGVBB,
    Concrete,
    ImportanceWeighted,
    LeaveOneOut,
    MaximumAPosteriori,
    MovingAverage,
    Renyi,
    ScoreFunction,
    StickingTheLanding,
)
from aevb.objectives.draws import stopped


class Shape(Posterior):
    """A posterior of which nothing is known but its kind."""

    loc: jax.Array
    reparameterized: bool = eqx.field(static=True, default=True)
    moves: bool = eqx.field(static=True, default=False)
    has_kl: bool = eqx.field(static=True, default=True)

    @property
    def space(self):
        return CodeSpace(Site((1,), moves=self.moves))

    @property
    def is_reparameterized(self):
        return self.reparameterized

    @property
    def closed(self):
        return self.has_kl

    def sample(self, key):
        return self.loc

    def log_prob(self, z):
        return jnp.zeros(len(z))

    def divergence(self, z):
        return {"z": jnp.zeros((len(self.loc), 1))}


CONTINUOUS = Shape(jnp.zeros((2, 1)))
UNIFORM = Shape(jnp.zeros((2, 1)), moves=True)
NO_KL = Shape(jnp.zeros((2, 1)), has_kl=False)
DISCRETE = Shape(jnp.zeros((2, 1)), reparameterized=False)
DISCRETE_NO_KL = Shape(jnp.zeros((2, 1)), reparameterized=False, has_kl=False)

PATHWISE = [
    SGVBA(),
    SGVBB(),
    StickingTheLanding(),
    Renyi(),
    *(ImportanceWeighted(2, gradient) for gradient in ("plain", "dreg", "stl")),
]
REFUSED = [
    *((objective, DISCRETE, "score-function or concrete") for objective in PATHWISE),
    *(
        (objective, UNIFORM, "use the objective sgvb-a")
        for objective in (
            ScoreFunction(),
            StickingTheLanding(),
            ImportanceWeighted(2, "dreg"),
            ImportanceWeighted(2, "stl"),
        )
    ),
    (SGVBB(), NO_KL, "use the objective sgvb-a"),
    (Concrete(), CONTINUOUS, "sgvb-b or sgvb-a"),
    (Concrete(), DISCRETE_NO_KL, "use the objective score-function"),
    (MaximumAPosteriori(SGVBB()), NO_KL, "SGVBB.*use the objective sgvb-a"),
]
ACCEPTED = [
    *((objective, CONTINUOUS) for objective in [*PATHWISE, ScoreFunction()]),
    *((objective, UNIFORM) for objective in (SGVBA(), SGVBB(), Renyi(), ImportanceWeighted())),
    *((objective, NO_KL) for objective in (SGVBA(), ScoreFunction(), StickingTheLanding(), Renyi())),
    *((objective, DISCRETE) for objective in (ScoreFunction(), Concrete())),
    (MaximumAPosteriori(ScoreFunction(1, MovingAverage())), DISCRETE_NO_KL),
]


@pytest.mark.parametrize(("objective", "posterior", "message"), REFUSED, ids=str)
def test_refused_with_the_reason(objective, posterior, message):
    with pytest.raises(InvalidRecipeError, match=message):
        objective.check(posterior)
    with pytest.raises(InvalidRecipeError):
        objective.check(eqx.filter_eval_shape(lambda p: p, posterior))  # shapes alone will do


@pytest.mark.parametrize(("objective", "posterior"), ACCEPTED, ids=str)
def test_accepted(objective, posterior):
    objective.check(posterior)
    objective.check(eqx.filter_eval_shape(lambda p: p, posterior))


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_goes_with_the_objectives_that_it_should(name):
    def posterior():
        key = jax.random.key(0)
        encoder = Encoder(MLP(5, (), key=key), 5, 2, name, 3, key=key)
        batch = Batch(jnp.zeros((3, 5)))
        return AmortizedPosterior(
            encoder(batch), FamilyPrior(Prior(choose_prior("auto", name), 2, 3)(batch), batch.n_rows), name
        )

    shapes, family = eqx.filter_eval_shape(posterior), FAMILIES[name]
    discrete = family.route == "discrete"
    for objective, fits in (
        (SGVBA(), not discrete),
        (StickingTheLanding(), not discrete and not family.support_moves),
        (ScoreFunction(), not family.support_moves),
        (Concrete(), discrete),
    ):
        if fits:
            objective.check(shapes)
        else:
            with pytest.raises(InvalidRecipeError):
                objective.check(shapes)


@pytest.mark.parametrize(
    "build",
    [
        *(lambda cls=cls: cls(n_samples=0) for cls in (SGVBA, SGVBB, StickingTheLanding, ImportanceWeighted)),
        *(lambda cls=cls: cls(n_samples=0) for cls in (Renyi, ScoreFunction, Concrete)),
        lambda: ScoreFunction(1, LeaveOneOut()),
        lambda: Concrete(0.0),
        lambda: Concrete(-1.0),
        lambda: Concrete(float("nan")),
    ],
)
def test_settings_out_of_range(build):
    with pytest.raises(InvalidRecipeError, match=r"needs (at least \d sample|a finite temperature above 0)"):
        build()


def test_leave_one_out_says_why_it_needs_two():
    with pytest.raises(InvalidRecipeError, match="at least 2 samples per row, not 1: LeaveOneOut compares"):
        ScoreFunction(1, LeaveOneOut())


# estimand, value_name, is_biased
ELBO = "evidence lower bound"
NAMES = [
    (SGVBA(3), ELBO, ELBO, False),
    (SGVBB(), ELBO, ELBO, False),
    (StickingTheLanding(4), ELBO, ELBO, False),
    (ScoreFunction(2, LeaveOneOut()), ELBO, ELBO, False),
    (Concrete(0.5), "relaxed objective (temperature = 0.5)", ELBO, True),
    (MaximumAPosteriori(Concrete(1.0)), "relaxed objective (temperature = 1) + log p(theta) / N", ELBO, True),
    *(
        (ImportanceWeighted(k, gradient), *2 * (f"importance-weighted bound (K = {k})",), biased)
        for k, gradient, biased in ((5, "plain", 0), (5, "dreg", 0), (1, "stl", 0), (5, "stl", 1))
    ),
    (Renyi(0.5, 5), *2 * ("Rényi bound (alpha = 0.5, K = 5)",), False),
    (Renyi(2.0, 5), *2 * ("Rényi bound (alpha = 2, K = 5)",), False),
    (Renyi(-1.0, 5), *2 * ("Rényi objective (alpha = -1, K = 5)",), False),
    (Renyi(-1.0, 1), *2 * ("Rényi bound (alpha = -1, K = 1)",), False),
]


@pytest.mark.parametrize(("objective", "estimand", "value_name", "is_biased"), NAMES, ids=str)
def test_names(objective, estimand, value_name, is_biased):
    assert (objective.estimand, objective.value_name) == (estimand, value_name)
    assert objective.is_biased == bool(is_biased)


def test_a_posterior_that_jax_cannot_see_into_is_refused_where_its_gradient_is_to_be_stopped():
    class Opaque:
        loc = np.zeros((2, 1))

    with pytest.raises(TypeError, match=r"Opaque must be a tree of arrays"):
        stopped(Opaque())
    assert stopped(DISCRETE).loc.shape == (2, 1)
