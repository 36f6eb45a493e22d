"""Tests of the benchmarks' arithmetic, tables and watching; nothing is timed here."""

import json
import random
import sys
import time
from pathlib import Path
from statistics import median

import pytest

from . import harness, machine, memory_and_demo, ratios, results, speedrun

ABOUT = {
    "cpu": "a CPU", "cores": 4, "cores_used": 2, "memory_gb": 8.0, "load_before": 0.1, "system": "Linux",
    "python": "3.11.0", "date": "2026-01-01",
}  # fmt: skip


def test_ratios_are_paired():
    assert ratios.paired_ratios([1.0, 4.0], [2.0, 2.0]) == [0.5, 2.0]
    with pytest.raises(ValueError, match="zip"):
        ratios.paired_ratios([1.0], [1.0, 2.0])


@pytest.mark.parametrize(("n", "k", "coverage"), [(6, 1, 0.96875), (15, 4, 0.96484375), (20, 6, 0.95861)])
def test_interval_has_the_tabulated_ranks(n: int, k: int, coverage: float):
    interval = ratios.median_interval([float(i) for i in range(n, 0, -1)])
    assert (interval.low, interval.high) == (k, n + 1 - k)
    assert interval.coverage == pytest.approx(coverage, abs=1e-5)


@pytest.mark.parametrize("n", [1, 2, 5])
def test_few_values_give_their_range_and_say_its_coverage(n: int):
    interval = ratios.median_interval([float(i) for i in range(n)])
    assert (interval.low, interval.high, interval.coverage) == (0, n - 1, 1 - 2 / 2**n)


def test_interval_covers_the_median_as_often_as_it_says():
    """4000 seeded repeats; the hit rate lies within 4 standard errors (false alarm rate 6e-5)."""
    draw = random.Random(0)
    hits, coverage, repeats = 0, 0.0, 4000
    for _ in range(repeats):
        interval = ratios.median_interval([draw.expovariate(1.0) for _ in range(15)])
        coverage = interval.coverage
        hits += interval.low <= 0.6931471805599453 <= interval.high
    assert hits / repeats == pytest.approx(coverage, abs=4 * (coverage * (1 - coverage) / repeats) ** 0.5)


@pytest.mark.parametrize(
    ("low", "high", "said"), [(0.1, 0.3, "met"), (0.2, 0.4, "undecided"), (0.31, 0.4, "missed")]
)
def test_a_bar_is_missed_when_the_whole_interval_lies_beyond_it(low: float, high: float, said: str):
    assert ratios.verdict(ratios.Interval(low, high, 0.95), 0.3) == said


def race_section() -> dict:
    record = {
        name: harness.Record({"package": "1.0"}, [9.0], [2.0, 4.0], [160.0, 120.0]) for name in results.TITLES
    }
    record["aevb"].seconds = [1.0, 1.0]
    return json.loads(json.dumps(harness.section(record, 0, ABOUT)))


def test_every_contestant_has_a_title_and_a_script_apart_from_ours():
    assert list(harness.CONTESTANTS) == list(results.TITLES)
    for name, contestant in harness.CONTESTANTS.items():
        assert name == "aevb" or (harness.HERE / "peers" / contestant.script).exists()
        if contestant.environment:
            assert (harness.HERE / "requirements" / f"{contestant.environment}.txt").exists()


def test_race_section_holds_ratios_to_aevb():
    contestants = race_section()["contestants"]
    assert "aevb_ratio" not in contestants["aevb"]
    assert contestants["numpyro"]["aevb_ratio"]["median"] == median([0.5, 0.25])
    assert contestants["pytorch"]["aevb_ratio"]["verdict"] == "undecided"
    assert contestants["pytorch"]["seconds"] == [2.0, 4.0]


def test_sections_are_kept_and_rendered_together(tmp_path: Path):
    run = speedrun.Run(0, 20.0, 3, -99.0, 30.0)
    never = speedrun.Run(1, None, None, None, 30.0)
    fast = {"machine": ABOUT, "command": "aevb", "bound": -99.3, "runs": [vars(run), vars(never)]}
    one = {"machine": ABOUT, "command": "aevb", "value": 1.234, "bar": 1.5, "verdict": "met"}
    results.update("memory", one, tmp_path)
    results.update("speedrun", fast | speedrun.summary([run, never]), tmp_path)
    results.update("epoch", race_section(), tmp_path)
    assert list(json.loads((tmp_path / "results.json").read_text())) == ["memory", "speedrun", "epoch"]
    text = (tmp_path / "RESULTS.md").read_text()
    assert text.index("## Seconds per epoch") < text.index("## Speedrun") < text.index("## Peak memory")
    figures = "| 3.00 (2.00 to 4.00) | 0.375 (0.250 to 0.500) | 0.30 | undecided | 120.0 |"
    assert f"{results.TITLES['pytorch']} {figures}" in text
    assert "| 2 | 1 | never | never | never | 30.0 |" in text
    assert "**1.23 GB**" in text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["RESULTS.md", "results.json"]


def test_speedrun_sees_the_first_line_that_passes(tmp_path: Path):
    script = tmp_path / "train.py"
    script.write_text(
        "import json, pathlib, sys\n"
        "out = pathlib.Path(sys.argv[1]); out.mkdir()\n"
        "lines = [{'epoch': e, 'test_bound': -101.0 + e} for e in range(4)]\n"
        "(out / 'metrics.jsonl').write_text(''.join(json.dumps(l) + '\\n' for l in lines) + '{\"epo')\n"
        "import time; time.sleep(0.2)\n"
    )
    run = speedrun.time_to_bound([sys.executable, str(script), "{out}"], 7, tmp_path)
    assert (run.seed, run.epoch, run.test_bound) == (7, 2, -99.0)
    assert run.seconds is not None
    assert 0 < run.seconds < run.total_seconds


def test_speedrun_that_never_passes_is_missed(tmp_path: Path):
    run = speedrun.time_to_bound([sys.executable, "-c", "pass"], 0, tmp_path)
    assert run.seconds is None
    assert speedrun.summary([run])["verdict"] == "missed"


def test_peak_memory_and_time_are_those_of_the_child():
    code = "import time; block = bytearray(300_000_000); time.sleep(0.2)"
    seconds, peak = memory_and_demo.measure([sys.executable, "-c", code])
    assert seconds > 0.2
    assert 0.3 < peak < 0.4
    with pytest.raises(RuntimeError, match="status 3"):
        memory_and_demo.measure([sys.executable, "-c", "raise SystemExit(3)"])


@pytest.mark.parametrize(("share", "warned"), [(None, False), (0.01, False), (0.3, True)])
def test_a_race_on_a_busy_machine_is_called_unfair(share: float | None, warned: bool):
    section = race_section()
    section["machine"] = ABOUT | {"others_share": share}
    assert ("Not a fair race" in results.render({"epoch": section})) == warned


@pytest.mark.skipif(not Path("/proc/stat").exists(), reason="the share of others is known on Linux only")
def test_share_of_others_is_a_fraction():
    others = machine.Others([])
    time.sleep(0.1)
    share = others.share()
    assert share is not None
    assert 0 <= share <= 1
