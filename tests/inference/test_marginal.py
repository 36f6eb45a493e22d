"""What every way of estimating log p(x) gives."""

import numpy as np
import pytest

from aevb.inference import MarginalEstimate


def estimate(log_p, errors):
    return MarginalEstimate("any", "none", np.array(log_p), np.array(errors), np.ones(len(log_p), bool), {})


def test_the_two_errors_of_a_mean():
    two, one = estimate([-1.0, -3.0], [0.3, 0.4]), estimate([-1.0], [0.3])
    assert two.mean == -2
    assert two.mean_monte_carlo_error == pytest.approx(0.25)
    assert two.sampling_error == pytest.approx(1.0)
    assert np.isnan(one.sampling_error)


def test_equal_rows_share_their_noise():
    assert estimate([-1.0, -1.0], [0.3, 0.3]).mean_monte_carlo_error == pytest.approx(0.3)
