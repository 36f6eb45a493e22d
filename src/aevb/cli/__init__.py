"""The command line. Only this package prints and exits."""

from aevb.cli.main import main

__all__ = ["main"]
