import gzip
import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat

from aevb.datasets import NAMES, describe, load, load_rows, sources
from aevb.datasets.locate import DATA_DIR_VARIABLE, RemoteFile
from aevb.errors import DatasetUnavailableError, InvalidRecipeError

CONTENT = b"twelve bytes"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(scope="module")
def mnist():
    return load("mnist")


@pytest.fixture
def nowhere(monkeypatch, tmp_path):
    """No data folder, an empty cache, and a server that cannot be reached."""
    monkeypatch.delenv(DATA_DIR_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return RemoteFile("toy", "toy.bin", "http://127.0.0.1:9/toy.bin", SHA256)


def shared(name):
    """The folder of the data that cannot be shipped, if it is known and holds this set."""
    folder = os.environ.get(DATA_DIR_VARIABLE, "")
    if not next(info.present for info in describe(folder or None) if info.name == name):
        pytest.skip(f"the files of {name} are not on this machine ({DATA_DIR_VARIABLE})")
    return folder or None


def idx_md5(array, magic):
    header = np.array([magic, *array.shape], ">u4").tobytes()
    return hashlib.md5(header + array.astype(np.uint8).tobytes()).hexdigest()


def test_mnist_is_the_published_one(mnist):
    images = [np.rint(x * 255).reshape(-1, 28, 28) for x in (mnist.x_train, mnist.x_test)]
    assert idx_md5(images[0], 2051) == "6bbc9ace898e44ae57da46a324031adb"
    assert idx_md5(mnist.y_train, 2049) == "a25bea736e30d166cdddb491f175f624"
    assert idx_md5(images[1], 2051) == "2646ac647ad5339dbf082846283269ea"
    assert idx_md5(mnist.y_test, 2049) == "27ae3e4e09519cfbb04c329615203637"


def test_mnist_facts(mnist):
    assert (mnist.n_train, mnist.n_test, mnist.n_features) == (60_000, 10_000, 784)
    assert mnist.image_shape == (28, 28)
    assert (mnist.x_train.dtype, mnist.y_train.dtype) == (np.float32, np.int64)
    assert mnist.y_train[:5].tolist() == [5, 0, 4, 1, 9]
    assert mnist.x_train.mean(dtype=np.float64) == pytest.approx(0.1307, abs=5e-5)
    assert mnist.x_train.std(dtype=np.float64) == pytest.approx(0.3081, abs=5e-5)
    counts = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert np.bincount(mnist.y_test).tolist() == counts


def test_mnist_file_is_small():
    path = Path(sources.__file__).parent / "data" / sources.MNIST_FILE
    assert path.stat().st_size < 10_000_000


def test_corrupted_mnist_is_refused(monkeypatch):
    packed = bytearray(sources._packed_mnist())
    packed[1000] ^= 1
    monkeypatch.setattr(sources, "_packed_mnist", lambda: bytes(packed))
    with pytest.raises(DatasetUnavailableError, match=r"corrupted: its SHA-256 is .* expected is d1eda09d"):
        load("mnist")


def test_missing_mnist_is_said(monkeypatch):
    monkeypatch.setattr(sources, "MNIST_FILE", "absent.xz")
    with pytest.raises(DatasetUnavailableError, match=r"absent\.xz\) cannot be read.*Install aevb again"):
        load("mnist")


def test_digits():
    digits = load("digits")
    assert (digits.n_train, digits.n_test, digits.image_shape) == (1497, 300, (8, 8))
    assert digits.x_train.dtype == np.float32
    assert (digits.x_train.min(), digits.x_train.max()) == (0, 1)
    assert digits.y_test[:4].tolist() == [0, 6, 2, 8]  # rows 0, 6, 12, 18 of 0 1 2 ... 9 0 1 2 ... 9
    assert np.array_equal(np.unique(digits.y_train), np.arange(10))


def test_frey_is_upright_and_split_by_frame():
    folder = shared("frey")
    frey = load("frey", data_dir=folder)
    assert (frey.n_train, frey.n_test, frey.image_shape, frey.y_train) == (1769, 196, (28, 20), None)
    # A face of 28 rows has neighbouring rows alike; read with another width it would be sheared.
    faces = frey.x_train.reshape(-1, 28, 20)
    sheared = frey.x_train[:, : 26 * 21].reshape(-1, 26, 21)
    assert np.abs(np.diff(faces, axis=1)).mean() < 0.8 * np.abs(np.diff(sheared, axis=1)).mean()
    frames = loadmat(str(next(sources._FREY.find(folder))))["ff"].T
    assert np.array_equal(np.rint(frey.x_test * 255), frames[9::10])
    assert np.array_equal(np.rint(frey.x_train[7:11] * 255), frames[[7, 8, 10, 11]])


def test_mnist_static_is_binary_and_of_mnist(mnist):
    static = load("mnist-static", data_dir=shared("mnist-static"))
    assert (static.n_train, static.n_test, static.y_train) == (60_000, 10_000, None)
    assert np.array_equal(np.unique(static.x_train), [0, 1])
    # Each pixel is a coin thrown with MNIST's grey level; the standard error of the difference is below 5e-5.
    assert static.x_train.mean(dtype=np.float64) == pytest.approx(
        mnist.x_train.mean(dtype=np.float64), abs=2.5e-4
    )


def test_fashion_mnist():
    fashion = load("fashion-mnist", data_dir=shared("fashion-mnist"))
    assert (fashion.n_train, fashion.n_test, fashion.image_shape) == (60_000, 10_000, (28, 28))
    assert np.bincount(fashion.y_train).tolist() == [6000] * 10
    assert fashion.y_train[:4].tolist() == [9, 0, 0, 3]
    assert fashion.x_train.mean(dtype=np.float64) == pytest.approx(0.2860, abs=5e-5)


def test_what_is_described_is_what_is_loaded(mnist):
    described = {info.name: info for info in describe()}
    assert tuple(described) == NAMES
    for dataset in (mnist, load("digits")):
        info = described[dataset.name]
        assert (info.n_train, info.n_test, info.image_shape) == (
            dataset.n_train,
            dataset.n_test,
            dataset.image_shape,
        )
        assert info.n_features == dataset.n_features
        assert info.present


def test_describe_says_where(nowhere, tmp_path):
    absent = {info.name: info for info in describe()}["frey"]
    assert (absent.present, absent.where) == (False, "https://cs.nyu.edu/~roweis/data/frey_rawface.mat")
    (tmp_path / "frey_rawface.mat").write_bytes(b"")
    found = {info.name: info for info in describe(tmp_path)}["frey"]
    assert (found.present, found.where) == (True, str(tmp_path))


def test_files_are_looked_for_in_order(nowhere, tmp_path, monkeypatch):
    given, named = tmp_path / "given", tmp_path / "named"
    monkeypatch.setenv(DATA_DIR_VARIABLE, str(named))
    (named / "toy").mkdir(parents=True)
    (named / "toy" / "toy.bin.gz").write_bytes(gzip.compress(CONTENT))
    assert nowhere.read(None) == CONTENT
    given.mkdir()
    (given / "toy.bin").write_bytes(CONTENT)
    assert list(nowhere.find(given)) == [given / "toy.bin", named / "toy" / "toy.bin.gz"]
    cached = tmp_path / "cache" / "aevb" / "toy" / "toy.bin"
    assert nowhere.folders(given)[-1] == cached.parent


def test_a_cached_download_is_used(nowhere, tmp_path):
    cached = tmp_path / "cache" / "aevb" / "toy" / "toy.bin"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(CONTENT)
    assert nowhere.read(None) == CONTENT


def test_a_wrong_file_is_named_and_refused(nowhere, tmp_path):
    (tmp_path / "toy.bin").write_bytes(b"other bytes")
    found = hashlib.sha256(b"other bytes").hexdigest()
    with pytest.raises(
        DatasetUnavailableError, match=rf"{tmp_path}/toy\.bin \({found}\).* {SHA256}.*Delete it"
    ):
        nowhere.read(tmp_path)


def test_a_right_file_behind_a_wrong_one_is_used(nowhere, tmp_path):
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "toy.bin").write_bytes(b"other bytes")
    (tmp_path / "toy.bin").write_bytes(CONTENT)
    assert nowhere.read(tmp_path) == CONTENT


