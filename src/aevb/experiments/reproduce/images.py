"""Grey images among an experiment's results: bytes, compressed, as text."""

import base64
import zlib

import numpy as np
from jaxtyping import Float


def packed(x: Float[np.ndarray, "images pixels"]) -> dict[str, object]:
    """Images with values in [0, 1] in 256 levels, as JSON."""
    levels = np.round(255 * np.clip(x, 0.0, 1.0)).astype(np.uint8)
    return {"shape": list(x.shape), "zlib": base64.b64encode(zlib.compress(levels.tobytes(), 9)).decode()}


def unpacked(stored: dict[str, object]) -> Float[np.ndarray, "images pixels"]:
    """What `packed` was given, to within 1/510.

    Example:
        >>> unpacked(packed(np.array([[0.0, 0.5, 1.0]]))).round(2).tolist()
        [[0.0, 0.5, 1.0]]
    """
    levels = np.frombuffer(zlib.decompress(base64.b64decode(str(stored["zlib"]))), np.uint8)
    return levels.reshape(stored["shape"]).astype(float) / 255  # pyright: ignore[reportArgumentType, reportCallIssue]
