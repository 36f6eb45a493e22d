"""Plain feature maps, with no probability in them."""

from aevb.networks.activations import ACTIVATIONS
from aevb.networks.mlp import MLP, over_rows

__all__ = ["ACTIVATIONS", "MLP", "over_rows"]
