"""Arrays and archives that are damaged or made to do harm: one named error, before memory is taken for their claims."""

import io
import re
import tracemalloc
import zipfile

import numpy as np
import pytest

from aevb.datasets import load
from aevb.datasets.locate import RemoteFile
from aevb.errors import DatasetUnavailableError, InvalidDataError
from fuzz_files import archive, npy

X = np.arange(24.0).reshape(12, 2)


def with_header(header, values=bytes(64)):
    """An `.npy` file of NumPy's first version with any header."""
    header = header.encode()
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + values


def described(descr="'<f4'", shape="(4, 2)"):
    return with_header(f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n")


# What NumPy's readers raise for each is in its name.
HEADERS = {
    "IndentationError": (with_header("  x\n y\n\n"), "its header cannot be read"),
    "IndexError": (described(descr="()"), "its header cannot be read"),
    "MemoryError of the parser": (with_header("-" * 9000), "its header cannot be read"),
    "RecursionError": (with_header("1+" * 3000 + "1"), "its header cannot be read"),
    "TokenError": (with_header("{\n"), "its header cannot be read"),
    "TokenError of a damaged one": (
        with_header("{'descr': '<f8', h]d\xc4 'shape': (12, 2), }\n"),
        "cannot be read",
    ),
    "TypeError": (with_header("{[]:1}\n"), "its header cannot be read"),
    "TypeError of a length": (described(shape="(True, 2)"), "the shape (True, 2) is none"),
    "ValueError of a length": (described(shape="(-1, 2)"), "the shape (-1, 2) is none"),
    "OverflowError": (described(shape="(18446744073709551616, 2)"), "is none"),
    "MemoryError": (
        described(shape="(2000000000,)"),
        "its header says 8,000,000,000 bytes, and 64 are there",
    ),
    "MemoryError of wide text": (described(descr="'<U99999999'"), "and 64 are there"),
    "objects": (described(descr="'|O'"), "objects are pickled"),
    "a later version": (b"\x93NUMPY\x03\x00" + described()[8:], "version (3, 0)"),
    "no array": (b"hello", "damaged"),
    "nothing": (b"", "damaged"),
}


def refused(path, content, words):
    path.write_bytes(content)
    tracemalloc.start()
    try:
        with pytest.raises(InvalidDataError, match=re.escape(words)) as caught:
            load(path)
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()
    assert path.name in str(caught.value)


@pytest.mark.parametrize("case", HEADERS)
def test_headers_that_are_none(case, tmp_path):
    content, words = HEADERS[case]
    refused(tmp_path / "x.npy", content, words)
    refused(tmp_path / "x.npz", archive(("x.npy", content)), words)
    refused(tmp_path / "x.npz", archive(("x.npy", content), method=zipfile.ZIP_DEFLATED), words)


def edited(at, value, size=2):
    """An archive with a number of its directory's entry of x, and of the one before x, set to something else."""
    content = bytearray(archive(("x.npy", npy(X))))
    entry = content.rindex(b"PK\x01\x02")
    content[entry + at : entry + at + size] = value.to_bytes(size, "little")
    return bytes(content)


ARCHIVES = {
    "encrypted": (edited(8, 1), "x is encrypted"),
    "a compression that nobody knows": (edited(10, 99), "compressed in a way that NumPy does not write"),
    "a compression that NumPy does not write": (
        archive(("x.npy", npy(X)), method=zipfile.ZIP_LZMA),
        "compressed in a way that NumPy does not write",
    ),
    "a format of the future": (edited(6, 138), "damaged"),
    "a size beyond the file": (
        edited(24, 2**31, 4),
        "said to hold 2,147,483,648 bytes, more than the file can",
    ),
    "a size beyond compression": (edited(20, 2**31, 4), "said to hold"),
    "an offset beyond the file": (edited(42, 2**31, 4), "damaged"),
    "other content than was written": (
        archive(("x.npy", npy(X))).replace(npy(X)[-9:], bytes(9), 1),
        "Bad CRC",
    ),
    "no arrays": (archive(("x", b"hello")), "holds no arrays"),
    "cut off": (archive(("x.npy", npy(X)))[:-30], "damaged"),
}


@pytest.mark.parametrize("case", ARCHIVES)
def test_archives_that_are_none(case, tmp_path):
    content, words = ARCHIVES[case]
    refused(tmp_path / "x.npz", content, words)


def test_only_the_members_that_are_used_are_read(tmp_path):
    """The others may be large or damaged: here one of a million zeros, one that is none, and one of objects."""
    members = [
        ("x.npy", npy(X)),
        ("big.npy", npy(np.zeros(1_000_000))),
        ("note.npy", b"hello"),
        ("readme", b"hello"),
    ]
    objects = io.BytesIO()
    np.save(objects, np.array([{}], dtype=object), allow_pickle=True)
    members.append(("objects.npy", objects.getvalue()))
    for renamed in ("x", "features"):
        named = [(f"{renamed}.npy", npy(X)), *members[1:]]
        (tmp_path / "x.npz").write_bytes(archive(*named, method=zipfile.ZIP_DEFLATED))
        tracemalloc.start()
        try:
            assert load(tmp_path / "x.npz", test=0).x_train.tolist() == X.tolist()
            assert tracemalloc.get_traced_memory()[1] < 2_000_000
        finally:
            tracemalloc.stop()


def test_a_table_takes_no_more_than_ten_times_its_file(tmp_path):
    (tmp_path / "t.csv").write_text(
        "\n".join(",".join("1234567890"[j:] for j in range(8)) for _ in range(20_000))
    )
    size = (tmp_path / "t.csv").stat().st_size
    tracemalloc.start()
    try:
        load(tmp_path / "t.csv", test=0, header="no")
        assert tracemalloc.get_traced_memory()[1] < 10 * size
    finally:
        tracemalloc.stop()


# --- paths ------------------------------------------------------------------------------------------


def test_a_home_folder_that_nobody_knows(monkeypatch, tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"no such user, or no home folder is known: '~nosuchuser/x\.csv'"
    ):
        load("~nosuchuser/x.csv")
    monkeypatch.delenv("HOME")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr("os.getuid", lambda: 987654)  # as in a container that was given any user's number
    monkeypatch.chdir(tmp_path)
    nowhere = RemoteFile("toy", "toy.bin", "http://127.0.0.1:9/toy.bin", "0" * 64)
    with pytest.raises(DatasetUnavailableError, match="could not be downloaded"):
        nowhere.read(None)
    assert list(tmp_path.iterdir()) == []
