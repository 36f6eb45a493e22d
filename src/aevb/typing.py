"""Names for the shapes that appear everywhere: `batch` rows, `features` columns, `latents` codes."""

from collections.abc import Callable
from typing import Any

from jaxtyping import Array, Bool, Float, Key, UInt32

Rows = Float[Array, "*samples batch features"]
Inputs = Float[Array, "*samples batch inputs"]
Mask = Bool[Array, "batch features"]
PerRow = Float[Array, "*samples batch"]
Scalar = Float[Array, ""]
PRNGKey = Key[Array, ""] | UInt32[Array, "2"]
Tree = Any
Show = Callable[[float], None]  # is told the share of the work that is done, from time to time
Codes = Tree  # of arrays, axes: samples, batch, and those of one code; a single array of `latents` for the usual model

__all__ = ["Codes", "Inputs", "Mask", "PRNGKey", "PerRow", "Rows", "Scalar", "Show", "Tree"]
