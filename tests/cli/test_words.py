"""What reaches the terminal: text from files is shown there and never obeyed, and every failure is one line."""

import io
import pwd
import sys
import warnings

import pytest
from rich.table import Table

from aevb.cli.main import TRACEBACK, describe, main
from aevb.cli.terminal import Terminal, plain_output, say, wrong
from aevb.errors import LONGEST, AevbError, InvalidDataError, as_options, printable
from aevb.storage import cache_folder
from command_line import aevb

EVIL = "\x1b]0;PWN\x07\x1b[2J\x9b1m\u202e"


def obeyed(text):
    return [c for c in text if (ord(c) < 32 and c not in "\n\t") or 0x7F <= ord(c) < 0xA0 or c == "\u202e"]


def test_nothing_in_a_file_is_obeyed_by_the_terminal(tmp_path, capsys):
    (tmp_path / "evil.csv").write_text(f'"q{EVIL}",b\n1,2\n3,x\n')
    outcome = aevb("train", tmp_path / "evil.csv", "--label", "nothing")
    assert outcome.code == 1
    assert "\\x1b]0;PWN\\x07" in outcome.err
    assert not obeyed(outcome.err)
    shown = io.StringIO()
    table = Table(EVIL, title=EVIL)
    table.add_row(f"{EVIL}[red]a[/]:smile:")
    Terminal(file=shown).print(table)
    say(EVIL)
    say(EVIL, err=True)
    printed = capsys.readouterr()
    assert not obeyed(shown.getvalue() + printed.out + printed.err + wrong(EVIL).message)
    assert "[red]a[/]:smile:" in shown.getvalue()
    assert not obeyed(str(InvalidDataError(EVIL)))  # in Python, too


def test_messages_are_cut_and_keep_their_ends():
    message = describe(InvalidDataError(f"no column in {'a' * 200_000}. Use another."))
    assert len(message) < LONGEST + 100
    assert message.startswith("no column in aaa")
    assert message.endswith("aaa. Use another.")
    assert "characters left out" in message


def test_a_setting_is_said_as_python_has_it_and_as_the_command_line_has_it():
    error = AevbError(
        "Train with `missing='nan'`, `n_latents=5` or `hidden=(40, 20)`; leave out with `drop=`."
    )
    assert "`missing='nan'`" in str(error)
    told = "Train with --missing nan, --latents 5 or --hidden 40,20; leave out with --drop."
    assert describe(error) == as_options(str(error)) == told


@pytest.mark.parametrize(
    "error", [RecursionError("deep"), TypeError("x"), AttributeError(EVIL), MemoryError("1 TB")]
)
def test_whatever_goes_wrong_is_one_line_with_a_name(error, monkeypatch, capsys):
    def fail(**_):
        raise error

    monkeypatch.setattr(sys.modules["aevb.cli.main"], "app", fail)
    monkeypatch.delenv(TRACEBACK, raising=False)
    with pytest.raises(SystemExit) as stop:
        main()
    told = capsys.readouterr().err
    assert stop.value.code == 1
    assert told.startswith("error: ")
    assert told.count("\n") == 1
    assert not obeyed(told)
    if not isinstance(error, MemoryError):
        assert type(error).__name__ in told
        monkeypatch.setenv(TRACEBACK, "1")
        with pytest.raises(type(error)):
            main()


def test_warnings_are_lines_without_their_source():
    with plain_output():
        told = warnings.formatwarning(UserWarning(f"take care{EVIL}"), UserWarning, "a.py", 1, "code")
    assert told.startswith("warning: take care\\x1b]0;PWN")
    assert told.count("\n") == 1
    assert "a.py" in warnings.formatwarning(UserWarning("as before"), UserWarning, "a.py", 1, "code")


@pytest.mark.parametrize(
    "arguments",
    [
        ("train", "digits", "--out=~nosuchuser/run"),
        ("train", "~nosuchuser/rows.csv"),
        ("train", "frey", "--data-dir=~nosuchuser"),
        ("score", "~nosuchuser/run", "digits", "--out=scores.csv"),
        ("complete", "run", "digits", "--out=~nosuchuser/done.png", "--mask", "left"),
    ],
)
def test_a_home_that_nobody_knows_is_a_named_error(arguments):
    outcome = aevb(*arguments)
    assert outcome.code == 1
    assert "no such user, or no home folder is known" in outcome.err


def test_a_user_without_a_home_has_a_cache_for_the_time_being(monkeypatch):
    def unknown(uid):
        raise KeyError(uid)

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    for variable in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    assert cache_folder().is_dir()
    assert cache_folder() == cache_folder()
    assert aevb("datasets").code == 0


def test_what_is_printable_stays():
    text = "Größe, 面积 and 2² µm\n\tin a line\n"
    assert printable(text) == text
