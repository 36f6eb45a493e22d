"""Arrays that belong to a model and are not learned, and how the learned ones are told from them."""

from typing import Any

import equinox as eqx
from jaxtyping import Array

from aevb.typing import Tree


class Constant(eqx.Module):
    """An array that training leaves as it is.

    Args:
        value: the array.
    """

    value: Array


def _is_constant(node: Any) -> bool:
    return isinstance(node, Constant)


def split_learned(tree: Tree) -> tuple[Tree, Tree]:
    """The learned arrays of a tree of modules and the rest of it, to be joined again by `equinox.combine`."""
    return eqx.partition(tree, eqx.is_inexact_array, is_leaf=_is_constant)


def learned(tree: Tree) -> Tree:
    """The learned arrays of a tree of modules: all floating-point arrays outside a `Constant`."""
    return split_learned(tree)[0]
