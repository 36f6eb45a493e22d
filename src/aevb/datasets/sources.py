"""The data sets that are known by name."""

import gzip
import hashlib
import lzma
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
from jaxtyping import Float32, UInt8

from aevb.datasets.dataset import Dataset
from aevb.datasets.locate import RemoteFile
from aevb.errors import DatasetUnavailableError

MNIST_FILE = "mnist.idx.xz"
MNIST_SHA256 = "d1eda09d043db348b22c2d3b44de60a79557c998de9099257be0e5d9e8da4920"

_FREY = RemoteFile(
    "frey",
    "frey_rawface.mat",
    "https://cs.nyu.edu/~roweis/data/frey_rawface.mat",
    "265a83a23adb081755cd3de375509828e690324d1d60f076b8ecebc840d59c64",
)
_MNIST_STATIC = tuple(
    RemoteFile(
        "mnist-static",
        name,
        f"http://www.cs.toronto.edu/~larocheh/public/datasets/binarized_mnist/{name}",
        sha,
    )
    for name, sha in (
        ("binarized_mnist_train.amat", "ad693b29f94c14277b095f5238ddefbbdaaae0939789dd2f4f0205278cee3e4d"),
        ("binarized_mnist_valid.amat", "1de3d397c40fe8eeb33dafd4099a1f665ec01e96d9be234aaeeac8a34930e2e2"),
        ("binarized_mnist_test.amat", "e6687bfea3f820c174f33b7865140b2a2dd2930ef786f35d45795fc193b5ab2c"),
    )
)
_FASHION = tuple(
    RemoteFile(
        "fashion-mnist",
        name,
        f"http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/{name}",
        sha,
        installed="/usr/share/datasets/fashion-mnist",  # by Debian's package dataset-fashion-mnist
    )
    for name, sha in (
        ("train-images-idx3-ubyte.gz", "b0564c3eedabfbf835052cff8503ea422014ce006caf5b757f851416ee8300c7"),
        ("train-labels-idx1-ubyte.gz", "0ae29f65d86684f32d1b9c85147786c547b9c6aebcaf235f0400a0cce308b056"),
        ("t10k-images-idx3-ubyte.gz", "cc1d090a38ace84dfa1aa66e3ada7c336ef481a96936906477e6dd344da56eaa"),
        ("t10k-labels-idx1-ubyte.gz", "8d3605d196f4be44669e46906da9733c8131fef761fdbfec72c424d5222f1a05"),
    )
)


@dataclass(frozen=True)
class DatasetInfo:
    """What is known of a named set without opening it.

    Args:
        name: the name to load it by.
        n_train: the number of training rows.
        n_test: the number of test rows.
        image_shape: `(height, width)` in pixels.
        licence: under which the data may be used, as far as its authors say.
        present: whether it can be loaded without a download.
        where: the folder of its files, the package that carries it, or its URL when it is absent.
    """

    name: str
    n_train: int
    n_test: int
    image_shape: tuple[int, int]
    licence: str
    present: bool
    where: str

    @property
    def n_features(self) -> int:
        """The number of columns: pixels of an image."""
        return self.image_shape[0] * self.image_shape[1]


def load_mnist(data_dir: str | Path | None) -> Dataset:
    """MNIST as it ships with aevb: 60,000 training and 10,000 test images of digits, 28x28 grey pixels."""
    packed = _packed_mnist()
    found = hashlib.sha256(packed).hexdigest()
    if found != MNIST_SHA256:
        raise DatasetUnavailableError(
            f"the MNIST file of this installation ({MNIST_FILE}) is corrupted: its SHA-256 is {found}, "
            f"expected is {MNIST_SHA256}. Install aevb again."
        )
    return _from_idx("mnist", lzma.decompress(packed))


def load_digits(data_dir: str | Path | None) -> Dataset:
    """scikit-learn's 8x8 digits, divided by their largest value, 16. Test rows: 0, 6, 12 and so on."""
    from sklearn.datasets import load_digits as load_all

    images, digits = load_all(return_X_y=True)
    x, y = np.asarray(images / 16, np.float32), np.asarray(digits, np.int64)
    test = np.arange(len(x)) % 6 == 0
    return Dataset("digits", x[~test], y[~test], x[test], y[test], image_shape=(8, 8))


def load_frey(data_dir: str | Path | None) -> Dataset:
    """Frey Face: 1,965 grey frames of one face, 28x20 pixels. Test rows: frames 9, 19, 29 and so on.

    The frames are a video, in order. Every tenth frame leaves the same expressions on both sides; the last
    tenth of the video has others (its frames are nearly twice as far from the nearest training frame). The
    price: a test frame has near-copies among the training frames, so that a test score tells about these
    expressions, not about another video.
    """
    from io import BytesIO

    from scipy.io import loadmat

    x = _unit_interval(np.ascontiguousarray(loadmat(BytesIO(_FREY.read(data_dir)))["ff"].T))
    test = np.arange(len(x)) % 10 == 9
    return Dataset("frey", x[~test], x_test=x[test], image_shape=(28, 20))


