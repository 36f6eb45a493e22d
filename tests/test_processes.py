"""Processes that are killed before each of their file operations, and that train in one folder at once."""

import itertools
import json
import multiprocessing
import re
import shutil

import numpy as np
import pytest
import safetensors.numpy

from command_line import records, without_clock
from faults import command

pytestmark = pytest.mark.long

OPTIONS = ("--latents", 1, "--hidden", 4, "--steps", 2, "--quiet")
REPEATS = 20
# What takes long to import, and must not be done in every one of some hundred processes.
PRELOADED = [
    "aevb.cli.main",
    "aevb.run",
    "aevb.cli.progress",
    "aevb.cli.common",
    "aevb.report",
    "matplotlib.pyplot",
    "faults",
]


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "table.csv"
    rows = np.random.default_rng(0).normal(size=(20, 3))
    np.savetxt(path, rows, delimiter=",", header="a,b,c", comments="")
    return path


@pytest.fixture(scope="module")
def processes(tmp_path_factory):
    """Starts commands in processes of their own, and gives for each its exit code and what it printed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path_factory.mktemp("compiled")))
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(PRELOADED)
        outputs = tmp_path_factory.mktemp("outputs")
        numbers = itertools.count()

        def run(*commands, folder, number=0):
            together = context.Barrier(len(commands))
            files = [outputs / str(next(numbers)) for _ in commands]
            started = [
                context.Process(target=command, args=(arguments, folder, number, file, together))
                for arguments, file in zip(commands, files, strict=True)
            ]
            for process in started:
                process.start()
            for process in started:
                process.join(300)
            return [
                (process.exitcode, file.read_text()) for process, file in zip(started, files, strict=True)
            ]

        yield run


@pytest.fixture(scope="module")
def uninterrupted(processes, table, tmp_path_factory):
    out = tmp_path_factory.mktemp("straight") / "run"
    for _ in range(2):  # the second time with what the first has compiled
        [(code, text)] = processes(("train", table, "--out", out, "--overwrite", *OPTIONS), folder=out)
        assert code == 0, text
    return out


def content(run):
    """What a run leaves, without what the clock decides: names, models, states, records."""
    names = sorted(str(path.relative_to(run)) for path in run.rglob("*") if path.name != "notes.txt")
    arrays = safetensors.numpy.load_file(run / "checkpoint" / "state.safetensors")
    return (
        names,
        {name: array.tobytes() for name, array in arrays.items()},
        [(run / "model" / name).read_bytes() for name in ("model.json", "weights.safetensors")],
        (run / "recipe.toml").read_bytes(),
        without_clock(records(run)),
        without_clock(json.loads((run / "summary.json").read_text())),
    )


def next_command(processes, table, out):
    """What someone does who finds the folder: start, or if that is refused, what the message says."""
    [(code, text)] = processes(("train", table, "--out", out, *OPTIONS), folder=out)
    if code == 0:
        return
    assert "continue it with --resume, replace it with --overwrite" in text
    [(code, text)] = processes(("train", "--resume", "--out", out, "--quiet"), folder=out)
    assert code == 0, text


@pytest.mark.parametrize("overwrite", [False, True])
def test_killed_before_each_file_operation(processes, table, uninterrupted, tmp_path, overwrite):
    """What follows is the command that the folder asks for; and, from a copy of what was left, `--overwrite`."""
    arguments = ("train", table, *OPTIONS, *(["--overwrite"] if overwrite else []), "--out")

    def prepared(name):
        if overwrite:
            shutil.copytree(uninterrupted, tmp_path / name)
            (tmp_path / name / "notes.txt").write_text("mine")
        return tmp_path / name

    out = prepared("counted")
    [(code, text)] = processes((*arguments, out), folder=out)
    assert code == 0, text
    n = int(re.search(r"operations: (\d+)", text)[1])
    print(f"{n} file operations{' of --overwrite' if overwrite else ''}")
    for number in range(1, n + 1):
        out, copy = prepared("run"), tmp_path / "copy"
        [(code, text)] = processes((*arguments, out), folder=out, number=number)
        assert code == 137, text
        if out.exists():
            shutil.copytree(out, copy)
        next_command(processes, table, out)
        [(code, text)] = processes(("train", table, *OPTIONS, "--overwrite", "--out", copy), folder=copy)
        assert code == 0, text
        for run in (out, copy):
            assert content(run) == content(uninterrupted), f"operation {number} of {n}, {run}"
            assert not overwrite or (run / "notes.txt").read_text() == "mine"
            shutil.rmtree(run)


@pytest.mark.parametrize("n", [2, 3])
def test_at_once_in_one_folder(processes, table, uninterrupted, tmp_path, n):
    """One trains; the others are refused by name, or, where they come when it has ended, because of its run."""
    for repeat in range(REPEATS):
        out = tmp_path / f"run{repeat}"
        ended = processes(*[("train", table, "--out", out, *OPTIONS)] * n, folder=out)
        assert sorted(code for code, _ in ended) == [0] + [1] * (n - 1), ended
        for code, text in ended:
            assert code == 0 or re.search(r"in use by process \d+ on|there is a run in", text), text
        assert content(out) == content(uninterrupted)
        ended = processes(*[("train", table, "--out", out, "--overwrite", *OPTIONS)] * n, folder=out)
        assert 0 in [code for code, _ in ended]
        for code, text in ended:
            assert code == 0 or re.search(r"in use by process \d+ on", text), text
        assert content(out) == content(uninterrupted)
