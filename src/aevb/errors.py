"""What a user's mistake raises: an `AevbError` that says what was expected, what came, where, and what to do."""


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


class BlownUpError(AevbError, ArithmeticError):
    """Training ended with a finite bound that is far worse than knowing nothing."""


class BlownUpWarning(UserWarning):
    """The same, of a `fit`, whose best model can be used."""


class NonFiniteBoundError(AevbError, FloatingPointError):
    """Training produced a bound or a parameter that is not finite."""
