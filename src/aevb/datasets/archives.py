"""Arrays out of `.npy` and `.npz` files that may be damaged, or made to do harm.

Nothing is unpickled. What a file claims to hold is held against its size before memory is taken for it, and only those
members of an archive are read that are used.
"""

import math
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy

from aevb.errors import AevbError, InvalidDataError

_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 0x1
# The most bytes that deflate makes of one, and what a member takes besides.
_MOST_INFLATION, _MEMBER_BYTES = 1032, 1024


@dataclass(frozen=True)
class Claim:
    """What an array's header says of it.

    Args:
        shape: its axes.
        dtype: of its values.
    """

    shape: tuple[int, ...]
    dtype: np.dtype

    @property
    def n_bytes(self) -> int:
        """What its values take."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_npy(path: Path) -> np.ndarray:
    """The array of an `.npy` file.

    Raises:
        InvalidDataError: the file is damaged, or holds Python objects.
        OSError: it cannot be opened.
    """
    with _named(path), path.open("rb") as file:
        return _read_array(file, path.stat().st_size)


class Archive:
    """The arrays of an open `.npz` file, by name.

    Args:
        path: the file.
        archive: its members.
    """

    def __init__(self, path: Path, archive: zipfile.ZipFile):
        self.path = path
        self._archive = archive
        self.names = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]

    def claim(self, name: str) -> Claim | None:
        """What a member says of itself; None where it is damaged, or nothing that can be read."""
        try:
            with self._archive.open(self._member(name)) as file:
                return _claim(file)  # pyright: ignore[reportArgumentType]
        except Exception:  # a member that nobody asked for may be anything
            return None

    def read(self, name: str) -> np.ndarray:
        """A member.

        Raises:
            InvalidDataError: it is damaged, encrypted, compressed in some other way than NumPy does, or Python objects.
        """
        with _named(self.path):
            member = self._member(name)
            with self._archive.open(member) as file:
                return _read_array(file, member.file_size)  # pyright: ignore[reportArgumentType]

    def _member(self, name: str) -> zipfile.ZipInfo:
        member = self._archive.getinfo(f"{name}.npy")
        if member.flag_bits & _ENCRYPTED:
            raise ValueError(f"{name} is encrypted")
        if member.compress_type not in _METHODS:
            raise ValueError(f"{name} is compressed in a way that NumPy does not write")
        most = member.compress_size
        most = most if member.compress_type == zipfile.ZIP_STORED else most * _MOST_INFLATION + _MEMBER_BYTES
        if member.compress_size > self.path.stat().st_size or member.file_size > most:
            raise ValueError(f"{name} is said to hold {member.file_size:,} bytes, more than the file can")
        return member


@contextmanager
def open_archive(path: Path) -> Iterator[Archive]:
    """The members of an `.npz` file, for as long as the context lasts.

    Raises:
        InvalidDataError: the file is damaged.
        OSError: it cannot be opened.
    """
    with path.open("rb") as file:
        with _named(path):
            archive = zipfile.ZipFile(file)
        with archive:
            yield Archive(path, archive)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Makes one error, which names the file, of whatever the readers of damaged files raise."""
    try:
        yield
    except AevbError:
        raise
    except Exception as error:
        if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.filename is not None):
            raise
        raise InvalidDataError(
            f"{path} does not hold plain arrays of numbers: it is damaged, or holds pickled Python objects, which aevb "
            f"never loads because loading one can run code ({_reason(error)}). Save arrays of numbers with numpy.save "
            "or numpy.savez."
        ) from error


def _reason(error: Exception) -> str:
    words = str(error).strip().splitlines()
    return (words[0] if words else type(error).__name__)[:200]


def _read_array(file: BufferedIOBase, size: int) -> np.ndarray:
    """The array in a file, or a member of an archive, of so many bytes."""
    start = file.tell()
    claim = _claim(file)
    if claim.dtype.hasobject:
        raise ValueError("objects are pickled")
    left = size - (file.tell() - start)
    if claim.n_bytes > left:
        raise ValueError(f"its header says {claim.n_bytes:,} bytes, and {left:,} are there")
    file.seek(start)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about headers that Python 2 wrote
        array = npy.read_array(file, allow_pickle=False)  # pyright: ignore[reportArgumentType]
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def _claim(file: BufferedIOBase) -> Claim:
    """What the header says.

    Raises:
        ValueError: it is no header.
    """
    version = npy.read_magic(file)  # pyright: ignore[reportArgumentType]
    if version not in _HEADERS:
        raise ValueError(f"version {version} of NumPy's format is for records with names beyond ASCII")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            shape, _, dtype = _HEADERS[version](file)  # pyright: ignore[reportArgumentType]
    except Exception as error:  # a parser of Python's is at work, which also runs out of stack and memory
        raise ValueError("its header cannot be read") from error
    if not all(_is_length(n) for n in shape):
        raise ValueError(f"the shape {str(shape)[:50]} is none")
    return Claim(shape, dtype)


def _is_length(n: Any) -> bool:
    return type(n) is int and 0 <= n < 2**63


# --- sparse matrices ------------------------------------------------------------------------------------------------

_SPARSE = frozenset(("format", "shape", "data"))
_PARTS = {"csr": ("indices", "indptr"), "csc": ("indices", "indptr"), "coo": ("row", "col")}
# Below one value in so many cells, the dense rows that a network is given are mostly waste.
MOST_CELLS_PER_VALUE = 1000


def is_sparse(names: Sequence[str]) -> bool:
    """Whether these are the arrays that `scipy.sparse.save_npz` writes."""
    return set(names) >= _SPARSE


def read_sparse(archive: Archive) -> np.ndarray:
    """The dense rows of a matrix that `scipy.sparse.save_npz` wrote.

    Raises:
        InvalidDataError: it is damaged, too sparse to be written out, or of a kind other than csr, csc and coo.
    """
    from scipy import sparse

    kind, shape = (archive.read(name) for name in ("format", "shape"))
    name = kind.item().decode("ascii", "replace") if kind.dtype.kind == "S" and kind.size == 1 else str(kind)
    if name not in _PARTS:
        raise InvalidDataError(
            f"{archive.path} holds a sparse matrix of the kind {name[:20]!r}: save it with .tocsr(), or dense."
        )
    first, second = (archive.read(part) for part in _PARTS[name])
    data = archive.read("data")
    n_cells = math.prod(int(n) for n in shape.ravel())
    if (
        shape.shape != (2,)
        or shape.dtype.kind not in "iu"
        or n_cells > MOST_CELLS_PER_VALUE * max(data.size, 1)
    ):
        raise InvalidDataError(
            f"{archive.path} holds a sparse matrix of shape {shape.tolist()} with {data.size:,} values. aevb works on "
            f"dense rows, and takes matrices of at least one value in {MOST_CELLS_PER_VALUE:,} cells."
        )
    parts = (data, (first, second)) if name == "coo" else (data, first, second)
    with _named(archive.path):
        matrix = getattr(sparse, f"{name}_array")(parts, shape=tuple(shape.tolist()))
        if name != "coo":
            matrix.check_format(full_check=True)  # toarray writes wherever the indices say
        return matrix.toarray()
