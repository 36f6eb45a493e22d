"""Lines about densities, the same in every command: columns for which one is wrong, and values above 0."""

import numpy as np

from aevb.datasets import describe_repeated, repeated_columns

POSITIVE = (
    "Above 0 is no mistake: a density is per unit of the data and no probability. It exceeds 1, and its logarithm 0, "
    "where values lie closer together than one unit."
)


def repeated_note(
    x: np.ndarray,
    feature_names: tuple[str, ...] | None,
    *,
    is_density: bool,
    image_shape: tuple[int, int] | None,
) -> str:
    """Which columns have values that repeat, and what to do; empty where none has, or where it does not matter.

    The pixels of images all have levels.
    """
    if not is_density or image_shape is not None or not (found := repeated_columns(x, feature_names)):
        return ""
    return (
        f"Values repeat in {describe_repeated(found)}. A density there grows without limit, so that log p(x) says as "
        "much about these columns as about all others. Leave them out (--drop), or compare models of the same columns."
    )
