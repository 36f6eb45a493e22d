"""One process at a time writes in a folder; who it is can be read by the one that is refused.

The lock is the operating system's, on the file `.lock`: it ends with the process that holds it, however that ends, and
file servers that speak NFS 4 or run a lock daemon enforce it between hosts too. Where a file system knows no such
locks, the file's mere existence stands in, and is taken over where its process is dead and was on this host.
"""

import contextlib
import errno
import json
import os
import socket
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from filelock import BaseFileLock, FileLock, SoftFileLock, Timeout

from aevb.errors import RunFolderError
from aevb.storage import sweep, write_file

# What file systems without such locks answer.
_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)
# How long the one who is refused waits to read who was a moment faster, in seconds.
_PATIENCE = 1.0


class FolderLock:
    """The lock of a folder: exclusive between processes, reentrant in one.

    It is let go of at the latest with the last of the process's objects of this class for the folder.

    Args:
        folder: what to lock. It is created with the lock, and stays.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.holder = folder / ".holder.json"
        self._file = folder / ".lock"
        self._lock: BaseFileLock | None = None

    @property
    def was_held(self) -> bool:
        """Whether a process has ever held it: what has a name of ours in the folder is then ours."""
        return self.holder.is_file()

    def is_own(self, path: Path) -> bool:
        """Whether a file in the folder belongs to the lock."""
        return path.name == self._file.name or self.holder.name in path.name

    def acquire(self, seconds: float = 0.0) -> None:
        """Take the lock.

        Args:
            seconds: how long to wait for another to let go of it.

        Raises:
            RunFolderError: another process holds it, which the message names.
            OSError: the folder cannot be made or written.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            lock = self._acquired(seconds)
        except Timeout:
            raise RunFolderError(
                f"{self.folder} is in use by {self._told_holder()}: wait until that has ended, or choose another folder"
            ) from None
        if lock.lock_counter == 1:
            sweep(self.folder, self.holder.name)
            try:
                write_file(self.holder, json.dumps(_this_process()).encode())
            except BaseException:
                lock.release()
                raise
        self._lock = lock

    def release(self) -> None:
        """Let go of the lock, once for each time that it was taken."""
        if self._lock is not None:
            self._lock.release()

    @contextlib.contextmanager
    def unless_it_fails(self) -> Iterator[None]:
        """Take the lock, and let go of it only if what is done under it raises."""
        self.acquire()
        try:
            yield
        except BaseException:
            self.release()
            raise

    @contextlib.contextmanager
    def held(self, seconds: float = 0.0) -> Iterator[None]:
        """Take the lock as `acquire` does, and let go of it at the end."""
        self.acquire(seconds)
        try:
            yield
        finally:
            self.release()

    def refuse_others(self) -> None:
        """Raise as `acquire` does if another process holds the lock, and create nothing."""
        if self._file.exists():
            with self.held():
                pass

    def _acquired(self, seconds: float) -> BaseFileLock:
        lock = FileLock(self._file, thread_local=False, is_singleton=True)
        try:
            lock.acquire(timeout=seconds)
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            lock = SoftFileLock(self._file, thread_local=False, is_singleton=True)
            lock.acquire(timeout=seconds)
        return lock

    def _told_holder(self) -> str:
        """Who holds the lock, in words."""
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, ValueError, LookupError, TypeError):
                holder = json.loads(self.holder.read_bytes())
                return (
                    f"process {int(holder['pid'])} on {holder['host']!s:.60}, since {holder['since']!s:.30}"
                )
            time.sleep(_PATIENCE / 20)
        return "another process"


def _this_process() -> dict[str, object]:
    since = datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
    return {"pid": os.getpid(), "host": socket.gethostname(), "since": since}
