"""`sememe index` and `sememe search` as a user runs them: real files, real encoders."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from commands import sememe
from postgres_server import PASSWORD
from sememe import BiEncoder, CrossEncoder, Index
from sememe.tables import write_table
from tiny_models import Tiny, make_checkpoint, make_cross_encoder

ROWS = [
    ("nuclear power is clean", "de", "2021"),
    ("the wind plant is cheap. The waste is not.", "en", "2023"),
    ("a new car", "en", ""),
]


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
    assert "3 texts, 3 new" in done.stderr
    return out


def test_all_columns_are_kept_and_numbers_are_numbers(index: Path) -> None:
    with Index.open(index) as opened:
        found = opened.get(["0", "1", "2"])
    assert [(row.text, row.metadata) for row in found] == [
        (text, {"lang": lang, **({"year": int(year)} if year else {})}) for text, lang, year in ROWS
    ]


@pytest.mark.slow
def test_leading_zeros_stay(tmp_path: Path, tiny: Tiny) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("text,zip,price\na,01234,1.50\nb,99999,2\n")
    options = ("--model", tiny.directory, "--precision", "f32")
    assert sememe("index", file, "-o", tmp_path / "x", *options).returncode == 0
    with Index.open(tmp_path / "x") as opened:
        hits = opened.search("a")
    assert {hit.metadata["zip"] for hit in hits} == {"01234", "99999"}
    assert {hit.metadata["price"] for hit in hits} == {1.5, 2.0}


def indexed(place: Path, content: str, *options: object) -> subprocess.CompletedProcess[str]:
    """What `sememe index` says of a file with this content, which goes into an index."""
    file = place.with_name("some.csv")
    file.write_text(content)
    return sememe("index", file, "-o", place, *options)


def column(place: Path, name: str) -> list[object]:
    with Index.open(place) as opened:
        rows = opened.get([str(number) for number in range(9)])
    return [row.metadata.get(name) for row in rows]


def test_cells_that_are_one_number_stay_texts(tmp_path: Path, tiny: Tiny) -> None:
    place, model = tmp_path / "x", ("--model", tiny.directory)
    rows = "1,a,1.1,1e5,1,1e-05,2\n2,b,1.10,200,1.0,0.5,2.5\n"
    assert indexed(place, f"id,text,version,code,n,p,m\n{rows}", *model).returncode == 0
    assert column(place, "version") == ["1.1", "1.10"]
    assert column(place, "code") == ["1e5", "200"]
    assert column(place, "n") == ["1", "1.0"]
    assert column(place, "p") == [1e-05, 0.5]
    assert column(place, "m") == [2, 2.5]


@pytest.mark.slow
def test_cells_that_are_one_number_stay_texts_in_a_second_file(tmp_path: Path, tiny: Tiny) -> None:
    place, head = tmp_path / "x", "id,text,version,m\n"
    first = indexed(place, f"{head}1,a,1.1,3\n2,b,1.2,4\n", "--model", tiny.directory)
    assert first.returncode == 0
    done = indexed(place, f"{head}3,c,1.3,5\n4,d,1.30,1e5\n")
    assert done.returncode == 0, done.stderr
    assert '"version" has 1.3 and 1.30, which are one number; its cells are kept' in done.stderr
    assert column(place, "version") == [1.1, 1.2, "1.3", "1.30"]
    assert column(place, "m") == [3, 4, 5, "1e5"]
    longer = indexed(place, f"{head}1,a,1.1,3\n5,e,1.10,6\n")
    assert longer.returncode == 2
    assert "line 2: \"version\" of the id '1' is 1.1 in the index and '1.1' here" in longer.stderr
    assert indexed(place, f"{head}1,a,1.1,3\n5,e,1.10,6\n", "--replace").returncode == 0
    assert column(place, "version") == ["1.1", 1.2, "1.3", "1.30", "1.10"]


@pytest.mark.parametrize("shared", [False, pytest.param(True, marks=pytest.mark.postgres)])
def test_the_column_of_ids_is_remembered(
    tmp_path: Path, tiny: Tiny, request: pytest.FixtureRequest, shared: bool
) -> None:
    place = request.getfixturevalue("postgres_place") if shared else tmp_path / "x"
    file = tmp_path / "rows.csv"
    file.write_text("doc_id,id,text\na,1,nuclear power\nb,2,a bus\n")
    options = ("--id", "doc_id", "--model", tiny.directory)
    assert sememe("index", file, "-o", place, *options).returncode == 0
    again = sememe("index", file, "-o", place)
    assert "2 texts, 0 new" in again.stderr
    assert " has 2 texts" in again.stderr
    with Index.open(place) as opened:
        assert (len(opened), opened.id_column) == (2, "doc_id")
    other = sememe("index", file, "-o", place, "--id", "id")
    assert other.returncode == 2
    assert 'has its ids from the column "doc_id", so --id id would add' in other.stderr
    (tmp_path / "rows.txt").write_text("a bus\n")
    missing = sememe("index", tmp_path / "rows.txt", "-o", place)
    assert missing.returncode == 2
    assert 'has no column "doc_id"' in missing.stderr
    assert 'has its ids from the column "doc_id"' in missing.stderr
    assert "2 texts removed" in sememe("index", file, "--remove", "-o", place).stderr


def test_ids_made_of_the_texts_are_remembered(tmp_path: Path, tiny: Tiny) -> None:
    place = tmp_path / "x"
    assert indexed(place, "text\na\nb\n", "--model", tiny.directory).returncode == 0
    done = indexed(place, "text,doc_id\na,1\nb,2\n", "--id", "doc_id")
    assert done.returncode == 2
    assert "has its ids from the texts, not from a column, so --id doc_id" in done.stderr


def test_texts_that_are_there_under_other_ids_are_told_of_once(
    tmp_path: Path, encoder: BiEncoder
) -> None:
    place = tmp_path / "x"
    with Index.create(place, encoder) as made:
        made.add(["a bus", "wind"], ["a", "b"])
        assert made.id_column is None
    done = indexed(place, "text\nnew\nwind\na bus\n")
    assert done.returncode == 0, done.stderr
    [note] = [line for line in done.stderr.splitlines() if line.startswith("note:")]
    assert "some.csv: 2 texts are in the index already under other ids and are added" in note
    assert "some.csv, line 3: " in note
    assert note.endswith(" is 'b' there)")
    with Index.open(place) as opened:
        assert opened.id_column is None
    same = indexed(place, "number,text\na,a bus\nb,wind\n", "--id", "number")
    assert "note:" not in same.stderr
    with Index.open(place) as opened:
        assert opened.id_column == "number"


def test_a_second_writer_is_told_to_try_again(index: Path, table: Path) -> None:
    with Index.open(index) as opened, opened._store.writing():
        done = sememe("index", table, "--replace", "-o", index)
    assert done.returncode == 1
    assert "is writing to" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_blank_query_is_refused_and_standard_input_is_left_alone(index: Path) -> None:
    for options in ((), ("--mode", "bm25")):
        done = sememe("search", index, *options, "", stdin="wind\n")
        assert (done.returncode, done.stdout) == (2, "")
        assert "QUERY is blank" in done.stderr


@pytest.mark.slow
def test_a_search_shows_what_the_index_finds(index: Path, encoder: BiEncoder) -> None:
    with Index.open(index, encoder) as opened:
        expected = opened.search("cheap power", where="year > 2022", mode="hybrid")
    options = ("--mode", "hybrid", "--where", "year > 2022")
    done = sememe("search", index, "cheap power", "--json", *options)
    assert done.returncode == 0, done.stderr
    (hit,) = json.loads(done.stdout)["hits"]
    assert (hit["id"], hit["score"]) == (expected[0].id, pytest.approx(expected[0].score))
    assert hit["sentence"] == expected[0].sentence
    shown = sememe("search", index, *options, "cheap power").stdout
    assert f"  1  {expected[0].score:.4f}  {expected[0].sentence}\n" in shown
    assert "id 1 · lang: en · year: 2023" in shown


@pytest.mark.slow
def test_queries_come_from_a_pipe(index: Path) -> None:
    done = sememe("search", index, "-k", 1, "--json", stdin="a car\n\nwind\n")
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["query"] for line in done.stdout.splitlines()] == ["a car", "wind"]
    shown = sememe("search", index, "-k", 1, stdin="a car\n\nwind\n").stdout.splitlines()
    assert [line for line in shown if line.startswith("search>")] == [
        "search> a car",
        "search> wind",
    ]


@pytest.mark.slow
def test_nothing_found_says_what_it_had_to_fit(index: Path) -> None:
    assert "Nothing was found.\n" in sememe("search", index, "日本", "--mode", "bm25").stdout
    done = sememe("search", index, "a car", "--where", "yaer = 2023")
    assert done.stdout == (
        "Nothing was found that fits --where yaer = 2023\n"
        "The fields are id (string), text (string), lang (string), year (number).\n"
    )


@pytest.mark.slow
@pytest.mark.parametrize("own", ["2", "'2'"])
def test_an_id_is_found_with_quotes_and_without(index: Path, own: str) -> None:
    found = sememe("search", index, "a car", "--where", f"id = {own} AND year IS NULL")
    assert "a new car" in found.stdout


def test_a_search_by_words_opens_no_encoder(table: Path, tiny: Tiny) -> None:
    model, out = table.with_name("model"), table.with_name("words.sememe")
    shutil.copytree(tiny.directory, model)
    assert sememe("index", table, "-o", out, "--model", model).returncode == 0
    shutil.rmtree(model)
    done = sememe("search", out, "waste", "--mode", "bm25")
    assert ROWS[1][0] in done.stdout, done.stderr
    done = sememe("search", out, "waste", "--mode", "bm25", "--json")
    assert json.loads(done.stdout)["hits"][0]["sentence"] == ROWS[1][0]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_for_what_is_printed_is_one_line(index: Path) -> None:
    line = f"{sys.executable} -m sememe.cli search {index} a --mode bm25 > /dev/full"
    done = subprocess.run(line, shell=True, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "No space left on device" in done.stderr


@pytest.mark.slow
def test_a_cross_encoder_reranks(index: Path, tmp_path: Path) -> None:
    make_cross_encoder(tmp_path / "cross")
    options = ("--rerank", tmp_path / "cross", "--precision", "f32", "--json")
    done = sememe("search", index, "wind", *options)
    assert done.returncode == 0, done.stderr
    ranked = CrossEncoder(tmp_path / "cross", precision="f32").rank("wind", [r[0] for r in ROWS])
    assert [h["text"] for h in json.loads(done.stdout)["hits"]] == [hit.text for hit in ranked]


@pytest.mark.slow
def test_the_depth_of_reranking_is_tuned_by_a_table(index: Path, tmp_path: Path) -> None:
    make_cross_encoder(tmp_path / "cross")
    judged = tmp_path / "judged.csv"
    rows = "".join(f"query {n},{n % 3},1\n" for n in range(12))
    judged.write_text("query,id,label\n" + rows + "nobody knows,0,0\n")
    options = ("--rerank", tmp_path / "cross", "--precision", "f32")
    done = sememe("search", index, *options, "--tune", judged, "--json")
    assert done.returncode == 0, done.stderr
    assert "queries that nothing answers are left out, 1 of them" in done.stderr
    result = json.loads(done.stdout)
    assert (result["queries"], result["pairs"], set(result["figures"])) == (12, 36, {"0", "3"})
    done = sememe("search", index, "wind", *options, "--budget", 1, "--json")
    scores = [hit["score"] for hit in json.loads(done.stdout)["hits"]]
    with Index.open(index) as opened:
        assert scores[1:] == [hit.score for hit in opened.search("wind")][1:]
    refused = sememe("search", index, "wind", *options, "--tune", judged)
    assert refused.returncode == 2
    assert "QUERY does nothing with --tune" in refused.stderr


@pytest.mark.slow
def test_the_same_command_adds_nothing_and_replace_replaces(index: Path, table: Path) -> None:
    done = sememe("index", table, "-o", index)
    assert done.returncode == 0, done.stderr
    assert "0 new" in done.stderr
    table.write_text(table.read_text().replace("a new car", "an old bus"))
    refused = sememe("index", table, "-o", index)
    assert refused.returncode == 2
    assert "rows.csv, line 4: \"text\" of the id '2' is 'a new car' in the" in refused.stderr
    assert "and 'an old bus' here; --replace puts" in refused.stderr
    assert sememe("index", table, "-o", index, "--replace").returncode == 0
    with Index.open(index) as opened:
        assert len(opened) == 3
        assert opened.get(["2"])[0].text == "an old bus"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("id,text\n1,a\n1,b\n", "line 3: \"id\" is '1', as in"),
        ("id,text\n1,a\n,b\n", "line 3: \"id\" is ''; an id is a text"),
        ("text\na\n", 'has no column "number"'),
        ('text\n""\n" "\n', 'has no text: every "text" is blank'),
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
        ((index, "x", "--where", ""), "--where is blank"),
        ((index, " "), "QUERY is blank"),
        ((index, "x", "-k", "0"), "-k/--top-k: 0 is not a whole number"),
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


def test_no_column_is_lost_to_a_name_that_is_taken(tmp_path: Path, tiny: Tiny) -> None:
    file, out = tmp_path / "rows.csv", tmp_path / "x"
    file.write_text("id,id_,key,text\na,b,c,d\n")
    assert (
        sememe("index", file, "--id", "key", "-o", out, "--model", tiny.directory).returncode == 0
    )
    with Index.open(out) as opened:
        assert opened.get(["c"])[0].metadata == {"id__": "a", "id_": "b"}


def test_an_empty_index_takes_texts(index: Path, table: Path) -> None:
    with Index.open(index) as opened:
        opened.delete(["0", "1", "2"])
    done = sememe("index", table, "-o", index)
    assert "3 texts, 3 new" in done.stderr


@pytest.mark.slow
def test_a_longer_file_just_adds(tmp_path: Path, tiny: Tiny) -> None:
    def indexed(content: str, name: str, *options: object) -> dict[str, object]:
        (tmp_path / name).write_text(content)
        done = sememe("index", tmp_path / name, "-o", tmp_path / f"{name}.sememe", *options)
        assert done.returncode == 0, done.stderr
        with Index.open(tmp_path / f"{name}.sememe") as opened:
            return {row.id: row.metadata for row in opened.get(["1", "2", "3", "4"])}

    model = ("--model", tiny.directory)
    first = {"1": {"n": 7, "s": "x"}, "2": {"s": "2"}}
    assert indexed("id,text,n,s\n1,a,7,x\n2,b,,2\n", "rows.csv", *model) == first
    longer = "id,text,n,s,e\n1,a,7,x,\n2,b,,2,\n3,c,n/a,3,\n4,d,8.5,,"
    more = {"3": {"n": "n/a", "s": "3"}, "4": {"n": 8.5}}
    assert indexed(longer, "rows.csv") == {**first, **more}
    line = '{"id": 1, "text": "a"}\n'
    assert indexed(line, "rows.jsonl", *model) == {"1": {}}
    longer = line + '{"id": 2, "text": "b", "n": 1}\n'
    assert indexed(longer, "rows.jsonl") == {"1": {}, "2": {"n": 1}}


def test_a_null_that_is_there_is_no_difference(tmp_path: Path, encoder: BiEncoder) -> None:
    with Index.create(tmp_path / "x", encoder) as made:
        made.add(["a"], ["1"], [{"n": None, "m": 1}])
    (tmp_path / "rows.csv").write_text("id,text,n,m\n1,a,,1\n")
    done = sememe("index", tmp_path / "rows.csv", "-o", tmp_path / "x")
    assert done.returncode == 0, done.stderr
    assert "0 new" in done.stderr


def test_blank_texts_are_left_out_and_told_of(tmp_path: Path, tiny: Tiny) -> None:
    file = tmp_path / "rows.csv"
    file.write_text('id,text\n1,a\n2,""\n3," "\n,b\n')
    refused = sememe("index", file, "-o", tmp_path / "x", "--model", tiny.directory)
    assert "rows.csv, line 5: \"id\" is ''" in refused.stderr
    file.write_text('id,text\n1,a\n2,""\n3," "\n4,b\n')
    done = sememe("index", file, "-o", tmp_path / "x", "--model", tiny.directory)
    note = 'rows.csv: 2 of 4 cells of "text" are blank (line 3, line 4) and left out\n'
    assert done.stderr.count(" are blank ") == 1
    assert note in done.stderr
    assert "2 texts, 2 new" in done.stderr


DEEP = "[" * 200 + "]" * 200


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("NaN", 'line 2: "n" is or has a number that is not finite (nan)'),
        ('{"a": [-Infinity]}', 'line 2: "n" is or has a number that is not finite'),
        (DEEP, 'line 2: "n" is nested more than 100 deep'),
    ],
)
def test_what_cannot_be_kept_is_told_of_before_an_index_is_made(
    tmp_path: Path, tiny: Tiny, value: str, said: str
) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text('{"text": "a", "n": 1}\n{"text": "b", "n": %s}\n' % value)  # noqa: UP031
    done = sememe("index", file, "-o", tmp_path / "x", "--model", tiny.directory)
    assert done.returncode == 2
    assert f"rows.jsonl, {said}" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "x").exists()


def test_parquet_is_told_of_by_its_row(tmp_path: Path, tiny: Tiny) -> None:
    file = tmp_path / "rows.parquet"
    write_table(file, {"text": ["a", "b"], "n": [1.0, float("nan")]})
    done = sememe("index", file, "-o", tmp_path / "x", "--model", tiny.directory)
    assert 'rows.parquet, row 2: "n" is or has a number that is not finite' in done.stderr


@pytest.mark.slow
def test_options_that_the_index_contradicts_are_refused(
    index: Path, table: Path, tiny: Tiny, tmp_path: Path
) -> None:
    other = make_checkpoint(tmp_path / "other", head=["normalize"], seed=1).directory
    has = f"was made with --model {tiny.directory} --precision f32 --language english: leave "
    for option, value in (("--language", "simple"), ("--precision", "bf16"), ("--model", other)):
        done = sememe("index", table, "-o", index, option, value)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert f"{has}{option} out" in done.stderr
    done = sememe("index", table, "-o", index, "--device", "cuda:9")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    same = ("--model", tiny.directory, "--precision", "f32", "--language", "english")
    assert sememe("index", table, "-o", index, *same).returncode == 0


def test_a_device_whose_vectors_cannot_be_compared_is_refused(table: Path, tiny: Tiny) -> None:
    place = table.with_name("torch.sememe")
    Index.create(place, BiEncoder(tiny.directory, engine="torch", precision="f32")).close()
    done = sememe("index", table, "-o", place, "--device", "cpu")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "leave --device out, or encode its texts again: --reindex." in done.stderr


def test_lines_of_standard_input_have_no_columns(tmp_path: Path) -> None:
    for command in (
        ("index", "--id", "a"),
        ("index", "--column", "text"),
        ("encode", "--column", "text"),
    ):
        done = sememe(command[0], "-", "-o", tmp_path / "x", *command[1:], stdin="a,text\n1,b\n")
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert "standard input is read as lines of text" in done.stderr
    assert not (tmp_path / "x").exists()


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="no Ctrl-C can be sent there")
def test_stopped_it_says_what_is_in_and_goes_on(tmp_path: Path, tiny: Tiny) -> None:
    file, out = tmp_path / "rows.txt", tmp_path / "x"
    file.write_text("".join(f"a car {n}\n" for n in range(60_000)))
    # What runs in a shell's background, as a suite may, ignores Ctrl-C, and so do its children.
    heeding = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from sememe.cli.main import main\nraise SystemExit(main())"
    )
    line = [sys.executable, "-c", heeding, "index", file, "-o", out, "--model", tiny.directory]
    running = subprocess.Popen([*map(str, line)], stderr=subprocess.PIPE, text=True)
    while not out.exists():
        time.sleep(0.01)
    with Index.open(out) as opened:
        while not len(opened):
            time.sleep(0.01)
    running.send_signal(signal.SIGINT)
    said = running.communicate()[1]
    assert running.returncode == 130
    with Index.open(out) as opened:
        there = f"{len(opened):,} of 60,000 texts of {file} are in the index"
    assert f"sememe: stopped; {there}, the same command resumes there\n" in said


@pytest.mark.slow
def test_texts_are_removed_by_a_file_of_ids(index: Path, tmp_path: Path, tiny: Tiny) -> None:
    done = sememe("index", "-", "--remove", "-o", index, "--json", stdin="2\n9\n0\n")
    assert json.loads(done.stdout) == {"index": str(index), "texts": 1, "removed": 2}
    assert "1 id not in it, the first in standard input, line 2" in done.stderr
    file = tmp_path / "whole.jsonl"
    file.write_text('{"id": 12, "text": "a"}\n{"id": "012", "text": "b"}\n')
    options = ("--model", tiny.directory, "--precision", "f32")
    assert sememe("index", file, "-o", tmp_path / "whole", *options).returncode == 0
    for left in (["012"], ["012"]):
        done = sememe("index", "-", "--remove", "-o", tmp_path / "whole", stdin="12\n")
        assert done.returncode == 0, done.stderr
        with Index.open(tmp_path / "whole") as opened:
            assert [row.id for row in opened.get([12, "12", "012"])] == left
    (tmp_path / "gone.csv").write_text("title,ID\nx,012\n")
    assert (
        sememe("index", tmp_path / "gone.csv", "--remove", "-o", tmp_path / "whole").returncode == 0
    )
    with Index.open(tmp_path / "whole") as opened:
        assert len(opened) == 0


@pytest.mark.slow
def test_an_index_is_encoded_again_with_another_model(index: Path, tmp_path: Path) -> None:
    other = make_checkpoint(tmp_path / "other", head=["normalize"], seed=1).directory
    done = sememe("index", "--reindex", "--model", other, "--precision", "f32", "-o", index)
    assert done.returncode == 0, done.stderr
    assert f"3 texts encoded, with {other} in f32" in done.stderr
    with Index.open(index) as opened:
        assert opened.encoder.model == str(other)
    for options, said in (
        (("--reindex", "rows.csv"), "FILE does nothing with --reindex"),
        (("--remove", "rows.csv", "--model", "m"), "--model does nothing with --remove"),
        ((), "FILE is missing"),
    ):
        done = sememe("index", *options, "-o", index)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert said in done.stderr


@pytest.mark.postgres
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


@pytest.mark.slow
def test_a_file_of_new_rows_alone_keeps_the_types_of_the_index(tmp_path: Path, tiny: Tiny) -> None:
    file, place = tmp_path / "rows.csv", tmp_path / "x"
    file.write_text("id,text,zip,score\n1,a,01234,1e-05\n2,b,99999,0.5\n")
    assert sememe("index", file, "-o", place, "--model", tiny.directory).returncode == 0
    file.write_text("id,text,zip,score\n3,c,55555,n/a\n4,d,44444,2\n")
    assert sememe("index", file, "-o", place).returncode == 0
    with Index.open(place) as index:
        kept = [row.metadata for row in index.get(["1", "2", "3", "4"])]
        fields = {"zip": {"string"}, "score": {"number", "string"}}
        assert index.fields() == {"id": {"string"}, "text": {"string"}, **fields}
    assert kept == [
        {"zip": "01234", "score": 1e-05}, {"zip": "99999", "score": 0.5},
        {"zip": "55555", "score": "n/a"}, {"zip": "44444", "score": 2},
    ]  # fmt: skip


def test_ids_are_as_the_index_has_them(tmp_path: Path, tiny: Tiny) -> None:
    place, lines, table = tmp_path / "x", tmp_path / "rows.jsonl", tmp_path / "rows.csv"
    lines.write_text('{"id": 80, "text": "a"}\n')
    assert sememe("index", lines, "-o", place, "--model", tiny.directory).returncode == 0
    table.write_text("ID,text\n80,a\n81,b\n")
    done = sememe("index", table, "-o", place)
    assert "2 texts, 1 new" in done.stderr
    with Index.open(place) as index:
        assert [row.id for row in index.get([80, "81"])] == ["80", "81"]


@pytest.mark.slow
def test_replace_without_ids_is_refused_for_copies(tmp_path: Path, tiny: Tiny) -> None:
    file, place = tmp_path / "rows.csv", tmp_path / "x"
    file.write_text("text,label\nhello,a\nhello,b\nother,c\n")
    assert sememe("index", file, "-o", place, "--model", tiny.directory).returncode == 0
    for content, line in (("other,d\nhello,b\n", 3), ("other,d\nhello,a\nhello,b\n", 3)):
        file.write_text(f"text,label\n{content}")
        done = sememe("index", file, "-o", place, "--replace")
        assert done.returncode == 2
        assert f"line {line}: 'hello' is there more than once" in done.stderr
    file.write_text("text,label\nother,d\n")
    done = sememe("index", file, "-o", place, "--replace")
    assert "1 text, 0 new, 1 replaced" in done.stderr


@pytest.mark.slow
def test_nothing_in_a_text_moves_the_terminal(tmp_path: Path, tiny: Tiny) -> None:
    file, place = tmp_path / "rows.jsonl", tmp_path / "x"
    file.write_text(
        json.dumps({"id": "a\x1b[31m", "text": "red\x1b[0m \x07 \u202eevil", "k": "\x1b"})
    )
    assert sememe("index", file, "-o", place, "--model", tiny.directory).returncode == 0
    shown = sememe("search", place, "red").stdout
    assert "red\ufffd[0m" in shown
    assert not set(shown) & set("\x1b\x07\u202e")


@pytest.mark.slow
def test_a_query_may_be_several_words(index: Path) -> None:
    quoted = sememe("search", index, "the wind plant", "--json").stdout
    assert json.loads(quoted)["query"] == "the wind plant"
    assert sememe("search", index, "the", "wind", "plant", "--json").stdout == quoted
    assert sememe("search", index, "--json", "the", "wind", "plant").stdout == quoted
    done = sememe("search", index, "the", "--no-such")
    assert "unrecognized arguments: --no-such" in done.stderr


@pytest.mark.slow
def test_what_is_encoded_so_already_is_said_so(index: Path) -> None:
    done = sememe("index", "--reindex", "--model", Index.open(index).encoder.model, "--precision",
                  Index.open(index).encoder.precision, "-o", index)  # fmt: skip
    assert "3 texts are encoded so already" in done.stderr


def test_an_engine_for_no_rerank_is_refused(index: Path) -> None:
    done = sememe("search", index, "a", "--precision", "f32")
    assert "--precision is for --rerank M: give that too" in done.stderr


@pytest.mark.slow
def test_what_is_no_utf8_is_told_by_its_line(index: Path) -> None:
    line = [sys.executable, "-m", "sememe.cli", "search", str(index)]
    done = subprocess.run(line, capture_output=True, check=False, input=b"car\nwind \xff plant\n")
    assert done.returncode == 2
    assert b"standard input, line 2: byte 0xff is not UTF-8" in done.stderr
    assert b"a new car" in done.stdout


@pytest.mark.slow
def test_an_index_is_encoded_again_with_the_pooling_that_it_had(tmp_path: Path, tiny: Tiny) -> None:
    largest = BiEncoder(tiny.directory, precision="f32", pooling="max")
    with Index.create(tmp_path / "x", largest) as index:
        index.add(["nuclear power", "a new car"])
    done = sememe("index", "--reindex", "--precision", "f32", "-o", tmp_path / "x")
    assert "are encoded so already" in done.stderr
    with Index.open(tmp_path / "x") as index:
        assert index.encoder.fingerprint == largest.fingerprint
