import errno
import inspect
import subprocess
import sys

import pytest

import aevb as library
from aevb.cli.main import app, describe
from aevb.cli.options import FIRST, PANELS
from aevb.recipe import all_settings
from command_line import aevb, must

HEAVY = {"jax", "numpyro", "equinox", "optax", "sklearn", "matplotlib", "scipy", "pandas"}


@pytest.mark.parametrize(
    "code", ["import aevb", "from aevb.cli import main\ntry: main()\nexcept SystemExit: pass"]
)
def test_nothing_heavy_is_imported_before_it_is_needed(code):
    code += f"\nimport sys; print('loaded:', sorted({HEAVY} & set(sys.modules)))"
    command = [sys.executable, "-c", code, "--help"]
    assert "loaded: []" in subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_python_m_is_the_same():
    command = [sys.executable, "-m", "aevb", "--version"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert printed == f"aevb {library.__version__}\n"


def test_help_names_every_command():
    listed = must("--help")
    for command in ("train", "evaluate", "sample", "encode", "decode", "reconstruct", "plot", "datasets"):
        assert command in listed
        assert "Usage: aevb" in must(command, "--help")


def test_train_has_an_option_for_every_setting_with_its_default(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    listed = must("train", "--help-all")
    for name in set(all_settings()) - {"data"}:
        assert f"--{name.replace('_', '-')} " in listed
    for default in ("[default: runs/DATA]", "[default: 0.0001]", "[default: relu]", "[default: 400]"):
        assert default in listed
    assert "Without any budget: 10 for data sets with a name" in " ".join(listed.replace("│", " ").split())
    assert "(relu)" not in listed


def test_the_first_page_of_help_is_short_and_the_rest_is_grouped():
    first, everything = must("train", "--help"), must("train", "--help-all")
    shown = [name for name in all_settings() if f"--{name.replace('_', '-')} " in first]
    assert set(shown) == set(FIRST)
    assert len(FIRST) == 10
    assert "--help-all" in first
    for panel in (*PANELS, "Training"):
        assert f"─ {panel} ─" in everything
        assert f"─ {panel} ─" not in first
    assert must("train", "--help") == first


@pytest.mark.parametrize("arguments", [("train", "digits", "--latnets", 3), ("nonsense",), ("evaluate",), ()])
def test_wrong_usage_is_exit_code_2(arguments):
    assert aevb(*arguments).code == 2


@pytest.mark.parametrize(
    ("number", "advice"),
    [(errno.ENOSPC, "Free some space"), (errno.EROFS, "Name a place"), (errno.EACCES, "Name a place")],
)
def test_errors_of_the_system_say_where_and_what_to_do(number, advice):
    message = describe(OSError(number, "no", "some/file"))
    assert message.startswith("some/file: no")
    assert advice in message


def test_every_command_explains_itself():
    assert all(inspect.getdoc(command.callback) for command in app.registered_commands)
