"""Columns beside those of the model: left out, named as labels, or carried along to what is written."""

import csv

import numpy as np
import pytest

from command_line import aevb, must
from short_suite import short

SMALL = ("--samples", 20)


@pytest.fixture(scope="module")
def more(table_run, tmp_path_factory):
    """The run's table with an id and a remark besides, a blank line and an empty cell in it; and its ids."""
    lines = (table_run.parent / "table.csv").read_text().splitlines()
    ids = [f"{i:03d}" for i in range(len(lines) - 1)]
    ids[4] = 'no "4", really'
    quoted = [i if i != ids[4] else '"no ""4"", really"' for i in ids]
    remarks = ["good" if i % 3 else "" for i in range(len(ids))]
    rows = [f"{i},{row},{r}" for i, row, r in zip(quoted, lines[1:], remarks, strict=True)]
    path = tmp_path_factory.mktemp("more") / "more.csv"
    path.write_text("\n".join([f"id,{lines[0]},remark", *rows[:7], "", *rows[7:]]) + "\n")
    return path, ids


def read(path):
    with path.open(newline="") as file:
        header, *rows = csv.reader(file)
    return header, rows


@pytest.mark.parametrize(
    ("command", "columns"),
    [
        (("score", *SMALL, "--reference", "none"), ["log_p", "monte_carlo_error", "reliable"]),
        (("encode",), ["z1", "z2"]),
        (("reconstruct",), ["height", "weight", "age, years"]),
        (("impute", *SMALL), ["height", "weight", "age, years", "kind"]),
    ],
)
def test_keys_are_carried_in_the_first_columns(table_run, more, tmp_path, command, columns):
    source, ids = more
    name, *options = command
    out = tmp_path / "out.csv"
    must(name, table_run, source, "--out", out, "--keep", "id", "--drop", "remark", *options)
    header, rows = read(out)
    assert header == ["id", *columns]
    assert [row[0] for row in rows] == ids


@pytest.mark.long
def test_what_was_imputed_can_take_the_place_of_the_original(table_run, more, tmp_path):
    source, _ = more
    header, rows = read(source)
    rows = [row for row in rows if row]
    rows[2][2] = ""  # one weight
    holes, out = tmp_path / "holes.csv", tmp_path / "filled.csv"
    with holes.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    must("impute", table_run, holes, "--out", out, "--keep", "id,remark", "--draws", 1, *SMALL)
    for path in (out, tmp_path / "filled-draw1.csv"):
        found, filled = read(path)
        assert found == ["id", "remark", "height", "weight", "age, years", "kind"]
        assert [row[-1] for row in filled] == [row[4] for row in rows]
        assert filled[2][3]
        assert [float(row[2]) for row in filled] == [float(row[1]) for row in rows]
    assert read(tmp_path / "filled-sd.csv")[0] == ["id", "remark", "height", "weight", "age, years"]
    must("encode", table_run, out, "--out", tmp_path / "codes.csv", "--drop", "id,remark")


def test_keys_are_arrays_of_an_archive_and_come_out_of_one(table_run, more, tmp_path):
    source, ids = more
    codes = tmp_path / "codes.npz"
    must("encode", table_run, source, "--out", codes, "--keep", "id", "--drop", "remark")
    assert np.load(codes)["id"].tolist() == ids
    must("decode", table_run, codes, "--out", tmp_path / "rows.csv", "--keep", "id")
    assert [row[0] for row in read(tmp_path / "rows.csv")[1]] == ids
    outcome = aevb("decode", table_run, codes, "--out", tmp_path / "rows.csv", "--keep", "name")
    assert outcome.code == 1
    assert "no column 'name' to keep" in outcome.err


@pytest.mark.parametrize(
    "command",
    short(
        "score",
        "encode",
        "reconstruct",
        "impute",
        of=["evaluate", "score", "encode", "reconstruct", "impute", "complete"],
    ),
)
def test_every_command_leaves_out_what_the_model_does_not_know_and_says_so(
    table_run, more, tmp_path, command
):
    told = aevb(
        command,
        table_run,
        more[0],
        *([] if command == "evaluate" else ["--out", tmp_path / "x.npz"]),
        *(["--mask", "random:0.5"] if command == "complete" else []),
        "--drop",
        "remark",
    )
    assert told.code == 0, told.err
    assert "the model does not know 'id', which is left out" in told.err
    assert "--drop" in must(command, "--help")
    assert "--label" in must(command, "--help")


@pytest.mark.parametrize(
    ("keep", "out", "code", "words"),
    [
        ("id", "x.npy", 2, "only a .csv or .npz file has room"),
        ("ids", "x.csv", 1, "no column 'ids' to keep. Did you mean 'id'?"),
        ("x", "x.npz", 1, "cannot be kept under that name"),
    ],
)
def test_keys_that_cannot_be_kept(table_run, more, tmp_path, keep, out, code, words):
    source, _ = more
    text = source.read_text()
    renamed = tmp_path / "more.csv"
    renamed.write_text(text if keep != "x" else text.replace("id,", "x,", 1))
    outcome = aevb(
        "encode", table_run, renamed, "--out", tmp_path / out, "--keep", keep, "--drop", "id,remark"
    )
    assert outcome.code == code
    assert words in " ".join(outcome.err.replace("│", " ").split())


@pytest.mark.long
def test_rows_with_gaps_are_completed_and_judged_on_what_is_known(tmp_path, without_figures):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 3))
    x[rng.random(x.shape) < 0.2] = np.nan
    np.savetxt(tmp_path / "gaps.csv", x, delimiter=",", header="a,b,c", comments="", fmt="%.3f")
    run, out = tmp_path / "run", tmp_path / "done.npz"
    must(
        "train",
        tmp_path / "gaps.csv",
        "--missing",
        "nan",
        "--latents",
        1,
        "--hidden",
        4,
        "--epochs",
        1,
        "--out",
        run,
    )
    said = must(
        "complete", run, tmp_path / "gaps.csv", "--mask", "random:0.3", "--n", 40, "--out", out, *SMALL
    )
    found = np.load(out)
    gaps, hidden = np.isnan(found["truth"]), np.isnan(found["input"])
    np.testing.assert_array_equal(gaps, np.isnan(x))
    assert (hidden & gaps).sum() == gaps.sum()
    judged = hidden & ~gaps
    assert f"{judged.sum()} hidden" in said
    rmse = np.sqrt(np.mean((found["x"] - found["truth"])[judged] ** 2))
    assert f"{rmse:.4f}" in said
