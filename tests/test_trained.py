"""What a trained model refuses, and what it keeps when it is saved and loaded."""

import hashlib
import json

import equinox as eqx
import jax
import numpy as np
import pytest
from safetensors.numpy import load_file, save

import aevb
from aevb.assembly import assemble
from aevb.datasets import Dataset
from aevb.errors import InvalidDataError, InvalidModelFileError, InvalidRecipeError, UnsavableNetworkError
from aevb.inference import Importance, MarginalEstimate
from aevb.models.saved import _digest
from aevb.recipe import Recipe

RNG = np.random.default_rng(0)
BINARY = (RNG.uniform(size=(40, 6)) < 0.4).astype(np.uint8)
REAL = RNG.normal(size=(40, 6))


def small(**settings):
    return aevb.VAE(**{"n_latents": 2, "hidden": (4,), "epochs": 1, "random_state": 0, **settings})


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float32])
def test_zeros_and_ones_are_binary_in_every_type(dtype):
    vae = small().fit(BINARY.astype(dtype))
    assert vae.bound_ == "evidence lower bound"
    assert set(np.unique(vae.sample(50))) == {0.0, 1.0}


@pytest.mark.long
def test_bytes_above_one_are_pixels():
    vae = small().fit((BINARY * np.uint8(200)).reshape(40, 2, 3))
    assert vae.bound_ == "cross-entropy bound"
    with pytest.warns(UserWarning, match="black and white"):
        assert vae.sample(50).max() == 255


def test_a_model_of_binary_rows_gives_grey_ones_no_log_likelihood():
    vae = small().fit(BINARY)
    with pytest.raises(InvalidDataError, match="0 and 1 only"):
        vae.score_samples(np.full((1, 6), 0.5))


def test_grey_test_rows_make_it_a_cross_entropy_bound():
    dataset = Dataset("mixed", BINARY.astype(float), x_test=np.full((3, 6), 0.5), image_shape=(2, 3))
    assert assemble(Recipe(hidden=(4,)), dataset).bound == "cross-entropy bound"


def test_rows_too_far_out_for_single_precision_are_named():
    vae = small().fit(REAL)
    far = REAL[:3].copy()
    far[1, 4] = 1e30
    with pytest.raises(InvalidDataError, match="row 1, column 4"):
        vae.score_samples(far)


class TestBeyondTheRange:
    """Rows outside what a likelihood of values in [0, 1] is defined on, which the training rows' range is scaled to."""

    @pytest.fixture(scope="class")
    def vae(self):
        return small(likelihood="continuous-bernoulli", scale="minmax").fit(REAL)

    @pytest.fixture
    def rows(self):
        rows = REAL[:5].copy()
        rows[2, 4] = REAL[:, 4].max() + 0.01
        return rows

    def test_have_no_density_and_cost_the_others_nothing(self, vae, rows):
        said = r"1 of 5; their log p\(x\) is -inf.*row 2, column 4, where it knows values in"
        for method in ("score_samples", "elbo"):
            with pytest.warns(UserWarning, match=said):
                scores = getattr(vae, method)(rows)
            others = np.delete(np.arange(5), 2)
            assert scores[2] == -np.inf
            np.testing.assert_allclose(scores[others], getattr(vae, method)(REAL[:5])[others], rtol=1e-6)
        with pytest.warns(UserWarning, match="-inf"):
            found = vae.model_.log_marginal(rows, Importance(5), 0)
        assert found.reliable[2]
        assert found.monte_carlo_error[2] == 0

    def test_count_as_if_at_its_end_where_no_density_is_asked_for(self, vae, rows):
        at_the_end = rows.copy()
        at_the_end[2, 4] = REAL[:, 4].max()
        for method in ("transform", "reconstruct"):
            with pytest.warns(UserWarning, match="1 of 5; they count as the nearest that it knows"):
                found = getattr(vae, method)(rows)
            np.testing.assert_array_equal(found, getattr(vae, method)(at_the_end))

    @pytest.mark.long
    def test_count_so_too_among_rows_that_training_holds_out(self):
        with pytest.warns(UserWarning, match="these validation rows count as the nearest that it knows"):
            vae = small(likelihood="continuous-bernoulli", scale="minmax", validation=0.3).fit(REAL)
        assert np.isfinite(vae.history_[-1]["validation_bound"])

    def test_are_not_what_rounding_makes_of_the_ends(self, vae):
        assert np.isfinite(vae.score_samples(REAL.astype(np.float32))).all()

    @pytest.mark.long
    def test_are_missing_nothing(self, vae, rows):
        rows[2, 0] = np.nan
        with pytest.warns(UserWarning, match="the nearest that it knows"):
            filled = vae.impute(rows)
        assert filled[2, 4] == rows[2, 4]
        assert np.isfinite(filled).all()


