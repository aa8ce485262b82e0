"""Several columns as one text, and workbooks, through the commands."""

import json
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from commands import sememe
from sememe import BiEncoder, Classifier, CrossEncoder, Index, train_classifier
from sememe.tables import read_table, write_table
from tiny_models import Tiny, make_cross_encoder

pytestmark = pytest.mark.filterwarnings("ignore::sememe.errors.ChoiceWarning")
TITLES = ["Wind", "", "School", "", "Wind"]
BODIES = ["the wind is cheap", "a wind plant", "", " ", "the wind is new"]
JOINED = ["Wind\n\nthe wind is cheap", "a wind plant", "School", "", "Wind\n\nthe wind is new"]
BOTH = ("--column", "title", "--column", "body")
FILLED = [0, 1, 2, 4]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "t.csv"
    write_table(path, {"id": [*"abcde"], "title": TITLES, "body": BODIES})
    return path


@pytest.fixture(scope="module")
def classifier(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("labels") / "c"
    texts = ["the wind is cheap", "a wind plant", "the school is new", "a teacher"] * 2
    data = {"text": texts, "label": ["energy", "energy", "school", "school"] * 2}
    train_classifier(data, folder, how="probe", model=tiny.directory, dev="none")
    return folder


@pytest.mark.slow
def test_vectors_are_those_of_the_joined_texts(
    table: Path, tiny: Tiny, encoder: BiEncoder, tmp_path: Path
) -> None:
    model = ("--model", tiny.directory, "--precision", "f32")
    done = sememe("encode", table, *BOTH, "-o", tmp_path / "v.npy", *model)
    assert done.returncode == 0, done.stderr
    assert '1 of 5 cells of "title + body" is blank (line 5)' in done.stderr
    np.testing.assert_allclose(np.load(tmp_path / "v.npy"), encoder.encode(JOINED), atol=1e-6)
    done = sememe("encode", table, *BOTH, "-o", tmp_path / "v.jsonl", *model)
    columns = read_table(tmp_path / "v.jsonl").columns
    assert list(columns) == ["id", "title", "body", "vector"]
    assert columns["title"] == TITLES
    assert [row for row, vector in enumerate(columns["vector"]) if vector] == FILLED


def test_a_job_is_not_resumed_with_other_columns(table: Path, tiny: Tiny, tmp_path: Path) -> None:
    line = ("encode", table, "-o", tmp_path / "out", "--model", tiny.directory)
    assert sememe(*line, *BOTH).returncode == 0
    done = sememe(*line, "--column", "body")
    assert done.returncode == 2
    assert "begun with texts ['title', 'body'], and now it is ['body']" in done.stderr


@pytest.mark.slow
def test_labels_clusters_and_pairs(
    table: Path, tiny: Tiny, classifier: Path, tmp_path: Path
) -> None:
    model = ("--model", tiny.directory)
    done = sememe("classify", classifier, table, *BOTH, "-o", tmp_path / "l.csv")
    assert done.returncode == 0, done.stderr
    labels = read_table(tmp_path / "l.csv").columns
    assert [row for row, label in enumerate(labels["label"]) if label] == FILLED
    done = sememe("cluster", table, *BOTH, "-o", tmp_path / "g", "--clusters", 2, *model, "--json")
    assert json.loads(done.stdout)["texts"] == len(FILLED), done.stderr
    columns = read_table(tmp_path / "g" / "assignments.csv").columns
    assert list(columns)[:4] == ["text", "id", "title", "body"]
    assert [columns["text"][row] for row in FILLED] == [JOINED[row] for row in FILLED]
    done = sememe("pairs", table, *BOTH, "-o", tmp_path / "p.jsonl", "--top", 20, *model)
    assert done.returncode == 0, done.stderr
    pairs = read_table(tmp_path / "p.jsonl").columns
    assert {*pairs["first_text"], *pairs["second_text"]} == {JOINED[row] for row in FILLED}


@pytest.mark.slow
def test_a_classifier_is_trained_on_the_joined_texts(tiny: Tiny, tmp_path: Path) -> None:
    columns = {
        "title": ["Wind", "", "School", ""] * 2,
        "body": [*BODIES[:2], "is new", "teach"] * 2,
    }
    write_table(tmp_path / "d.csv", {**columns, "label": ["energy", "energy", "x", "x"] * 2})
    texts = ["Wind\n\nthe wind is cheap", "a wind plant", "School\n\nis new", "teach"] * 2
    write_table(
        tmp_path / "joined.csv", {"text": texts, "label": ["energy", "energy", "x", "x"] * 2}
    )
    options = ("--model", tiny.directory, "--how", "probe", "--dev", "none")
    both = ("--text", "title", "--text", "body")
    for data, more in (("d.csv", both), ("joined.csv", ())):
        out = tmp_path / data.removesuffix(".csv")
        done = sememe("train", "classifier", tmp_path / data, *more, "-o", out, *options)
        assert done.returncode == 0, done.stderr
    one, other = (Classifier(tmp_path / name) for name in ("d", "joined"))
    np.testing.assert_array_equal(one.predict_proba(texts), other.predict_proba(texts))


@pytest.mark.slow
def test_an_index_keeps_the_columns_that_it_joins(table: Path, tiny: Tiny, tmp_path: Path) -> None:
    line = ("index", table, *BOTH, "-o", tmp_path / "i", "--model", tiny.directory)
    done = sememe(*line)
    assert done.returncode == 0, done.stderr
    with Index.open(tmp_path / "i") as index:
        rows = {row.id: row for row in index.get(list("abcde"))}
    assert {row.id: row.text for row in rows.values()} == {
        "abcde"[row]: JOINED[row] for row in FILLED
    }
    assert rows["a"].metadata == {"title": "Wind", "body": "the wind is cheap"}
    assert rows["b"].metadata == {"body": "a wind plant"}
    assert "0 new" in sememe(*line).stderr


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (("title", "Title"), 't.csv: the column "title" is named twice; name it once'),
        (("title", "bdy"), 'has no column "bdy" (did you mean "body"?)'),
    ],
)
def test_columns_that_make_no_text(
    table: Path, tiny: Tiny, tmp_path: Path, columns: tuple[str, str], message: str
) -> None:
    named = [word for column in columns for word in ("--column", column)]
    done = sememe("encode", table, *named, "-o", tmp_path / "v.npy", "--model", tiny.directory)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


