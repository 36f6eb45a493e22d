"""The command line as tests use it: in this process, and small runs that several tests look at."""

import contextlib
import dataclasses
import io
import json
import os
import sys
from pathlib import Path
from unittest import mock

import jax
import numpy as np
import pytest

from aevb.cli import main
from aevb.cli.main import TRACEBACK

SMALL = ("--latents", 2, "--hidden", 8, "--epochs", 2)
CLOCK = {"seconds", "training_seconds", "examples_per_second"}


@pytest.fixture(scope="session", autouse=True)
def compilation_cache(tmp_path_factory):
    """The commands keep compiled programs, but not among the user's own."""
    before = jax.config.jax_compilation_cache_dir
    folder = tmp_path_factory.mktemp("compiled")
    jax.config.update("jax_compilation_cache_dir", str(folder))
    yield folder
    jax.config.update("jax_compilation_cache_dir", before)


@pytest.fixture(scope="module", autouse=True)
def quick_compilation():
    """Programs that take less long to compile, for tests that run each for a moment.

    Not for tests that compare bits with runs from outside their module, which may be of other programs.
    """
    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", before)


@dataclasses.dataclass
class Outcome:
    code: int
    out: str
    err: str


def aevb(*arguments):
    """What `aevb ARGUMENTS` exits with and prints. Any other exception than an exit is a bug, and comes through."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        mock.patch.object(sys, "argv", ["aevb", *map(str, arguments)]),
        mock.patch.dict(os.environ, {TRACEBACK: "1"}),
    ):
        try:
            main()
        except SystemExit as stop:
            code = stop.code or 0
    return Outcome(code, out.getvalue(), err.getvalue())


def must(*arguments):
    """The standard output of a command that has to succeed."""
    outcome = aevb(*arguments)
    assert outcome.code == 0, outcome.err
    return outcome.out


def write_table(path, n=60, label=True):
    """A CSV file with a header, three columns of numbers in their own units, and a column of text labels."""
    rng = np.random.default_rng(5)
    rows = rng.normal(size=(n, 3)) * [1, 10, 0.1] + [0, 100, 5]
    kinds = np.array(["cat", "dog"])[rng.integers(0, 2, n)]
    lines = ['height,weight,"age, years"' + (",kind" if label else "")]
    lines += [
        ",".join(f"{v:.6f}" for v in r) + (f",{k}" if label else "") for r, k in zip(rows, kinds, strict=True)
    ]
    Path(path).write_text("\n".join(lines) + "\n")
    return rows


def records(run):
    return [json.loads(line) for line in (Path(run) / "metrics.jsonl").read_text().splitlines()]


def without_clock(tree):
    """A tree of JSON without what the clock decides."""
    if isinstance(tree, dict):
        return {name: without_clock(value) for name, value in tree.items() if name not in CLOCK}
    return [without_clock(value) for value in tree] if isinstance(tree, list) else tree


def is_png(path):
    return Path(path).read_bytes().startswith(b"\x89PNG\r\n")
