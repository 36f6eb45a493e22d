"""Writing rows to the file that a user asked for, in the format that its ending names."""

import io
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from aevb.cli.options import listed
from aevb.cli.terminal import wrong
from aevb.datasets import Keys
from aevb.errors import InvalidDataError
from aevb.plots import image_grid, save_figure
from aevb.storage import write_file
from aevb.trained import TrainedModel

TABLES = (".csv", ".npy", ".npz")
MOST_IMAGES = 100
_bad = partial(wrong, option="--out")


def check_out(
    path: Path, *, picture: bool = True, source: str | None = None, keep: str | None = None
) -> None:
    """Refuse a file that cannot be written, before any computing.

    Args:
        path: the file.
        picture: whether these rows can be images.
        source: what the rows are read from, which must not be written over.
        keep: columns to write beside the rows, which are text.

    Raises:
        typer.BadParameter: the source itself, another ending than those known, a folder of that name, or no folder
            to write it in.
    """
    endings = (*TABLES, ".png") if picture else TABLES
    if path.suffix.lower() == ".png" and not picture:
        raise _bad(f"this command writes no pictures: {path} must end in {', '.join(endings)}")
    if path.suffix.lower() not in endings:
        raise _bad(f"{path} must end in {', '.join(endings)}, which says how to write it")
    if listed(keep) and path.suffix.lower() not in (".csv", ".npz"):
        raise _bad(f"{path}: only a .csv or .npz file has room for the columns of --keep")
    if path.is_dir():
        raise _bad(f"{path} is a folder: name a file")
    if source is not None and path.exists() and Path(source).exists() and path.samefile(source):
        raise _bad(f"{path} holds the rows that are to be read: name another file")
    if not path.parent.is_dir():
        raise _bad(f"there is no folder {path.parent} to write {path.name} in: make it first")


def check_picture(path: Path, model: TrainedModel) -> None:
    """Refuse to draw rows that are no images.

    Raises:
        typer.BadParameter: the path ends in `.png`, and the model was not trained on images.
    """
    if is_picture(path) and model.image_shape is None:
        raise _bad(
            f"{path}: only images are written as .png, and the rows of {model.recipe.data} are none. Use "
            f"{', '.join(TABLES)}; or if they are images, train with --image-shape HEIGHT,WIDTH"
        )


def is_picture(path: Path) -> bool:
    """Whether the rows go into a picture."""
    return path.suffix.lower() == ".png"


def write_model_rows(
    path: Path,
    model: TrainedModel,
    rows: np.ndarray,
    title: str,
    keys: Keys | None = None,
    captions: Sequence[str] | None = None,
) -> str:
    """Write rows in the data's units, as a picture or as numbers, keys beside them; returns what was written."""
    if is_picture(path) and model.image_shape is not None:
        shown, names = rows[:MOST_IMAGES], None if captions is None else captions[:MOST_IMAGES]
        about = {"value_range": model.pixel_range, "captions": names}
        save_figure(image_grid(shown, model.image_shape, title, **about), path)
        return f"{len(shown)} of {len(rows):,} rows in {path}"
    write_table(path, rows, model.feature_names, keys)
    return f"{len(rows):,} rows in {path}"


def write_table(
    path: Path,
    rows: np.ndarray,
    columns: Sequence[str] | None,
    keys: Keys | None = None,
    last: Keys | None = None,
    **extra: np.ndarray | None,
) -> None:
    """Write rows as `.csv` with a header, `.npy`, or `.npz`.

    Args:
        path: the file, whose ending says which.
        rows: the numbers.
        columns: their names.
        keys: what names the rows: the first columns of a `.csv` file, arrays of their own of an `.npz` file.
        last: labels by the name of their column: the last of a `.csv` file, the array `label` of an `.npz` file.
        extra: arrays that come along in an `.npz` file.

    Raises:
        InvalidDataError: a key is called what something else in the file is.
    """
    stream, ending, keys, last = io.BytesIO(), path.suffix.lower(), keys or {}, last or {}
    if ending == ".npy":
        np.save(stream, rows, allow_pickle=False)
    elif ending == ".npz":
        arrays = {"x": rows, **extra, **({"label": next(iter(last.values()))} if last else {})}
        arrays = {name: array for name, array in arrays.items() if array is not None}
        _refuse_doubled(path, [*keys, *arrays])
        np.savez_compressed(stream, **keys, **arrays)  # pyright: ignore[reportArgumentType]
    else:
        names = list(columns or (f"x{i + 1}" for i in range(rows.shape[1])))
        keys = {name: values for name, values in keys.items() if name not in names}
        last = {name: values for name, values in last.items() if name not in keys}
        names = [*keys, *names, *last]
        _refuse_doubled(path, names)
        # The shortest numbers that are read back as they were.
        numbers = (",".join(map(str, row)) for row in rows)
        lines = zip(*map(_cells, keys.values()), numbers, *map(_cells, last.values()), strict=True)
        stream.write((",".join(map(_quoted, names)) + "\n").encode())
        stream.writelines((",".join(line) + "\n").encode() for line in lines)
    write_file(path, stream.getvalue())


def _cells(column: np.ndarray) -> list[str]:
    return [_quoted(str(value)) for value in column]


def _quoted(text: str) -> str:
    """A cell as CSV wants it."""
    return '"' + text.replace('"', '""') + '"' if any(c in text for c in ',;\t"\r\n') else text


def _refuse_doubled(path: Path, names: Sequence[str]) -> None:
    doubled = [name for name, n in Counter(names).items() if n > 1]
    if doubled:
        raise InvalidDataError(
            f"{path}: '{doubled[0]}' cannot be kept under that name, which the file has for something else. "
            "Rename it where it is read from"
        )
