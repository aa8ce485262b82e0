"""`sememe cluster` with a folder that it wrote: new texts, changes, the tree, counts."""

import csv
import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from commands import sememe
from page_data import data_of
from tiny_models import Tiny

TEXTS = ["a car", "the car", "a bus", "the bus", "one car", "one bus"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tiny: Tiny) -> Path:
    place = tmp_path_factory.mktemp("clusters")
    rows = [f"2026-0{1 + row % 2}-01,{text}" for row, text in enumerate(TEXTS)]
    (place / "t.csv").write_text("day,opinion\n" + "\n".join(rows) + "\n")
    options = ["--model", tiny.directory, "--precision", "f32", "--clusters", "2"]
    done = sememe("cluster", place / "t.csv", "--column", "opinion", *options, "-o", place / "g")
    assert done.returncode == 0, done.stderr
    return place


@pytest.mark.slow
def test_new_texts_are_filed(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "new.csv").write_text("id,opinion\n7,the car\n8,\n9,one bus\n")
    done = sememe(
        "cluster", "--assign", folder / "g", tmp_path / "new.csv", "-o", tmp_path / "o.csv"
    )
    assert done.returncode == 0, done.stderr
    assert f"2 texts, 2 clusters, 0 outliers: {tmp_path / 'o.csv'}" in done.stderr
    with (tmp_path / "o.csv").open(newline="") as file:
        filed = list(csv.DictReader(file))
    with (folder / "g" / "assignments.csv").open(newline="") as file:
        known = {row["opinion"]: row for row in csv.DictReader(file)}
    assert [row["id"] for row in filed] == ["7", "8", "9"]
    for row in (filed[0], filed[2]):
        assert row["cluster"] == known[row["opinion"]]["cluster"]
        assert row["cluster_name"] == known[row["opinion"]]["cluster_name"]
    assert [filed[1][name] for name in ("cluster", "cluster_name", "strength")] == ["", "", ""]
    printed = sememe("cluster", "--assign", folder / "g", tmp_path / "new.csv")
    assert list(csv.DictReader(io.StringIO(printed.stdout))) == filed
    lines = sememe("cluster", "--assign", folder / "g", tmp_path / "new.csv", "--json").stdout
    assert [json.loads(line)["id"] for line in lines.splitlines()] == ["7", "8", "9"]


@pytest.mark.slow
def test_vectors_that_are_there_are_not_computed_again(
    folder: Path, tmp_path: Path, tiny: Tiny
) -> None:
    model = ["--model", tiny.directory, "--precision", "f32", "--column", "opinion"]
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
    done = sememe("cluster", folder / "g", "-o", tmp_path / "g.parquet")
    assert done.returncode == 2
    assert "a folder is written: leave .parquet out" in done.stderr
    assert not (tmp_path / "g.parquet").exists()


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


def names_in(place: Path) -> dict[int, str]:
    described = json.loads((place / "clusters.json").read_text(encoding="utf-8"))
    return {one["label"]: one["name"] for one in described["clusters"]}


