"""Where a run's data are looked for, once its folder or one's own has changed."""

import json
import shutil

import pytest

from aevb.data_location import DataLocation

pytestmark = pytest.mark.usefixtures("project")


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with data and a run, from which a run was started."""
    (tmp_path / "project" / "runs" / "one").mkdir(parents=True)
    (tmp_path / "project" / "table.csv").touch()
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "project"


def kept(project):
    return project / "runs" / "one" / "data.json"


def test_a_file_is_found_from_another_folder(project, monkeypatch, tmp_path):
    location = DataLocation("table.csv", None)
    location.write(kept(project))
    assert location.found(kept(project)) == location
    monkeypatch.chdir(tmp_path)
    assert location.found(kept(project)).source == str(project / "table.csv")


def test_a_file_is_found_when_the_whole_project_has_moved(project, monkeypatch, tmp_path):
    DataLocation("table.csv", None).write(kept(project))
    monkeypatch.chdir(tmp_path)
    moved = shutil.move(project, tmp_path / "moved")
    found = DataLocation("table.csv", None).found(kept(moved))
    assert (tmp_path / "moved" / "table.csv").samefile(found.source)


def test_a_file_that_is_gone_is_called_what_it_was_called(project):
    (project / "table.csv").unlink()
    location = DataLocation("table.csv", None)
    location.write(kept(project))
    assert location.found(kept(project)) == location


def test_named_sets_keep_the_folder_that_they_were_found_in(project, monkeypatch, tmp_path):
    (project / "sets").mkdir()
    DataLocation("mnist", project / "sets").write(kept(project))
    assert set(json.loads(kept(project).read_text())) == {"data_dir"}
    (project / "mnist").touch()  # nobody's data
    monkeypatch.chdir(tmp_path)
    assert DataLocation("mnist", None).found(kept(project)) == DataLocation("mnist", project / "sets")
    assert DataLocation("mnist", tmp_path).found(kept(project)) == DataLocation("mnist", tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "null",
        '{"source": 1}',
        '{"source": {"path": 1, "from_run": null}}',
        '{"source": {"path": "\\u0000"}}',
        "[" * 100_000,
    ],
)
def test_a_damaged_note_is_no_obstacle(project, content):
    kept(project).write_text(content)
    location = DataLocation("absent.csv", None)
    assert location.found(kept(project)) == location
    assert location.found(project / "absent.json") == location
