"""A user's own networks in the place of those that a recipe names."""

from dataclasses import dataclass, replace
from typing import Any

import equinox as eqx

from aevb.specs import MLP


@dataclass(frozen=True)
class Networks:
    """Networks of your own, for `VAE(hidden=...)`. They are copied into the model, and stay as they are.

    Args:
        encoder: an Equinox module from one row of features to features; None for fully connected layers. With
            missing="nan" its input is twice as wide: the values, 0 where missing, then 1 or 0 each for observed or not.
        decoder: an Equinox module from one code to features; None for fully connected layers.
        mlp: what fully connected layers are like, if there are any; its initialization is also that of the layers
            after these networks, which give the parameters of distributions.
    """

    encoder: eqx.Module | None = None
    decoder: eqx.Module | None = None
    mlp: MLP = MLP()  # noqa: RUF009, as a spec does not change

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The arguments by name, as scikit-learn asks for them; `deep` adds those of `mlp`."""
        inside = {f"mlp__{name}": value for name, value in self.mlp.get_params().items()} if deep else {}
        return {"encoder": self.encoder, "decoder": self.decoder, "mlp": self.mlp} | inside

    def replaced(self, **changes: Any) -> "Networks":
        """The networks with some arguments changed."""
        return replace(self, **changes)

    def __sklearn_clone__(self) -> "Networks":
        return self
