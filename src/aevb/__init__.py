"""Auto-Encoding Variational Bayes: train, evaluate and use variational auto-encoders.

`import aevb` is cheap: what needs JAX is loaded when it is first asked for.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aevb.estimator import VAE, Networks, VAEImputer, VAEOutlierDetector, load
    from aevb.specs import (
        EM,
        IWAE,
        IWAESTL,
        MCEM,
        MLP,
        SGD,
        SGVBA,
        SGVBB,
        STL,
        Adagrad,
        Adam,
        AdamW,
        AutoObjective,
        Categorical,
        Concrete,
        DReG,
        Momentum,
        Posterior,
        Reconstruction,
        Renyi,
        RMSProp,
        Scale,
        ScoreFunction,
        WakeSleep,
    )

__version__ = "0.1.0"
__all__ = [
    "EM",
    "IWAE",
    "IWAESTL",
    "MCEM",
    "MLP",
    "SGD",
    "SGVBA",
    "SGVBB",
    "STL",
    "VAE",
    "Adagrad",
    "Adam",
    "AdamW",
    "AevbError",
    "AutoObjective",
    "Categorical",
    "Concrete",
    "DReG",
    "Momentum",
    "Networks",
    "Posterior",
    "RMSProp",
    "Reconstruction",
    "Renyi",
    "Scale",
    "ScoreFunction",
    "VAEImputer",
    "VAEOutlierDetector",
    "WakeSleep",
    "load",
]

from aevb.errors import AevbError

_ESTIMATOR = ("Networks", "VAE", "VAEImputer", "VAEOutlierDetector", "load")
_LAZY = {
    name: "aevb.estimator" if name in _ESTIMATOR else "aevb.specs" for name in __all__ if name != "AevbError"
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'aevb' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
