"""`sememe pairs` as a user runs it: real processes, real files."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sememe import BiEncoder, find_pairs
from sememe.tables import read_table, write_table
from tiny_models import Tiny

TEXTS = [
    "the wind is cheap",
    "a new car",
    "wind is cheap, the",
    "the wind is cheap",
    "never think like people",
    "wind is cheap",
]


def sememe(*arguments: object, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "sememe.cli", "pairs", *map(str, arguments)]
    env = {**os.environ, "HF_HUB_OFFLINE": "1"}
    return subprocess.run(line, capture_output=True, text=True, check=False, env=env, input=stdin)


@pytest.fixture
def model(tiny: Tiny) -> tuple[str, str, str, str]:
    return "--model", str(tiny.directory), "--precision", "f32"


def records(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_pairs_of_a_file_are_those_of_python_by_line(
    model: tuple[str, ...], encoder: BiEncoder, tmp_path: Path
) -> None:
    lines = "\n".join([*TEXTS[:2], "", *TEXTS[2:]])  # a blank line is no text, but it counts
    (tmp_path / "t.txt").write_text(lines)
    number = [1, 2, 4, 5, 6, 7]
    done = sememe(tmp_path / "t.txt", "-o", tmp_path / "p.csv", *model, "--top", 4)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    expected = find_pairs(TEXTS, encoder, top=4)
    found = records(tmp_path / "p.csv")
    assert list(found[0]) == ["first", "second", "score", "first_text", "second_text"]
    assert found[0] == {
        "first": "1", "second": "5", "score": "1.0",
        "first_text": TEXTS[0], "second_text": TEXTS[0],
    }  # fmt: skip
    assert [int(one["first"]) for one in found] == [number[i] for i in expected.first]
    assert [int(one["second"]) for one in found] == [number[i] for i in expected.second]
    scores = np.array([one["score"] for one in found], np.float32)
    np.testing.assert_array_equal(scores, expected.score)
    assert [one["second_text"] for one in found] == [TEXTS[i] for i in expected.second]
    assert f"6 texts, 4 pairs of {expected.threshold:.3f} and above in " in done.stderr


def test_a_suggested_threshold_is_explained(model: tuple[str, ...], tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    write_table(file, {"text": [f"{a} {b} {c}" for a in "abcd" for b in "efg" for c in "hi"]})
    done = sememe(file, "-o", tmp_path / "p.jsonl", *model, "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["texts"] == 24
    assert 0.7 <= said["threshold"] < 1
    assert f"{said['threshold']:.3f} is 70% of the way from there to 1" in said["why"]
    assert said["why"] in done.stderr
    assert "word that matters" not in done.stderr, "nothing was dropped"
    found = read_table(tmp_path / "p.jsonl").columns if said["pairs"] else {"score": []}
    assert len(found["score"]) == said["pairs"]


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet"])
def test_the_deduplicated_file_keeps_all_columns_and_the_others_are_told_of(
    model: tuple[str, ...], encoder: BiEncoder, tmp_path: Path, suffix: str
) -> None:
    file, out = tmp_path / f"t.{suffix}", tmp_path / "clean"
    threshold = float(find_pairs(TEXTS, encoder, top=2).threshold) - 1e-4
    expected = find_pairs(TEXTS, encoder, threshold=threshold)
    columns = {"id": [f"no {i}" for i in range(6)], "text": TEXTS, "note": list("uvwxyz")}
    write_table(file, columns)
    options = ("--threshold", threshold, "--deduplicate", out, "--json")
    done = sememe(file, "-o", tmp_path / "p.csv", *model, *options)
    assert done.returncode == 0, done.stderr
    kept, rows = read_table(out / f"kept.{suffix}").columns, expected.deduplicated().tolist()
    assert kept == {name: [values[i] for i in rows] for name, values in columns.items()}
    head = 1 if suffix in ("jsonl", "parquet") else 2  # the first line of the others is the names
    unit = "row" if suffix == "parquet" else "line"
    dropped = records(out / "dropped.csv")
    gone = expected.dropped()
    assert [int(one["dropped"]) for one in dropped] == [one.row + head for one in gone]
    assert [int(one["kept"]) for one in dropped] == [one.kept + head for one in gone]
    assert [one["dropped_text"] for one in dropped] == [TEXTS[one.row] for one in gone]
    copy = next(one for one in dropped if one["dropped"] == str(3 + head))
    assert copy["reason"] == f"copy of {unit} {head}"
    assert sorted(path.name for path in out.iterdir()) == ["dropped.csv", f"kept.{suffix}"]
    assert json.loads(done.stdout)["kept"] == len(rows) == 6 - len(dropped)
    assert f"{len(rows)} texts kept, {len(dropped)} dropped: {out}" in done.stderr


def test_reasons_say_what_is_so_of_the_row_itself() -> None:
    from sememe.cli.pairing import _reason
    from sememe.pairs import Dropped
    from sememe.tables import Source

    source, texts = Source("t.csv", "line", [2, 3, 7]), ["a", "b", "a"]
    assert _reason(Dropped(2, 0, 0, 1.0), texts, source) == "copy of line 2"
    assert _reason(Dropped(1, 0, 0, 0.934), texts, source) == "0.93 like line 2"
    texts = ["a", "b", "c"]
    said = _reason(Dropped(2, 0, 1, 0.934), texts, source)
    assert said == "joined to line 2 through line 3, 0.93 like that"


def test_lines_on_standard_input(model: tuple[str, ...], tmp_path: Path) -> None:
    options = ("--threshold", 1, "--deduplicate", tmp_path)
    done = sememe("-", "-o", tmp_path / "p.tsv", *model, *options, stdin="a car\na bus\na car\n")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "kept.txt").read_text() == "a car\na bus\n"
    assert records(tmp_path / "dropped.csv")[0]["reason"] == "copy of line 1"


def test_one_pair_is_no_pairs_and_blank_texts_are_in_none(
    model: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "t.csv").write_text('id,text\n1,a car\n2,""\n3,a car\n4," "\n5,""\n')
    options = ("--threshold", 1, "--deduplicate", tmp_path / "out")
    done = sememe(tmp_path / "t.csv", "-o", tmp_path / "p.csv", *model, *options)
    assert "5 texts, 1 pair of 1.000" in done.stderr
    assert [one["id"] for one in records(tmp_path / "out" / "kept.csv")] == ["1", "2", "4", "5"]


def test_no_pairs_are_a_file_without_rows(model: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("a car\nnuclear power is clean\n")
    options = ("--threshold", 1, "--deduplicate", tmp_path)
    done = sememe(tmp_path / "t.txt", "-o", tmp_path / "p.csv", *model, *options)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "p.csv").read_text() == "first,second,score,first_text,second_text\n"
    assert records(tmp_path / "dropped.csv") == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["missing.csv", "-o", "p.csv"], "there is no file missing.csv"),
        (["t.csv", "-o", "p.csv", "--column", "txt"], 'has no column "txt"'),
        (["t.csv", "-o", "p.txt"], "txt holds no columns"),
        (["t.csv", "-o", "p.doc"], "p.doc has a suffix that cannot be written"),
        (["t.csv", "-o", "t.csv"], "t.csv would be overwritten"),
        (["kept.csv", "-o", "p.csv", "--deduplicate", "."], "kept.csv would be overwritten"),
        (["t.csv", "-o", "p.csv", "--deduplicate", "t.csv"], "--deduplicate t.csv: "),
        (["t.csv", "-o", "dropped.csv", "--deduplicate", "."], "-o dropped.csv is a file that"),
        (["t.csv", "-o", "./kept.csv", "--deduplicate", "."], "./kept.csv is a file that"),
        (
            ["t.csv", "-o", "p.csv", "--threshold", "1.5"],
            "--threshold: 1.5 is not a cosine above -1",
        ),
        (["t.csv", "-o", "p.csv", "--top", "0"], "--top: 0 is not a whole number of at least 1"),
        (["t.csv", "-o", "p.csv", "--top", "3", "--threshold", "0.5"], "not allowed with"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    model: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("t.csv", "kept.csv"):
        Path(name).write_text("text,topic\na car,x\na bus,y\n")
    done = sememe(*options, *model)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept.csv", "t.csv"]


def test_help_has_examples() -> None:
    shown = sememe("--help")
    assert shown.returncode == 0
    assert "examples:\n  sememe pairs " in shown.stdout
