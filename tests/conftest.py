"""What all tests share. Nothing here changes a dtype or a seed of JAX."""

import os

import jax
import numpy as np
import pytest
from scipy.stats import chi2

# Most of the tests' time is LLVM's, which makes fast programs of functions that are called once.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")

# The command line turns JAX's cache of compiled programs on for the whole process, and every later test would write to
# it: once in a long run XLA died of a segmentation fault while it did. Commands that tests start keep their cache.
jax.config.update("jax_enable_compilation_cache", False)

# How often a statistical test with a new seed may fail although the code is right. Seeds are fixed, so a test that
# passes once passes always; the rate says how little luck was in the choice of its seed.
FALSE_ALARM = 1e-6


@pytest.fixture(scope="session")
def assert_jointly_normal():
    """Fails where z-scores are too far from zero, together, to be independent draws of N(0, 1).

    The false-alarm rate is 1e-6 per call, as far as the scores are normal.
    """

    def check(z, n=None):
        z = np.asarray(z, float).ravel()
        statistic = np.sum(z**2)
        assert np.all(np.isfinite(z))
        assert statistic < chi2.isf(FALSE_ALARM, n or z.size), (
            f"chi-square {statistic:.1f} of {z.size} scores"
        )

    return check
