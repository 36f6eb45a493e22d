"""How values are prepared for a model; `aevb.preparation` does it."""

from typing import Literal

from pydantic import Field

from aevb.specs.spec import Choice, Spec


class Scale(Spec):
    """How values are scaled, and whether pixels are then made binary.

    >>> Scale(binarize="dynamic")
    Scale(binarize='dynamic')
    """

    name: Literal["auto", "none", "standard", "minmax", "mean"] = Field(
        "auto",
        description="Scaling of features; auto: 1/255 for images of bytes; none for counts, categories, and data in "
        "[0, 1] that are binary, images, or have a likelihood of such values; mean, division by it, for likelihoods of "
        "positive numbers; else standard.",
    )
    binarize: Literal["none", "static", "dynamic"] = Field(
        "none",
        description="Make pixels binary: at a threshold of 1/2, or drawn anew each time they are seen.",
    )


SCALES = Choice.of("scale", otherwise=Scale)
