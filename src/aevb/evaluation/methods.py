"""Ways of estimating log p(x) by name, with settings that suit an evaluation."""

from collections.abc import Callable

from aevb.errors import InvalidRecipeError
from aevb.inference import Annealed, HMCDensity, Importance, MarginalMethod
from aevb.inference.importance import DEFAULT_SAMPLES
from aevb.inference.quadrature import Quadrature

# Each from the number of importance samples, of which some have no use.
METHODS: dict[str, Callable[[int], MarginalMethod]] = {
    "importance": lambda n_samples: Importance(n_samples, "widened"),
    "annealed": lambda n_samples: Annealed(),
    "hmc-density": lambda n_samples: HMCDensity(),
    "quadrature": lambda n_samples: Quadrature(),
    # Of the bound that is trained with more than one sample, and has a curve.
    "iwae": Importance,
}
# What is fast enough for every row, by the method's own name; the others are given some of them.
FOR_ALL_ROWS = (Importance.name,)


def make_method(name: str, n_samples: int = DEFAULT_SAMPLES) -> MarginalMethod:
    """The method of this name.

    Args:
        name: a key of `METHODS`.
        n_samples: K of importance sampling.

    Raises:
        InvalidRecipeError: an unknown name, or a setting out of range.
    """
    if name not in METHODS:
        raise InvalidRecipeError(
            f"no way of estimating log p(x) is called {name!r}: choose of {', '.join(METHODS)}"
        )
    return METHODS[name](n_samples)
