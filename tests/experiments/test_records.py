"""Records go through JSON unchanged, and what is no finite number becomes null."""

import json

from aevb.experiments.gradients import Problem, Row, Table, as_json

ROW = Row("stl", 1, "evidence lower bound", None, False, 10, 0.5, float("nan"), 2.0)


def test_a_record_becomes_json():
    table = Table("encoder", "", 3, 1.0, {}, ["a"], (ROW,))
    problem = Problem("toy", "A problem", ("A note",), 0.01, 0.9, 1.0, (table,))
    plain = as_json(problem)
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    row = plain["tables"][0]["rows"][0]
    assert row["variance_times_milliseconds"] == 1.0
    assert row["mean_variance_error"] is None
    assert row["bias"] is None
