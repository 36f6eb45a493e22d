import tomllib
from typing import get_args

import pytest

from aevb import IWAE, Adam, AdamW, AutoObjective, Renyi
from aevb.errors import InvalidRecipeError
from aevb.recipe import Recipe, all_settings, read_settings
from aevb.selection import BUILDERS
from aevb.specs import CHOICES, flat_settings
from aevb.training import Optimizer

OTHERS = {
    "data": "some, file.csv",
    "label": "kind",
    "drop": ("a", "b c"),
    "image_shape": (8, 6),
    "hidden": (500, 300),
    "epochs": 3,
    "steps": 70,
    "minutes": 1.5,
    "clip_norm": 10.0,
    "validation": 0.25,
    "patience": 4,
    "likelihood": "gaussian-sigmoid",
    "missing": "nan",
    "recognition": "per-row",
    "seed": 2**32 - 1,
}


@pytest.mark.parametrize("settings", [{}, OTHERS])
def test_a_recipe_goes_through_toml_unchanged(tmp_path, settings):
    recipe = Recipe.parse(settings)
    (tmp_path / "recipe.toml").write_text(recipe.to_toml())
    assert Recipe.parse(read_settings(str(tmp_path / "recipe.toml"))) == recipe


FORMS = {
    "flat": 'objective = "renyi"\nalpha = 0.3\nsamples = 5\nlearning_rate = 0.01',
    "nested": '[objective]\nname = "renyi"\nalpha = 0.3\nn_samples = 5\n[optimizer]\nlearning_rate = 0.01',
    "inline": 'objective = {name = "renyi", alpha = 0.3, n_samples = 5}\noptimizer = {learning_rate = 0.01}',
}


@pytest.mark.parametrize("form", FORMS)
def test_flat_and_nested_settings_are_the_same_recipe(tmp_path, form):
    objects = {"objective": Renyi(alpha=0.3, n_samples=5), "optimizer": Adam(learning_rate=0.01)}
    (tmp_path / "recipe.toml").write_text(FORMS[form])
    settings = read_settings(str(tmp_path / "recipe.toml"))
    assert settings == {"objective": "renyi", "alpha": 0.3, "samples": 5, "learning_rate": 0.01}
    recipe = Recipe.parse(settings)
    assert recipe == Recipe.parse(objects) == Recipe.parse(tomllib.loads(FORMS[form]))
    assert (recipe.objective.alpha, recipe.optimizer.learning_rate) == (0.3, 0.01)


def test_a_setting_that_a_choice_does_not_use_may_stand_at_its_default():
    """Recipes of before hold them all."""
    assert Recipe.parse({"objective": "iwae", "alpha": 0.5, "weight_decay": 1e-4}) == Recipe(objective="iwae")


def test_every_setting_has_a_name_of_its_own():
    flat = [name for kind in CHOICES for name in flat_settings(kind)]
    names = [*flat, *(set(Recipe.model_fields) - set(CHOICES))]
    assert len(names) == len(set(names))


def test_every_objective_has_a_builder():
    assert set(BUILDERS) == set(CHOICES["objective"].specs) - {AutoObjective}


def test_every_optimizer_is_built_with_its_own_settings():
    for spec in CHOICES["optimizer"].specs:
        Optimizer(spec().name, 0.1, **spec().own).build()
    assert AdamW(weight_decay=0.3).own == {"weight_decay": 0.3}


def test_a_command_line_gives_lists_as_text():
    recipe = Recipe.parse({"hidden": "400, 200", "drop": "a,b", "image_shape": "28,20"})
    assert (recipe.network.hidden, recipe.drop, recipe.image_shape) == ((400, 200), ("a", "b"), (28, 20))
    assert Recipe.parse({"hidden": 7}).network.hidden == (7,)
    assert Recipe.parse({"hidden": ""}).network.hidden == ()


def test_a_budget_of_any_kind_is_one():
    assert not Recipe(patience=3).has_budget
    assert all(Recipe(**{name: 3}).has_budget for name in ("epochs", "steps", "minutes"))


