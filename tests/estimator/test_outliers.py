"""`VAEOutlierDetector`: thresholds among rows that were held out, and what scikit-learn asks of a detector."""

import json
import pickle
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from aevb import VAE, VAEOutlierDetector
from aevb.assembly import assemble
from aevb.datasets import Dataset
from aevb.errors import InvalidRecipeError
from aevb.estimator.fitting import held_out_rows
from command_line import quick_compilation  # noqa: F401
from conftest import FALSE_ALARM

RNG = np.random.default_rng(0)
FRAME = pd.DataFrame(RNG.normal(size=(400, 2)), columns=["a", "b"])
SMALL = VAE(n_latents=1, hidden=(4,), epochs=2, validation=0.5, n_importance_samples=20, random_state=0)
CHECKS = """
import json, warnings, jax
from sklearn.utils.estimator_checks import check_estimator
from aevb import VAE, VAEOutlierDetector
warnings.simplefilter("ignore")
jax.config.update("jax_disable_most_optimizations", True)
vae = VAE(n_latents=1, hidden=(2,), epochs=1, n_importance_samples=2, scale="none", random_state=0)
checks = check_estimator(VAEOutlierDetector(vae), on_skip=None)
print(json.dumps([(check["check_name"], check["status"]) for check in checks]))
"""


@pytest.fixture(scope="module")
def detector():
    return VAEOutlierDetector(SMALL, contamination=0.1).fit(FRAME)


@pytest.mark.long
def test_check_estimator():
    done = subprocess.run([sys.executable, "-c", CHECKS], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    checks = json.loads(done.stdout)
    assert len(checks) > 40
    # It takes NumPy arrays and data frames, and does not claim to take other libraries' arrays.
    assert {name for name, status in checks if status != "passed"} <= {"check_array_api_input"}


def test_the_reference_is_rows_that_were_not_trained_on(detector):
    assert detector.reference_ == "validation rows"
    assert len(detector.reference_scores_) == 200
    model, rows = detector.vae_.model_, FRAME.to_numpy()
    held_out = held_out_rows(model, 400)
    validation = assemble(model.recipe, Dataset("X", rows)).data.validation
    np.testing.assert_array_equal(model.prepare(rows[held_out]), validation)
    np.testing.assert_array_equal(
        detector.reference_scores_, detector.vae_.score_samples(FRAME.iloc[held_out]).astype(float)
    )


def test_the_share_of_new_rows_that_is_called_odd_is_what_was_asked_for(detector):
    """Of 600 new rows a binomial share, widened by what 200 reference rows leave open; false-alarm rate 1e-6."""
    new = pd.DataFrame(np.random.default_rng(1).normal(size=(600, 2)), columns=["a", "b"])
    share = 0.1 + 4.9 * np.sqrt(0.1 * 0.9 / 200) * np.array([-1, 1])
    odd = int((detector.predict(new) == -1).sum())
    assert binom.ppf(FALSE_ALARM, 600, max(share[0], 1e-3)) <= odd <= binom.isf(FALSE_ALARM, 600, share[1])


def test_far_rows_are_odd_and_near_ones_are_not(detector):
    rows = pd.DataFrame([[0.0, 0.0], [30.0, -30.0]], columns=["a", "b"])
    assert list(detector.predict(rows)) == [1, -1]
    np.testing.assert_array_equal(
        detector.decision_function(rows), detector.score_samples(rows) - detector.offset_
    )
    percentiles = detector.percentiles(rows)
    assert percentiles[1] == 0
    assert percentiles[0] > 50
    copy = pickle.loads(pickle.dumps(detector))
    np.testing.assert_array_equal(copy.percentiles(rows), percentiles)


def test_training_rows_as_the_reference_are_said_to_flatter():
    with pytest.warns(UserWarning, match=r"more than 5% will be called odd.*validation=0.2"):
        detector = VAEOutlierDetector(VAE(**SMALL.get_params() | {"validation": 0.0})).fit(FRAME[:60])
    assert detector.reference_ == "training rows"
    assert (detector.predict(FRAME[:60]) == -1).sum() == 3
    with pytest.warns(UserWarning, match="among 3 held-out rows only"):
        detector._warn_of_reference(3)


@pytest.mark.long
def test_of_a_row_without_any_value_nothing_is_said():
    rows = np.where(np.random.default_rng(0).uniform(size=(200, 2)) < 0.2, np.nan, FRAME[:200])
    detector = VAEOutlierDetector(VAE(**SMALL.get_params() | {"missing": "nan"})).fit(
        np.ma.masked_invalid(rows)
    )
    assert detector.__sklearn_tags__().input_tags.allow_nan
    nothing = np.full((1, 2), np.nan)
    assert np.isnan(detector.percentiles(nothing)).all()
    assert detector.predict(nothing) == [1]


@pytest.mark.parametrize("contamination", [0.0, 0.6, -1.0])
def test_a_share_out_of_range_is_named(contamination):
    with pytest.raises(InvalidRecipeError, match="contamination"), warnings.catch_warnings():
        VAEOutlierDetector(SMALL, contamination=contamination).fit(FRAME)
