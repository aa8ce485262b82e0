"""Files through `encode`, `score` and `classify`: all their rows and columns stay."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

import sememe
from sememe import BiEncoder, CrossEncoder
from sememe.cli.main import main
from sememe.encoders import disk
from sememe.errors import CostWarning, InputError, SememeWarning, TableError
from sememe.tables import read_table, write_table
from tiny_models import Tiny, make_cross_encoder

pytestmark = pytest.mark.filterwarnings("ignore::sememe.errors.ChoiceWarning")
EMPTY = (None, "")


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "SHARD_TEXTS", 3)


@pytest.fixture(scope="module")
def models(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("models")
    make_cross_encoder(folder / "cross")
    texts = ["the wind is cheap", "a wind plant", "the school is new", "a teacher and a child"] * 2
    data = {"text": texts, "label": ["energy", "energy", "school", "school"] * 2}
    sememe.train_classifier(data, folder / "labels", how="probe", model=tiny.directory, dev="none")
    found = {"bi": tiny.directory, "cross": folder / "cross", "labels": folder / "labels"}
    return {name: str(path) for name, path in found.items()}


@pytest.fixture(params=["encode", "score", "classify"])
def command(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class Run:
    """The commands on one file, in this process."""

    def __init__(self, models: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
        self._models = models
        self._capsys = capsys

    def __call__(self, command: str, file: Path, out: Path, *more: str) -> tuple[int, str]:
        """The exit code, and what was written to standard error."""
        line = ["classify", self._models["labels"], str(file)]
        if command != "classify":
            model = self._models["cross" if command == "score" else "bi"]
            line = [command, str(file), "--model", model]
        code = main([*line, "-o", str(out), "--precision", "f32", *more])
        return code, self._capsys.readouterr().err


@pytest.fixture
def run(models: dict[str, str], capsys: pytest.CaptureFixture[str]) -> Run:
    return Run(models, capsys)


RESULT = {"encode": "vector", "score": "score", "classify": "label"}


def pairs_of(texts: list[str]) -> dict[str, list[Any]]:
    """A column of texts for `encode` and `classify`, and another for `score`."""
    return {"text": texts, "text1": texts, "text2": ["the wind"] * len(texts)}


# --- an output is never an input ---


@pytest.mark.slow
def test_an_output_over_its_input_is_refused(run: Run, command: str, tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    write_table(file, pairs_of(["a", "b"]))
    before = file.read_bytes()
    (tmp_path / "sub").mkdir()
    (tmp_path / "link.jsonl").symlink_to(file)
    for out in (file, tmp_path / "link.jsonl", tmp_path / "sub" / ".." / "a.jsonl"):
        code, said = run(command, file, out)
        assert code == 2
        assert "would overwrite" in said
    assert file.read_bytes() == before


def test_an_output_folder_that_holds_the_input(run: Run, command: str, tmp_path: Path) -> None:
    for folder, out in (("out", "out"), ("x.jsonl.job", "x.jsonl")):
        file = tmp_path / folder / "part-1.csv"
        file.parent.mkdir()
        write_table(file, pairs_of(["a", "b"]))
        code, said = run(command, file, tmp_path / out)
        assert code == 2
        assert "where the output's shards go" in said
        assert file.exists()


def test_an_open_file_is_not_written_over(encoder: BiEncoder, tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text("hello\n")
    with file.open() as lines, pytest.raises(InputError, match="would overwrite"):
        encoder.encode_to(lines, file)
    assert file.read_text() == "hello\n"


# --- what cannot be written is refused before the work ---


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "setuid"), reason="there are no such rights")
def test_a_read_only_output_is_found_first(models: dict[str, str]) -> None:
    with TemporaryDirectory() as name:  # pytest's own are open to one user alone
        folder = Path(name)
        (folder / "file.jsonl").write_text("mine")
        (folder / "file.jsonl").chmod(0o444)
        (folder / "shut").mkdir(mode=0o555)
        folder.chmod(0o777)
        script = f"""
import os
import pyarrow.parquet
import sememe.encoders.disk
from sememe.errors import TableError
encoder = sememe.BiEncoder({models["bi"]!r}, precision="f32")
encoder.fingerprint  # which reads files that are open to root alone
if os.geteuid() == 0:
    os.setuid(65534)
def texts():
    raise AssertionError("the work began")
    yield
for place in ("file.jsonl", "shut", "shut/x.npy"):
    try:
        encoder.encode_to(texts(), {name!r} + "/" + place)
    except TableError as error:
        print(error)
