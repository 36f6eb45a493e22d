"""`VAEImputer`, and what scikit-learn asks of a transformer."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline

from aevb import VAE, VAEImputer
from aevb.errors import InvalidDataError, InvalidRecipeError
from command_line import quick_compilation  # noqa: F401

RNG = np.random.default_rng(0)
X = np.where(RNG.uniform(size=(50, 3)) < 0.2, np.nan, RNG.normal(size=(50, 3)))
SMALL = VAE(n_latents=1, hidden=(2,), epochs=1, random_state=0)
CHECKS = """
import json, warnings, jax
from sklearn.utils.estimator_checks import check_estimator
from aevb import VAE, VAEImputer
warnings.simplefilter("ignore")
jax.config.update("jax_disable_most_optimizations", True)
imputer = VAEImputer(VAE(n_latents=1, hidden=(2,), epochs=1, scale="none", random_state=0))
print(json.dumps([(check["check_name"], check["status"]) for check in check_estimator(imputer, on_skip=None)]))
"""


@pytest.mark.long
def test_check_estimator():
    done = subprocess.run([sys.executable, "-c", CHECKS], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    checks = json.loads(done.stdout)
    assert len(checks) > 40
    # It takes NumPy arrays and data frames, and does not claim to take other libraries' arrays.
    assert {name for name, status in checks if status != "passed"} <= {"check_array_api_input"}


def test_fills_rows_in_a_pipeline_and_keeps_their_names():
    frame = pd.DataFrame(X, columns=list("abc"))
    imputer = VAEImputer(SMALL).set_output(transform="pandas").fit(frame)
    filled = imputer.transform(frame)
    assert list(filled.columns) == list(imputer.get_feature_names_out()) == list("abc")
    assert not filled.isna().to_numpy().any()
    assert np.array_equal(filled.to_numpy()[~np.isnan(X)], X[~np.isnan(X)])
    assert imputer.vae_.missing == "nan"
    assert SMALL.missing == "error"
    assert not hasattr(SMALL, "model_")


def test_is_a_step_of_a_pipeline():
    fitted = make_pipeline(VAEImputer(SMALL), LinearRegression()).fit(X, np.arange(50))
    assert np.isfinite(fitted.predict(X)).all()


def test_what_cannot_be_used_is_named():
    with pytest.raises(NotFittedError):
        VAEImputer().transform(X)
    with pytest.raises(InvalidDataError, match="1 column"):
        VAEImputer(SMALL).fit(np.where(np.arange(3) == 1, np.nan, X))
    imputer = VAEImputer(clone(SMALL), method="median").fit(X)
    with pytest.raises(InvalidRecipeError, match="no imputation method 'median'"):
        imputer.transform(X)
    with pytest.raises(ValueError, match="expecting 3 features"):
        imputer.transform(X[:, :2])
