"""What all tests share. Nothing here changes a dtype, a seed or any other global setting of JAX."""

import gc
import os
import time
from pathlib import Path

import jax
import numpy as np
import pytest
from scipy.stats import chi2

# Most of the tests' time is the compiler's, which makes fast programs of functions that are called once. The fusion
# emitters more than double it.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false")

# Compiled programs hold memory maps, some hundred for one that trains, of which Linux gives a process 65,530. Beyond
# that XLA dies of a segmentation fault. Linux takes 4 ms for a list of a thousand, which is more than most tests take:
# they are counted every few seconds, in which no more than some thousand are added.
MAPS, MOST_MAPS, SECONDS_BETWEEN_COUNTS = Path("/proc/self/maps"), 25_000, 5.0

# How often a statistical test with a new seed may fail although the code is right. Seeds are fixed, so a test that
# passes once passes always; the rate says how little luck was in the choice of its seed.
FALSE_ALARM = 1e-6


@pytest.fixture(scope="session")
def last_count():
    """When memory maps were last counted."""
    return {"at": time.monotonic()}


@pytest.fixture(autouse=True)
def let_go_of_compiled_programs(last_count):
    """After a test, where there are too many."""
    yield
    if time.monotonic() - last_count["at"] < SECONDS_BETWEEN_COUNTS or not MAPS.exists():
        return
    if MAPS.read_bytes().count(b"\n") > MOST_MAPS:
        jax.clear_caches()
        gc.collect()
    last_count["at"] = time.monotonic()


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
