"""What a user may do wrong on the command line, and what the message must say. Nothing is ever lost."""

import shutil

import numpy as np
import pytest

from command_line import aevb, compilation_cache, must, quick_compilation, write_table  # noqa: F401

SETTINGS = ("--latents", 1, "--hidden", 2, "--epochs", 1)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with data of many kinds, a run on a table and a run on images."""
    folder = tmp_path_factory.mktemp("place")
    write_table(folder / "table.csv")
    (folder / "nan.csv").write_text("a,b\n1,2\n3,\n5,6\n")
    (folder / "hollow.csv").write_text("a,b\n1,\n3,\n5,\n")
    (folder / "text.csv").write_text("a,b\n1,2\n3,x\n")
    (folder / "ragged.csv").write_text("a,b\n1,2\n3\n")
    (folder / "blank.csv").write_text("")
    (folder / "photo.jpg").write_bytes(b"\xff\xd8")
    rng = np.random.default_rng(0)
    arrays = {
        "flat": rng.random((20, 12)),
        "inf": np.array([[1.0, 2.0], [np.inf, 1.0]]),
        "one_row": np.ones((1, 3)),
        "empty": np.ones((0, 3)),
        "volume": np.ones((4, 2, 2, 2)),
        "images": rng.integers(0, 255, (20, 3, 4), dtype=np.uint8),
    }
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    np.save(folder / "objects.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    (folder / "typo.toml").write_text("latnets = 3\n")
    (folder / "broken.toml").write_text("latents = = 3\n")
    (folder / "number.toml").write_text("data = 3\n")
    (folder / "deep.toml").write_text("hidden = " + "[" * 3000 + "]" * 3000)
    (folder / "digits.toml").write_text("seed = " + "9" * 4400)
    (folder / "hex.toml").write_text("seed = 0x" + "f" * 5000)
    (folder / "latin.toml").write_bytes(b'data = "\xe4"')
    (folder / "other").mkdir()
    (folder / "other" / "precious.txt").write_text("keep me")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("aevb.report.draw_figures", lambda *about: [])
        must("train", folder / "table.csv", "--label", "kind", "--out", folder / "run", "-q", *SETTINGS)
        must("train", folder / "images.npy", "--out", folder / "images", "-q", *SETTINGS)
    return folder


TRAIN = [
    ("digit", "Did you mean 'digits'"),
    ("nope.csv", "no file"),
    ("other", "is a folder"),
    ("photo.jpg", ".npy, .npz, .csv"),
    ("table.csv", "line 2 (row 0), column 'kind'"),
    ("text.csv", "line 3 (row 1), column 'b': 'x' is not a number"),
    ("nan.csv", "line 3 (row 1), column 'b'"),
    ("nan.csv", "--missing nan"),
    ("hollow.csv --missing nan --test 0", "none of the 3 training rows has a value: 'b'"),
    ("inf.npy --missing nan", "infinite value"),
    ("digits --recognition per-row --posterior bernoulli", "discrete"),
    ("ragged.csv", "line 3"),
    ("blank.csv", "empty"),
    ("inf.npy", "row 1, column 0"),
    ("one_row.npy", "needs 2"),
    ("empty.npy", "0 rows"),
    ("volume.npy", "(rows, height, width)"),
    ("objects.npy", "pickled"),
    ("table.csv --label knd", "Did you mean 'kind'"),
    ("table.csv --label kind --drop foo", "no column 'foo'"),
    ("table.csv --label kind --likelihood bernoulli", "needs values in [0, 1]"),
    ("flat.npy --label 3", "table (CSV) only"),
    ("flat.npy --image-shape 5,5", "25 pixels"),
    ("flat.npy --image-shape 12", "height,width"),
    ("digits --image-shape 8,8", "known shape"),
    ("digits --latents 0", "--latents 0:"),
    ("digits --hidden 8,-2", "greater than 0"),
    ("digits --batch-size -1", "--batch-size -1:"),
    ("digits --epochs 0", "--epochs 0:"),
    ("digits --learning-rate nan", "finite"),
    ("digits --validation 1", "less than 1"),
    ("digits --test 1.5", "less than 1"),
    ("digits --config typo.toml", "did you mean 'latents'"),
    ("digits --config broken.toml", "not valid TOML"),
    ("--config number.toml", "data = 3"),
    ("digits --config absent", "mnist-fast"),
    ("digits --config deep.toml", "nested too deeply"),
    ("digits --config digits.toml", "digits.toml is not valid TOML"),
    ("digits --config hex.toml", "seed = <int>:"),
    ("digits --config latin.toml", "latin.toml is not valid TOML"),
    ("digits --header no", "is no file to be read in some way: leave header out"),
    ("table.csv --encoding utf-9", "no text encoding 'utf-9'"),
    ("~nosuchuser/x.csv", "no home folder is known"),
    ("digits --out table.csv", "a file of that name"),
    ("digits --out table.csv/run", "part of the path is a file"),
    ("digits --out other --overwrite", "stays as it is"),
    ("digits --out run", "--resume"),
    ("--resume --out other", "no run's folder"),
    ("--resume --out absent", "no such folder"),
]


@pytest.mark.parametrize(("command", "fragment"), TRAIN)
def test_train(place, monkeypatch, command, fragment):
    monkeypatch.chdir(place)
    out = () if "--out" in command else ("--out", "new")
    failed = aevb("train", *command.split(), *out)
    assert failed.code == 1
    assert failed.err.startswith("error: ")
    assert fragment in failed.err
    assert failed.out == ""
    assert not (place / "new").exists()
    assert (place / "other" / "precious.txt").read_text() == "keep me"


USE = [
    (1, "sample absent --out x.csv", "no folder absent"),
    (1, "sample other --out x.csv", "no trained model in other"),
    (2, "sample run --out x.txt", "must end in .csv"),
    (2, "sample run --out x.png", "only images"),
    (2, "sample run --out absent/x.csv", "make it first"),
    (2, "sample run --out other", "must end in"),
    (2, "sample run -n 0 --out x.csv", "-n"),
    (2, "encode run table.csv --out x.png", "writes no pictures"),
    (1, "encode run flat.npy --out x.csv", "12 features, but 3"),
    (1, "encode run nan.csv --out x.csv", "lacks 'height'"),
    (1, "encode images flat.csv --out x.csv", "no file"),
    (1, "decode run flat.npy --out x.csv", "12 features, but 1"),
    (1, "reconstruct images inf.npy --out x.csv", "inf"),
    (2, "evaluate run one_row.npy --importance-samples 0", "importance"),
    (1, "plot other", "no trained model"),
]


@pytest.mark.parametrize(("code", "command", "fragment"), USE)
def test_use(place, monkeypatch, code, command, fragment):
    monkeypatch.chdir(place)
    failed = aevb(*command.split())
    assert failed.code == code
    assert fragment in " ".join(failed.err.replace("│", " ").split())
    assert not list(place.glob("x.*"))


def edit(name, change):
    def damage(run):
        path = run / name
        path.write_bytes(change(path.read_bytes()))

    return damage


DAMAGE = [
    (edit("model/model.json", lambda b: b.replace(b'"height"', b'"hight"')), "evaluate {}", "checksum"),
    (edit("model/model.json", lambda b: b[:100]), "evaluate {}", "not valid JSON"),
    (edit("model/weights.safetensors", lambda b: b[:-4]), "sample {} --out x.npy", "truncated"),
    (lambda run: (run / "model" / "weights.safetensors").unlink(), "sample {} --out x.npy", "is missing"),
    (lambda run: shutil.rmtree(run / "model"), "evaluate {}", "--resume --out"),
    (edit("metrics.jsonl", lambda b: b + b"{"), "plot {}", "metrics.jsonl is damaged"),
    (edit("metrics.jsonl", lambda b: b + b"[" * 100_000), "plot {}", "metrics.jsonl is damaged"),
    (edit("metrics.jsonl", lambda b: b + b"[]"), "plot {}", "a line is no record"),
    (
        edit("recipe.toml", lambda b: b + b"colour = 3\n"),
        "train --resume --out {}",
        "unknown setting 'colour'",
    ),
    (
        edit("recipe.toml", lambda b: b.replace(b"latents = 1", b"latents = 2")),
        "train --resume --out {}",
        "shapes",
    ),
    (edit("checkpoint/state.safetensors", lambda b: b[:300]), "train --resume --out {}", "damaged"),
    (edit("checkpoint/state.safetensors", lambda b: b[:-1] + b"~"), "train --resume --out {}", "checksum"),
]


@pytest.mark.parametrize(("damage", "command", "fragment"), DAMAGE)
def test_damaged_runs_are_refused(place, tmp_path, monkeypatch, damage, command, fragment):
    monkeypatch.chdir(place)
    run = tmp_path / "run"
    shutil.copytree(place / "run", run)
    damage(run)
    left = {path: path.read_bytes() for path in run.rglob("[!.]*") if path.is_file()}
    failed = aevb(*command.format(run).split())
    assert failed.code == 1
    assert fragment in failed.err
    assert {path: path.read_bytes() for path in run.rglob("[!.]*") if path.is_file()} == left


def test_a_full_disk_loses_nothing_and_the_run_goes_on_later(place, tmp_path, monkeypatch):
    monkeypatch.setattr("aevb.report.draw_figures", lambda *about: [])
    monkeypatch.chdir(place)
    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr("aevb.storage.os.fsync", full_after(3))
        failed = aevb("train", "table.csv", "--label", "kind", "--out", run, "-q", *SETTINGS)
    assert failed.code == 1
    assert "No space left on device. Free some space" in failed.err
    assert str(run) in failed.err
    must("train", "--resume", "--out", run, "-q")
    expected = (place / "run" / "model" / "weights.safetensors").read_bytes()
    assert (run / "model" / "weights.safetensors").read_bytes() == expected


def full_after(n):
    """An `os.fsync` to a disk with room for `n` files."""
    import errno

    calls = []

    def fsync(handle):
        calls.append(handle)
        if len(calls) > n:
            raise OSError(errno.ENOSPC, "No space left on device")

    return fsync
