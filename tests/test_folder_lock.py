"""The lock of a folder, between this process and others."""

import contextlib
import errno
import os
import re
import socket
import subprocess
import sys

import filelock
import pytest

from aevb import run as runs
from aevb.errors import RunFolderError
from aevb.folder_lock import FolderLock

HOLD = """
import sys; from pathlib import Path; from aevb.folder_lock import FolderLock
lock = FolderLock(Path(sys.argv[1]))
lock.acquire()
print("held", flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def holder(folder):
    """A process that holds the lock of a folder."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"held\n"
        try:
            yield process
        finally:
            process.kill()


def test_another_process_is_refused_by_name_until_the_first_is_killed(tmp_path):
    """Also by `train`, `--resume` and `--overwrite`, which leave the folder as it is."""
    folder, settings = tmp_path / "new" / "run", {"data": "digits"}
    lock = FolderLock(folder)
    assert not lock.was_held
    with holder(folder) as process:
        (folder / "recipe.toml").write_text('data = "digits"\n')
        before = {path.name: path.read_bytes() for path in folder.iterdir()}
        named = rf"{folder} is in use by process {process.pid} on {re.escape(socket.gethostname())}, since 20\d\d-"
        for act in (
            lock.acquire,
            lock.refuse_others,
            lambda: runs.start(settings, folder),
            lambda: runs.start(settings, folder, overwrite=True),
            lambda: runs.resume({}, folder),
        ):
            with pytest.raises(RunFolderError, match=named):
                act()
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    lock.acquire()
    assert f'"pid": {os.getpid()}' in lock.holder.read_text()
    lock.release()
    assert lock.was_held


def test_a_process_may_take_a_lock_again(tmp_path):
    first, second = FolderLock(tmp_path), FolderLock(tmp_path)
    with first.held(), second.held():
        pass
    with pytest.raises(ZeroDivisionError), first.unless_it_fails():
        raise ZeroDivisionError
    with holder(tmp_path):  # it is free
        pass


def test_a_lock_ends_with_the_last_object_that_holds_it(tmp_path):
    locks = [FolderLock(tmp_path), FolderLock(tmp_path)]
    for lock in locks:
        lock.acquire()
    del lock
    locks.clear()
    with holder(tmp_path):
        pass


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOTSUP])
def test_where_there_are_no_locks_the_file_s_existence_stands_in(tmp_path, monkeypatch, code):
    """As on a network file system that is mounted without locks; a dead process's file is taken over."""

    def unsupported(self, *about, **options):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(filelock.FileLock, "acquire", unsupported)
    lock = FolderLock(tmp_path)
    lock.acquire()
    with pytest.raises(filelock.Timeout):
        filelock.SoftFileLock(tmp_path / ".lock").acquire(timeout=0)
    lock.release()
    assert os.listdir(tmp_path) == [".holder.json"]
    child = "import sys, os, filelock; lock = filelock.SoftFileLock(sys.argv[1]); lock.acquire(); os._exit(1)"
    subprocess.run([sys.executable, "-c", child, str(tmp_path / ".lock")], check=False)
    assert (tmp_path / ".lock").exists()
    lock.acquire(5.0)
    lock.release()


def test_a_damaged_note_of_the_holder_is_no_obstacle(tmp_path, monkeypatch):
    monkeypatch.setattr("aevb.folder_lock._PATIENCE", 0.05)
    lock = FolderLock(tmp_path)
    with holder(tmp_path):
        lock.holder.write_text("[]")
        with pytest.raises(RunFolderError, match="in use by another process: wait"):
            lock.acquire()
    lock.acquire()
    lock.release()
