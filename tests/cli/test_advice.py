"""Advice can be taken: every option and argument that a message names exists where the message is said."""

import ast
import dataclasses
import inspect
import re
from pathlib import Path

import pytest
from typer.main import get_command

import aevb as library
from aevb.cli.main import app
from aevb.datasets import Reading, load
from aevb.errors import as_options
from aevb.specs import CHOICES

SOURCE = Path(library.__file__).parent
COMMANDS = get_command(app).commands
OPTIONS = {
    name: {option for parameter in command.params for option in parameter.opts} | {"--help"}
    for name, command in COMMANDS.items()
} | {"lab": {option for p in COMMANDS["lab"].commands["gradients"].params for option in p.opts}}
READ_DATA = ("train", "evaluate", "score", "encode", "reconstruct", "impute", "complete")
# Which commands say the messages of a module; of others, those that read data.
SAID_BY = {
    "cli/apply.py": ("sample",),
    "cli/complete.py": ("complete",),
    "cli/masks.py": ("complete",),
    "cli/filling.py": ("impute", "complete"),
    "cli/impute.py": ("impute",),
    "cli/output.py": ("encode", "decode", "reconstruct", "score", "impute"),
    "cli/score.py": ("score",),
    "cli/evaluate.py": ("evaluate",),
    "cli/evaluation_tables.py": ("evaluate",),
    "cli/lab.py": ("lab",),
    "cli/reproduce.py": ("reproduce",),
    "cli/progress.py": ("train",),
    "cli/train.py": ("train",),
    "cli/main.py": ("train",),
    "cli/datasets.py": ("datasets",),
    "cli/families.py": ("train",),
    "estimator/": (),
    "evaluation/": ("evaluate or train",),
    "experiments/reproduce/": ("reproduce",),
    "run.py": ("train",),
    "recipe.py": ("train",),
    "datasets/locate.py": (*READ_DATA, "datasets"),
    "datasets/keys.py": ("score", "encode", "decode", "reconstruct", "impute"),
}
# What `aevb evaluate` finds wrong is put right in another training: the options of both are meant.
OPTIONS["evaluate or train"] = OPTIONS["evaluate"] | OPTIONS["train"]
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
SETTING = re.compile(r"`([a-z_]+)=[^`]*`")
# Both ways side by side, which `as_options` replaces; the messages of `datasets` are still to follow.
BOTH = re.compile(r"--([a-z-]+)[^(.;]*\(([a-z_]+)=")


def messages(path):
    """The texts of a module, each f-string and each text of several literals as one, without docstrings."""
    tree = ast.parse(path.read_text())
    inside = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr):  # a docstring
            inside.update(map(id, ast.walk(node.value)))
        if isinstance(node, ast.JoinedStr):
            inside.update(id(part) for part in node.values)
            yield node.lineno, "".join(p.value if isinstance(p, ast.Constant) else "{}" for p in node.values)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
            yield node.lineno, node.value


def where_it_is_said(text, at, module):
    """The commands whose options are meant: one that is named, `train` where the sentence is about it, or all."""
    sentence = re.split(r"(?<=[.;:?]) ", text[:at])[-1]
    if named := re.findall(r"aevb ([a-z]+)", text[:at]):
        return (named[-1],)
    if re.search(r"\b[Tt]rain\b|\btrained\b", sentence):
        return ("train",)
    return next((commands for part, commands in SAID_BY.items() if module.startswith(part)), READ_DATA)


def modules():
    return sorted(path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*.py"))


@pytest.mark.parametrize("module", [m for m in modules() if "--" in (SOURCE / m).read_text() or "=`" in m])
def test_options_in_messages_exist_where_they_are_said(module):
    wrong = []
    for line, text in messages(SOURCE / module):
        if " " not in text:  # an option's own name
            continue
        for found in OPTION.finditer(text):
            for command in where_it_is_said(text, found.start(), module):
                if found.group() not in OPTIONS[command]:
                    wrong.append(f"{module}:{line}: {found.group()} in `aevb {command}`: {text!r}")
        if not module.startswith("datasets/") and (both := BOTH.search(text)):
            wrong.append(f"{module}:{line}: write `{both[2]}=` for {both.group()!r}, which each face words")
    assert not wrong, "\n".join(wrong)


def test_settings_in_messages_exist_on_both_faces():
    arguments = {*inspect.signature(library.VAE).parameters, *inspect.signature(load).parameters, "keep"}
    arguments |= {field.name for field in dataclasses.fields(Reading)}
    arguments |= {name for choice in CHOICES.values() for name in choice.settings}  # in Python, of its spec
    wrong = []
    for module in modules():
        for line, text in messages(SOURCE / module):
            for found in SETTING.finditer(text):
                option = as_options(found.group()).split()[0]
                missing = [
                    command
                    for command in where_it_is_said(text, found.start(), module)
                    if option not in OPTIONS[command]
                ]
                if missing or found[1] not in arguments:
                    wrong.append(f"{module}:{line}: {found.group()} in {missing or 'VAE'}: {text!r}")
    assert not wrong, "\n".join(wrong)


def test_the_search_finds_what_it_should(tmp_path):
    path = tmp_path / "module.py"
    path.write_text(
        '"""A docstring with --nothing."""\nraise E(f"use --one {x} "\n "and `two=2`")\ny = "a --three"\n'
    )
    assert [text for _, text in messages(path)] == ["use --one {} and `two=2`", "a --three"]
    assert where_it_is_said("see `aevb score --x`", 16, "run.py") == ("score",)
    assert where_it_is_said("No. Train with --x", 15, "cli/score.py") == ("train",)
    assert where_it_is_said("Raise --x", 6, "cli/score.py") == ("score",)
