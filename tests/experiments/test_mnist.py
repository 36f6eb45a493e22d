"""The image VAE, on digits and small."""

import json

import numpy as np
import pytest

from aevb.errors import InvalidRecipeError
from aevb.experiments.gradients import as_json, mnist
from aevb.experiments.gradients.estimators import for_continuous_codes
from command_line import quick_compilation  # noqa: F401

SHOWN = {("sgvb-b", 1), ("score", 1), ("score, moving average", 1), ("dreg", 5)}
HEAD = {"weight": 24 * 3, "bias": 3}
SMALL = {"data": "digits", "hidden": (24,), "latents": 3, "epochs": 2, "batch_size": 50}


@pytest.fixture(scope="module")
def measured():
    said = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            mnist,
            "for_continuous_codes",
            lambda *given: [e for e in for_continuous_codes(*given) if (e.name, e.samples) in SHOWN],
        )
        patch.setattr(mnist, "SETTLING_STEPS", 20)
        problem = mnist.run(n_draws=40, say=said.append, **SMALL)
    assert said == ["training, 2 epochs", "gradients at initialization", "gradients after training"]
    return problem


@pytest.mark.long
def test_the_encoder_is_measured_before_and_after_training(measured):
    before, after = measured.tables
    assert (before.state, after.state) == ("at initialization", "after training")
    assert before.part == after.part == "encoder"
    assert before.length != after.length
    assert before.n_coordinates == 64 * 24 + 24 + 2 * (24 * 3 + 3)
    assert "64-24-3-24-64" in measured.title


@pytest.mark.long
def test_the_score_function_varies_by_orders_of_magnitude_more(measured):
    for table in measured.tables:
        variance = {row.estimator: row.mean_variance for row in table.rows}
        assert variance["score"] > 100 * variance["sgvb-b"]
        assert variance["score, moving average"] < 0.5 * variance["score"]


@pytest.mark.long
def test_bias_is_told_for_the_evidence_lower_bound_only(measured):
    for row in (row for table in measured.tables for row in table.rows):
        if row.estimator == "dreg":
            assert (row.bias, row.held_against, row.bias_found) == (None, None, None)
        else:
            assert row.bias_found is False
            assert row.draws == 40


@pytest.mark.long
def test_of_a_large_part_the_variance_of_each_array_is_recorded(measured):
    table = measured.tables[0]
    row = table.rows[0]
    size = {"network.layers[0].weight": 64 * 24, "network.layers[0].bias": 24}
    size |= {f"heads['{head}'].{name}": n for head in ("loc", "log_variance") for name, n in HEAD.items()}
    assert set(table.names) == set(size)
    weights = [size[name] for name in table.names]
    assert np.average(row.coordinates["variance"], weights=weights) == pytest.approx(row.mean_variance)
    json.dumps(as_json(measured), allow_nan=False)


def test_wrong_settings_are_refused():
    with pytest.raises(InvalidRecipeError, match="latents"):
        mnist.run(**{**SMALL, "latents": 0})
