"""`sememe pairs` as a user runs it, with real files."""

import csv
import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from commands import sememe as run
from sememe import BiEncoder, find_pairs
from sememe.tables import read_table, write_table
from tiny_models import WORDS, Tiny

TEXTS = [
    "the wind is cheap",
    "a new car",
    "wind is cheap, the",
    "the wind is cheap",
    "never think like people",
    "wind is cheap",
]


sememe = partial(run, "pairs")


@pytest.fixture
def model(tiny: Tiny) -> tuple[str, str, str, str]:
    return "--model", str(tiny.directory), "--precision", "f32"


def records(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_pairs_of_a_file_are_those_of_python_by_record_and_line(
    model: tuple[str, ...], encoder: BiEncoder, tmp_path: Path
) -> None:
    lines = "\n".join([*TEXTS[:2], "", *TEXTS[2:]])  # a blank line is no record, but it counts
    (tmp_path / "t.txt").write_text(lines)
    line = [1, 2, 4, 5, 6, 7]
    done = sememe(tmp_path / "t.txt", "-o", tmp_path / "p.csv", *model, "--top", 4)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    expected = find_pairs(TEXTS, encoder, top=4)
    found = records(tmp_path / "p.csv")
    assert found[0] == {
        "first": "1", "second": "4", "first_line": "1", "second_line": "5", "score": "1.0",
        "first_text": TEXTS[0], "second_text": TEXTS[0],
    }  # fmt: skip
    for name, rows in (("first", expected.first), ("second", expected.second)):
        assert [int(one[name]) for one in found] == [row + 1 for row in rows]
        assert [int(one[f"{name}_line"]) for one in found] == [line[row] for row in rows]
    scores = np.array([one["score"] for one in found], np.float32)
    np.testing.assert_array_equal(scores, expected.score)
    assert [one["second_text"] for one in found] == [TEXTS[i] for i in expected.second]
    assert f"6 texts, 4 pairs of {expected.threshold:.3f} and above in " in done.stderr


def test_rows_are_found_again_in_pandas_and_by_the_users_ids(
    model: tuple[str, ...], tmp_path: Path
) -> None:
    pandas = pytest.importorskip("pandas")
    texts = ["a\nnew\ncar", "a bus", "a\nfilm", "a bus", "", "a\nfilm"]
    ids = ["T-9", "T-7", "T-8", "T-3", "T-5", ""]
    write_table(tmp_path / "t.csv", {"key": ids, "text": texts})
    options = ("--threshold", 1, "--id", "KEY", "--deduplicate", tmp_path)
    done = sememe(tmp_path / "t.csv", "-o", tmp_path / "p.csv", *model, *options)
    assert done.returncode == 0, done.stderr
    assert records(tmp_path / "p.csv") == [
        {
            "first": "2", "second": "4", "first_id": "T-7", "second_id": "T-3",
            "first_line": "5", "second_line": "8", "score": "1.0",
            "first_text": "a bus", "second_text": "a bus",
        },
        {
            "first": "3", "second": "6", "first_id": "T-8", "second_id": "",
            "first_line": "6", "second_line": "10", "score": "1.0",
            "first_text": "a\nfilm", "second_text": "a\nfilm",
        },
    ]  # fmt: skip
    frame = pandas.read_csv(tmp_path / "t.csv")
    for one in records(tmp_path / "p.csv"):
        for end in ("first", "second"):
            assert frame["text"][int(one[end]) - 1] == one[f"{end}_text"]
    dropped = records(tmp_path / "dropped.csv")
    assert [list(one.values())[:8] for one in dropped] == [
        ["4", "2", "T-3", "T-7", "8", "5", "1.0", "copy of id T-7"],
        ["6", "3", "", "T-8", "10", "6", "1.0", "copy of id T-8"],
    ]
    assert list(dropped[0])[:6] == [
        "dropped", "kept", "dropped_id", "kept_id", "dropped_line", "kept_line",
    ]  # fmt: skip


@pytest.mark.slow
def test_ids_of_several_types_fit_in_every_format(model: tuple[str, ...], tmp_path: Path) -> None:
    lines = [{"n": 7, "text": "a car"}, {"n": "x", "text": "a car"}, {"text": "a car"}]
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, lines)))
    for suffix in ("parquet", "jsonl"):
        out = tmp_path / f"p.{suffix}"
        done = sememe(tmp_path / "t.jsonl", "-o", out, *model, "--top", 9, "--id", "n")
        assert done.returncode == 0, done.stderr
        assert done.stderr.count('some rows have no "n", or that of another row') == 1
        columns = read_table(out).columns
        assert list(columns["first_id"]) == ["7", "7"]
        assert list(columns["second_id"]) == ["x", None]


def test_a_column_of_numbers_is_doubted_and_no_pair_is_no_dead_end(
    model: tuple[str, ...], tmp_path: Path
) -> None:
    write_table(tmp_path / "t.csv", {"no": ["1.5", "20", ""], "text": ["a car", "4711", ""]})
    line = (tmp_path / "t.csv", "-o", tmp_path / "p.csv", *model, "--threshold", 1)
    doubt = 'no cell of "no" has a letter: is it the column with the text?'
    done = sememe(*line, "--column", "no")
    assert done.stderr.count(doubt) == 1, done.stderr
    assert "a lower --threshold finds more" in done.stderr
    assert "has a letter" not in sememe(*line, "--column", "text").stderr


