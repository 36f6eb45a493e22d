"""What a user's mistake raises: an `AevbError` that says what was expected, what came, where, and what to do.

A message of a layer that both faces share names a setting once, in backticks and as Python writes it: "train with
`missing='nan'`", "leave the column out with `drop=`". Python shows that as it is; the command line shows
`as_options(message)`. A setting is called what `aevb.VAE` calls it, or `aevb.datasets.load` where it is about a file.
"""

import re

# Settings that the command line calls something else than Python does.
_OPTION_NAMES = {
    "n_latents": "latents",
    "n_samples": "samples",
    "n_importance_samples": "samples",
    "random_state": "seed",
}
_SETTING = re.compile(r"`([a-z][a-z_]*)=([^`]*)`")


# What a terminal obeys instead of showing it, or what reorders the text around it; line breaks and tabs stay.
_OBEYED = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]"
)
LONGEST = 2000


class AevbError(Exception):
    """Base of every error that aevb raises on purpose; the command line prints it without a traceback.

    Its text is `printable`, whatever the names in it are.
    """

    def __str__(self) -> str:
        return printable(super().__str__())


class InvalidDataError(AevbError, ValueError):
    """The data cannot be used as given: wrong shape, a missing or infinite value, outside the support."""


class InvalidRecipeError(AevbError, ValueError):
    """A setting is unknown, out of range, or does not go with another setting."""


class InvalidParameterError(AevbError, ValueError):
    """A parameter of a distribution is unknown, missing, or not what it must be."""


class DatasetUnavailableError(AevbError, OSError):
    """A named data set is neither on this machine nor downloadable, or its file is not the expected one."""


class RunFolderError(AevbError, OSError):
    """A run folder cannot be created, written, or resumed."""


class InvalidModelFileError(AevbError, ValueError):
    """A saved model or checkpoint is truncated, tampered with, or of an unknown kind."""


class UnsavableNetworkError(AevbError, TypeError):
    """A user's network holds something that cannot be written as data, such as a lambda."""


class DataWarning(UserWarning):
    """Data were taken for something that they may not be, and the message says for what."""


class BlownUpError(AevbError, ArithmeticError):
    """Training ended with a finite bound that is far worse than knowing nothing."""


class NonFiniteBoundError(AevbError, FloatingPointError):
    """Training produced a bound or a parameter that is not finite."""


def printable(text: str, longest: int = LONGEST) -> str:
    r"""A text that may hold names out of a file, safe to show: control characters escaped, and cut in the middle.

    Args:
        text: what is to be shown.
        longest: characters that are kept. Most are of the beginning, and the end stays, where advice stands.

    >>> printable("'\x1b[2J' is no number")
    "'\\x1b[2J' is no number"
    >>> printable("a" * 50 + "z", longest=10)
    'aaaaaaaa … (41 characters left out) … az'
    """
    if len(text) > longest:
        tail = longest // 4
        head = longest - tail
        left_out = len(text) - head - tail
        text = f"{text[:head]} … ({left_out:,} characters left out) … {text[-tail:]}"
    return _OBEYED.sub(lambda match: ascii(match.group())[1:-1], text)


def as_options(message: str) -> str:
    """The message as the command line says it: every setting in backticks as an option.

    >>> as_options("Train with `missing='nan'`, or with fewer `n_latents=`, or with `hidden=(400, 200)`.")
    'Train with --missing nan, or with fewer --latents, or with --hidden 400,200.'
    """

    def option(match: re.Match[str]) -> str:
        name, value = match.groups()
        given = "" if value == "True" else re.sub(r"['\"()\[\] ]", "", value).rstrip(",")
        return f"--{_OPTION_NAMES.get(name, name).replace('_', '-')} {given}".rstrip()

    return _SETTING.sub(option, message)
