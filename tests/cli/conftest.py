"""Runs that are trained once for all tests of the command line."""

import pytest

from command_line import SMALL, compilation_cache, must, write_table  # noqa: F401


@pytest.fixture(scope="session")
def digits_run(tmp_path_factory):
    out = tmp_path_factory.mktemp("digits") / "run"
    must("train", "digits", "--out", out, "--quiet", *SMALL)
    return out


@pytest.fixture(scope="session")
def table_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("table")
    write_table(folder / "table.csv")
    must("train", folder / "table.csv", "--label", "kind", "--out", folder / "run", "--quiet", *SMALL)
    return folder / "run"


@pytest.fixture
def without_figures(monkeypatch):
    """Runs that end without pictures, for tests that look at something else."""
    monkeypatch.setattr("aevb.report.draw_figures", lambda *about: [])
