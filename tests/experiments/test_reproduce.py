"""The machinery of `aevb reproduce`: jobs that are kept and resumed, what is refused, curves and how they are read."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from aevb.errors import AevbError, InvalidRecipeError, NonFiniteBoundError, RunFolderError
from aevb.experiments.reproduce import Request, Size, reproduce, runner
from aevb.experiments.reproduce.curve import sample_points, samples_after, steps_to, train_curve
from aevb.experiments.reproduce.experiment import Experiment, Job, Setting, Verdict
from aevb.experiments.reproduce.images import packed, unpacked
from aevb.experiments.reproduce.published import figure_2_best, figure_2_curve, tutorial_log, value_at
from aevb.experiments.reproduce.written import with_minus_signs
from aevb.storage import write_file
from command_line import quick_compilation  # noqa: F401
from faults import Killed, Watch, killed_before, watched

SETTINGS = {"data": "digits", "latents": 2, "hidden": (4,), "batch_size": 100}


class Counting(Experiment):
    """Two jobs, the second of which needs the first, and may be interrupted."""

    name, title, source, full_minutes = "counting", "Counting", "nowhere", 10.0
    parts = ("one", "two")

    def __init__(self):
        self.done: list[str] = []
        self.interrupt = False

    def _one(self, setting, needed):
        self.done.append("one")
        return {"n": setting.size.of(100)}

    def _two(self, setting, needed):
        kept = setting.folder / "kept"
        self.done.append(f"two after {needed['one-job']['n']}" + " again" * kept.exists())
        kept.touch()
        setting.show(0.5)
        if self.interrupt:
            raise KeyboardInterrupt
        return {"n": 2 * needed["one-job"]["n"]}

    def jobs(self, size, data_dir):
        return [Job("one-job", self._one, 1.0), Job("two-job", self._two, 3.0, ("one-job",))]

    def verdicts(self, results, size):
        return [Verdict(f"{len(results)} jobs.", True)]

    def figures(self, results, size):
        return {"counting": Figure((1, 1))}


@pytest.fixture
def counting():
    return Counting()


def test_jobs_are_done_in_order_and_the_folder_tells_of_them(counting, tmp_path):
    shares, lines = [], []
    out = tmp_path / "new" / "counting"
    report = reproduce(Request(counting, Size(), out), shares.append, lines.append)
    assert counting.done == ["one", "two after 100"]
    assert shares == [0.25, 0.25 + 0.75 / 2, 1.0]
    assert [line.partition(":")[0] for line in lines] == ["one-job", "two-job"]
    assert sorted(path.name for path in out.glob("[!.]*")) == ["REPORT.md", "figures", "results.json"]
    record = json.loads((out / "results.json").read_text())
    assert record["settings"] == {"experiment": "counting", "share": 1.0, "data": None}
    assert record["jobs"]["two-job"]["result"] == {"n": 200}
    text = report.read_text()
    assert "# Counting" in text
    assert "Done at full length." in text
    assert "- ✓ 2 jobs." in text
    assert "![counting](figures/counting.png)" in text
    assert "aevb reproduce counting\n" in text


def test_an_interrupted_job_goes_on_and_done_ones_are_not_done_again(counting, tmp_path):
    request = Request(counting, Size(0.5), tmp_path)
    counting.interrupt = True
    with pytest.raises(KeyboardInterrupt):
        reproduce(request)
    record = json.loads((tmp_path / "results.json").read_text())
    assert list(record["jobs"]) == ["one-job"]
    assert record["begun"]["two-job"] > 0
    counting.interrupt = False
    reproduce(request)
    assert counting.done == ["one", "two after 50", "two after 50 again"]
    after = json.loads((tmp_path / "results.json").read_text())
    assert after["jobs"]["two-job"]["seconds"] > record["begun"]["two-job"]
    assert after["begun"] == {}
    assert not (tmp_path / "jobs").exists()
    reproduce(request)
    assert len(counting.done) == 3


def test_the_time_of_a_job_is_kept_while_it_runs(counting, tmp_path, monkeypatch):
    monkeypatch.setattr(runner, "KEEP_SECONDS", 0.0)
    two = counting._two

    def looked_at(setting, needed):
        result = two(setting, needed)
        kept.append(json.loads((tmp_path / "results.json").read_text())["begun"]["two-job"])
        return result

    kept = []
    counting._two = looked_at
    reproduce(Request(counting, Size(), tmp_path))
    record = json.loads((tmp_path / "results.json").read_text())
    assert 0 < kept[0] < record["jobs"]["two-job"]["seconds"]
    assert record["begun"] == {}


def test_a_result_that_is_not_finite_is_named_and_others_stay(counting, tmp_path, monkeypatch):
    monkeypatch.setattr(counting, "_two", lambda setting, needed: {"deep": [{"n": float("nan")}]})
    with pytest.raises(NonFiniteBoundError, match="two-job"):
        reproduce(Request(counting, Size(), tmp_path))
    record = json.loads((tmp_path / "results.json").read_text())
    assert list(record["jobs"]) == ["one-job"]
    assert list(record["begun"]) == ["two-job"]


def test_the_report_says_what_was_not_done_at_length(counting, tmp_path):
    text = reproduce(Request(counting, Size(0.05, "digits"), tmp_path)).read_text()
    assert "Done at 5% of full length, a budget of 0.5 minutes." in text
    assert "not comparable" in text
    assert "aevb reproduce counting --budget 0.5 --data digits\n" in text


def test_parts_can_be_added(counting, tmp_path):
    reproduce(Request(counting, Size(), tmp_path, only=("one",)))
    assert counting.done == ["one"]
    text = reproduce(Request(counting, Size(), tmp_path, only=("two",))).read_text()
    assert counting.done == ["one", "two after 100"]
    assert "aevb reproduce counting --only one --only two\n" in text
    with pytest.raises(InvalidRecipeError, match="no part 'three': its parts are one, two"):
        reproduce(Request(counting, Size(), tmp_path, only=("three",)))


def test_the_order_in_which_parts_are_done_does_not_matter(counting, tmp_path):
    counting.jobs = lambda size, data_dir: [Job(f"{part}-job", counting._one) for part in counting.parts]
    counting.verdicts = lambda results, size: [Verdict(f"{' before '.join(results)}.")]
    reproduce(Request(counting, Size(), tmp_path, only=("two",)))
    text = reproduce(Request(counting, Size(), tmp_path, only=("one",))).read_text()
    assert "- · one-job before two-job." in text


def test_why_there_is_nothing_to_do(counting, tmp_path, monkeypatch):
    every = counting.jobs

    def jobs(size, data_dir):
        return [
            job
            for job in every(size, data_dir)
            if job.key == "two-job" or (size.share == 1 and not size.data)
        ]

    monkeypatch.setattr(counting, "jobs", jobs)
    with pytest.raises(
        InvalidRecipeError, match="counting --only one: a budget of 1 minute is too small for it"
    ):
        reproduce(Request(counting, Size(0.1), tmp_path, only=("one",)))
    with pytest.raises(InvalidRecipeError, match="--data digits stands in for its data"):
        reproduce(Request(counting, Size(1.0, "digits"), tmp_path, only=("one",)))
    monkeypatch.setattr(counting, "jobs", lambda size, data_dir: [])
    with pytest.raises(InvalidRecipeError, match="nothing to do for counting: its data are not here"):
        reproduce(Request(counting, Size(), tmp_path))
    assert not any(tmp_path.iterdir())


def test_an_interrupted_part_goes_on_after_another_part_was_done(counting, tmp_path):
    counting.interrupt = True
    with pytest.raises(KeyboardInterrupt):
        reproduce(Request(counting, Size(), tmp_path))
    counting.interrupt = False
    text = reproduce(Request(counting, Size(), tmp_path, only=("one",))).read_text()
    assert "Done at full length. Of its 2 jobs 1 are done." in text
    text = reproduce(Request(counting, Size(), tmp_path)).read_text()
    assert counting.done == ["one", "two after 100", "two after 100 again"]
    assert "jobs 1 are done" not in text


def test_parts_that_another_process_did_meanwhile_stay(counting, tmp_path):
    one = counting._one

    def meanwhile(setting, needed):
        path = tmp_path / "results.json"
        record = json.loads(path.read_text())
        record["jobs"]["three-job"] = {"seconds": 1.0, "result": {"n": 3}}
        path.write_text(json.dumps(record))
        return one(setting, needed)

    counting._one = meanwhile
    reproduce(Request(counting, Size(), tmp_path, only=("one",)))
    assert set(json.loads((tmp_path / "results.json").read_text())["jobs"]) == {"one-job", "three-job"}


def test_data_that_are_not_there_leave_what_is_there(counting, tmp_path):
    reproduce(Request(counting, Size(), tmp_path))
    kept = (tmp_path / "results.json").read_bytes()
    with pytest.raises(AevbError, match="nonsense"):
        reproduce(Request(counting, Size(0.5, "nonsense"), tmp_path, overwrite=True))
    assert (tmp_path / "results.json").read_bytes() == kept
    with pytest.raises(AevbError, match="nonsense"):
        reproduce(Request(counting, Size(0.5, "nonsense"), tmp_path / "new"))
    assert not (tmp_path / "new").exists()
    rows = tmp_path / "rows.npy"
    np.save(rows, np.zeros((9, 4)))
    with pytest.raises(InvalidRecipeError, match="no named data set"):
        reproduce(Request(counting, Size(0.5, str(rows)), tmp_path / "new"))
    counting.takes_other_data = False
    with pytest.raises(InvalidRecipeError, match="leave --data out"):
        reproduce(Request(counting, Size(0.5, "digits"), tmp_path / "new"))


def test_minus_signs_are_minus_signs_and_hyphens_hyphens():
    text = with_minus_signs("| -120.6 (-124.2) |, -0.5 in figure-2, 1e-3, --budget 2, mnist-20")
    assert text == "| −120.6 (−124.2) |, −0.5 in figure-2, 1e-3, --budget 2, mnist-20"


def test_other_settings_are_refused_unless_they_replace(counting, tmp_path):
    reproduce(Request(counting, Size(0.5), tmp_path))
    (tmp_path / "mine.txt").touch()
    with pytest.raises(RunFolderError, match="of counting on a budget of 5 minutes, not of counting at full"):
        reproduce(Request(counting, Size(), tmp_path))
    assert len(counting.done) == 2
    reproduce(Request(counting, Size(), tmp_path, overwrite=True))
    assert len(counting.done) == 4
    assert (tmp_path / "mine.txt").exists()


def test_results_of_another_version_are_not_mixed_in(counting, tmp_path):
    reproduce(Request(counting, Size(), tmp_path, only=("one",)))
    path = tmp_path / "results.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record | {"versions": record["versions"] | {"aevb": "0.0.9"}}))
    with pytest.raises(RunFolderError, match=r"holds results of aevb 0\.0\.9"):
        reproduce(Request(counting, Size(), tmp_path))


@pytest.mark.parametrize("content", ["", "{", "[]", '{"jobs": {}}', "null"])
def test_damaged_results_are_named_and_stay(content, counting, tmp_path):
    path = tmp_path / "results.json"
    path.write_text(content)
    with pytest.raises(RunFolderError, match=rf"{path} is damaged"):
        reproduce(Request(counting, Size(), tmp_path))
    assert path.read_text() == content
    reproduce(Request(counting, Size(), tmp_path, overwrite=True))


def test_a_folder_of_other_things_is_refused(counting, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RunFolderError, match="file is a file"):
        reproduce(Request(counting, Size(), tmp_path / "file"))
    (tmp_path / "thesis.tex").touch()
    for overwrite in (False, True):
        with pytest.raises(RunFolderError, match=r"has no results\.json"):
            reproduce(Request(counting, Size(), tmp_path, overwrite=overwrite))


def setting(folder: Path, show=lambda share: None) -> Setting:
    return Setting(Size(), None, folder, show)


@pytest.mark.long
def test_a_curve_is_the_same_whether_it_was_interrupted_or_not(tmp_path):
    points = [200, 1000, 2000, 6000]
    whole = train_curve(SETTINGS, points, setting(tmp_path / "whole"))
    seen = [samples_after(steps_to(n, 1497, 100), 1497, 100) for n in points]
    assert [record["samples_seen"] for record in whole.records] == seen
    assert all(record["test_bound"] < 0 for record in whole.records)
    assert whole.message == ""

    def interrupt(share):
        if share > 0.4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_curve(SETTINGS, points, setting(tmp_path / "halves", interrupt))
    again = []
    halves = train_curve(SETTINGS, points, setting(tmp_path / "halves", again.append))
    assert halves == whole
    assert min(again) > 0.3, "it does not start anew"


@pytest.mark.long
def test_a_curve_that_diverges_keeps_its_points(tmp_path, monkeypatch):
    from aevb.errors import NonFiniteBoundError
    from aevb.experiments.reproduce import training_jobs

    reach = training_jobs._Run.reach

    def diverges(self, step):
        if step > 10:
            raise NonFiniteBoundError("training diverged: step 11")
        return reach(self, step)

    monkeypatch.setattr(training_jobs._Run, "reach", diverges)
    curve = train_curve(SETTINGS, [500, 1000, 2000], setting(tmp_path))
    assert [record["samples_seen"] for record in curve.records] == [500, 1000]
    assert curve.message == "training diverged: step 11"


@pytest.mark.parametrize("total", [1000, 5000, 300_000, 10**7])
def test_points_are_whole_minibatches_up_to_the_end(total):
    points = sample_points(total, 100)
    assert points == sorted(set(points))
    assert points[-1] == total
    assert len(points) <= 20
    assert all(n % 100 == 0 for n in points)
    assert {10**k for k in range(5, 8) if 10**k <= total} <= set(points)


def test_published_curves_are_interpolated_in_the_logarithm_of_samples():
    curve = figure_2_curve("mnist", 3, "aevb", "test")
    assert value_at(curve, 1e6) == pytest.approx(-152.9, abs=0.06)
    assert value_at(curve, 1e7) == pytest.approx(-138.0, abs=0.06)
    between = value_at([(1e4, -200.0), (1e6, -100.0)], 1e5)
    assert between == pytest.approx(-150.0)
    assert value_at(curve, 1e4) is None
    assert value_at(curve, 1e10) is None
    assert value_at(None, 1e6) is None
    assert value_at([(1e4, np.nan), (1e6, -100.0)], 1e5) is None


def test_published_numbers_are_those_of_the_sources():
    assert figure_2_best("mnist", 20, "aevb", "test") == pytest.approx(-99.3, abs=0.06)
    assert figure_2_curve("mnist", 4, "aevb", "test") is None
    assert tutorial_log()[10] == (-106.37, -105.56)


def test_images_survive_being_stored():
    x = np.random.default_rng(0).uniform(-0.1, 1.1, (3, 20))
    again = unpacked(json.loads(json.dumps(packed(x))))
    np.testing.assert_allclose(again, np.clip(x, 0, 1), atol=1 / 509)


@pytest.mark.parametrize(("samples", "n_rows"), [(1_000_000, 60_000), (1_000_000, 1769), (10_000_000, 1769)])
def test_steps_reach_the_samples_also_with_a_short_last_minibatch(samples, n_rows):
    step = steps_to(samples, n_rows, 100)
    assert samples_after(step - 1, n_rows, 100) < samples <= samples_after(step, n_rows, 100)


HOLD = """
import sys; from pathlib import Path; from aevb.folder_lock import FolderLock
lock = FolderLock(Path(sys.argv[1]))
lock.acquire()
print("held", flush=True)
sys.stdin.read()
"""


def test_a_job_that_another_process_does_is_refused_by_name_and_other_parts_are_done(counting, tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "jobs" / "two-job")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as other:
        assert other.stdout.readline() == b"held\n"
        (tmp_path / ".holder.json").touch()  # as if it had begun in this folder
        for overwrite in (False, True):
            with pytest.raises(RunFolderError, match=rf"two-job is in use by process {other.pid} on"):
                reproduce(Request(counting, Size(), tmp_path, overwrite=overwrite))
            assert counting.done == ["one"]
            assert set(json.loads((tmp_path / "results.json").read_text())["jobs"]) == {"one-job"}
        other.kill()
    reproduce(Request(counting, Size(), tmp_path))
    assert not (tmp_path / "jobs").exists()


def test_a_job_that_another_process_has_just_done_is_not_done_again(counting, tmp_path):
    reproduce(Request(counting, Size(), tmp_path))
    done = (tmp_path / "results.json").read_bytes()
    reproduce(Request(counting, Size(), tmp_path, only=("one",), overwrite=True))
    del counting.done[:]
    lock = runner.FolderLock.held

    def held(self, *about):
        if self.folder.name == "two-job":
            (tmp_path / "results.json").write_bytes(done)
        return lock(self, *about)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runner.FolderLock, "held", held)
        reproduce(Request(counting, Size(), tmp_path))
    assert counting.done == []


def test_a_kill_before_any_file_operation_is_no_obstacle(counting, tmp_path, monkeypatch):
    def write_report(experiment, size, record, report, *about):
        write_file(report, str(sorted(record["jobs"])).encode())

    monkeypatch.setattr(runner, "write_report", write_report)
    monkeypatch.setattr(runner, "describe", lambda data_dir: [])
    counts = []
    for overwrite in (False, True):
        out = tmp_path / "counted"
        with watched(Watch(out)) as watch:
            reproduce(Request(counting, Size(), out, overwrite=overwrite))
        counts.append(len(watch.operations))
    out = tmp_path / "run"
    for overwrite, count in zip((False, True), counts, strict=True):
        for number in range(1, count + 1, 3):  # a file takes three
            with watched(Watch(out, killed_before(number))), pytest.raises(Killed):
                reproduce(Request(counting, Size(), out, overwrite=overwrite))
            report = reproduce(Request(counting, Size(), out))
            assert report.read_text() == "['one-job', 'two-job']"
            assert sorted(os.listdir(out)) == [".holder.json", ".lock", "REPORT.md", "results.json"]
            if not overwrite:
                shutil.rmtree(out)
        reproduce(Request(counting, Size(), out))
