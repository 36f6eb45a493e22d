"""Plain feature maps, with no probability in them."""

from aevb.networks.activations import ACTIVATIONS
from aevb.networks.mlp import MLP, Initialization, Linear, Network, OverRows, side_by_side

__all__ = ["ACTIVATIONS", "MLP", "Initialization", "Linear", "Network", "OverRows", "side_by_side"]
