"""`sememe cluster` with a folder that it wrote: new texts, changes, the tree, counts."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest

from commands import sememe
from tiny_models import Tiny

TEXTS = ["a car", "the car", "a bus", "the bus", "one car", "one bus"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tiny: Tiny) -> Path:
    place = tmp_path_factory.mktemp("clusters")
    rows = [f"2026-0{1 + row % 2}-01,{text}" for row, text in enumerate(TEXTS)]
    (place / "t.csv").write_text("day,text\n" + "\n".join(rows) + "\n")
    options = ["--model", tiny.directory, "--precision", "f32", "--clusters", "2"]
    done = sememe("cluster", place / "t.csv", "--column", "text", *options, "-o", place / "g")
    assert done.returncode == 0, done.stderr
    return place


@pytest.mark.slow
def test_new_texts_are_filed(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "new.csv").write_text("id,text\n7,the car\n8,\n9,one bus\n")
    done = sememe(
        "cluster", "--assign", folder / "g", tmp_path / "new.csv", "-o", tmp_path / "o.csv"
    )
    assert done.returncode == 0, done.stderr
    assert "fit none of the 2 clusters" in done.stderr
    with (tmp_path / "o.csv").open(newline="") as file:
        filed = list(csv.DictReader(file))
    with (folder / "g" / "assignments.csv").open(newline="") as file:
        known = {row["text"]: row for row in csv.DictReader(file)}
    assert [row["id"] for row in filed] == ["7", "8", "9"]
    for row in (filed[0], filed[2]):
        assert row["cluster"] == known[row["text"]]["cluster"]
        assert row["cluster_name"] == known[row["text"]]["cluster_name"]
    assert [filed[1][name] for name in ("cluster", "cluster_name", "strength")] == ["", "", ""]
    printed = sememe("cluster", "--assign", folder / "g", tmp_path / "new.csv")
    assert list(csv.DictReader(io.StringIO(printed.stdout))) == filed
    lines = sememe("cluster", "--assign", folder / "g", tmp_path / "new.csv", "--json").stdout
    assert [json.loads(line)["id"] for line in lines.splitlines()] == ["7", "8", "9"]


def test_vectors_that_are_there_are_not_computed_again(
    folder: Path, tmp_path: Path, tiny: Tiny
) -> None:
    model = ["--model", tiny.directory, "--precision", "f32", "--column", "text"]
    done = sememe("encode", folder / "t.csv", *model, "-o", tmp_path / "v.npy")
    assert done.returncode == 0, done.stderr
    line = ["cluster", folder / "t.csv", *model, "--clusters", 2, "--vectors", tmp_path / "v.npy"]
    done = sememe(*line, "-o", tmp_path / "g")
    assert done.returncode == 0, done.stderr
    expected = (folder / "g" / "assignments.csv").read_text()
    assert (tmp_path / "g" / "assignments.csv").read_text() == expected
    vectors = np.load(tmp_path / "v.npy")
    np.save(tmp_path / "v.npy", vectors[::-1])
    done = sememe(*line, "-o", tmp_path / "h")
    assert done.returncode == 2
    assert "the vector of texts[0] is not the one that this encoder gives" in done.stderr


def test_changes_are_saved_where_they_shall_be(folder: Path, tmp_path: Path) -> None:
    done = sememe("cluster", folder / "g", "--rename", "1=second  one", "-o", tmp_path / "h")
    assert done.returncode == 0, done.stderr
    described = json.loads((tmp_path / "h" / "clusters.json").read_text(encoding="utf-8"))
    assert {one["label"]: one["name"] for one in described["clusters"]}[1] == "second one"
    assert "second one" in (tmp_path / "h" / "assignments.csv").read_text()
    done = sememe("cluster", tmp_path / "h", "--merge", "0", "1", "--json")
    assert len(json.loads(done.stdout)["clusters"]) == 1
    assert "-o DIR names the folder" in done.stderr


def test_the_tree_and_the_counts_are_shown(folder: Path) -> None:
    lines = sememe("cluster", folder / "g", "--tree").stdout.splitlines()
    assert lines[0] == "all (6)"
    assert len(lines) == 3
    assert (
        len(json.loads(sememe("cluster", folder / "g", "--tree", "--json").stdout)["children"]) == 2
    )
    rows = json.loads(
        sememe("cluster", folder / "g", "--over", "day", "--by", "month", "--json").stdout
    )
    assert {row["day"] for row in rows} == {"2026-01", "2026-02"}
    assert sum(row["texts"] for row in rows) == 6


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (["t.csv", "--tree"], "--tree takes a folder that `sememe cluster -o` wrote"),
        (["t.csv"], "-o DIR is needed"),
        (["g", "--merge", "0", "0"], "cluster 0 cannot be merged with itself"),
        (["g", "--split", "9"], "there is no cluster 9"),
        (["g", "--rename", "0"], "is no number and name"),
        (["g", "--over", "month"], 'there is no column "month"'),
        (["--assign", "nowhere", "t.csv"], "holds no clustering"),
    ],
    ids=str,
)
def test_what_cannot_be_done_is_one_line(
    folder: Path, line: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    done = sememe("cluster", *line)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
