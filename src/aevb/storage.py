"""Atomic writes: a reader sees the old content or the new, never half of either, whenever the power goes."""

import contextlib
import errno
import functools
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import platformdirs


def write_file(path: Path, content: bytes) -> None:
    """Write `content` to `path` in one step: a temporary file beside it, flushed to disk, then renamed.

    Raises:
        OSError: it cannot be written, and is what it was before; the error names `path`.
    """
    with _naming(path):
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o666 & ~_umask())
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


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Let an error of the operating system name the file that was meant, not a temporary one or none."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def write_folder(path: Path, contents: Mapping[str, bytes]) -> None:
    """Write a folder of files as one unit, in place of whatever folder of that name there was.

    The old folder is moved aside before the new one is moved in; `existing_folder` finds it if the power goes
    between the two.

    Raises:
        OSError: it cannot be written; the error names `path`.
    """
    previous = _previous(path)
    with _naming(path):
        fresh = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
        try:
            for name, content in contents.items():
                write_file(fresh / name, content)
            os.chmod(fresh, 0o777 & ~_umask())
            if path.exists():
                shutil.rmtree(previous, ignore_errors=True)
                os.rename(path, previous)
            os.rename(fresh, path)
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
            raise
    shutil.rmtree(previous, ignore_errors=True)


def existing_folder(path: Path) -> Path:
    """The folder last written whole by `write_folder`."""
    previous = _previous(path)
    return previous if not path.exists() and previous.exists() else path


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


def _previous(path: Path) -> Path:
    return path.with_name(f".{path.name}.previous")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
