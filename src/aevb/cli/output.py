"""Writing rows to the file that a user asked for, in the format that its ending names."""

import io
from pathlib import Path

import numpy as np
import typer

from aevb.storage import write_file

ENDINGS = (".csv", ".npy", ".npz", ".png")


def check_ending(path: Path, image_shape: tuple[int, int] | None, *, images: bool) -> None:
    """Refuse an ending that nothing can be written for, before any computing."""
    if path.suffix not in ENDINGS:
        raise typer.BadParameter(f"--out {path}: the ending must be one of {', '.join(ENDINGS)}")
    if path.suffix == ".png" and not (images and image_shape):
        raise typer.BadParameter(f"--out {path}: only images are written as .png; use .csv, .npy or .npz")
    if not path.parent.is_dir():
        raise typer.BadParameter(f"--out {path}: there is no folder {path.parent}")


def write_rows(path: Path, rows: np.ndarray, columns: tuple[str, ...] | None, **extra: np.ndarray | None) -> None:
    """Write rows as `.csv` with a header, `.npy`, or `.npz` (where `extra` arrays come along)."""
    stream = io.BytesIO()
    if path.suffix == ".npy":
        np.save(stream, rows, allow_pickle=False)
    elif path.suffix == ".npz":
        arrays = {name: array for name, array in extra.items() if array is not None}
        np.savez_compressed(stream, x=rows, **arrays)  # pyright: ignore[reportArgumentType]
    else:
        names = columns or tuple(f"x{i + 1}" for i in range(rows.shape[1]))
        stream.write((",".join(map(_quoted, names)) + "\n").encode())
        np.savetxt(stream, rows, fmt="%.9g" if rows.dtype == np.float32 else "%.17g", delimiter=",")
    write_file(path, stream.getvalue())


def _quoted(name: str) -> str:
    """A column's name as CSV wants it."""
    return '"' + name.replace('"', '""') + '"' if any(c in name for c in ',"\n') else name