@pytest.mark.parametrize(
    ("settings", "fragments"),
    [
        ({"latnets": 3}, ("unknown setting 'latnets'", "did you mean 'latents'", "batch_size")),
        ({"latents": 0}, ("latents = 0", "greater than 0")),
        ({"hidden": [8, -1]}, ("hidden = -1", "greater than 0")),
        ({"epochs": "many"}, ("epochs = 'many'", "integer")),
        ({"learning_rate": float("nan")}, ("learning_rate", "finite")),
        ({"activation": "rleu"}, ("activation = 'rleu'", "relu")),
        ({"validation": 1.0}, ("validation = 1.0", "less than 1")),
        ({"seed": -1}, ("seed = -1",)),
        ({"missing": "NA"}, ("missing = 'NA'", "'error' or 'nan'")),
        ({"recognition": "rows"}, ("recognition = 'rows'", "'amortized' or 'per-row'")),
        ({"data": ""}, ("data = ''",)),
        ({"patience": 3, "epochs": 5}, ("patience needs validation rows",)),
        ({"schedule": "cosine", "minutes": 1}, ("cosine schedule must know its last step",)),
        ({"image_shape": "5"}, ("height,width",)),
        ({"latents": 0, "samples": 0}, ("latents = 0", "samples = 0")),
        ({"objective": "sgvb-b", "dreams": "means"}, ["dreams means has no use", "wake-sleep"]),
        ({"alpha": 0.3}, ["alpha 0.3", "it is for renyi"]),
        ({"objective": "iwae", "baseline": "none"}, ["score-function"]),
        ({"objective": "mcem", "samples": 5}, ["mcem, which takes no draws", "leave samples out"]),
        ({"objective": "em", "weight_prior": "normal"}, ["maximum likelihood", "leave weight_prior out"]),
        ({"weight_prior": "normal", "weight_posterior": "gaussian"}, ["leave weight_prior at none"]),
        (
            {"objective": {"name": "iwae", "alpha": 0.3}},
            ["alpha 0.3 has no use with objective iwae", "renyi"],
        ),
        ({"objective": {"name": "renyi", "alhpa": 0.3}}, ["'alhpa' of objective", "did you mean 'alpha'"]),
        ({"objective": {"epochs": 3}}, ["unknown setting 'epochs' of objective"]),
        ({"objective": {"name": "renyi", "alpha": 0.3}, "alpha": 0.3}, ["alpha is given twice"]),
        ({"objective": "iwea"}, ["objective = 'iwea'", "did you mean 'iwae'"]),
        ({"objective": {"name": "renyi", "alpha": float("nan")}}, ["alpha = nan", "finite"]),
        ({"weight_decay": 0.1}, ["weight_decay 0.1 has no use with optimizer adam: it is for adamw"]),
        ({"categories": 3}, ["categories 3 has no use with posterior gaussian: it is for categorical"]),
        ({"optimizer": IWAE()}, ["optimizer is IWAE()", "Adam, AdamW"]),
    ],
)
def test_mistakes_are_named(settings, fragments):
    with pytest.raises(InvalidRecipeError) as caught:
        Recipe.parse(settings, source="here")
    assert str(caught.value).startswith("here: ")
    assert all(fragment in str(caught.value) for fragment in fragments)


def test_mistakes_are_named_as_the_user_names_them():
    with pytest.raises(InvalidRecipeError, match="n_latents = 0"):
        Recipe.parse({"latents": 0}, names={"latents": "n_latents"})


def test_bundled_recipes_are_valid():
    from importlib.resources import files

    names = [
        entry.name.removesuffix(".toml") for entry in files("aevb.recipes").iterdir() if ".toml" in entry.name
    ]
    assert "mnist-fast" in names
    for name in names:
        assert Recipe.parse(read_settings(name)).data


def test_a_recipe_that_is_not_there_names_those_that_are(tmp_path):
    with pytest.raises(InvalidRecipeError, match="mnist-fast"):
        read_settings("mnist-fats")
    (tmp_path / "bad.toml").write_text("latents = = 3")
    with pytest.raises(InvalidRecipeError, match="not valid TOML"):
        read_settings(str(tmp_path / "bad.toml"))
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidRecipeError, match="not valid TOML"):
        read_settings(str(tmp_path / "binary.toml"))


def test_none_has_no_place_in_toml():
    assert "epochs" not in tomllib.loads(Recipe().to_toml())


def test_every_setting_stands_in_the_file_and_is_read_back(tmp_path):
    """A setting that is None too: as a comment, since TOML has no null, which means that None is its default."""
    for recipe in (Recipe(), Recipe(label="kind", samples=3, minutes=0.5, image_shape=(2, 3), drop=("a",))):
        text = recipe.to_toml()
        named = [line.removeprefix("# ").split()[0] for line in text.splitlines() if line[0] not in " ]"]
        assert named == list(recipe.model_dump())
        assert set(named) >= set(Recipe.model_fields) - {"network"}
        (tmp_path / "recipe.toml").write_text(text)
        assert Recipe.parse(read_settings(str(tmp_path / "recipe.toml"))) == recipe
    assert "# label is not set\n" in Recipe().to_toml()
    for name, field in all_settings().items():
        assert field.default is None or type(None) not in get_args(field.annotation), name