# --- workbooks ---


@pytest.fixture
def book(tmp_path: Path) -> Path:
    pytest.importorskip("openpyxl")
    path = tmp_path / "t.xlsx"
    days = [date(2024, 5, day) for day in range(1, 6)]
    columns = {"id": range(1, 6), "text": JOINED, "text2": ["the wind"] * 5, "day": days}
    write_table(path, {name: list(values) for name, values in columns.items()})
    return path


@pytest.mark.slow
def test_a_workbook_goes_through_shards(
    book: Path, tmp_path: Path, classifier: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sememe.encoders.disk.SHARD_TEXTS", 2)
    make_cross_encoder(tmp_path / "cross")
    columns = read_table(book).columns
    columns = {**columns, "text": [text or None for text in JOINED]}
    out = tmp_path / "s.xlsx"
    model = ("--model", tmp_path / "cross", "--precision", "f32")
    done = sememe("score", book, "--columns", "text", "text2", "-o", out, *model)
    assert done.returncode == 0, done.stderr
    assert '1 of 5 cells of "text" or "text2" is blank (row 5)' in done.stderr
    scores = read_table(out).columns
    cross = CrossEncoder(tmp_path / "cross", precision="f32")
    expected = cross.score([(JOINED[row], "the wind") for row in FILLED])
    written = np.array([scores["score"][row] for row in FILLED], np.float32)
    np.testing.assert_allclose(written, expected, atol=1e-6)
    assert scores["score"][3] is None
    assert {name: scores[name] for name in columns} == columns
    done = sememe("classify", classifier, book, "-o", tmp_path / "l.xlsx")
    assert done.returncode == 0, done.stderr
    labels = read_table(tmp_path / "l.xlsx").columns
    assert labels["day"] == columns["day"]
    assert [row for row, label in enumerate(labels["label"]) if label] == FILLED
    done = sememe("classify", classifier, book, "-o", tmp_path / "l.parquet")
    assert done.returncode == 0, done.stderr
    (days,) = {type(day) for day in read_table(tmp_path / "l.parquet").columns["day"]}
    assert days is date


def test_a_row_without_any_value_keeps_its_place(
    tmp_path: Path, classifier: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    monkeypatch.setattr("sememe.encoders.disk.SHARD_TEXTS", 1)
    (tmp_path / "t.csv").write_text('text\na wind plant\n""\nthe school\n""\n')
    done = sememe("classify", classifier, tmp_path / "t.csv", "-o", tmp_path / "l.xlsx")
    assert done.returncode == 0, done.stderr
    rows = [
        [cell.value for cell in row] for row in openpyxl.load_workbook(tmp_path / "l.xlsx").active
    ]
    assert [row[1] for row in rows[1:4]] == ["energy", None, "school"]


def test_metadata_from_a_workbook_have_types(book: Path, tiny: Tiny, tmp_path: Path) -> None:
    line = ("index", book, "-o", tmp_path / "i", "--model", tiny.directory)
    assert sememe(*line).returncode == 0
    with Index.open(tmp_path / "i") as index:
        (row,) = index.get(["1"])
    assert row.metadata == {"text2": "the wind", "day": "2024-05-01"}


def test_errors_name_the_row_and_the_letter(book: Path, tiny: Tiny, tmp_path: Path) -> None:
    columns: dict[str, list[object]] = {
        "id": [1, 1, 2],
        "text": ["a", "b", ""],
        "label": ["x", None, "x"],
    }
    write_table(book, columns)
    done = sememe("index", book, "-o", tmp_path / "i", "--model", tiny.directory)
    assert f'{book}, row 3, column A: "id" is 1, as in {book}, row 2; an id stands' in done.stderr
    done = sememe("train", "classifier", book, "-o", tmp_path / "c", "--model", tiny.directory)
    assert f'{book}, row 3, column C: "label" is missing; give it a label' in done.stderr


def test_pairs_and_kept_rows_are_workbooks_too(book: Path, tiny: Tiny, tmp_path: Path) -> None:
    options = ("--top", 2, "--deduplicate", tmp_path / "clean", "--model", tiny.directory)
    done = sememe("pairs", book, "-o", tmp_path / "p.xlsx", *options)
    assert done.returncode == 0, done.stderr
    assert list(read_table(tmp_path / "p.xlsx").columns)[:3] == ["first", "second", "score"]
    assert set(read_table(tmp_path / "clean" / "kept.xlsx").columns["day"]) <= {
        date(2024, 5, day) for day in range(1, 6)
    }
