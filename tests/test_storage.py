import errno
import os
import stat
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from aevb import storage
from aevb.storage import (
    append_to_file,
    cache_folder,
    existing_folder,
    remove,
    sweep,
    write_file,
    write_folder,
)


def full_disk(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_file_is_replaced_and_nothing_stays_beside_it(tmp_path):
    path = tmp_path / "file"
    for content in (b"old", b"new"):
        write_file(path, content)
        assert path.read_bytes() == content
    assert os.listdir(tmp_path) == ["file"]


def test_files_are_as_readable_as_other_files(tmp_path):
    write_file(tmp_path / "ours", b"")
    (tmp_path / "others").write_bytes(b"")
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("ours", "others")}
    assert len(modes) == 1


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_file_that_cannot_be_written_stays_as_it_was(tmp_path, monkeypatch, step):
    path = tmp_path / "file"
    write_file(path, b"old")
    monkeypatch.setattr(storage.os, step, full_disk)
    with pytest.raises(OSError, match="No space") as caught:
        write_file(path, b"new")
    assert caught.value.filename == str(path)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_an_error_names_the_file_that_was_meant(tmp_path):
    path = tmp_path / "absent" / "file"
    for write in (write_file, append_to_file):
        with pytest.raises(FileNotFoundError) as caught:
            write(path, b"")
        assert caught.value.filename == str(path)


def test_appending_keeps_what_was_there(tmp_path):
    append_to_file(tmp_path / "file", b"one\n")
    append_to_file(tmp_path / "file", b"two\n")
    assert (tmp_path / "file").read_bytes() == b"one\ntwo\n"


def test_a_folder_is_replaced_whole(tmp_path):
    folder = tmp_path / "folder"
    write_folder(folder, {"a": b"1", "b": b"2"})
    write_folder(folder, {"a": b"3"})
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {"a": b"3"}
    assert os.listdir(tmp_path) == ["folder"]


@pytest.mark.parametrize("step", ["fsync", "replace", "rename"])
def test_a_folder_that_cannot_be_written_stays_as_it_was(tmp_path, monkeypatch, step):
    folder = tmp_path / "folder"
    write_folder(folder, {"a": b"old"})
    monkeypatch.setattr(storage.os, step, full_disk)
    with pytest.raises(OSError, match="No space") as caught:
        write_folder(folder, {"a": b"new"})
    assert caught.value.filename == str(folder)
    assert (folder / "a").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["folder"]


def test_a_folder_is_found_when_the_power_went_between_the_two_renames(tmp_path, monkeypatch):
    folder = tmp_path / "folder"
    write_folder(folder, {"a": b"old"})
    rename, calls = os.rename, []

    def last_fails(*paths):
        calls.append(paths)
        rename(*paths) if len(calls) < 3 else full_disk()

    monkeypatch.setattr(storage.os, "rename", last_fails)
    with pytest.raises(OSError, match="No space"):
        write_folder(folder, {"a": b"new"})
    monkeypatch.undo()
    assert not folder.exists()
    assert (existing_folder(folder) / "a").read_bytes() == b"old"
    write_folder(folder, {"a": b"new"})
    assert existing_folder(folder) == Path(folder)
    assert (folder / "a").read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["folder"]


def test_a_file_in_a_folder_s_place_is_left_alone(tmp_path):
    (tmp_path / "folder").write_text("mine")
    with pytest.raises(OSError, match="folder"):
        write_folder(tmp_path / "folder", {"a": b""})
    assert (tmp_path / "folder").read_text() == "mine"
    assert os.listdir(tmp_path) == ["folder"]


def test_threads_that_write_one_folder_leave_a_whole_one(tmp_path):
    """Eight at once, each with two files of its own number."""
    folder, together = tmp_path / "folder", threading.Barrier(8)
    write_folder(folder, {"a": b"8", "b": b"8"})

    def write(number):
        together.wait()
        for _ in range(20):
            write_folder(folder, dict.fromkeys(("a", "b"), b"%d" % number))

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(write, range(8)))
    finally:
        sys.setswitchinterval(interval)
    assert os.listdir(tmp_path) == ["folder"]
    assert (folder / "a").read_bytes() == (folder / "b").read_bytes()


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_modes_are_the_umask_s_which_is_never_changed(tmp_path, monkeypatch, mask):
    before = os.umask(mask)
    try:
        monkeypatch.setattr(os, "umask", lambda mask: pytest.fail("changes the umask of all threads"))
        write_folder(tmp_path / "folder", {"a": b""})
        write_file(tmp_path / "file", b"")
    finally:
        monkeypatch.undo()
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*")}
    assert modes == {"folder": 0o777 & ~mask, "a": 0o666 & ~mask, "file": 0o666 & ~mask}


def test_what_killed_processes_left_is_swept_and_nothing_else(tmp_path):
    theirs = [".model.notes.part", ".model.0123456789.part", ".other.01234567.part", "model.01234567.part"]
    for name in (*theirs, ".model.01234567.part"):
        (tmp_path / name).write_text("")
    (tmp_path / ".model.89abcdef.part").mkdir()
    (tmp_path / ".model.89abcdef.part" / "weights").write_text("")
    sweep(tmp_path, "model", seconds=3600.0)
    assert len(os.listdir(tmp_path)) == 6
    sweep(tmp_path, "model")
    assert sorted(os.listdir(tmp_path)) == sorted(theirs)
    sweep(tmp_path)
    theirs.remove(".other.01234567.part")
    assert sorted(os.listdir(tmp_path)) == sorted(theirs)
    sweep(tmp_path / "absent")


def test_a_folder_is_removed_with_what_stood_aside(tmp_path):
    for name in ("model", ".model.01234567.previous", ".model.01234567.part"):
        (tmp_path / name).mkdir()
    (tmp_path / "other").write_text("")
    remove(tmp_path / "model")
    remove(tmp_path / "absent")
    assert os.listdir(tmp_path) == ["other"]


def test_a_link_is_removed_and_not_what_it_leads_to(tmp_path):
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "file").write_text("")
    (tmp_path / "model").symlink_to(tmp_path / "theirs")
    remove(tmp_path / "model")
    assert [path.name for path in tmp_path.rglob("*")] == ["theirs", "file"]


def test_a_cache_folder_has_no_tilde_in_it(monkeypatch):
    def unknown(path):
        return path

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(os.path, "expanduser", unknown)
    assert cache_folder().is_dir()
    monkeypatch.undo()
    assert cache_folder().is_absolute()
