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
    "n_categories": "categories",
    "random_state": "seed",
}
_SETTING = re.compile(r"`([a-z][a-z_]*)=([^`]*)`")


class AevbError(Exception):
    """Base of every error that aevb raises on purpose; the command line prints it without a traceback."""


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


class NonFiniteBoundError(AevbError, FloatingPointError):
    """Training produced a bound or a parameter that is not finite."""


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
