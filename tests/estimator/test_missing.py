"""`VAE` on rows that lack values."""

import equinox as eqx
import jax
import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import aevb
from aevb import VAE, Adam, Networks
from aevb.errors import InvalidDataError, InvalidModelFileError, InvalidRecipeError
from aevb.inference import ImportanceImputation
from command_line import quick_compilation  # noqa: F401

RNG = np.random.default_rng(0)
COMPLETE = RNG.normal(size=(200, 1)) * [1.0, 20.0, -0.1, 3.0] + RNG.normal(size=(200, 4)) * [
    0.3,
    6.0,
    0.03,
    0.9,
]
COMPLETE += [0.0, 50.0, 5.0, -3.0]
X = np.where(RNG.uniform(size=COMPLETE.shape) < 0.3, np.nan, COMPLETE)
X[7] = np.nan
SMALL = {"n_latents": 2, "hidden": (8,), "epochs": 2, "n_importance_samples": 10, "random_state": 0}


@pytest.fixture(scope="module")
def vae():
    # 250 steps or so.
    return VAE(**SMALL | {"epochs": 120, "optimizer": Adam(learning_rate=0.01), "missing": "nan"}).fit(X)


def independent_normals(x):
    """The log density of observed values under a Gaussian for each column, fitted to what is observed of it."""
    mean, sd = np.nanmean(x, axis=0), np.nanstd(x, axis=0)
    return np.nansum(-0.5 * ((x - mean) / sd) ** 2 - np.log(sd) - 0.5 * np.log(2 * np.pi), axis=1)


def test_learns_what_columns_have_to_do_with_each_other(vae):
    """Of the 0.6 nats of a row that a Gaussian model of all columns gains, at least half."""
    bounds = vae.elbo(X)
    assert np.isfinite(bounds).all()
    joint = np.cov(COMPLETE.T)
    gain = 0.5 * (np.sum(np.log(np.diag(joint))) - np.linalg.slogdet(joint)[1])
    assert bounds.mean() > independent_normals(X).mean() + 0.2 * gain
    assert vae.history_[-1]["train_bound"] > vae.history_[0]["train_bound"] + 0.5


def test_a_row_with_nothing_observed_has_no_likelihood_to_speak_of(vae):
    """Its log p(x) is 0, the bound the divergence of what the encoder says of nothing, and the estimate near 0."""
    assert vae.model_.bounds(X[7:8])["reconstruction"] == 0
    assert -0.5 < vae.elbo(X[7:8])[0] <= 0
    assert abs(vae.score_samples(X[7:8])[0]) < 0.5


def test_a_row_s_results_are_its_own_whatever_is_missing_elsewhere(vae):
    order = np.random.default_rng(1).permutation(200)
    assert np.array_equal(vae.score_samples(X[order]), vae.score_samples(X)[order])
    full = X[~np.isnan(X).any(axis=1)]
    np.testing.assert_allclose(vae.elbo(np.concatenate([full, X[7:8]]))[:-1], vae.elbo(full), rtol=1e-5)


def test_everything_else_takes_nan(vae):
    assert np.isfinite(vae.transform(X)).all()
    assert np.isfinite(vae.reconstruct(X)).all()
    np.testing.assert_array_equal(np.isnan(vae.model_.given(X)), np.isnan(X))
    assert vae.__sklearn_tags__().input_tags.allow_nan
    assert not VAE().__sklearn_tags__().input_tags.allow_nan


def test_a_round_trip_changes_no_bit(vae, tmp_path):
    vae.save(tmp_path / "model")
    loaded = aevb.load(tmp_path / "model")
    assert loaded.missing == "nan"
    assert np.array_equal(loaded.elbo(X), vae.elbo(X))
    text = (tmp_path / "model" / "model.json").read_text()
    (tmp_path / "model" / "model.json").write_text(text.replace('"missing": "nan"', '"missing": "error"'))
    with pytest.raises(InvalidModelFileError, match="changed"):
        aevb.load(tmp_path / "model")


@pytest.mark.long
def test_pieces_and_frames():
    frame = pd.DataFrame(X, columns=list("abcd"))
    frame["a"] = frame["a"].round().astype("Int64")  # missing values of pandas' own
    vae = VAE(**SMALL | {"missing": "nan"}).partial_fit(frame).partial_fit(frame[::-1])
    assert np.isfinite(vae.elbo(frame)).all()