"""
        command = [sys.executable, "-c", script]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        first, second, third = done.stdout.strip().splitlines()
        assert first.endswith("file.jsonl cannot be written: it is there and read-only")
        assert second.endswith("shut cannot be written: you may not write into it")
        assert third.endswith(f"you may not write into {folder / 'shut'}")
        assert (folder / "file.jsonl").read_text() == "mine"


def test_what_even_root_cannot_write(run: Run, command: str, tmp_path: Path) -> None:
    write_table(tmp_path / "a.csv", pairs_of(["a", "b"]))
    (tmp_path / "x.jsonl").mkdir()
    code, said = run(command, tmp_path / "a.csv", tmp_path / "x.jsonl" / "no" / "y.jsonl")
    assert (code, len(said.splitlines())) == (2, 1)
    assert "there is no folder" in said


# --- all columns of the file stay ---


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("a.csv", "x.csv"), ("a.parquet", "x.tsv"), ("a.tsv", "x.jsonl"), ("a.csv", "x.parquet"),
        ("a.jsonl", "x.parquet"), ("a.parquet", "folder"),
    ],
)  # fmt: skip
def test_all_columns_stay(run: Run, command: str, tmp_path: Path, source: str, target: str) -> None:
    if command == "encode" and target in ("x.csv", "x.tsv"):
        pytest.skip("vectors have no csv")
    texts = ["the wind", "a car", "the bus", "a train"]
    given = {"id": ["7", "8", "9", "7"], **pairs_of(texts), RESULT[command]: ["p", "q", "r", ""]}
    write_table(tmp_path / source, given)
    code, said = run(command, tmp_path / source, tmp_path / target)
    assert code == 0, said
    if target == "folder":
        found = parquet.read_table(tmp_path / target).to_pydict()
    else:
        found = dict(read_table(tmp_path / target).columns)
    added = f"sememe_{RESULT[command]}"
    assert {name: list(found[name]) for name in given} == given
    assert list(found)[: len(given) + 1] == [*given, added]
    assert not set(found[added]) & set(EMPTY) if command != "encode" else len(found[added]) == 4


@pytest.mark.slow
def test_types_of_parquet_stay(run: Run, command: str, tmp_path: Path) -> None:
    table = pa.table({
        **pairs_of(["a", "b", "", "the wind", "d"]),
        "small": pa.array([1, 2, None, 4, 5], pa.int8()),
        "large": pa.array([2**64 - 1, 0, 1, 2, 3], pa.uint64()),
        "ns": pa.array([1, 2, 3, None, 5], pa.timestamp("ns")),
        "tags": pa.array([["x"], [], None, ["y", "z"], []], pa.list_(pa.string())),
        "map": pa.array([[("k", 1)]] * 5, pa.map_(pa.string(), pa.int64())),
        "kind": pa.array(["u", "v", "u", None, "w"]).dictionary_encode(),
        "none": pa.nulls(5, pa.string()),
    })  # fmt: skip
    parquet.write_table(table, tmp_path / "a.parquet")
    for out in ("x.parquet", "folder"):
        assert run(command, tmp_path / "a.parquet", tmp_path / out)[0] == 0
        found = parquet.read_table(tmp_path / out)
        assert found.select(table.column_names).equals(table)
        assert found[RESULT[command]].null_count == 1


@pytest.mark.slow
def test_columns_of_parquet_in_text_formats(run: Run, tmp_path: Path) -> None:
    table = pa.table({
        "text": ["a"],
        "time": pa.array([datetime(2024, 5, 1, tzinfo=UTC)]),
        "ns": pa.array([1], pa.timestamp("ns")),
        "price": [Decimal("1.10")],
        "raw": [b"\0\1"],
        "tags": [["x", "é"]],
    })  # fmt: skip
    parquet.write_table(table, tmp_path / "a.parquet")
    assert run("classify", tmp_path / "a.parquet", tmp_path / "x.jsonl")[0] == 0
    row = json.loads((tmp_path / "x.jsonl").read_text())
    expected = {"price": "1.10", "raw": "AAE=", "tags": ["x", "é"]}
    assert {name: row[name] for name in expected} == expected
    assert row["time"].startswith("2024-05-01 00:00:00")
    assert row["ns"].endswith("00:00:00.000000001")
    assert run("classify", tmp_path / "a.parquet", tmp_path / "x.csv")[0] == 0
    cells = read_table(tmp_path / "x.csv").columns
    assert (cells["tags"], cells["raw"], cells["price"]) == (['["x", "é"]'], ["AAE="], ["1.10"])


def test_columns_of_jsonl_have_one_type_in_parquet(run: Run, tmp_path: Path) -> None:
    rows = [
        {"text": "a", "n": 1, "x": 1, "ok": None, "late": None, "mixed": 1, "deep": {"k": [1]}},
        {"text": "b", "n": 2, "x": 2, "ok": None, "mixed": "é"},
        {"text": "c", "n": None, "x": 3, "ok": None},
        {"n": 4, "text": "d", "x": 0.5, "ok": True, "late": "here", "big": 2**70},
    ]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert run("encode", tmp_path / "a.jsonl", tmp_path / "x.parquet")[0] == 0
    found = parquet.read_table(tmp_path / "x.parquet")
    types = {field.name: str(field.type) for field in found.schema}
    assert types.pop("vector").startswith("fixed_size_list")
    assert types == {
        "text": "string", "n": "int64", "x": "double", "ok": "bool", "late": "string",
        "mixed": "string", "deep": "string", "big": "string",
    }  # fmt: skip
    columns = found.to_pydict()
    assert columns["n"] == [1, 2, None, 4]
    assert columns["mixed"] == ["1", "é", None, None]
    assert columns["deep"] == ['{"k": [1]}', None, None, None]
    assert columns["big"] == [None, None, None, str(2**70)]


def test_lines_of_text_are_one_column(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\n\ntwo\n")
    assert run("classify", tmp_path / "a.txt", tmp_path / "x.csv")[0] == 0
    columns = read_table(tmp_path / "x.csv").columns
    assert list(columns) == ["text", "label", "probability"]
    assert columns["text"] == ["one", "two"]


@pytest.mark.slow
def test_another_column_that_changed_is_noticed(run: Run, command: str, tmp_path: Path) -> None:
    given = {"id": ["1", "2", "3", "4"], **pairs_of([*"abcd"])}
    out = tmp_path / "out"
    write_table(tmp_path / "a.csv", given)
    assert run(command, tmp_path / "a.csv", out)[0] == 0
    assert "4 of them were finished before" in run(command, tmp_path / "a.csv", out)[1]
    write_table(tmp_path / "a.csv", {**given, "id": ["1", "2", "3", "5"]})
    assert "differs among the texts 4 to 4" in run(command, tmp_path / "a.csv", out)[1]
    write_table(tmp_path / "a.csv", {"key" if k == "id" else k: v for k, v in given.items()})
    assert "begun with columns" in run(command, tmp_path / "a.csv", out)[1]


@pytest.mark.slow
@pytest.mark.parametrize("target", ["x.parquet", "x.jsonl", "x.npy"])
def test_a_job_that_stopped_goes_on_with_all_columns(run: Run, tmp_path: Path, target: str) -> None:
    texts = ["a", "", "b", "c", "wind " * 80]
    given: dict[str, list[Any]] = {"text": texts, "n": [1, None, 3, 4, 5]}
    file, out, more = tmp_path / "a.parquet", tmp_path / target, ("--long", "error")
    write_table(file, given)
    assert run("encode", file, out, *more)[0] == 2
    write_table(file, {**given, "text": [*texts[:4], "short"]})
    assert "(3 of them were finished before)" in run("encode", file, out, *more)[1]
    other = tmp_path / f"new{out.suffix}"
    assert "finished before" not in run("encode", file, other, *more)[1]
    assert out.read_bytes() == other.read_bytes()


@pytest.mark.slow
def test_the_same_file_by_another_column_is_another_job(run: Run, tmp_path: Path) -> None:
    write_table(tmp_path / "a.csv", {"text": ["a"], "other": ["b"]})
    assert run("encode", tmp_path / "a.csv", tmp_path / "out")[0] == 0
    again = run("encode", tmp_path / "a.csv", tmp_path / "out", "--column", "other")
    assert "begun with texts ['text'], and now it is ['other']" in again[1]


def test_wide_rows_make_shorter_parts(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "SHARD_TEXTS", 1000)
    monkeypatch.setattr(disk, "_SHARD_CHARACTERS", 500)
    given = {"text": [f"text {i}" for i in range(40)], "body": ["x" * 100] * 40}
    write_table(tmp_path / "a.parquet", given)
    assert run("encode", tmp_path / "a.parquet", tmp_path / "out")[0] == 0
    assert len(list((tmp_path / "out").glob("part-*"))) == 8
    found = parquet.read_table(tmp_path / "out").to_pydict()
    assert {name: found[name] for name in given} == given


# --- blank cells ---


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "target"), [("a.csv", "x.jsonl"), ("a.jsonl", "x.parquet"), ("a.parquet", "x.csv")]
)
def test_a_blank_cell_has_no_result(
    run: Run, command: str, tmp_path: Path, source: str, target: str
) -> None:
    target = "y.jsonl" if (command, target) == ("encode", "x.csv") else target
    texts: list[Any] = ["the wind", " ", "a car", "", "the bus", "", " ", ""]
    if source != "a.csv":
        texts[3] = None
    write_table(tmp_path / source, {"id": [*"abcdefgh"], **pairs_of(texts)})
    code, said = run(command, tmp_path / source, tmp_path / target, "--json")
    assert code == 0
    places = {"a.csv": "line 3, line 5, line 7, …", "a.jsonl": "line 2, line 4, line 6, …"}
    assert "5 of 8 cells of" in said
    assert f"({places.get(source, 'row 2, row 4, row 6, …')}) and without a" in said
    assert said.count("note:") == 1
    found = read_table(tmp_path / target).columns
    assert list(found["id"]) == [*"abcdefgh"]
    blank = [value in EMPTY for value in found[RESULT[command]]]
    assert blank == [False, True, False, True, False, True, True, True]
    assert len(found["text"]) == 8


@pytest.mark.slow
def test_results_beside_blank_cells_are_those_of_their_texts(
    run: Run, models: dict[str, str], encoder: BiEncoder, tmp_path: Path
) -> None:
    texts = ["the wind", "", "a car"]
    write_table(tmp_path / "a.csv", pairs_of(texts))
    run("encode", tmp_path / "a.csv", tmp_path / "x.parquet")
    column = parquet.read_table(tmp_path / "x.parquet")["vector"].to_pylist()
    np.testing.assert_allclose(column[2], encoder.encode("a car"), atol=1e-6)
    run("score", tmp_path / "a.csv", tmp_path / "s.npy")
    scores = CrossEncoder(models["cross"], precision="f32").score([("a car", "the wind")])
    found = np.load(tmp_path / "s.npy")
    assert np.isnan(found).tolist() == [False, True, False]
    np.testing.assert_allclose(found[2], scores[0], atol=1e-6)


def test_npy_has_the_vector_of_nothing(run: Run, encoder: BiEncoder, tmp_path: Path) -> None:
    write_table(tmp_path / "a.csv", {"text": ["a", "", "b"], "n": ["1", "2", "3"]})
    _, said = run("encode", tmp_path / "a.csv", tmp_path / "x.npy")
    assert '1 of 3 cells of "text" is blank (line 3) and written as the vector of ""' in said
    np.testing.assert_allclose(
        np.load(tmp_path / "x.npy"), encoder.encode(["a", "", "b"]), atol=1e-6
    )


def test_in_python_a_blank_text_keeps_its_place(encoder: BiEncoder, tmp_path: Path) -> None:
    done = encoder.encode_to(["a", "", "b"], tmp_path / "x.jsonl")
    assert (done.rows, done.blank) == (3, 0)
    found = np.array(read_table(tmp_path / "x.jsonl").columns["vector"], np.float32)
    np.testing.assert_allclose(found, encoder.encode(["a", "", "b"]), atol=1e-6)


def test_either_side_of_a_pair_may_be_blank(run: Run, tmp_path: Path) -> None:
    write_table(tmp_path / "p.csv", {"query": ["a", "", "c", "d"], "answer": ["x", "y", "", "z"]})
    _, said = run("score", tmp_path / "p.csv", tmp_path / "s.jsonl")
    note = (
        'p.csv: 2 of 4 cells of "query" or "answer" are blank (line 3, line 4) and without a score'
    )
    assert note in said
    scores = read_table(tmp_path / "s.jsonl").columns["score"]
    assert [score is None for score in scores] == [False, True, True, False]


@pytest.mark.slow
def test_a_file_of_blank_cells_alone(run: Run, command: str, tmp_path: Path) -> None:
    write_table(tmp_path / "a.csv", {"id": ["1", "2"], **pairs_of(["", " "])})
    assert run(command, tmp_path / "a.csv", tmp_path / "x.parquet")[0] == 0
    assert parquet.read_table(tmp_path / "x.parquet")[RESULT[command]].null_count == 2


# --- what a format cannot hold ---


@pytest.mark.slow
def test_a_nul_is_replaced_with_one_note(run: Run, tmp_path: Path) -> None:
    texts = ["a\0b", "c", "d", "e\0", "f"]
    write_table(tmp_path / "a.jsonl", {**pairs_of(texts), "n\0": [1, 2, 3, 4, 5]})
    for command in ("score", "classify"):
        code, said = run(command, tmp_path / "a.jsonl", tmp_path / "x.csv")
        assert code == 0, said
        assert said.count("note: csv holds no NUL characters") == 1
        columns = read_table(tmp_path / "x.csv").columns
        assert columns["text"] == ["a\ufffdb", "c", "d", "e\ufffd", "f"]
        assert columns["n\ufffd"] == [*"12345"]


def test_a_nul_from_python(models: dict[str, str], tmp_path: Path) -> None:
    cross = CrossEncoder(models["cross"], precision="f32")
    with pytest.warns(SememeWarning, match="csv holds no NUL"):
        cross.score_to([("a\0", "b")], tmp_path / "s.csv")
    assert read_table(tmp_path / "s.csv").columns["first"] == ["a\ufffd"]


def test_tsv_has_no_tabs_in_its_cells(run: Run, tmp_path: Path) -> None:
    write_table(tmp_path / "a.csv", {"text": ["a\tb", "c\r\nd", "e"], "n": ["1", "2", "\n"]})
    code, said = run("classify", tmp_path / "a.csv", tmp_path / "x.tsv")
    assert code == 0
    assert said.count("note: tsv holds no tabs, line breaks") == 1
    assert read_table(tmp_path / "x.tsv").columns["text"] == ["a b", "c d", "e"]


# --- one note for a whole job ---


def test_notes_come_once_a_job(
    encoder: BiEncoder, models: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "_SLOW_PART_SECONDS", 0)
    long = "wind " * 80
    texts = [f"half {i} \ud83d" for i in range(7)] + [long] * 4
    classifier = sememe.Classifier(models["labels"], precision="f32")

    def warned(call: Any) -> list[str]:
        with pytest.warns(SememeWarning) as caught:
            call()
        kinds = [(issubclass(w.category, CostWarning), str(w.message)) for w in caught]
        assert sum(cost for cost, _ in kinds) == 1, "how fast it is, once"
        return sorted(message for cost, message in kinds if not cost)

    first, second = warned(lambda: encoder.encode_to(texts, tmp_path / "x.npy"))
    assert first.startswith("4 of 11 texts were longer")
    assert second.startswith("7 of 11 texts (first: texts[0]) hold half of a surrogate pair")
    again = warned(lambda: classifier.predict_to(texts, tmp_path / "x.jsonl"))
    assert [note[:20] for note in again] == [first[:20], second[:20]]


def test_parts_of_an_index_warn_once(encoder: BiEncoder) -> None:
    with pytest.warns(SememeWarning, match=r"2 of 3 texts \(first: texts\[0\]\)") as caught:
        list(encoder.encode_parts([["a \ud83d"], ["b"], ["c \ud83d"]]))
    assert len(caught) == 1


def test_a_long_text_after_a_blank_one_is_named_by_its_line(run: Run, tmp_path: Path) -> None:
    write_table(tmp_path / "a.csv", {"text": ["a", "", "", "", "wind " * 80], "n": [*"12345"]})
    code, said = run("encode", tmp_path / "a.csv", tmp_path / "x.jsonl", "--long", "error")
    assert code == 2
    assert "a.csv, line 6 has" in said


# --- what is no list of texts or pairs ---


def test_tables_and_mappings_are_no_texts(
    encoder: BiEncoder, models: dict[str, str], tmp_path: Path
) -> None:
    cross = CrossEncoder(models["cross"], precision="f32")
    with pytest.raises(InputError, match="texts is a dict: give its values"):
        encoder.encode_to({"text": ["a"]}, tmp_path / "x.npy")
    with pytest.raises(InputError, match="pairs is a Table: give two columns"):
        cross.score_to(pa.table({"a": ["b"]}), tmp_path / "x.npy")
    assert not list(tmp_path.iterdir())


def test_rows_of_arrays_are_pairs(models: dict[str, str], tmp_path: Path) -> None:
    cross = CrossEncoder(models["cross"], precision="f32")
    pairs = [("a", "b"), ("the wind", "a car"), ("c", "d"), ("e", "f")]
    expected = cross.score(pairs)

    def rows() -> Iterator[Any]:
        yield from np.array(pairs)

    for number, given in enumerate((np.array(pairs), rows())):
        cross.score_to(given, tmp_path / f"{number}.npy")
        np.testing.assert_allclose(np.load(tmp_path / f"{number}.npy"), expected, atol=1e-6)


def test_arrow_arrays_are_texts(encoder: BiEncoder, tmp_path: Path) -> None:
    assert encoder.encode_to(pa.array(["a", "b"]), tmp_path / "x.npy").rows == 2


def test_the_message_about_a_place_is_one_of_tables(encoder: BiEncoder, tmp_path: Path) -> None:
    (tmp_path / "x.npy").mkdir()
    with pytest.raises(TableError, match="there is no folder"):
        encoder.encode_to(["a"], tmp_path / "no" / "x.npy")