def test_names_come_from_a_table(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "names.csv").write_text("cluster,name,note\n1,four wheels,x\n0, ,\n")
    before = names_in(folder / "g")
    done = sememe("cluster", folder / "g", "--names", tmp_path / "names.csv", "-o", tmp_path / "h")
    assert done.returncode == 0, done.stderr
    assert names_in(tmp_path / "h") == before | {1: "four wheels"}
    assert "1: four wheels" in done.stdout


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("7,x", "there is no cluster 7; the numbers are 0, 1"),
        ("0,x\n0,y", 'names.csv, line 3: "0" comes twice'),
        ("first,x", '"first" is no number of a cluster'),
        ("0,x\n1,x", "clusters 0 and 1 would both be called 'x'"),
    ],
    ids=["missing", "twice", "no number", "same"],
)
def test_names_that_fit_no_cluster_are_one_line(
    folder: Path, tmp_path: Path, rows: str, message: str
) -> None:
    (tmp_path / "names.csv").write_text(f"cluster,name\n{rows}\n")
    done = sememe("cluster", folder / "g", "--names", tmp_path / "names.csv", "-o", tmp_path / "h")
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_command_names_each_cluster(folder: Path, tmp_path: Path) -> None:
    # The first sentence, which is the most central one, is the name.
    code = "import sys; print(sys.stdin.read().partition('Sentences:')[2])"
    done = sememe(
        "cluster",
        folder / "g",
        "--name-with",
        f'{sys.executable} -c "{code}"',
        "-o",
        tmp_path / "h",
    )
    assert done.returncode == 0, done.stderr
    described = json.loads((tmp_path / "h" / "clusters.json").read_text(encoding="utf-8"))
    assert [one["name"] for one in described["clusters"]] == [
        one["examples"][0] for one in described["clusters"]
    ]
    # The user's names now, so none is left to be made.
    fails = f'{sys.executable} -c "exit(1)"'
    done = sememe("cluster", tmp_path / "h", "--name-with", fails, "-o", tmp_path / "h")
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_a_command_that_fails_loses_nothing(
    folder: Path, tmp_path: Path, tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    # The first time it makes a name, then it fails.
    count = "import sys, pathlib; file = pathlib.Path('c'); seen = file.exists(); file.touch(); "
    count += "print('first'); seen and sys.exit('no credit left')"
    line = [
        "cluster",
        folder / "t.csv",
        "--column",
        "opinion",
        "--model",
        tiny.directory,
        "--precision",
    ]
    line += ["f32", "--clusters", "2", "-o", tmp_path / "g"]
    done = sememe(*line, "--name-with", f'{sys.executable} -c "{count}"')
    assert done.returncode == 1
    assert "cluster 1 gets no name" in done.stderr
    assert "no credit left. Saved with 1 of 2 names" in done.stderr
    names = names_in(folder / "g")
    assert names_in(tmp_path / "g") == {0: "first", 1: names[1]}
    silent = f'{sys.executable} -c "pass"'
    done = sememe("cluster", folder / "g", "--name-with", silent, "-o", tmp_path / "h")
    assert done.returncode == 1
    assert "printed nothing" in done.stderr
    assert names_in(tmp_path / "h") == names


def test_a_map_keeps_its_title_and_colour(folder: Path, tmp_path: Path) -> None:
    done = sememe("cluster", folder / "g", "--color", "day", "-o", tmp_path / "h")
    done = sememe("cluster", tmp_path / "h", "--rename", "0=x", "-o", tmp_path / "h")
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "h" / "map.html").read_text(encoding="utf-8")
    assert "<title>t.csv</title>" in page
    assert data_of(tmp_path / "h" / "map.html")["color"] == "day"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (["t.csv", "--tree"], "--tree takes a folder that `sememe cluster -o` wrote"),
        (["t.csv"], "-o DIR is needed"),
        (["g", "--merge", "0", "0"], "cluster 0 cannot be merged with itself"),
        (["g", "--split", "9"], "there is no cluster 9"),
        (["g", "--split", "1=x"], "1=x is no number of a cluster"),
        (["g", "--rename", "0"], "is no number and name"),
        (["g", "--clusters", "3"], "--clusters is for a file of sentences, and g is a folder"),
        (["g", "--by", "month"], "--by is the period of --over COLUMN"),
        (["g", "--name-with", "nothing-of-that-name x"], "there is no command nothing-of-that-"),
        (["g", "--name-with", sys.executable], "--name-with needs -o DIR"),
        (["g", "--names", "t.csv"], 't.csv has no column "cluster"'),
        (["--assign", "g", "t.csv", "--tree"], "--tree does not go with --assign"),
        (["g", "--over", "month"], 't.csv has no column "month"; its columns are "'),
        (["g", "--color", "month"], 't.csv has no column "month"; its columns are "'),
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
