"""Names for the shapes that appear everywhere: `batch` rows, `features` columns, `latents` codes."""

from typing import Any

from jaxtyping import Array, Bool, Float, Key, UInt32

Rows = Float[Array, "*samples batch features"]
Inputs = Float[Array, "*samples batch inputs"]
Mask = Bool[Array, "batch features"]
Codes = Float[Array, "*samples batch latents"]
PerRow = Float[Array, "*samples batch"]
Scalar = Float[Array, ""]
PRNGKey = Key[Array, ""] | UInt32[Array, "2"]
Tree = Any

__all__ = ["Codes", "Inputs", "Mask", "PRNGKey", "PerRow", "Rows", "Scalar", "Tree"]
