"""Where a run's data lie: kept in the run's folder, so that they are found from any folder, and after a move."""

import contextlib
import json
import os
from pathlib import Path
from typing import NamedTuple

from aevb.datasets import NAMES
from aevb.storage import write_file


class DataLocation(NamedTuple):
    """Where to read data.

    Args:
        source: a named set, or the path of a file.
        data_dir: where to look for named sets.
    """

    source: str
    data_dir: Path | None

    def write(self, path: Path) -> None:
        """Keep it in a run's folder.

        Args:
            path: the file to write. It holds the place, and the way there from its own folder.
        """
        places = {"source": None if self.source in NAMES else self.source, "data_dir": self.data_dir}
        kept = {name: _both_ways(Path(place), path.parent) for name, place in places.items() if place}
        write_file(path, (json.dumps(kept, indent=1) + "\n").encode())

    def found(self, path: Path) -> "DataLocation":
        """The location where it holds; what it lacks, from the one that was kept at `path`.

        A file that is not where it was said to be is looked for where it was when the run was started, and where it lay
        as seen from the run's folder. If it is not there either, it is left to the reader to say what is missing.
        """
        kept = _read(path)
        data_dir = self.data_dir or _existing(kept.get("data_dir"), path.parent)
        if self.source in NAMES or _expanded(self.source).exists():
            return DataLocation(self.source, data_dir)
        return DataLocation(str(_existing(kept.get("source"), path.parent) or self.source), data_dir)


def _both_ways(place: Path, folder: Path) -> dict[str, str]:
    place = Path(os.path.abspath(_expanded(place)))
    both = {"path": str(place)}
    with contextlib.suppress(ValueError):  # on another drive there is no way
        both["from_run"] = os.path.relpath(place, os.path.abspath(folder))
    return both


def _existing(kept: object, folder: Path) -> Path | None:
    """The first of the two places that is there."""
    if not isinstance(kept, dict):
        return None
    # A path that is absolute stays itself behind the slash.
    places = [folder / str(kept[name]) for name in ("path", "from_run") if name in kept]
    return next((place for place in places if place.exists()), None)


def _read(path: Path) -> dict[str, object]:
    """What was kept; nothing if that cannot be read, since the run is of use without."""
    with contextlib.suppress(OSError, ValueError, RecursionError):
        content = json.loads(path.read_bytes())
        return content if isinstance(content, dict) else {}
    return {}


def _expanded(path: str | Path) -> Path:
    with contextlib.suppress(RuntimeError):  # no home folder to put in place of ~
        return Path(path).expanduser()
    return Path(path)
