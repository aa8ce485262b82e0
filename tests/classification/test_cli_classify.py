"""`sememe train classifier` and `sememe classify` as a user runs them, with files."""

import csv
import json
import subprocess
from pathlib import Path

import pyarrow.parquet as parquet
import pytest
from labelled_texts import labelled_texts

import sememe
from commands import sememe as command
from sememe.tables import write_table
from tiny_models import Tiny

UNSEEN = labelled_texts(5, seed=9)


@pytest.fixture(scope="module")
def folder(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("cli")
    write_table(made / "train.csv", labelled_texts(12))
    write_table(made / "new.csv", {"id": range(15), "body": UNSEEN["text"]})
    options = ("--how", "probe", "--model", tiny.directory, "-o", made / "c", "--json")
    done = command("train", "classifier", made / "train.csv", *options)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["metric"] == "accuracy"
    assert "by the probe" in done.stderr
    return made


def classify(folder: Path, out: Path, *more: str) -> subprocess.CompletedProcess[str]:
    options = ("--column", "body", "-o", str(out), "--precision", "f32", *more)
    return command("classify", folder / "c", folder / "new.csv", *options)


@pytest.mark.slow
def test_a_file_of_texts_becomes_a_file_of_labels(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "labels.csv"
    done = classify(folder, out, "--json")
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(out.open(encoding="utf-8")))
    assert list(rows[0]) == ["id", "body", "label", "probability"]
    classifier = sememe.Classifier(folder / "c", precision="f32")
    assert [row["id"] for row in rows] == [str(i) for i in range(15)]
    assert [row["body"] for row in rows] == UNSEEN["text"]
    assert [row["label"] for row in rows] == classifier.predict(UNSEEN["text"])
    said = json.loads(done.stdout)
    assert (said["rows"], said["dim"], said["fingerprint"]) == (15, 3, classifier.fingerprint)
    assert "15 texts, labels of 3" in done.stderr


def test_every_probability_is_written_where_that_is_asked(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "labels.parquet"
    assert classify(folder, out, "--proba").returncode == 0
    table = parquet.read_table(out).to_pydict()
    names = [f"probability {label}" for label in ("energy", "school", "travel")]
    assert list(table) == ["id", "body", "label", "probability", *names]
    each = list(zip(*(table[name] for name in names), strict=True))
    assert [max(row) for row in each] == table["probability"]
    assert all(abs(sum(row) - 1) < 1e-5 for row in each)


@pytest.mark.slow
def test_vectors_that_are_there_serve_again(folder: Path, tmp_path: Path) -> None:
    vectors = tmp_path / "v.parquet"
    options = ("--column", "body", "--model", folder / "c", "--precision", "f32", "-o")
    assert command("encode", folder / "new.csv", *options, vectors).returncode == 0
    for name, more in (("a.csv", ()), ("b.csv", ("--vectors", str(vectors)))):
        done = classify(folder, tmp_path / name, *more)
        assert done.returncode == 0, done.stderr
    labels, again = (
        [row["label"] for row in csv.DictReader((tmp_path / name).open(encoding="utf-8"))]
        for name in ("a.csv", "b.csv")
    )
    assert labels == again
    done = classify(folder, tmp_path / "c.csv", "--vectors", str(tmp_path / "none.parquet"))
    assert done.returncode == 2
    assert "there is no file" in done.stderr


@pytest.mark.parametrize(
    ("out", "more", "said"),
    [
        ("labels.npy", (), ".csv, .tsv, .xlsx, .jsonl, .parquet, or a folder"),
        ("labels.csv", ("--column", "nothing"), 'no column "nothing"'),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    folder: Path, tmp_path: Path, out: str, more: tuple[str, ...], said: str
) -> None:
    done = classify(folder, tmp_path / out, *more)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_data_that_cannot_be_used_are_one_line(tiny: Tiny, tmp_path: Path) -> None:
    write_table(tmp_path / "one.csv", {"text": [*"abcd"], "label": ["x"] * 4})
    options = ("--model", tiny.directory, "-o", tmp_path / "c")
    done = command("train", "classifier", tmp_path / "one.csv", *options)
    assert done.returncode == 2
    assert done.stderr.strip().endswith('every label is "x"; at least two are needed')


@pytest.mark.slow
def test_columns_of_any_name_are_labels_and_texts(tiny: Tiny, tmp_path: Path) -> None:
    texts, labels = labelled_texts(12).values()
    write_table(tmp_path / "train.csv", {"question": texts, "intent": labels, "text": texts[::-1]})
    options = ("--how", "probe", "--model", tiny.directory, "-o", tmp_path / "c")
    columns = ("--text", "question", "--label", "intent")
    done = command("train", "classifier", tmp_path / "train.csv", *columns, *options)
    assert done.returncode == 0, done.stderr
    assert sememe.Classifier(tmp_path / "c").labels == ["energy", "school", "travel"]
    done = command("train", "classifier", tmp_path / "train.csv", "--text", "q", *options[:-1], "d")
    assert done.returncode == 2
    assert done.stderr.strip().endswith(
        'has no column "q"; its columns are "question", "intent", "text"'
    )
    done = command("train", "classifier", tmp_path / "train.csv", "--columns", "text", *options)
    assert done.returncode == 2
    assert "text is not ROLE=NAME,..., such as text=question" in done.stderr
