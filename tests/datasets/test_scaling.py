import json
import warnings
from dataclasses import asdict

import numpy as np
import pytest
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from aevb.datasets import Scaling
from aevb.errors import InvalidDataError, InvalidRecipeError

X = np.random.default_rng(0).normal(size=(500, 3)) * [1.0, 1e3, 1e-3] + [0.0, 1e6, 5.0]


@pytest.mark.parametrize(
    ("method", "reference"), [("standard", StandardScaler()), ("minmax", MinMaxScaler())]
)
def test_agrees_with_scikit_learn(method, reference):
    scaling = Scaling.fit(X, method)
    expected = reference.fit_transform(X)
    np.testing.assert_allclose(scaling.apply(X), expected, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(scaling.undo(expected), X, rtol=1e-12)
    np.testing.assert_allclose(
        scaling.log_scale, np.log((X[1] - X[0]) / (expected[1] - expected[0])), rtol=1e-8
    )
    assert scaling.apply(X).dtype == np.float32


def test_single_precision_rows_are_fitted_in_double():
    x = np.full((200_000, 1), 0.1, np.float32)
    x[::2] = 0.3
    scaling = Scaling.fit(x, "standard")
    assert scaling.loc[0] == pytest.approx(0.2, rel=1e-6)
    assert scaling.scale[0] == pytest.approx(0.1, rel=1e-6)


def test_missing_cells_are_left_out():
    x = np.array([[1.0, np.nan], [np.nan, np.nan], [3.0, np.nan]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scaling = Scaling.fit(x, "standard")
    assert scaling == Scaling((2.0, 0.0), (1.0, 1.0))
    np.testing.assert_array_equal(scaling.apply(x), [[-1, np.nan], [np.nan, np.nan], [1, np.nan]])


@pytest.mark.parametrize("method", ["standard", "minmax"])
def test_constant_columns_get_scale_one(method):
    scaling = Scaling.fit(np.full((7, 1), 0.1), method)
    assert scaling == Scaling((0.1,), (1.0,))
    assert not scaling.apply(np.full((7, 1), 0.1)).any()


def test_auto():
    pixels = np.array([[0, 51], [0, 255]], np.uint8)
    scaling = Scaling.fit(pixels, is_image=True)
    assert scaling == Scaling((0.0, 0.0), (255.0, 255.0))
    np.testing.assert_array_equal(scaling.apply(pixels), np.array([[0, 0.2], [0, 1]], np.float32))
    assert Scaling.fit(pixels) == Scaling.fit(
        pixels.astype(float), "standard"
    )  # a table of small whole numbers
    assert Scaling.fit(np.array([[0, 1], [1, 1]])).is_identity
    assert Scaling.fit(np.array([[0.0, np.nan], [1.0, 1.0]])).is_identity
    assert Scaling.fit(X) == Scaling.fit(X, "standard")


def test_auto_standardizes_shares_and_keeps_what_belongs_in_the_unit_interval():
    shares = np.array([[0.0, np.nan], [0.5, 0.1], [0.2, 0.12]])
    assert Scaling.fit(shares) == Scaling.fit(shares, "standard")
    assert Scaling.fit(shares, is_image=True).is_identity
    assert Scaling.fit(shares, on_unit_interval=True).is_identity
    assert Scaling.fit(3 * shares, on_unit_interval=True) == Scaling.fit(3 * shares, "standard")


def test_identity():
    x = np.ones((2, 3), np.float32)
    identity = Scaling.identity(3)
    assert identity == Scaling.fit(X, "none")
    assert identity.apply(x) is x
    assert identity.undo(x) is x
    assert identity.n_features == 3
    assert not identity.log_scale.any()


def test_is_hashable_and_json():
    scaling = Scaling.fit(X, "standard")
    again = Scaling(
        **{name: tuple(values) for name, values in json.loads(json.dumps(asdict(scaling))).items()}
    )
    assert again == scaling
    assert hash(again) == hash(scaling)


def test_undo_keeps_leading_axes():
    samples = np.zeros((4, 5, 3), np.float32)
    assert Scaling.fit(X, "standard").undo(samples).shape == (4, 5, 3)


def test_unknown_method():
    with pytest.raises(
        InvalidRecipeError, match="unknown scaling 'robust': choose one of auto, none, standard, minmax"
    ):
        Scaling.fit(X, "robust")


@pytest.mark.parametrize(("method", "largest"), [("none", 1e300), ("standard", 1e300), ("minmax", 1.7e308)])
def test_values_beyond_single_precision(method, largest):
    x = np.array([[0.0, -largest], [1.0, largest]])
    with pytest.raises(InvalidDataError, match=r"column 1 runs from -1.* single precision cannot"):
        Scaling.fit(x, method)
