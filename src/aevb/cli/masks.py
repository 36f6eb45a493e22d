"""What `aevb complete` hides of rows, and the noise that it adds, from the text of an option."""

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool

from aevb.cli.terminal import wrong
from aevb.datasets import load_rows
from aevb.storage import expanded

if TYPE_CHECKING:
    from aevb.models.noise import Noise
    from aevb.trained import TrainedModel

Hidden = Bool[np.ndarray, "rows features"]
SIDES = ("left", "right", "top", "bottom")
KINDS = f"{', '.join(SIDES)}, random:P, grid:N or a file"
_bad = partial(wrong, option="--mask")


def hidden_cells(text: str, model: "TrainedModel", n_rows: int, seed: int) -> Hidden:
    """Which values are hidden.

    Args:
        text: `left`, `right`, `top` or `bottom`, half of each image; `random:P`, each value with probability P;
            `grid:N`, all but every N-th pixel in both directions; or a file of 0 and 1, 1 for hidden, with one row for
            all or one for each.
        model: whose rows they are.
        n_rows: how many.
        seed: of the random ones.

    Raises:
        typer.BadParameter: none of these, one that does not fit the rows, or one that hides nothing or everything.
    """
    kind, _, value = text.partition(":")
    shape = (n_rows, model.n_features)
    if kind == "random":
        share = _number(text, value, 0.0, 1.0)
        hidden = np.random.default_rng(seed).random(shape) < share
    elif kind in (*SIDES, "grid"):
        if model.image_shape is None:
            raise _bad(
                f"{text} is for images, and the rows of {model.recipe.data} are none: use random:P or a file"
            )
        hidden = _side(kind, model.image_shape) if kind in SIDES else _grid(value, model.image_shape)
    else:
        hidden = _file(text, n_rows, model.n_features)
    hidden = np.broadcast_to(hidden.reshape(-1, model.n_features), shape)
    if hidden.all() or not hidden.any():
        raise _bad(f"{text} hides {'every' if hidden.all() else 'no'} value of these rows")
    return hidden


def make_noise(text: str, model: "TrainedModel") -> "Noise":
    """The noise in scaled units.

    Args:
        text: `gaussian:S`, of standard deviation S in the user's units, or `flip:P`, each value of 0 or 1 turned into
            the other with probability P.
        model: whose rows they are.

    Raises:
        typer.BadParameter: neither, or a number that cannot be.
        InvalidRecipeError: noise that has no closed form with the model's likelihood.
    """
    from aevb.errors import InvalidRecipeError
    from aevb.models.noise import BitFlips, GaussianNoise

    kind, _, value = text.partition(":")
    if kind == "gaussian":
        noise = GaussianNoise(
            _number(text, value, 0.0, np.inf, "--noise") / np.asarray(model.preparation.scaling.scale)
        )
    elif kind == "flip":
        noise = BitFlips(_number(text, value, 0.0, 0.5, "--noise"))
    else:
        raise _bad(f"{text!r} is none of gaussian:S and flip:P", option="--noise")
    noise.check(model.likelihood)
    if kind == "flip" and not model.is_normalized:
        raise InvalidRecipeError(
            "only values of 0 and 1 can be flipped, and the model was trained on grey ones: train with "
            "`binarize='dynamic'` or `binarize='static'`"
        )
    return noise


def _side(side: str, image_shape: tuple[int, int]) -> Bool[np.ndarray, "height width"]:
    height, width = image_shape
    hidden = np.zeros(image_shape, bool)
    sides = {
        "left": np.s_[:, : width // 2],
        "right": np.s_[:, width - width // 2 :],
        "top": np.s_[: height // 2],
        "bottom": np.s_[height - height // 2 :],
    }
    hidden[sides[side]] = True
    return hidden


def _grid(value: str, image_shape: tuple[int, int]) -> Bool[np.ndarray, "height width"]:
    if not value.isdecimal() or not 2 <= int(value) <= max(image_shape):
        raise _bad(
            f"grid:{value}: N must be a whole number from 2 to {max(image_shape)}; of every N-th pixel in both "
            "directions one is kept"
        )
    n = int(value)
    hidden = np.ones(image_shape, bool)
    hidden[(n - 1) // 2 :: n, (n - 1) // 2 :: n] = False
    return hidden


def _file(text: str, n_rows: int, n_features: int) -> Bool[np.ndarray, "rows features"]:
    if not expanded(text).is_file():
        raise _bad(f"{text!r} is none of {KINDS}, and there is no such file")
    values = load_rows(text).x
    if values.size == n_features:
        values = values.reshape(1, n_features)
    if values.shape not in ((1, n_features), (n_rows, n_features)):
        raise _bad(
            f"{text} has the shape {values.shape}: expected {n_features} values in one row, for all rows alike, or in "
            f"each of {n_rows} rows"
        )
    if not np.isin(values, (0, 1)).all():
        raise _bad(f"{text} must hold 0 for a value that is kept and 1 for one that is hidden, nothing else")
    return values.astype(bool)


def _number(text: str, value: str, low: float, high: float, option: str = "--mask") -> float:
    try:
        number = float(value)
    except ValueError:
        number = float("nan")
    if not low < number < high:
        limits = f"above {low:g}" if high == np.inf else f"between {low:g} and {high:g}"
        raise _bad(f"{text!r}: expected a number {limits} after the colon", option=option)
    return number
