"""What settings that are left open come to."""

import logging

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aevb.assembly import assemble, build_autoencoder
from aevb.datasets import Dataset
from aevb.datasets.reading import READING_OPTIONS
from aevb.models import LIKELIHOODS
from aevb.parts import Parts
from aevb.recipe import Recipe
from aevb.settling import STEPS, Facts, settle
from short_suite import short

X = np.random.default_rng(0).normal(size=(60, 3))
SMALL = {"latents": 1, "hidden": (4,)}


def steps(recipe, n_rows):
    kept = n_rows - round(recipe.validation * n_rows)
    return recipe.epochs * -(-kept // recipe.batch_size)


def test_data_with_a_name_keep_the_budget_of_the_published_figures():
    recipe = settle(Recipe(), Facts(60_000, is_named=True))
    assert (recipe.epochs, recipe.steps, recipe.minutes) == (10, None, None)
    assert (recipe.validation, recipe.patience, recipe.optimizer.schedule, recipe.evaluate_every) == (
        0,
        None,
        "constant",
        1,
    )


@pytest.mark.parametrize("budget", [{"epochs": 3}, {"steps": 7}, {"minutes": 1.0}])
def test_a_budget_that_is_asked_for_is_what_is_done(budget):
    recipe = settle(Recipe(**budget), Facts(1000))
    asked = {name: getattr(recipe, name) for name in ("epochs", "steps", "minutes")}
    assert {name: value for name, value in asked.items() if value is not None} == budget
    assert (recipe.validation, recipe.patience, recipe.optimizer.schedule, recipe.evaluate_every) == (
        0,
        None,
        "constant",
        1,
    )


@pytest.mark.parametrize("n_rows", [2, 49, 50, 344, 54_000, 336_000, 10**7])
def test_own_data_get_a_budget_by_their_size(n_rows):
    recipe = settle(Recipe(), Facts(n_rows))
    assert steps(recipe, n_rows) >= STEPS
    assert recipe.epochs == 1 or steps(recipe, n_rows) < 1.5 * STEPS
    assert recipe.optimizer.schedule == "cosine"
    assert (recipe.validation > 0) == (recipe.patience is not None) == (n_rows >= 50)
    assert recipe.evaluate_every * 20 <= recipe.epochs or recipe.evaluate_every == 1


def test_what_is_set_stays():
    recipe = settle(Recipe(validation=0.0, schedule="constant", evaluate_every=7), Facts(1000))
    assert (recipe.validation, recipe.patience, recipe.optimizer.schedule, recipe.evaluate_every) == (
        0,
        None,
        "constant",
        7,
    )
    assert settle(Recipe(validation=0.25, patience=3), Facts(1000)).patience == 3


@pytest.mark.parametrize(
    "settings", short({}, of=[{}, {"steps": 9}, {"objective": "iwae"}, {"posterior": "bernoulli"}])
)
def test_settling_again_changes_nothing_also_from_a_file(settings):
    import tomllib

    settled = assemble(Recipe(**SMALL, **settings), Dataset("X", X)).recipe
    again = Recipe.parse(tomllib.loads(settled.to_toml()))
    assert again == settled
    assert assemble(again, Dataset("X", X)).recipe == settled
    assert "auto" not in settled.model_dump(exclude={"scale", *READING_OPTIONS}).values()


def test_gradients_are_limited_for_tables_and_not_for_the_published_networks():
    norms = [
        assemble(Recipe(**SMALL, **settings), Dataset(name, x)).recipe.optimizer.clip_norm
        for name, x, settings in (
            ("X", X, {}),
            ("X", X, {"clip_norm": 0.0}),
            ("X", X, {"optimizer": "sgd"}),
            ("X", (X > 0) * 1.0, {}),
            ("mnist", X, {}),
        )
    ]
    assert norms == [1.0, 0.0, 10.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("settings", "shape", "stays"),
    [
        ({}, None, False),
        ({"likelihood": "gaussian"}, None, False),
        ({}, (1, 3), True),
        ({"likelihood": "continuous-bernoulli"}, None, True),
        ({"likelihood": "gaussian-sigmoid"}, None, True),
        ({"likelihood": "bernoulli", "binarize": "static"}, None, True),
        ({"scale": "none"}, None, True),
    ],
)
def test_a_narrow_table_in_the_unit_interval_is_standardized(settings, shape, stays):
    """A network learns little of columns that move by a tenth: what is no image, and may have any scale, gets one."""
    shares = 0.4 + 0.1 * (X > 0) + 0.01 * np.tanh(X)
    assembly = assemble(Recipe(**SMALL, **settings), Dataset("X", shares, image_shape=shape))
    assert assembly.preparation.scaling.is_identity is stays


def test_no_variance_of_a_table_lies_below_that_of_its_columns_means():
    """However sure the network is. Of images and of named data sets the limits are those of all."""
    x = np.column_stack([X * [1.0, 10.0, 0.1], np.zeros(len(X))])

    def surest(name="X", scale="standard", **about):
        assembly = assemble(Recipe(**SMALL, scale=scale, validation=0.0), Dataset(name, x, **about))
        decoder = assembly.autoencoder.model.decoder
        sure = eqx.tree_at(lambda d: d.heads["log_variance"].bias, decoder, jnp.full(4, -1e3))
        return np.asarray(sure(jnp.zeros((1, 1))).log_variance)[0]

    np.testing.assert_allclose(surest(), -np.log(len(x)), atol=1e-3)
    np.testing.assert_allclose(surest(scale="none"), np.log(x[:, 2].var() / len(x)), atol=1e-3)
    np.testing.assert_allclose(surest(image_shape=(2, 2)), -12, rtol=1e-5)
    np.testing.assert_allclose(surest(name="digits"), -12, rtol=1e-5)


def test_another_seed_compiles_nothing():
    messages = []
    handler = logging.Handler()
    handler.emit = lambda record: messages.append(record.getMessage())
    logger = logging.getLogger("jax")

    def weights(**settings):
        built = build_autoencoder(Recipe(**SMALL, **settings), LIKELIHOODS["gaussian"], jnp.zeros(3), Parts())
        return np.asarray(built.model.decoder.heads["loc"].weight)

    first = weights()
    logger.addHandler(handler)
    try:
        with jax.log_compiles():
            second = weights(seed=1, epochs=3)
    finally:
        logger.removeHandler(handler)
    assert not any("build_autoencoder" in message for message in messages)
    assert not np.array_equal(first, second)
