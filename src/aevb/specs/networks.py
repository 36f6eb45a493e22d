"""Networks and their settings; `aevb.assembly` builds them."""

from typing import Literal

from pydantic import Field

from aevb.specs.spec import Choice, Spec
from aevb.specs.types import Widths


class MLP(Spec):
    """Fully connected layers, for the encoder and, in the opposite order, the decoder.

    >>> MLP(hidden=(500, 200), activation="tanh")
    MLP(hidden=(500, 200), activation='tanh')
    """

    name: Literal["mlp"] = Field("mlp", description="What maps rows and codes to features.")
    hidden: Widths = Field(
        (400,), description="Widths of the hidden layers, separated by commas; both networks."
    )
    activation: Literal["relu", "tanh", "silu", "gelu"] = Field("relu", description="Between layers.")
    initialization: Literal["uniform", "lecun", "normal"] = Field(
        "uniform",
        description="Of the weights: uniform as in PyTorch; lecun, normal with variance 1/inputs, from which deep "
        "networks learn faster; or normal, with standard deviation 0.01, as in the AEVB paper.",
    )


NETWORKS = Choice.of("network", MLP)
