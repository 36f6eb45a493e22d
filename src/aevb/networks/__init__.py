"""Plain feature maps, with no probability in them."""

from aevb.networks.activations import ACTIVATIONS
from aevb.networks.mlp import MLP, Linear, Network, OverRows

__all__ = ["ACTIVATIONS", "MLP", "Linear", "Network", "OverRows"]
