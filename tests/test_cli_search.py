"""`sememe index` and `sememe search` as a user runs them: real processes, real files."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from postgres_server import PASSWORD
from sememe import BiEncoder, CrossEncoder, Index
from tiny_models import Tiny, make_cross_encoder

ROWS = [
    ("nuclear power is clean", "de", "2021"),
    ("the wind plant is cheap. The waste is not.", "en", "2023"),
    ("a new car", "en", ""),
]


def sememe(*arguments: object, stdin: str = "") -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "sememe.cli", *map(str, arguments)]
    env = {**os.environ, "HF_HUB_OFFLINE": "1"}
    return subprocess.run(line, capture_output=True, text=True, check=False, env=env, input=stdin)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    file = tmp_path / "rows.csv"
    lines = "".join(f'{n},"{text}",{lang},{year}\n' for n, (text, lang, year) in enumerate(ROWS))
    file.write_text("id,text,lang,year\n" + lines)
    return file


@pytest.fixture
def index(table: Path, tiny: Tiny) -> Path:
    out = table.with_name("rows.sememe")
    options = ("--model", tiny.directory, "--precision", "f32")
    done = sememe("index", table, "-o", out, "--json", *options)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["texts"] == 3
    assert "3 texts, 3 of them new" in done.stderr
    return out


def test_all_columns_are_kept_and_numbers_are_numbers(index: Path) -> None:
    with Index.open(index) as opened:
        found = opened.get(["0", "1", "2"])
    assert [(row.text, row.metadata) for row in found] == [
        (text, {"lang": lang, "year": int(year) if year else None}) for text, lang, year in ROWS
    ]


def test_leading_zeros_stay(tmp_path: Path, tiny: Tiny) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("text,zip,price\na,01234,1.50\nb,99999,2\n")
    options = ("--model", tiny.directory, "--precision", "f32")
    assert sememe("index", file, "-o", tmp_path / "x", *options).returncode == 0
    with Index.open(tmp_path / "x") as opened:
        hits = opened.search("a")
    assert {hit.metadata["zip"] for hit in hits} == {"01234", "99999"}
    assert {hit.metadata["price"] for hit in hits} == {1.5, 2.0}


def test_a_search_shows_what_the_index_finds(index: Path, encoder: BiEncoder) -> None:
    with Index.open(index, encoder) as opened:
        expected = opened.search("cheap power", where="year > 2022", mode="hybrid")
    options = ("--mode", "hybrid", "--where", "year > 2022")
    done = sememe("search", index, "cheap power", "--json", *options)
    assert done.returncode == 0, done.stderr
    (hit,) = json.loads(done.stdout)["hits"]
    assert (hit["id"], hit["score"]) == (expected[0].id, pytest.approx(expected[0].score))
    assert hit["sentence"] == expected[0].sentence
    shown = sememe("search", index, "cheap power", *options).stdout
    assert f"  1  {expected[0].score:.4f}  {expected[0].sentence}\n" in shown
    assert "id 1 · lang: en · year: 2023" in shown


def test_queries_come_from_a_pipe(index: Path) -> None:
    done = sememe("search", index, "-k", 1, "--json", stdin="a car\n\nwind\n")
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["query"] for line in done.stdout.splitlines()] == ["a car", "wind"]
    assert "Nothing was found." in sememe("search", index, "日本", "--mode", "bm25").stdout


def test_a_cross_encoder_reranks(index: Path, tmp_path: Path) -> None:
    make_cross_encoder(tmp_path / "cross")
    options = ("--rerank", tmp_path / "cross", "--precision", "f32", "--json")
    done = sememe("search", index, "wind", *options)
    assert done.returncode == 0, done.stderr
    ranked = CrossEncoder(tmp_path / "cross", precision="f32").rank("wind", [r[0] for r in ROWS])
    assert [h["text"] for h in json.loads(done.stdout)["hits"]] == [hit.text for hit in ranked]


def test_the_same_command_adds_nothing_and_replace_replaces(index: Path, table: Path) -> None:
    done = sememe("index", table, "-o", index)
    assert done.returncode == 0, done.stderr
    assert "0 of them new" in done.stderr
    table.write_text(table.read_text().replace("a new car", "an old bus"))
    refused = sememe("index", table, "-o", index)
    assert refused.returncode == 2
    assert "upsert" in refused.stderr or "--replace" in refused.stderr
    assert sememe("index", table, "-o", index, "--replace").returncode == 0
    with Index.open(index) as opened:
        assert len(opened) == 3
        assert opened.get(["2"])[0].text == "an old bus"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("id,text\n1,a\n1,b\n", "line 3: \"id\" is '1', as in"),
        ("id,text\n1,a\n,b\n", "line 3: \"id\" is '', which is no id"),
        ("text\na\n", 'has no column "number"'),
    ],
)
def test_bad_ids_are_told_of_by_their_line(
    tmp_path: Path, tiny: Tiny, content: str, said: str
) -> None:
    file = tmp_path / "bad.csv"
    file.write_text(content)
    column = ("--id", "number") if "number" in said else ()
    done = sememe("index", file, "-o", tmp_path / "x", "--model", tiny.directory, *column)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "x").exists()


def test_bad_searches_are_one_line(index: Path, tmp_path: Path) -> None:
    for arguments, said in (
        ((tmp_path / "none", "x"), "There is no index"),
        ((index, "x", "--where", "lang = en"), "write 'en' for a text"),
        ((index, " "), "query 0 is ' '"),
        ((index, "x", "-k", "0"), "top_k=0"),
    ):
        done = sememe("search", *arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert said in done.stderr
        assert done.stderr.count("\n") == 1


def test_other_columns_called_text_or_id_are_kept_beside(tmp_path: Path, tiny: Tiny) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text('{"title": "a car", "text": "long", "id": 1, "n": {"a": [1]}, "code": "7"}\n')
    options = ("--column", "title", "--id", "id", "--model", tiny.directory, "--precision", "f32")
    assert sememe("index", file, "-o", tmp_path / "x", *options).returncode == 0
    with Index.open(tmp_path / "x") as opened:
        (row,) = opened.get([1])
    assert (row.text, row.metadata) == ("a car", {"text_": "long", "n": {"a": [1]}, "code": "7"})


def test_an_index_on_a_server(table: Path, tiny: Tiny, postgres_place: str) -> None:
    options = ("--model", tiny.directory, "--precision", "f32")
    done = sememe("index", table, "-o", postgres_place, *options)
    assert done.returncode == 0, done.stderr
    assert PASSWORD not in done.stdout + done.stderr
    done = sememe("search", postgres_place, "a car", "--where", "year IS NULL", "--json")
    assert [hit["id"] for hit in json.loads(done.stdout)["hits"]] == ["2"]
    missing = sememe("search", postgres_place + "_not", "a car")
    assert missing.returncode == 2
    assert "There is no index" in missing.stderr