def test_scores_odd_rows_in_a_pipeline():
    """A density scorer behind a scaler: rows far from the others come last."""
    pipeline = make_pipeline(StandardScaler(), VAE(**SMALL | {"missing": "nan", "epochs": 20})).fit(X)
    odd = np.array([[5.0, np.nan, 5.4, np.nan], [np.nan, 200.0, np.nan, -3.0]])
    assert pipeline.score_samples(odd).max() < np.quantile(pipeline.score_samples(X), 0.02)


class Wide(eqx.Module):
    layer: eqx.nn.Linear

    def __init__(self, n_inputs):
        self.layer = eqx.nn.Linear(n_inputs, 6, key=jax.random.key(0))

    def __call__(self, x):
        return self.layer(x)


@pytest.mark.long
def test_a_network_of_the_user_s_is_given_values_and_mask():
    vae = VAE(**SMALL | {"missing": "nan", "hidden": Networks(encoder=Wide(8))}).fit(X)
    assert np.isfinite(vae.elbo(X)).all()
    with pytest.raises(InvalidRecipeError, match=r"8 features \(the values, 0 where missing, then 1 or 0"):
        VAE(**SMALL | {"missing": "nan", "hidden": Networks(encoder=Wide(4))}).fit(X)


@pytest.mark.parametrize(
    ("settings", "x", "fragment"),
    [
        ({}, X, r"row \d, column \d.*missing='nan'"),
        ({"missing": "nan"}, np.where(np.arange(4) == 2, np.nan, X), r"1 column of which none.*: 2\."),
        ({"missing": "nan"}, np.where(np.isnan(X), np.inf, X), "infinite value"),
        ({"missing": "zero"}, X, "missing = 'zero'"),
    ],
)
def test_what_cannot_be_used_is_named(settings, x, fragment):
    with pytest.raises((InvalidDataError, InvalidRecipeError), match=fragment):
        VAE(**SMALL | settings).fit(x)


@pytest.mark.long
def test_a_model_of_complete_rows_refuses_nan_but_for_imputing():
    vae = VAE(**SMALL).fit(COMPLETE)
    with pytest.raises(InvalidDataError, match="missing value"):
        vae.score_samples(X)
    assert np.isfinite(vae.impute(X)).all()


class TestImpute:
    @pytest.fixture(scope="class")
    def found(self, vae):
        return vae.model_.impute(X, ImportanceImputation(), n_draws=3)

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_observed_values_come_back_bit_for_bit(self, vae, dtype):
        x = X.astype(dtype)
        draws = vae.impute(x, n_draws=3)
        observed = ~np.isnan(x)
        assert draws.dtype == dtype
        assert draws.shape == (3, *x.shape)
        assert all(
            np.array_equal(draw[observed].view(np.uint8), x[observed].view(np.uint8)) for draw in draws
        )
        assert np.isfinite(draws).all()

    def test_is_closer_than_column_means(self, found):
        hidden = np.isnan(X)
        scale = np.nanstd(X, axis=0)

        def error(filled):
            return np.sqrt(np.mean(((filled - COMPLETE) / scale)[hidden] ** 2))

        assert error(found.mean) < 0.8 * error(np.broadcast_to(np.nanmean(X, axis=0), X.shape))
        assert np.array_equal(found.mean[~hidden], X[~hidden])

    def test_draws_vary_where_nothing_is_known(self, vae, found):
        hidden = np.isnan(X)
        assert np.all(found.draws[0][hidden] != found.draws[1][hidden])
        draws = vae.impute(X, n_draws=3, random_state=5)
        assert not np.array_equal(draws, found.draws)
        assert np.array_equal(draws, vae.impute(X, n_draws=3, random_state=5))

    def test_errors_are_in_the_units_of_the_data(self, found):
        hidden = np.isnan(X)
        assert np.all(found.sd[~hidden] == 0)
        # A column of standard deviation s, of which nothing else of the row is known, has an sd near s.
        assert found.sd[7] == pytest.approx(np.nanstd(X, axis=0), rel=0.4)
        assert np.all(np.abs(found.mean[7] - np.nanmean(X, axis=0)) < 0.5 * np.nanstd(X, axis=0))
        assert np.all(found.monte_carlo_error[hidden] < found.sd[hidden])

    def test_mistakes_are_named(self, vae):
        with pytest.raises(InvalidRecipeError, match="no imputation method 'mean': choose importance"):
            vae.impute(X, method="mean")
        with pytest.raises(InvalidRecipeError, match="at least 0, not -1"):
            vae.impute(X, n_draws=-1)