def test_a_suggested_threshold_is_explained(model: tuple[str, ...], tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    write_table(file, {"text": [f"{a} {b} {c}" for a in "abcd" for b in "efg" for c in "hi"]})
    done = sememe(file, "-o", tmp_path / "p.jsonl", *model, "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["texts"] == 24
    assert 0.7 <= said["threshold"] < 1
    assert f"{said['threshold']:.3f} is 70 % of the way from there to 1" in said["why"]
    assert said["why"] in done.stderr
    assert "word that matters" not in done.stderr, "nothing was dropped"
    found = read_table(tmp_path / "p.jsonl").columns if said["pairs"] else {"score": []}
    assert len(found["score"]) == said["pairs"]


@pytest.mark.slow
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
    assert {name: list(values) for name, values in kept.items()} == {
        name: [values[i] for i in rows] for name, values in columns.items()
    }
    head = 1 if suffix == "jsonl" else 2  # the first line of the others is the names
    dropped = records(out / "dropped.csv")
    gone = expected.dropped()
    assert [int(one["dropped"]) for one in dropped] == [one.row + 1 for one in gone]
    assert [int(one["kept"]) for one in dropped] == [one.kept + 1 for one in gone]
    if suffix == "parquet":  # which has no lines
        assert "kept_line" not in dropped[0]
    else:
        assert [int(one["kept_line"]) for one in dropped] == [one.kept + head for one in gone]
    assert [one["dropped_text"] for one in dropped] == [TEXTS[one.row] for one in gone]
    copy = next(one for one in dropped if one["dropped"] == "4")
    assert copy["reason"] == "copy of row 1"
    assert sorted(path.name for path in out.iterdir()) == ["dropped.csv", f"kept.{suffix}"]
    assert json.loads(done.stdout)["kept"] == len(rows) == 6 - len(dropped)
    assert f"{len(rows)} rows kept, {len(dropped)} dropped: {out}" in done.stderr


def test_reasons_say_what_is_so_of_the_row_itself() -> None:
    from sememe.cli.pairing import _reason
    from sememe.pairs import Dropped

    name, texts = "row {}".format, ["a", "b", "a"]
    assert _reason(Dropped(2, 0, 0, 1.0), texts, name) == "copy of row 0"
    assert _reason(Dropped(1, 0, 0, 0.934), texts, name) == "0.93 like row 0"
    texts = ["a", "b", "c"]
    reason = _reason(Dropped(2, 0, 1, 0.934), texts, name)
    assert reason == "joined to row 0 through row 1, 0.93 like that"


def test_lines_on_standard_input(model: tuple[str, ...], tmp_path: Path) -> None:
    options = ("--threshold", 1, "--deduplicate", tmp_path)
    done = sememe("-", "-o", tmp_path / "p.tsv", *model, *options, stdin="a car\na bus\na car\n")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "kept.txt").read_text() == "a car\na bus\n"
    assert records(tmp_path / "dropped.csv")[0]["reason"] == "copy of row 1"


def test_one_pair_is_no_pairs_and_blank_texts_are_in_none(
    model: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "t.csv").write_text('id,text\n1,a car\n2,""\n3,a car\n4," "\n5,""\n')
    options = ("--threshold", 1, "--deduplicate", tmp_path / "out", "--json")
    done = sememe(tmp_path / "t.csv", "-o", tmp_path / "p.csv", *model, *options)
    notes = [line for line in done.stderr.splitlines() if "are blank" in line]
    assert len(notes) == 1
    assert 't.csv: 3 of 5 cells of "text" are blank (line 3, line 5, line 6) and in no' in notes[0]
    assert "2 texts, 1 pair of 1.000" in done.stderr
    assert "4 rows kept, 1 dropped" in done.stderr
    summary = json.loads(done.stdout)
    assert [summary[name] for name in ("texts", "blank", "pairs", "kept")] == [2, 3, 1, 4]
    assert [one["id"] for one in records(tmp_path / "out" / "kept.csv")] == ["1", "2", "4", "5"]


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["csv", "tsv"])
def test_what_a_format_cannot_hold_is_replaced_with_one_note(
    model: tuple[str, ...], tmp_path: Path, suffix: str
) -> None:
    # Far from the head of the file, by which a binary one is known.
    texts = ["a car", "the power plant " * 1000, "a\0car", "a\0car"]
    (tmp_path / "t.csv").write_text("\n".join(["text", *texts]))
    options = ("--threshold", 1, "--deduplicate", tmp_path / "out")
    done = sememe(tmp_path / "t.csv", "-o", tmp_path / f"p.{suffix}", *model, *options)
    assert done.returncode == 0, done.stderr
    notes = [line for line in done.stderr.splitlines() if f"{suffix} holds no" in line]
    assert len(notes) == 1
    found = read_table(tmp_path / f"p.{suffix}").columns
    assert "a\ufffdcar" in found["second_text"]
    assert records(tmp_path / "out" / "dropped.csv")[-1]["dropped_text"] == "a\ufffdcar"
    assert "a\ufffdcar" in [one["text"] for one in records(tmp_path / "out" / "kept.csv")]


