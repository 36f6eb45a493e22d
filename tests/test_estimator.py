import json
import pickle
import subprocess
import sys

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import aevb
from aevb import VAE
from aevb.errors import (
    InvalidDataError,
    InvalidModelFileError,
    InvalidRecipeError,
    NonFiniteBoundError,
    RunFolderError,
)
from command_line import quick_compilation  # noqa: F401

X = np.random.default_rng(0).normal(size=(60, 4)) * [1, 10, 0.1, 3] + [0, 50, 5, -3]
SMALL = {"n_latents": 2, "hidden": (4,), "epochs": 2, "n_importance_samples": 10, "random_state": 0}


class Net(eqx.Module):
    """A user's own network."""

    layer: eqx.nn.Linear

    def __init__(self, n_inputs, *, key):
        self.layer = eqx.nn.Linear(n_inputs, 6, key=key)

    def __call__(self, x):
        return jnp.tanh(self.layer(x))


@pytest.fixture(scope="module")
def vae():
    return VAE(**SMALL).fit(X)


# In a process of its own, because scikit-learn builds estimators with arguments of any type, which the type checks
# of these tests refuse. Less optimized programs, as every fit compiles one that runs for a moment; unscaled data, as a
# model is compiled for its scaling and every check brings rows of its own.
CHECKS = """
import json, sys, warnings, jax
from sklearn.utils.estimator_checks import check_estimator, estimator_checks_generator
from aevb import VAE
warnings.simplefilter("ignore")
jax.config.update("jax_disable_most_optimizations", True)
vae = VAE(n_latents=1, hidden=(), epochs=1, n_importance_samples=2, scale="none", random_state=0)
later = set(sys.argv[1:])
if later:
    for estimator, check in estimator_checks_generator(vae):
        if check.func.__name__ not in later | {"check_array_api_input"}:
            check(estimator)
            print(check.func.__name__)
else:
    print(json.dumps([(check["check_name"], check["status"]) for check in check_estimator(vae, on_skip=None)]))
"""
# Each of these fits rows of yet another shape, to look at something that tests below look at, too.
LATER = (
    "check_dont_overwrite_parameters",
    "check_dtype_object",
    "check_estimator_sparse_tag",
    "check_estimators_dtypes",
    "check_estimators_nan_inf",
    "check_estimators_overwrite_params",
    "check_fit2d_1feature",
    "check_fit_check_is_fitted",
    "check_fit_idempotent",
    "check_fit_score_takes_y",
    "check_methods_sample_order_invariance",
    "check_methods_subset_invariance",
    "check_n_features_in_after_fitting",
    "check_positive_only_tag_during_fit",
)


