"""Writing rows to the file that a user asked for, in the format that its ending names."""

import io
from functools import partial
from pathlib import Path

import numpy as np

from aevb.cli.terminal import wrong
from aevb.report import image_grid, save_figure
from aevb.storage import write_file
from aevb.trained import TrainedModel

TABLES = (".csv", ".npy", ".npz")
MOST_IMAGES = 100
_bad = partial(wrong, option="--out")


def check_out(path: Path, *, picture: bool = True, source: str | None = None) -> None:
    """Refuse a file that cannot be written, before any computing.

    Args:
        path: the file.
        picture: whether these rows can be images.
        source: what the rows are read from, which must not be written over.

    Raises:
        typer.BadParameter: the source itself, another ending than those known, a folder of that name, or no folder
            to write it in.
    """
    endings = (*TABLES, ".png") if picture else TABLES
    if path.suffix.lower() == ".png" and not picture:
        raise _bad(f"this command writes no pictures: {path} must end in {', '.join(endings)}")
    if path.suffix.lower() not in endings:
        raise _bad(f"{path} must end in {', '.join(endings)}, which says how to write it")
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


def write_model_rows(path: Path, model: TrainedModel, rows: np.ndarray, title: str) -> str:
    """Write rows in the data's units, as a picture or as numbers; returns what was written."""
    if is_picture(path) and model.image_shape is not None:
        shown = rows[:MOST_IMAGES]
        save_figure(image_grid(shown, model.image_shape, title, value_range=model.pixel_range), path)
        return f"{len(shown)} of {len(rows):,} rows in {path}"
    write_table(path, rows, model.feature_names)
    return f"{len(rows):,} rows in {path}"


def write_table(
    path: Path, rows: np.ndarray, columns: tuple[str, ...] | None, **extra: np.ndarray | None
) -> None:
    """Write rows as `.csv` with a header, `.npy`, or `.npz` (where `extra` arrays come along)."""
    stream, ending = io.BytesIO(), path.suffix.lower()
    if ending == ".npy":
        np.save(stream, rows, allow_pickle=False)
    elif ending == ".npz":
        arrays = {name: array for name, array in extra.items() if array is not None}
        np.savez_compressed(stream, x=rows, **arrays)  # pyright: ignore[reportArgumentType]
    else:
        names = columns or tuple(f"x{i + 1}" for i in range(rows.shape[1]))
        stream.write((",".join(map(_quoted, names)) + "\n").encode())
        # The shortest numbers that are read back as they were.
        stream.writelines((",".join(map(str, row)) + "\n").encode() for row in rows)
    write_file(path, stream.getvalue())


def _quoted(name: str) -> str:
    """A column's name as CSV wants it."""
    return '"' + name.replace('"', '""') + '"' if any(c in name for c in ',;\t"\r\n') else name
