"""Ends a process, or fills its disk, before a file operation of one's choice: what kills, crashes and disks do.

An operation is anything that changes what is below a folder: a file opened for writing, flushed to disk, renamed or
removed, a folder made or removed. Python tells of each before it is done (`sys.addaudithook`).
"""

import contextlib
import errno
import os
import sys
from unittest import mock

MAKING = {"open", "os.mkdir", "os.rename", "fsync"}
REMOVING = {"os.remove", "os.rmdir"}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND


class Killed(BaseException):
    """Stands for the end of the process, in tests that go on in it."""


class Watch:
    """Counts the operations below a folder, and acts before some of them.

    Args:
        folder: where.
        act: called with the operation's number, from 1, its name and its path.
    """

    def __init__(self, folder, act=lambda number, name, path: None):
        self.folder, self.act, self.operations = str(folder), act, []

    def see(self, event, path):
        if event in MAKING | REMOVING and str(path).startswith(self.folder):
            self.operations.append((event, path))
            self.act(len(self.operations), event, path)


_watches = []


def _hook(event, arguments):
    if _watches and event in MAKING | REMOVING:
        _tell(event, arguments)


def _tell(event, arguments):
    path = arguments[0]
    if event == "open" and (isinstance(path, int) or not arguments[2] & WRITING):
        return
    path = os.fsdecode(path)
    folder = arguments[1] if event in REMOVING else -1
    if isinstance(folder, int) and folder >= 0:  # shutil.rmtree names what it removes as seen from its folder
        path = os.path.join(os.readlink(f"/proc/self/fd/{folder}"), path)
    for watch in list(_watches):
        watch.see(event, os.path.abspath(path))


def _fsync(handle):
    """In place of the real one, which takes its time to guard against what no test here does: cutting the power."""
    for watch in list(_watches):
        watch.see("fsync", os.readlink(f"/proc/self/fd/{handle}"))


@contextlib.contextmanager
def watched(watch):
    """Let the watch see every operation."""
    if not getattr(
        sys, "_aevb_tests_hook", False
    ):  # a hook cannot be taken away, so there is one for all tests
        sys.addaudithook(_hook)
        sys._aevb_tests_hook = True
    _watches.append(watch)
    try:
        with mock.patch("os.fsync", _fsync):
            yield watch
    finally:
        _watches.remove(watch)


def killed_before(number):
    """From the operation of that number on, every one ends in `Killed`: the dead do nothing."""

    def act(count, name, path):
        if count >= number:
            raise Killed(f"before operation {number}, {name} {path}")

    return act


def full_from(number):
    """From the operation of that number on, nothing can be written; what is there can be removed."""

    def act(count, name, path):
        if count >= number and name in MAKING - {"os.rename"}:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)

    return act


def exits_before(number):
    """At the operation of that number the process is gone, without a word to anyone."""

    def act(count, name, path):
        if count == number:
            os._exit(137)

    return act


def command(arguments, folder, number, output, together=None):
    """What a process of its own does: the command line, its end before the operation of that number below the folder.

    Args:
        arguments: of the command.
        folder: where operations are counted.
        number: of the one that the process does not live to see; 0 for none.
        output: the file that gets what is printed, and at the end the number of operations that were seen.
        together: a barrier, to begin at the same moment as others.
    """
    from aevb.cli import main

    with open(output, "w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.argv = ["aevb", *map(str, arguments)]
    if together is not None:
        together.wait()
    with watched(Watch(folder, exits_before(number))) as watch:
        try:
            main()
        finally:
            print(f"operations: {len(watch.operations)}", flush=True)