def test_tabs_and_line_breaks_in_tsv_become_spaces(model: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text('{"text": "a\\tcar\\nis new"}\n' * 2)
    done = sememe(tmp_path / "t.jsonl", "-o", tmp_path / "p.tsv", *model, "--top", 1)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("note: tsv holds no tabs, line breaks or NUL characters") == 1
    assert list(read_table(tmp_path / "p.tsv").columns["first_text"]) == ["a car is new"]


def test_rows_of_parquet_are_kept_with_their_types(model: tuple[str, ...], tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = pa.table(
        {
            "text": pa.array(["a car", "a bus", "a car"]).dictionary_encode(),
            "big": pa.array([2**64 - 1, 0, 1], pa.uint64()),
            "tiny": pa.array([1, None, 3], pa.int8()),
            "when": pa.array([1, 2, 3], pa.timestamp("ns")),
            "pairs": pa.array([[("a", 1)], [], None], pa.map_(pa.string(), pa.int32())),
        }
    )
    parquet.write_table(table, tmp_path / "t.parquet")
    options = ("--threshold", 1, "--deduplicate", tmp_path)
    done = sememe(tmp_path / "t.parquet", "-o", tmp_path / "p.csv", *model, *options)
    assert done.returncode == 0, done.stderr
    kept = parquet.read_table(tmp_path / "kept.parquet")
    assert kept.schema.equals(table.schema)
    assert kept.equals(table.take([0, 1]))


def test_no_pairs_are_a_file_without_rows(model: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("a car\nnuclear power is clean\n")
    options = ("--threshold", 1, "--deduplicate", tmp_path)
    done = sememe(tmp_path / "t.txt", "-o", tmp_path / "p.csv", *model, *options)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "p.csv").read_text() == (
        "first,second,first_line,second_line,score,first_text,second_text\n"
    )
    assert records(tmp_path / "dropped.csv") == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["missing.csv", "-o", "p.csv"], "there is no file missing.csv"),
        (["t.csv", "-o", "p.csv", "--column", "txt"], 'has no column "txt"'),
        (["t.csv", "-o", "p.txt"], "txt holds no columns"),
        (["t.csv", "-o", "p.doc"], "p.doc has a suffix that cannot be written"),
        (["t.csv", "-o", "t.csv"], "-o: t.csv would overwrite t.csv, which is read"),
        (["t.csv", "-o", "link/t.csv"], "-o: link/t.csv would overwrite t.csv, which is read"),
        (["kept.csv", "-o", "p.csv", "--deduplicate", "."], "(kept.csv): kept.csv would overwrite"),
        (["t.csv", "-o", "p.csv", "--deduplicate", "t.csv"], "--deduplicate t.csv: "),
        (["t.csv", "-o", "dropped.csv", "--deduplicate", "."], "overwrite what -o writes"),
        (["t.csv", "-o", "./kept.csv", "--deduplicate", "."], "overwrite what -o writes"),
        (["t.csv", "-o", "p.csv", "--id", "key"], 't.csv has no column "key"'),
        (["t.csv", "-o", "p.csv", "--threshold", "1.5"], "--threshold 1.5: give a number above"),
        (["t.csv", "-o", "p.csv", "--top", "0"], "--top: 0 is not a whole number"),
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
    Path("link").symlink_to(".")
    done = sememe(*options, *model)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept.csv", "link", "t.csv"]


def test_help_has_examples() -> None:
    shown = sememe("--help")
    assert shown.returncode == 0
    assert "examples:\n  sememe pairs " in shown.stdout


@pytest.mark.slow
def test_centred_pairs_are_those_of_python_and_few_texts_are_refused(
    model: tuple[str, ...], encoder: BiEncoder, tmp_path: Path
) -> None:
    texts = [f"{text} {number}" for number in range(20) for text in TEXTS[:5]]
    (tmp_path / "t.txt").write_text("\n".join(texts))
    command = (tmp_path / "t.txt", *model, "--centre", "--json", "-o", tmp_path / "p.csv")
    done = sememe(*command)
    assert done.returncode == 2
    assert "sememe: --centre with 80 different texts: their mean says little" in done.stderr
    texts += [f"{text} again" for text in WORDS.split()[:20]]
    (tmp_path / "t.txt").write_text("\n".join(texts))
    done = sememe(*command)
    assert done.returncode == 0, done.stderr
    expected = find_pairs(texts, encoder, centre=True)
    assert json.loads(done.stdout)["threshold"] == round(expected.threshold, 6)
    scores = np.array([one["score"] for one in records(tmp_path / "p.csv")], np.float32)
    np.testing.assert_allclose(scores, expected.score, atol=1e-6)
