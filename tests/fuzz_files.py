"""Files that are damaged in random ways: nothing but our own errors, and no more memory than ten times the file.

`make fuzz` reads 2,000 of them; the tests read a share. The seed is fixed, so that a failure comes again.
"""

import gzip
import io
import json
import os
import tracemalloc
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
from scipy import sparse

from aevb.datasets import load
from aevb.errors import AevbError
from aevb.recipe import Recipe, read_settings
from aevb.run import RunFolder, read_records

N_FILES, SEED = 2000, 0
# What reading takes whatever the file, in bytes: parsers' buffers, imports of codecs, the words of an error.
ALLOWANCE, MOST_TIMES = 2_000_000, 10
LONGEST_MESSAGE = 20_000
X = np.random.default_rng(0).normal(size=(40, 6))
TEXT = "id,a,b,c\n" + "".join(f"{i},{i / 7:.3f},{-i},{i % 3}\n" for i in range(60))
# What stands in files that break readers, put in anywhere.
TOKENS = [
    *(
        b"\0",
        b"\r",
        b"\xff\xfe",
        b'"',
        b",",
        b";",
        b"\t",
        b"[" * 3000,
        b"{",
        b"nan",
        b"1e999",
        b"-",
        b"9" * 5000,
    ),
    *(
        b"True",
        b"(",
        b"'descr'",
        b"|O",
        b"<U99999999",
        b"(9999999999, 6)",
        b"PK\x03\x04",
        b"\n" * 50,
        b"0x" + b"f" * 4000,
    ),
]


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def archive(*members: tuple[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as folder:
        for name, content in members:
            folder.writestr(name, content)
    return file.getvalue()


def sparse_archive() -> bytes:
    file = io.BytesIO()
    sparse.save_npz(file, sparse.csr_array(X * (X > 0)), compressed=False)
    return file.getvalue()


def seeds() -> dict[str, bytes]:
    """A sound file of each kind, by its name."""
    records = [{"epoch": i, "train_bound": -i / 3} for i in range(5)]
    return {
        "table.csv": TEXT.encode(),
        "numbers.csv": TEXT.partition("\n")[2].encode(),
        "words.tsv": TEXT.replace(",", "\t").replace("0.143", "NA").encode(),
        "blanks.txt": TEXT.replace(",", "  ").encode(),
        "utf16.csv": TEXT.encode("utf-16"),
        "zipped.csv.gz": gzip.compress(TEXT.encode()),
        "x.npy": npy(X),
        "images.npy": npy(np.arange(480, dtype=np.uint8).reshape(5, 8, 12)),
        "plain.npz": archive(("x.npy", npy(X)), ("y.npy", npy(np.arange(40)))),
        "packed.npz": archive(("x.npy", npy(X)), ("other.npy", npy(X[0])), method=zipfile.ZIP_DEFLATED),
        "sparse.npz": sparse_archive(),
        "recipe.toml": Recipe(data="x.npy", drop=("a",), missing_values=("-9",)).to_toml().encode(),
        "metrics.jsonl": b"".join(json.dumps(record).encode() + b"\n" for record in records),
    }


def mutated(content: bytes, rng: np.random.Generator) -> bytes:
    """The content with some bytes changed, cut off, doubled, left out or put in."""
    damaged = bytearray(content)
    for _ in range(int(rng.integers(1, 5))):
        at = int(rng.integers(0, len(damaged) + 1))
        length = int(rng.integers(1, 40))
        match int(rng.integers(6)):
            case 0:
                damaged[at : at + length] = rng.bytes(len(damaged[at : at + length]))
            case 1:
                del damaged[at:]
            case 2:
                del damaged[at : at + length]
            case 3:
                damaged[at:at] = damaged[at : at + 10 * length]
            case 4:
                damaged[at:at] = TOKENS[int(rng.integers(len(TOKENS)))]
            case _ if at < len(damaged):
                damaged[at] ^= 1 << int(rng.integers(8))
    return bytes(damaged)


def mutants(n: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """So many damaged files, of every kind in turn; half of the archives are sound ones with damaged arrays inside."""
    rng, sound = np.random.default_rng(seed), seeds()
    names = list(sound)
    for i in range(n):
        name = names[i % len(names)]
        if name.endswith(".npz") and rng.random() < 0.5:
            method = zipfile.ZIP_DEFLATED if name.startswith("packed") else zipfile.ZIP_STORED
            with zipfile.ZipFile(io.BytesIO(sound[name])) as folder:
                members = [(member, mutated(folder.read(member), rng)) for member in folder.namelist()]
            yield name, archive(*members, method=method)
        elif name.endswith(".gz") and rng.random() < 0.5:
            yield name, gzip.compress(mutated(TEXT.encode(), rng))
        else:
            yield name, mutated(sound[name], rng)


def read(path: Path) -> Any:
    """The file as aevb reads it."""
    readers: dict[str, Callable[[Path], Any]] = {
        ".toml": lambda path: Recipe.parse(read_settings(str(path))),
        ".jsonl": lambda path: read_records(RunFolder(path.parent)),
    }
    return readers.get(path.suffix, lambda path: load(path, test=0, allow_missing=True))(path)


def check(path: Path) -> str:
    """What came of reading: "read" or "refused". Anything else than our own errors comes through.

    Raises:
        AssertionError: reading took more memory than the file allows, or our own checks of types were at fault.
    """
    tracemalloc.start()
    try:
        read(path)
        outcome = "read"
    except AevbError as error:
        outcome = f"refused, {error}"
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert "Type-check" not in outcome
    assert len(outcome) < LONGEST_MESSAGE
    size = path.stat().st_size
    assert peak <= MOST_TIMES * size + ALLOWANCE, f"{peak:,} bytes of memory for a file of {size:,}"
    return outcome.partition(",")[0]


def run(n: int, seed: int, folder: Path) -> Counter[str]:
    """Reads so many damaged files, and counts what came of it. One that fails stays in the folder.

    Raises:
        AssertionError: naming the file that failed.
    """
    outcomes: Counter[str] = Counter()
    for name in seeds():  # once without being measured, for what is imported on the way
        (folder / name).write_bytes(seeds()[name])
        read(folder / name)
    for i, (name, content) in enumerate(mutants(n, seed)):
        (folder / name).write_bytes(content)
        try:
            outcomes[check(folder / name)] += 1
        except Exception as error:
            kept = folder / f"{i}-{name}"
            os.replace(folder / name, kept)
            raise AssertionError(f"{kept}: {type(error).__name__}: {error}") from error
    return outcomes


if __name__ == "__main__":
    print(dict(run(N_FILES, SEED, Path(mkdtemp(prefix="aevb-fuzz-")))))
