"""`sememe score` as a user runs it: real files."""

import json
from pathlib import Path

import numpy as np
import pytest

from commands import sememe
from sememe import CrossEncoder
from sememe.tables import read_table
from tiny_models import make_cross_encoder

PAIRS = [("the wind is cheap", "cheap wind"), ("a new car", "the old bus"), ("a", "a")]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "cross"
    make_cross_encoder(folder)
    return folder


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    file = tmp_path / "pairs.tsv"
    file.write_text("sentence1\tsentence2\n" + "".join(f"{a}\t{b}\n" for a, b in PAIRS))
    return file


@pytest.mark.slow
def test_a_file_of_pairs_becomes_a_file_of_scores(model: Path, pairs: Path) -> None:
    out = pairs.with_name("scores.csv")
    done = sememe("score", pairs, "-o", out, "--model", model, "--precision", "f32", "--json")
    assert done.returncode == 0, done.stderr
    cross = CrossEncoder(model, precision="f32")
    said = json.loads(done.stdout)
    assert (said["rows"], said["dim"], said["found"]) == (3, 1, 0)
    assert said["fingerprint"] == cross.fingerprint
    assert "3 pairs, scores, in" in done.stderr
    assert "it/s" not in done.stderr, "no progress bar in a pipe"
    found = read_table(out).columns
    assert list(found) == ["sentence1", "sentence2", "score"]
    assert list(zip(found["sentence1"], found["sentence2"], strict=True)) == PAIRS
    written = np.array(found["score"], dtype=np.float32)
    np.testing.assert_allclose(written, cross.score(PAIRS), atol=1e-6)


def test_options_reach_the_encoder(model: Path, pairs: Path) -> None:
    out = pairs.with_name("scores.npy")
    options = ("--raw", "--symmetric", "--columns", "sentence2", "sentence1")
    done = sememe("score", pairs, "-o", out, "--model", model, "--precision", "f32", *options)
    assert (done.returncode, done.stdout) == (0, "")
    cross = CrossEncoder(model, precision="f32")
    expected = cross.score([(b, a) for a, b in PAIRS], raw=True, symmetric=True)
    np.testing.assert_allclose(np.load(out), expected, atol=1e-5)


def test_which_text_is_cut(model: Path, tmp_path: Path) -> None:
    file = tmp_path / "p.jsonl"
    file.write_text(json.dumps({"query": "wind " * 40, "document": "a car"}) + "\n")
    command = ("score", file, "--model", model, "--precision", "f32", "-o", tmp_path / "s.jsonl")
    cut = sememe(*command)
    assert cut.returncode == 0
    assert "1 of 1 pairs were longer than the 32 tokens" in cut.stderr
    refused = sememe(*command, "--truncate", "document")
    assert refused.returncode == 2
    assert "nothing of a document would be read" in refused.stderr


@pytest.mark.slow
def test_a_finished_folder_is_found_again(model: Path, pairs: Path) -> None:
    command = ("score", pairs, "--model", model, "--precision", "f32", "-o", pairs.parent / "out")
    assert sememe(*command).returncode == 0
    assert "(3 of them were finished before)" in sememe(*command).stderr


@pytest.mark.parametrize(
    ("content", "out", "said"),
    [
        (None, "s.csv", "there is no file"),
        ("sentence1,sentence2\na,b\n", "s.txt", "results go into .csv, .tsv, .xlsx, .parquet"),
        ("left,right\na,b\n", "s.csv", "--columns FIRST SECOND"),
        ("query,answer\na,b\nc\n", "s.csv", "p.csv, line 3"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    model: Path, tmp_path: Path, content: str | None, out: str, said: str
) -> None:
    if content is not None:
        (tmp_path / "p.csv").write_text(content)
    command = ("score", tmp_path / "p.csv", "-o", tmp_path / out, "--model", model)
    done = sememe(*command, "--precision", "f32")
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / out).exists()


def test_help_has_examples() -> None:
    for command in ("score", "compare"):
        shown = sememe(command, "--help")
        assert shown.returncode == 0
        assert f"examples:\n  sememe {command} " in shown.stdout


@pytest.mark.slow
def test_a_cross_encoder_s_int8_is_told_of_as_what_was_measured(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEMEME_CACHE", str(tmp_path))
    done = sememe("quantize", model)
    if done.returncode == 2 and "int8 dot products" in done.stderr:
        pytest.skip("this processor has no int8 products")
    assert done.returncode == 0, done.stderr
    assert "pairs held back" in done.stdout
    assert "correlation of logits 0." in done.stdout
    assert "cosine" not in done.stdout