@pytest.mark.long
def test_means_through_a_sigmoid_want_training_rows_between_0_and_1():
    with pytest.raises(InvalidDataError, match="gaussian-sigmoid"):
        small(likelihood="gaussian-sigmoid").fit(REAL)
    small(likelihood="gaussian-sigmoid", scale="minmax").fit(REAL)


def test_equal_rows_share_their_noise_and_so_their_error():
    def estimate(log_p):
        n = len(log_p)
        return MarginalEstimate("any", "none", log_p, np.full(n, 0.1), np.ones(n, bool), {})

    one, equal, apart = (
        estimate(log_p) for log_p in (np.full(1, -3.0), np.full(100, -3.0), np.arange(100.0))
    )
    assert one.mean_monte_carlo_error == pytest.approx(0.1)
    assert equal.mean_monte_carlo_error == pytest.approx(0.1)
    assert apart.mean_monte_carlo_error == pytest.approx(0.01)


def test_a_lambda_is_refused_before_training():
    with pytest.raises(UnsavableNetworkError, match="the network"):
        small(hidden=aevb.Networks(encoder=eqx.nn.Lambda(lambda x: x))).fit(REAL)


@pytest.mark.long
def test_what_an_estimator_scores_and_trains_with_comes_back(tmp_path):
    network = eqx.nn.MLP(6, 3, 4, 1, key=jax.random.key(0))
    vae = small(hidden=aevb.Networks(encoder=network), n_importance_samples=7).fit(REAL)
    vae.save(tmp_path / "model")
    loaded = aevb.load(tmp_path / "model")
    assert loaded.n_importance_samples == 7
    assert isinstance(loaded.hidden.encoder, eqx.nn.MLP)
    assert loaded.hidden.decoder is None
    np.testing.assert_array_equal(loaded.score_samples(REAL), vae.score_samples(REAL))


def test_partial_fit_refuses_settings_that_changed():
    vae = small().partial_fit(REAL)
    vae.set_params(n_latents=3, optimizer__learning_rate=1.0)
    with pytest.raises(InvalidRecipeError, match="n_latents, learning_rate"):
        vae.partial_fit(REAL)


CHANGES = {
    "the scaling": lambda about: about["scaling"].update(loc=[0.0], scale=[1.0]),
    "the scaling's numbers": lambda about: about["scaling"].update(loc=[float("inf")] * 6),
    "does not describe": lambda about: about["scaling"].update(scale=["a"] * 6),
    "the likelihood": lambda about: about["recipe"].update(likelihood="bernoulli"),
    "whether the likelihood is normalized": lambda about: about.update(is_normalized=False),
    "the posterior": lambda about: about["recipe"].update(posterior="laplace"),
    "the number of latents": lambda about: about["recipe"].update(latents=5),
    "the feature names": lambda about: about.update(feature_names=["a"]),
    "the image shape": lambda about: about.update(image_shape=[5, 5]),
    "the number of importance samples": lambda about: about.update(importance_samples=0),
}


@pytest.fixture(scope="module")
def fitted():
    return small().fit(REAL)


@pytest.mark.parametrize("said", CHANGES)
def test_a_description_that_contradicts_the_model_is_refused(said, fitted, tmp_path):
    path = tmp_path / "model"
    fitted.save(path)
    document = json.loads((path / "model.json").read_text())
    CHANGES[said](document["about"])
    document["sha256"] = _digest(document)
    (path / "model.json").write_text(json.dumps(document))
    with pytest.raises(InvalidModelFileError, match=said):
        aevb.load(path)


def test_weights_that_are_not_finite_are_refused(fitted, tmp_path):
    path = tmp_path / "model"
    fitted.save(path)
    arrays = load_file(path / "weights.safetensors")
    arrays["encoder.heads.loc.bias"] = np.full_like(arrays["encoder.heads.loc.bias"], np.nan)
    weights = save(arrays)
    (path / "weights.safetensors").write_bytes(weights)
    document = json.loads((path / "model.json").read_text())
    document["weights_sha256"] = hashlib.sha256(weights).hexdigest()
    document["sha256"] = _digest(document)
    (path / "model.json").write_text(json.dumps(document))
    with pytest.raises(InvalidModelFileError, match="the weights"):
        aevb.load(path)
