"""The errors of the comparison of imputations, and how it is written."""

import numpy as np
import pytest

from .imputation import column_means, compared, iterative_pca, squared_errors, with_holes
from .results import render

RNG = np.random.default_rng(0)


def test_the_error_of_a_difference_is_that_of_a_bootstrap_over_rows():
    n = 400
    counts = RNG.integers(1, 20, n)
    common = RNG.gamma(2.0, 1.0, n)
    ours, theirs = (np.stack([counts * common * RNG.gamma(5, s, n), counts], 1) for s in (0.2, 0.25))
    stated = compared(ours, theirs)
    differences = []
    for _ in range(2000):
        i = RNG.integers(0, n, n)
        a, b = (np.sqrt(errors[i, 0].sum() / counts[i].sum()) for errors in (ours, theirs))
        differences.append(a - b)
    assert stated["error"] == pytest.approx(np.std(differences), rel=0.15)
    assert stated["difference"] == pytest.approx(np.mean(differences), abs=4 * stated["error"] / 10)


def test_pca_fills_in_what_lies_in_a_plane():
    x = RNG.normal(size=(300, 2)) @ RNG.normal(size=(2, 12)) + 0.01 * RNG.normal(size=(300, 12))
    train, test = with_holes(x[:250], 0.2, 0), with_holes(x[250:], 0.2, 1)
    errors = [
        squared_errors(filled, x[250:], test).sum(0)[0]
        for _, filled in (iterative_pca(2)(train, test), column_means(train, test))
    ]
    assert errors[0] < 0.05 * errors[1]


def test_the_section_is_rendered():
    difference = {"difference": -0.01, "error": 0.002}
    row = {"name": "a peer", "train_rmse": 0.2, "test_rmse": 0.2, "train": difference, "test": difference}
    share = {
        "share": 0.5,
        "rows": [row],
        "train_rmse": 0.19,
        "test_rmse": 0.19,
        "covered": {"share": 0.9, "error": 0.01},
        "loss": {"mean": 3.0, "error": 0.2},
        "reliable": 1.0,
    }
    about = {"cpu": "c", "cores_used": 2, "cores": 2, "memory_gb": 1, "system": "s", "python": "p"}
    about |= {"load_before": 0, "date": "d"}
    text = render(
        {"imputation": {"machine": about, "n_samples": 10, "recipe": {"epochs": "1"}, "shares": [share]}}
    )
    for words in ("| 50% | a peer (the best of the others) |", "-0.0100 (0.0020) | ahead", "cover 90.0%"):
        assert words in text