def checks(*later):
    done = subprocess.run([sys.executable, "-c", CHECKS, *later], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_most_checks_of_scikit_learn():
    assert len(checks(*LATER).split()) > 30


@pytest.mark.long
def test_check_estimator():
    results = json.loads(checks())
    assert len(results) > 40
    # scikit-learn runs this one only where SCIPY_ARRAY_API was set before SciPy was imported and array-api-strict is
    # installed. VAE takes NumPy arrays and data frames, and does not claim to take other libraries' arrays.
    assert {name for name, status in results if status != "passed"} <= {"check_array_api_input"}


def test_in_a_pipeline_and_a_grid_search():
    pipeline = make_pipeline(StandardScaler(), VAE(**SMALL | {"scale": "none"}))
    search = GridSearchCV(pipeline, {"vae__epochs": [1, 8]}, cv=2).fit(X)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_params_ == {"vae__epochs": 8}
    assert search.best_estimator_.transform(X).shape == (60, 2)


def test_clone_has_the_settings_and_nothing_learned(vae):
    copy = clone(vae)
    assert copy.get_params() == vae.get_params()
    assert not hasattr(copy, "model_")


def test_a_pickle_gives_the_same_codes_and_holds_no_rows(vae):
    content = pickle.dumps(vae)
    assert X.astype(np.float32).tobytes()[:64] not in content
    assert len(content) < 20_000
    copy = pickle.loads(content)
    assert np.array_equal(copy.transform(X), vae.transform(X))
    copy.partial_fit(X)


def test_the_same_seed_gives_the_same_model(vae):
    assert np.array_equal(VAE(**SMALL).fit(X).transform(X), vae.transform(X))
    assert not np.array_equal(VAE(**SMALL | {"random_state": 1}).fit(X).transform(X), vae.transform(X))


def test_attributes(vae):
    assert vae.n_iter_ == 2
    assert vae.n_features_in_ == 4
    assert vae.bound_ == "evidence lower bound"
    assert [record["epoch"] for record in vae.history_] == [1, 2]
    assert list(vae.get_feature_names_out()) == ["vae0", "vae1"]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_float_types_are_kept(vae, dtype):
    x = X.astype(dtype)
    for values in (vae.transform(x), vae.reconstruct(x), vae.inverse_transform(np.zeros((3, 2), dtype))):
        assert values.dtype == dtype


def test_a_row_s_score_is_its_own(vae):
    scores, bounds = vae.score_samples(X), vae.elbo(X)
    order = np.random.default_rng(1).permutation(60)
    assert np.array_equal(vae.score_samples(X[order]), scores[order])
    assert np.array_equal(vae.score_samples(X[7:8]), scores[7:8])
    assert np.array_equal(vae.elbo(X[order][:5]), bounds[order][:5])
    assert vae.score(X) == np.mean(scores, dtype=np.float64)


def test_scores_are_densities_in_the_units_of_the_data(vae):
    """The same model of data in units a hundred times smaller has log densities less 4 log 100."""
    other = VAE(**SMALL).fit(X * 100)
    np.testing.assert_allclose(
        other.score_samples(X * 100), vae.score_samples(X) - 4 * np.log(100), atol=1e-3
    )


def test_samples_are_in_the_units_of_the_data_and_repeat(vae):
    x = vae.sample(500)
    assert abs(x[:, 1].mean() - 50) < 5
    assert np.array_equal(vae.sample(500), x)
    assert np.array_equal(vae.sample(3, random_state=7), vae.sample(3, random_state=7))
    assert not np.array_equal(vae.sample(3, random_state=7), vae.sample(3, random_state=8))
    with pytest.raises(InvalidRecipeError, match="at least 1"):
        vae.sample(0)


def test_bytes_are_pixels():
    images = np.random.default_rng(0).integers(0, 256, (40, 2, 3), dtype=np.uint8)
    images[0] = [[0, 255, 0], [255, 0, 255]]
    vae = VAE(**SMALL).fit(images)
    assert vae.model_.likelihood.name == "bernoulli"
    assert vae.bound_ == "cross-entropy bound"
    assert vae.reconstruct(images).max() > 1
    assert vae.reconstruct(images).max() <= 255


class TestPartialFit:
    def test_twice_is_fit_with_two_epochs(self, vae):
        twice = VAE(**SMALL).partial_fit(X).partial_fit(X)
        assert np.array_equal(twice.transform(X), vae.transform(X))
        assert twice.n_iter_ == 2

    @pytest.mark.long
    def test_takes_one_pass_over_what_it_is_given(self):
        vae = VAE(**SMALL | {"batch_size": 10}).partial_fit(X)
        before = vae.transform(X)
        vae.partial_fit(X[:7])
        assert vae.history_[-1]["samples_seen"] == 67
        assert not np.array_equal(vae.transform(X), before)

    @pytest.mark.long
    def test_keeps_the_last_model_whatever_was_held_out(self):
        vae = VAE(**SMALL | {"validation": 0.3, "optimizer": aevb.Adam(learning_rate=0.1)}).fit(X)
        vae.partial_fit(X)
        assert vae.model_.autoencoder is vae._state.autoencoder

    def test_needs_a_constant_schedule(self):
        with pytest.raises(InvalidRecipeError, match="constant"):
            VAE(**SMALL | {"optimizer": aevb.Adam(schedule="cosine")}).partial_fit(X)

    def test_goes_on_with_a_loaded_model(self, vae, tmp_path):
        vae.save(tmp_path / "model")
        loaded = aevb.load(tmp_path / "model").partial_fit(X)
        change = np.abs(loaded.transform(X) - vae.transform(X)).max()
        assert 0 < change < 0.1


class TestDataFrames:
    FRAME = pd.DataFrame(X, columns=list("abcd"))

    @pytest.fixture(scope="class")
    def vae(self):
        return VAE(**SMALL).fit(self.FRAME)

    def test_names_are_kept(self, vae, tmp_path):
        assert list(vae.feature_names_in_) == list("abcd")
        vae.save(tmp_path / "model")
        assert list(aevb.load(tmp_path / "model").feature_names_in_) == list("abcd")

    @pytest.mark.parametrize(
        ("change", "fragment"),
        [
            (lambda frame: frame[list("bacd")], "same order"),
            (lambda frame: frame[list("abc")], "missing"),
            (lambda frame: frame.assign(d="text"), "'d'"),
            (lambda frame: frame.assign(d=frame.d.where(frame.index != 5)), "row 5, column 'd'"),
        ],
    )
    def test_what_does_not_fit_is_named(self, vae, change, fragment):
        with pytest.raises(ValueError, match=fragment):
            vae.transform(change(self.FRAME))

    def test_text_is_named_at_fit(self):
        with pytest.raises(InvalidDataError, match="'b'"):
            VAE(**SMALL).fit(self.FRAME.assign(b="text"))

    def test_codes_come_out_as_a_frame_on_request(self, vae):
        codes = clone(vae).set_output(transform="pandas").fit_transform(self.FRAME)
        assert list(codes.columns) == ["vae0", "vae1"]


class TestOwnNetworks:
    @pytest.fixture(scope="class")
    def vae(self):
        keys = jax.random.split(jax.random.key(0))
        networks = aevb.Networks(encoder=Net(4, key=keys[0]), decoder=Net(2, key=keys[1]))
        return VAE(**SMALL | {"hidden": networks}).fit(X)

    def test_are_trained(self, vae):
        trained, given = (
            vae.model_.autoencoder.encoder.network.network.layer.weight,
            vae.hidden.encoder.layer.weight,
        )
        assert not np.array_equal(trained, given)
        assert np.array_equal(clone(vae).fit(X).transform(X), vae.transform(X))

    def test_are_loaded_only_by_who_hands_the_class_in(self, vae, tmp_path):
        vae.save(tmp_path / "model")
        name = f"{Net.__module__}:{Net.__qualname__}"
        with pytest.raises(InvalidModelFileError, match=name):
            aevb.load(tmp_path / "model")
        loaded = aevb.load(tmp_path / "model", networks={name: Net})
        assert np.array_equal(loaded.transform(X), vae.transform(X))

    @pytest.mark.long
    def test_of_equinox_layers_are_loaded_as_they_are(self, tmp_path):
        network = eqx.nn.MLP(4, 6, 6, 1, key=jax.random.key(0))
        vae = VAE(**SMALL | {"hidden": aevb.Networks(encoder=network)}).fit(X)
        vae.save(tmp_path / "model")
        assert np.array_equal(aevb.load(tmp_path / "model").transform(X), vae.transform(X))

    def test_of_the_wrong_shape_are_named(self):
        with pytest.raises(InvalidRecipeError, match="Net fails on one row of 4 features"):
            VAE(**SMALL | {"hidden": aevb.Networks(encoder=Net(5, key=jax.random.key(0)))}).fit(X)


class TestFiles:
    def test_a_round_trip_changes_no_bit(self, vae, tmp_path):
        vae.save(tmp_path / "new" / "model")
        loaded = aevb.load(tmp_path / "new" / "model")
        for method in ("transform", "score_samples", "elbo", "reconstruct"):
            # K is no property of the model: load gives the default.
            loaded.set_params(n_importance_samples=10)
            assert np.array_equal(getattr(loaded, method)(X), getattr(vae, method)(X))
        assert np.array_equal(loaded.sample(5), vae.sample(5))
        assert loaded.n_latents == 2
        assert loaded.hidden == (4,)
        vae.save(tmp_path / "new" / "model")

    def test_what_is_no_model_is_not_overwritten(self, vae, tmp_path):
        (tmp_path / "precious.txt").write_text("mine")
        for path in (tmp_path, tmp_path / "precious.txt"):
            with pytest.raises(RunFolderError, match="stays as it is"):
                vae.save(path)
        assert (tmp_path / "precious.txt").read_text() == "mine"

    def test_what_is_no_model_is_not_loaded(self, tmp_path):
        with pytest.raises(InvalidModelFileError, match="no saved model"):
            aevb.load(tmp_path)


@pytest.mark.parametrize(
    ("setting", "fragment"),
    [
        ({"n_latents": 0}, "n_latents = 0"),
        ({"hidden": (4, 0)}, "hidden = 0"),
        ({"epochs": 0}, "epochs = 0"),
        ({"optimizer": "adm"}, "optimizer = 'adm'"),
        ({"random_state": -3}, "random_state = -3"),
        ({"likelihood": "bernoulli"}, "needs values in"),
    ],
)
def test_wrong_settings_are_named_when_fitting(setting, fragment):
    estimator = VAE(**SMALL | setting)
    with pytest.raises(ValueError, match=fragment):
        estimator.fit(X)


def test_divergence_is_an_error_and_leaves_a_model():
    vae = VAE(**SMALL | {"optimizer": aevb.SGD(learning_rate=1e30)})
    with pytest.raises(NonFiniteBoundError, match="learning_rate"):
        vae.fit(X)
    assert all(np.isfinite(leaf).all() for leaf in vae._state.arrays)


def test_a_blow_up_is_a_warning_and_leaves_the_best_model():
    vae = VAE(**SMALL | {"epochs": 4, "optimizer": aevb.Adam(learning_rate=3.0), "likelihood": "gaussian"})
    with pytest.warns(ConvergenceWarning, match="than 3"):
        vae.fit(np.tile(X, (4, 1)))
    assert vae._state.progress.chooses_best
    assert max(record["train_bound"] for record in vae.history_) == vae._state.progress.chosen["train_bound"]


@pytest.mark.long
def test_without_a_budget_training_takes_what_the_data_need():
    vae = VAE(n_latents=1, hidden=(4,), random_state=0).fit(X)
    assert vae.history_[-1]["step"] > 200
    assert vae.model_.recipe.patience is not None
    assert "validation_bound" in vae.history_[-1]
    assert vae.get_params()["epochs"] is None


@pytest.mark.long
def test_a_table_of_bytes_is_no_image():
    bytes_ = np.random.default_rng(0).integers(0, 90, (60, 4)).astype(np.uint8)
    vae = VAE(**SMALL).fit(bytes_)
    assert vae.model_.likelihood.name == "gaussian"
    np.testing.assert_allclose(vae.model_.prepare(bytes_).std(axis=0), 1, rtol=1e-5)
    assert VAE(**SMALL, image_shape=(2, 2)).fit(bytes_).model_.likelihood.name == "bernoulli"
