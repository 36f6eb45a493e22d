"""Atomic writes: a reader sees the old content or the new, never half of either, whenever the power goes.

What is not finished yet is called `.NAME.TOKEN.part`, and a folder that is being replaced `.NAME.TOKEN.previous`. A
process that is killed leaves these behind; `sweep` removes them.
"""

import contextlib
import errno
import functools
import glob
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import platformdirs

# How an operating system says that a folder cannot be renamed, because one of that name is there.
_OCCUPIED = (errno.ENOTEMPTY, errno.EEXIST)
_TRIES = 100


def write_file(path: Path, content: bytes) -> None:
    """Write `content` to `path` in one step: a temporary file beside it, flushed to disk, then renamed.

    Raises:
        OSError: it cannot be written, and is what it was before; the error names `path`.
    """
    with _naming(path):
        temporary = _beside(path, "part")
        try:
            # A new file's mode is the business of the process's umask, which only the kernel can read in safety.
            with temporary.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise


def append_to_file(path: Path, content: bytes) -> None:
    """Add `content` to the end of a file; what a power cut leaves of it is a beginning.

    Raises:
        OSError: it cannot be written; the error names `path`.
    """
    with _naming(path), path.open("ab") as file:
        file.write(content)


def write_folder(path: Path, contents: Mapping[str, bytes]) -> None:
    """Write a folder of files as one unit, in place of whatever folder of that name there was.

    The old folder is moved aside before the new one is moved in; `existing_folder` finds it if the power goes
    between the two. Of several threads or processes that write the same folder, the last one wins.

    Raises:
        OSError: it cannot be written; the error names `path`.
    """
    with _naming(path):
        fresh = _beside(path, "part")
        try:
            os.mkdir(fresh)
            for name, content in contents.items():
                write_file(fresh / name, content)
            _move_in(fresh, path)
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
            raise
    for previous in _previous(path):
        shutil.rmtree(previous, ignore_errors=True)


def existing_folder(path: Path) -> Path:
    """The folder last written whole by `write_folder`."""
    return path if path.exists() else max(_previous(path), key=_age_key, default=path)


def remove(path: Path) -> None:
    """Remove a file or a folder that may be there, with all that is left of attempts to write it.

    Raises:
        OSError: it cannot be removed; the error names the file that is in the way.
    """
    for found in (path, *_previous(path), *_named(path.parent, glob.escape(path.name), "part")):
        if found.is_dir() and not found.is_symlink():
            shutil.rmtree(found)
        else:
            found.unlink(missing_ok=True)


def sweep(folder: Path, name: str = "*", seconds: float = 0.0) -> None:
    """Remove what killed processes left of their attempts to write in a folder, as far as that is possible.

    Args:
        folder: where; what is written whole is left as it is.
        name: of the file or folder that was to be written; any, by default.
        seconds: leave alone what is younger, where another process may be writing it now.
    """
    for remnant in _named(folder, name, "part"):
        with contextlib.suppress(OSError):
            if time.time() - remnant.stat().st_mtime >= seconds:
                remove(remnant)


def expanded(path: str | Path) -> Path:
    """The path with a leading `~` or `~user` replaced by that home folder.

    Raises:
        FileNotFoundError: there is no such user, or nobody knows of a home folder; the error names `path`.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise FileNotFoundError(
            errno.ENOENT, "no such user, or no home folder is known", str(path)
        ) from error


def cache_folder() -> Path:
    """Where files go that can be made again: the user's cache, or without a home a folder of this process."""
    try:
        folder = platformdirs.user_cache_path("aevb")
    except RuntimeError:
        folder = Path("~")
    # Without a home, some versions give a path that begins with a plain ~.
    return folder if folder.is_absolute() else Path(_of_this_process().name)


@functools.cache
def _of_this_process() -> "tempfile.TemporaryDirectory[str]":
    return tempfile.TemporaryDirectory(prefix="aevb-")


def _move_in(fresh: Path, path: Path) -> None:
    """Rename `fresh` to `path`, which is moved aside as often as somebody puts it there."""
    for _ in range(_TRIES):
        try:
            os.rename(fresh, path)
            return
        except OSError as error:
            if error.errno not in _OCCUPIED or path.is_file():
                raise
        with contextlib.suppress(FileNotFoundError):  # somebody else has just moved it aside
            os.rename(path, _beside(path, "previous"))
    raise FileExistsError(errno.EEXIST, "others keep writing this folder", str(path))


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.{ending}")


def _previous(path: Path) -> list[Path]:
    return _named(path.parent, glob.escape(path.name), "previous")


def _named(folder: Path, name: str, ending: str) -> list[Path]:
    """What `_beside` has named, for a pattern of names."""
    return list(folder.glob(f".{name}.{'[0-9a-f]' * 8}.{ending}"))


def _age_key(path: Path) -> float:
    with contextlib.suppress(OSError):
        return path.stat().st_mtime
    return 0.0


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Let an error of the operating system name the file that was meant, not a temporary one or none."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
