"""Finds the files of a named set on this machine, or downloads them; a wrong digest is refused."""

import gzip
import hashlib
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from aevb.errors import DatasetUnavailableError
from aevb.storage import cache_folder, expanded

DATA_DIR_VARIABLE = "AEVB_DATA_DIR"

# Seconds to wait for a server: to be reached, and between two pieces of its answer. Nothing is tried twice.
_TIMEOUT = (4, 20)


@dataclass(frozen=True)
class RemoteFile:
    """One file of a named set.

    Args:
        dataset: the set that it belongs to, which also names its folder in the cache.
        name: its file name.
        url: where it is published.
        sha256: the digest of the file, or of its content once unzipped if it is found with `.gz` added.
        installed: a folder where a system package puts it.
    """

    dataset: str
    name: str
    url: str
    sha256: str
    installed: str | None = None

    def folders(self, data_dir: str | Path | None) -> list[Path]:
        """The folders where it may be, in the order in which they are looked in."""
        named = [expanded(root) for root in (data_dir, os.environ.get(DATA_DIR_VARIABLE)) if root]
        folders = [folder for root in named for folder in (root / self.dataset, root)]
        if self.installed:
            folders.append(Path(self.installed))
        return list(dict.fromkeys([*folders, self._cache]))

    @property
    def _cache(self) -> Path:
        # Below a folder of the set's own: Fashion-MNIST's files are called what MNIST's are.
        return cache_folder() / self.dataset

    def find(self, data_dir: str | Path | None) -> Iterator[Path]:
        """The places where it is, plain or zipped, whatever the content."""
        candidates = (f / name for f in self.folders(data_dir) for name in (self.name, f"{self.name}.gz"))
        return (path for path in candidates if path.is_file())

    def read(self, data_dir: str | Path | None) -> bytes:
        """Its bytes: from this machine, else downloaded into the cache.

        Raises:
            DatasetUnavailableError: it is nowhere, or only with another content.
        """
        refused: list[str] = []
        for path in self.find(data_dir):
            content, found = self._content(path)
            if found == self.sha256:
                return content
            refused.append(f"{path} ({found})")
        if refused:
            raise DatasetUnavailableError(
                f"the content of {self.name} is not the published one, so it is refused. "
                f"Found: {'; '.join(refused)}. Expected is SHA-256 {self.sha256}. "
                f"Delete it, or put in its place the file from {self.url}."
            )
        return self._download(data_dir).read_bytes()

    def _content(self, path: Path) -> tuple[bytes, str]:
        """The bytes at a path, unzipped if `.gz` was added to the name, and their digest or what is wrong."""
        try:
            content = path.read_bytes()
            if path.name != self.name:
                content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            return b"", f"unreadable: {error}"
        return content, hashlib.sha256(content).hexdigest()

    def _download(self, data_dir: str | Path | None) -> Path:
        import pooch

        logger = pooch.get_logger()
        level = logger.level
        logger.setLevel("ERROR")
        try:
            path = pooch.retrieve(
                self.url,
                known_hash=f"sha256:{self.sha256}",
                fname=self.name,
                path=self._cache,
                downloader=pooch.HTTPDownloader(timeout=_TIMEOUT),  # pyright: ignore[reportArgumentType]
            )
        except (OSError, ValueError) as error:  # Pooch's wrong digest is a ValueError, no network an OSError
            folders = "\n  ".join(str(folder) for folder in self.folders(data_dir))
            raise DatasetUnavailableError(
                f"the data set '{self.dataset}' needs {self.name}, which is not on this machine and could "
                f"not be downloaded ({_summary(error)}).\nURL: {self.url}\nexpected SHA-256: {self.sha256}\n"
                f"looked in:\n  {folders}\n"
                "Without a network: fetch it elsewhere and name its folder with --data-dir (data_dir=) or "
                f"{DATA_DIR_VARIABLE}; or use the sets 'mnist' or 'digits', which need no download."
            ) from error
        finally:
            logger.setLevel(level)
        return Path(path)


def _summary(error: Exception) -> str:
    """The first line of an error, cut to a length that leaves the message readable."""
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no details'}"[:160]
