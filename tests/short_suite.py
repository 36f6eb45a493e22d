"""Which cases of a parametrization `make test` runs: what differs most. `make test-long` runs the others."""

import pytest


def short(*chosen, of):
    """All cases `of` a parametrization, all but those chosen marked `long`."""
    assert all(case in of for case in chosen)
    return [case if case in chosen else later(case) for case in of]


def later(case):
    """The same parameters, marked."""
    return pytest.param(*case if isinstance(case, tuple) else (case,), marks=pytest.mark.long)