def load_mnist_static(data_dir: str | Path | None) -> Dataset:
    """Statically binarized MNIST (Larochelle): training and validation file end to end, then the test file.

    The last 10,000 training rows are the validation set of the papers that use one. There are no labels.
    """
    train, valid, test = (_from_amat(file.read(data_dir)) for file in _MNIST_STATIC)
    return Dataset("mnist-static", np.concatenate([train, valid]), x_test=test, image_shape=(28, 28))


def load_fashion_mnist(data_dir: str | Path | None) -> Dataset:
    """Fashion-MNIST: 60,000 training and 10,000 test images of 28x28 grey pixels, ten kinds of clothing."""
    return _from_idx("fashion-mnist", b"".join(gzip.decompress(file.read(data_dir)) for file in _FASHION))


def _packed_mnist() -> bytes:
    try:
        return resources.files("aevb.datasets").joinpath("data", MNIST_FILE).read_bytes()
    except OSError as error:
        raise DatasetUnavailableError(
            f"the MNIST file of this installation ({MNIST_FILE}) cannot be read: {error}. Install aevb again."
        ) from error


def _from_idx(name: str, content: bytes) -> Dataset:
    """A set from four IDX files end to end: training images, training labels, test images, test labels."""
    arrays = []
    offset = 0
    while offset < len(content):
        n_axes = content[offset + 3]
        shape = np.frombuffer(content, ">u4", n_axes, offset + 4).astype(np.int64)
        offset += 4 + 4 * n_axes
        arrays.append(np.frombuffer(content, np.uint8, int(shape.prod()), offset).reshape(shape))
        offset += arrays[-1].size
    x_train, y_train, x_test, y_test = arrays
    height, width = x_train.shape[1:]
    return Dataset(
        name,
        _unit_interval(x_train.reshape(len(x_train), -1)),
        y_train.astype(np.int64),
        _unit_interval(x_test.reshape(len(x_test), -1)),
        y_test.astype(np.int64),
        image_shape=(height, width),
    )


def _from_amat(text: bytes) -> Float32[np.ndarray, "rows 784"]:
    # 784 digits, each with a blank or a newline after it; the digest has vouched for that.
    return (np.frombuffer(text, np.uint8).reshape(-1, 784, 2)[..., 0] == ord("1")).astype(np.float32)


def _unit_interval(pixels: UInt8[np.ndarray, "rows features"]) -> Float32[np.ndarray, "rows features"]:
    return np.divide(pixels, np.float32(255), dtype=np.float32)


@dataclass(frozen=True)
class _Source:
    load: Callable[[str | Path | None], Dataset]
    n_train: int
    n_test: int
    image_shape: tuple[int, int]
    licence: str
    carrier: str = ""
    files: tuple[RemoteFile, ...] = ()


_SOURCES = {
    "mnist": _Source(load_mnist, 60_000, 10_000, (28, 28), "CC BY-SA 3.0", carrier="aevb"),
    "digits": _Source(load_digits, 1_497, 300, (8, 8), "CC BY 4.0", carrier="scikit-learn"),
    "frey": _Source(load_frey, 1_769, 196, (28, 20), "none stated", files=(_FREY,)),
    "mnist-static": _Source(load_mnist_static, 60_000, 10_000, (28, 28), "none stated", files=_MNIST_STATIC),
    "fashion-mnist": _Source(load_fashion_mnist, 60_000, 10_000, (28, 28), "MIT", files=_FASHION),
}
NAMES = tuple(_SOURCES)


def load_named(name: str, data_dir: str | Path | None = None) -> Dataset:
    """The data set of that name. Pixels are float32 in [0, 1], labels int64.

    Raises:
        DatasetUnavailableError: a file is neither on this machine nor downloadable, or not the published one.
    """
    return _SOURCES[name].load(data_dir)


def describe(data_dir: str | Path | None = None) -> list[DatasetInfo]:
    """What there is by name, and whether it is on this machine; nothing is opened or downloaded.

    Args:
        data_dir: a folder to look in first.
    """
    return [_describe(name, source, data_dir) for name, source in _SOURCES.items()]


def _describe(name: str, source: _Source, data_dir: str | Path | None) -> DatasetInfo:
    found = [next(file.find(data_dir), None) for file in source.files]
    present = all(found)
    folder = str(found[0].parent) if found and found[0] else ""
    where = source.carrier or (folder if present else source.files[0].url)
    return DatasetInfo(
        name, source.n_train, source.n_test, source.image_shape, source.licence, present=present, where=where
    )