def test_a_truncated_gz_is_named_and_refused(nowhere, tmp_path):
    (tmp_path / "toy.bin.gz").write_bytes(gzip.compress(CONTENT)[:-9])
    with pytest.raises(DatasetUnavailableError, match=r"toy\.bin\.gz \(unreadable: "):
        nowhere.read(tmp_path)


def test_offline_and_absent(nowhere, tmp_path, capfd):
    with pytest.raises(DatasetUnavailableError) as caught:
        nowhere.read(tmp_path / "mine")
    message = str(caught.value)
    for part in (
        nowhere.url,
        SHA256,
        str(tmp_path / "mine"),
        str(tmp_path / "cache"),
        "--data-dir",
        "'digits'",
    ):
        assert part in message
    assert capfd.readouterr() == ("", "")


def test_download(nowhere, tmp_path, monkeypatch):
    def serve(self, url, output_file, pooch, check_only=False):
        Path(output_file).write_bytes((tmp_path / "served").read_bytes())

    monkeypatch.setattr("pooch.HTTPDownloader.__call__", serve)
    (tmp_path / "served").write_bytes(b"other bytes")
    with pytest.raises(DatasetUnavailableError, match="could not be downloaded"):
        nowhere.read(None)
    (tmp_path / "served").write_bytes(CONTENT)
    assert nowhere.read(None) == CONTENT
    assert (tmp_path / "cache" / "aevb" / "toy" / "toy.bin").read_bytes() == CONTENT


def test_a_named_set_has_no_columns():
    with pytest.raises(InvalidRecipeError, match="'digits' has no columns"):
        load("digits", label="y")
    with pytest.raises(InvalidRecipeError, match="'digits' have a known shape"):
        load("digits", image_shape=(8, 8))


def test_rows_of_a_named_set_are_its_test_rows():
    rows = load_rows("digits", n_features=64)
    digits = load("digits")
    assert np.array_equal(rows.x, digits.x_test)
    assert np.array_equal(rows.y, digits.y_test)
