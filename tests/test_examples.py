"""The examples run, at a small size."""

import importlib.util
from pathlib import Path

from command_line import is_png

FROM_SCRATCH = Path(__file__).parents[1] / "examples" / "from_scratch.py"


def test_from_scratch(tmp_path, capsys):
    spec = importlib.util.spec_from_file_location("from_scratch", FROM_SCRATCH)
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    example.main(epochs=2, n_rows=2000, folder=tmp_path / "out")
    first, second, scored = capsys.readouterr().out.splitlines()
    bounds = [float(line.split()[4]) for line in (first, second)]
    assert bounds[0] < bounds[1] < -100  # of digits, after 2,000 of them twice
    log_p = float(scored.split()[6])
    assert -300 < log_p < 0
    assert log_p > bounds[1] - 20
    assert is_png(tmp_path / "out" / "samples.png")
