import errno
import os
import stat
from pathlib import Path

import pytest

from aevb import storage
from aevb.storage import append_to_file, existing_folder, write_file, write_folder


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

    def second_fails(*paths):
        calls.append(paths)
        rename(*paths) if len(calls) == 1 else full_disk()

    monkeypatch.setattr(storage.os, "rename", second_fails)
    with pytest.raises(OSError, match="No space"):
        write_folder(folder, {"a": b"new"})
    monkeypatch.undo()
    assert (existing_folder(folder) / "a").read_bytes() == b"old"
    write_folder(folder, {"a": b"new"})
    assert existing_folder(folder) == Path(folder)
    assert (folder / "a").read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["folder"]
