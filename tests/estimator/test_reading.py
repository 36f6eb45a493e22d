"""What comes in as X: masked and sparse arrays, images, frames."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.base import clone

from aevb import VAE, VAEImputer
from aevb.errors import InvalidDataError
from aevb.estimator import reading
from aevb.estimator.reading import as_dense, read_rows
from command_line import quick_compilation  # noqa: F401

X = np.random.default_rng(0).normal(size=(40, 3))
HIDDEN = np.random.default_rng(1).uniform(size=X.shape) < 0.2
WITH_NAN = np.where(HIDDEN, np.nan, X)
MASKED = np.ma.masked_array(np.where(HIDDEN, -9999.0, X), HIDDEN)
SMALL = VAE(n_latents=1, hidden=(2,), epochs=1, n_importance_samples=5, random_state=0)


@pytest.fixture(scope="module")
def seeing():
    return clone(SMALL).set_params(missing="nan").fit(WITH_NAN)


class TestMasked:
    def test_what_is_masked_is_missing_wherever_rows_come_in(self, seeing):
        fitted = clone(SMALL).set_params(missing="nan").fit(MASKED)
        assert fitted.model_.preparation.scaling == seeing.model_.preparation.scaling
        for method in ("transform", "elbo"):
            np.testing.assert_array_equal(getattr(fitted, method)(MASKED), getattr(seeing, method)(WITH_NAN))
        np.testing.assert_array_equal(
            clone(fitted).partial_fit(MASKED).transform(MASKED),
            clone(fitted).partial_fit(WITH_NAN).transform(WITH_NAN),
        )

    @pytest.mark.long
    def test_the_imputer_fills_it(self, seeing):
        filled = VAEImputer(SMALL).fit(MASKED).transform(MASKED)
        assert filled.min() > -100
        np.testing.assert_array_equal(filled[~HIDDEN], X[~HIDDEN])

    def test_a_model_of_complete_rows_refuses_it(self, seeing):
        with pytest.raises(InvalidDataError, match="missing value"):
            clone(SMALL).fit(MASKED)
        codes = np.ma.masked_less(np.arange(3.0)[:, None], 1)
        with pytest.raises(InvalidDataError, match="missing value"):
            seeing.inverse_transform(codes)

    @pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32, np.float64, bool, object])
    def test_types(self, dtype):
        values = np.array([[0, 1], [1, 0]], dtype)
        read = as_dense(np.ma.masked_array(values, [[0, 1], [0, 0]]))
        np.testing.assert_array_equal(read.astype(float), [[0, np.nan], [1, 0]])
        # Where nothing is masked the type stays, which says that bytes may be pixels.
        assert as_dense(np.ma.masked_array(values)).dtype == dtype


@pytest.mark.parametrize("kind", [sp.csr_matrix, sp.coo_array, sp.dok_array])
def test_sparse_matrices_are_made_dense(seeing, kind):
    rows = np.where(X < 0, 0.0, X)
    np.testing.assert_array_equal(seeing.transform(kind(rows)), seeing.transform(rows))
    assert not sp.issparse(as_dense(kind(rows)))


def test_a_sparse_matrix_larger_than_the_memory_is_refused():
    with pytest.raises(InvalidDataError, match=r"1,000,000 x 1,000,000.*GiB.*partial_fit"):
        as_dense(sp.csr_matrix((10**6, 10**6)))


class TestImages:
    BYTES = np.random.default_rng(0).integers(0, 256, (12, 4, 5), dtype=np.uint8)

    def read(self, x, image_shape=None):
        return read_rows(VAE(), x, reset=True, image_shape=image_shape)

    @pytest.mark.parametrize("x", [BYTES, BYTES[..., None], BYTES > 9, BYTES.tolist()])
    def test_are_flattened(self, x):
        shape = None if isinstance(x, np.ndarray) else (4, 5)
        rows, found = self.read(x, shape)
        assert found == (4, 5)
        np.testing.assert_array_equal(rows, np.asarray(x).reshape(12, 20))

    @pytest.mark.parametrize(
        ("shape", "given", "fragment"),
        [
            ((5, 30, 3), None, r"image_shape=\(30, 3\)`.*reshape"),
            ((5, 8, 8, 3), None, "images with colours"),
            ((5, 8, 9), (9, 8), r"images \(n, 9, 8\), but has shape \(5, 8, 9\)"),
        ],
    )
    def test_what_is_none_is_refused(self, shape, given, fragment):
        with pytest.raises(InvalidDataError, match=fragment):
            self.read(np.zeros(shape), given)

    def test_floats_of_a_picture_s_proportions_are_images(self):
        assert self.read(np.zeros((5, 28, 20)))[1] == (28, 20)
        assert self.read(np.zeros((5, 30, 3)), (30, 3))[1] == (30, 3)

    def test_a_model_of_images_takes_images_and_rows(self):
        vae = clone(SMALL).fit(self.BYTES)
        assert vae.model_.image_shape == (4, 5)
        rows = self.BYTES.reshape(12, 20)
        np.testing.assert_array_equal(vae.transform(self.BYTES[..., None]), vae.transform(rows))
        vae.partial_fit(self.BYTES)
        with pytest.raises(InvalidDataError, match=r"images \(n, 4, 5\)"):
            vae.transform(self.BYTES.transpose(0, 2, 1))
        with pytest.warns(UserWarning, match="means=True"):
            draws = vae.sample(20)
        assert set(np.unique(draws)) == {0.0, 255.0}
        assert 0 < np.median(vae.sample(20, means=True)) < 255


def test_ragged_lists_are_scikit_learn_s_to_refuse():
    with pytest.raises(ValueError, match="inhomogeneous"):
        read_rows(VAE(), [[1.0, 2.0], [3.0]], reset=True)


def test_a_machine_that_does_not_tell_its_memory_is_trusted(monkeypatch):
    monkeypatch.delattr(reading.os, "sysconf")
    assert reading._memory() == np.inf


def test_a_frame_keeps_its_index_on_request():
    frame = pd.DataFrame(WITH_NAN, columns=list("abc"), index=[f"row {i}" for i in range(40)])
    codes = clone(SMALL).set_params(missing="nan").set_output(transform="pandas").fit_transform(frame)
    assert codes.index.equals(frame.index)
    filled = VAEImputer(SMALL).set_output(transform="pandas").fit(frame).transform(frame[::-1])
    assert filled.index.equals(frame.index[::-1])
    np.testing.assert_array_equal(
        filled["a"].loc["row 0"], X[0, 0] if not HIDDEN[0, 0] else filled["a"].iloc[-1]
    )


def test_text_in_a_frame_gets_advice_for_frames():
    frame = pd.DataFrame({"a": [1.0, 2.0, 3.0], "kind": ["u", "v", "u"]})
    with pytest.raises(
        InvalidDataError, match=r"'kind' \(.*\). Leave them out, as X.drop\(columns="
    ) as error:
        clone(SMALL).fit(frame)
    assert "--" not in str(error.value)
    assert "label=" not in str(error.value)
