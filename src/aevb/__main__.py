"""`python -m aevb` is `aevb`."""

from aevb.cli import main

main()
