"""Auto-Encoding Variational Bayes: train, evaluate and use variational auto-encoders.

`import aevb` is cheap: what needs JAX is loaded when it is first asked for.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aevb.estimator import VAE, VAEImputer, VAEOutlierDetector, load

__version__ = "0.1.0"
__all__ = ["VAE", "AevbError", "VAEImputer", "VAEOutlierDetector", "load"]

from aevb.errors import AevbError

_LAZY = dict.fromkeys(("VAE", "VAEImputer", "VAEOutlierDetector", "load"), "aevb.estimator")


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'aevb' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
