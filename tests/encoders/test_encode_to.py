"""Vectors on disk: like encode's, in any form, and unharmed by kills, full disks and changes."""

import json
import random
import signal
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as parquet
import pytest
from encode_job import Run, texts

from commands import sememe
from reference import cosine_distance
from sememe import BiEncoder
from sememe.encoders import disk
from sememe.errors import InputError, JobError, SememeError, TableError, TruncationWarning
from sememe.tables import read_table, write_table
from tiny_models import Tiny

SHARD = 50


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "SHARD_TEXTS", SHARD)


def vectors_in(path: Path) -> np.ndarray:
    if path.suffix == ".npy":
        return np.asarray(np.load(path))
    read = parquet.read_table(path).column("vector").combine_chunks()
    return np.asarray(read.values).reshape(len(read), read.type.list_size)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["v.npy", "v.parquet", "folder"])
@pytest.mark.parametrize("count", [1, 49, 50, 51, 230])
def test_what_is_on_disk_is_what_encode_gives(
    encoder: BiEncoder, tmp_path: Path, name: str, count: int
) -> None:
    given = texts(count)
    done = encoder.encode_to(iter(given), tmp_path / name)
    assert (done.rows, done.dim, done.found) == (count, encoder.dim, 0)
    found = vectors_in(
        tmp_path / name if name != "folder" else tmp_path / name / "part-00000.parquet"
    )
    assert cosine_distance(found, encoder.encode(given)[: len(found)]).max() < 1e-6
    assert (tmp_path / name).exists()
    assert len(list(tmp_path.iterdir())) == 1, "the working folder is gone"
    if name == "v.parquet":
        assert parquet.read_table(tmp_path / name).column("text").to_pylist() == given


@pytest.mark.parametrize("name", ["v.npy", "v.parquet", "folder"])
def test_no_texts(encoder: BiEncoder, tmp_path: Path, name: str) -> None:
    done = encoder.encode_to([], tmp_path / name)
    assert (done.rows, done.dim) == (0, encoder.dim)
    if name != "folder":
        assert len(vectors_in(tmp_path / name)) == 0


def test_a_number_is_no_path(encoder: BiEncoder) -> None:
    number: Any = 5
    with pytest.raises(InputError, match="path=5: give a path"):
        encoder.encode_to(["a"], number)


def test_a_folder_is_one_dataset(encoder: BiEncoder, tmp_path: Path) -> None:
    encoder.encode_to(texts(130), tmp_path / "folder")
    assert parquet.read_table(tmp_path / "folder").column("text").to_pylist() == texts(130)


def test_long_texts_make_shorter_parts(
    encoder: BiEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "_SHARD_CHARACTERS", 300)
    encoder.encode_to(["the wind " * 3] * 40, tmp_path / "folder")
    assert len(list((tmp_path / "folder").glob("part-*"))) == 4
    assert parquet.read_table(tmp_path / "folder").num_rows == 40


@pytest.mark.parametrize("dtype", ["float16", "binary"])
def test_small_vectors_on_disk(encoder: BiEncoder, tmp_path: Path, dtype: str) -> None:
    given = texts(120)
    for name in ("v.npy", "v.parquet"):
        encoder.encode_to(given, tmp_path / name, dtype=dtype)
        expected = encoder.encode(given, dtype=dtype)
        found = vectors_in(tmp_path / name)
        assert found.dtype == expected.dtype
        assert np.mean(found != expected) < 0.05


def test_repeated_texts_have_one_vector(encoder: BiEncoder, tmp_path: Path) -> None:
    encoder.encode_to(["a", "b", "a", "a"], tmp_path / "v.npy")
    found = np.load(tmp_path / "v.npy")
    np.testing.assert_array_equal(found[0], found[2])
    assert (found[0] != found[1]).any()


@pytest.mark.kill
@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
@pytest.mark.parametrize("name", ["v.parquet", "v.npy"])
def test_killed_at_random_moments_it_ends_as_if_nothing_had_happened(
    tiny: Tiny, tmp_path: Path, name: str
) -> None:
    count, chance, kills = 2000, random.Random(name), 0
    whole, killed = tmp_path / "whole" / name, tmp_path / "killed" / name
    for path in (whole, killed):
        path.parent.mkdir()
    run = partial(Run, tmp_path / "log", tiny.directory, count=count, shard=SHARD)
    first = run(whole)
    first.wait_until_ready()
    started = time.monotonic()
    assert first.end()[0] == 0
    longest = (time.monotonic() - started) / 4  # so that two kills at least come before the end
    for _ in range(12):
        job = run(killed)
        job.wait_until_ready()
        time.sleep(chance.uniform(0, longest))
        kills += job.kill() == -signal.SIGKILL
        if killed.exists():
            break
        manifest = killed.with_name(name + ".job") / "_manifest.json"
        if manifest.exists():
            for shard in json.loads(manifest.read_text())["shards"]:
                size = (manifest.parent / shard["file"]).stat().st_size
                assert size == shard["bytes"], "a finished shard is whole"
    assert kills >= 2
    code, said = run(killed).end()
    assert code == 0, said
    assert killed.read_bytes() == whole.read_bytes()
    assert [path.name for path in killed.parent.iterdir()] == [name]
    assert said.startswith("ready\nfound ")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there is no limit on a file's size")
def test_a_full_disk_loses_nothing(tiny: Tiny, tmp_path: Path) -> None:
    path = tmp_path / "v.npy"
    run = partial(Run, tmp_path / "log", tiny.directory, path, 500, SHARD)
    code, said = run(20_000).end()
    assert code == 1
    assert "JobError" in said
    assert "shards are finished and safe" in said or "texts are safe" in said
    assert not path.exists()
    code, said = run().end()
    assert code == 0, said
    assert len(np.load(path)) == 500
    assert "found 500" in said


def test_a_finished_folder_is_gone_on_with_only_by_the_same_input(
    encoder: BiEncoder, tmp_path: Path
) -> None:
    given = texts(120)
    encoder.encode_to(given, tmp_path / "out")
    assert encoder.encode_to(given, tmp_path / "out").found == 120
    with pytest.raises(JobError, match="differs among the texts 51 to 100"):
        encoder.encode_to([*given[:60], "new", *given[61:]], tmp_path / "out")
    with pytest.raises(JobError, match="begun with dtype 'float32', and now it is 'float16'"):
        encoder.encode_to(given, tmp_path / "out", dtype="float16")
    with pytest.raises(JobError, match="begun with fingerprint"):
        BiEncoder(encoder._checkpoint.directory, precision="f32", pooling="max").encode_to(
            given, tmp_path / "out"
        )


def test_a_bad_row_is_named_and_the_shards_before_it_stay(
    encoder: BiEncoder, tmp_path: Path
) -> None:
    given = texts(130)
    bad: list[Any] = [*given[:120], 7, *given[121:]]
    with pytest.raises(InputError, match=r"texts\[120\] is of type int"):
        encoder.encode_to(bad, tmp_path / "v.npy")
    assert encoder.encode_to(given, tmp_path / "v.npy").found == 100


def test_long_texts_are_told_of_once_for_the_whole_job(encoder: BiEncoder, tmp_path: Path) -> None:
    given = [*texts(60), "wind " * 40, *texts(60), "car " * 50]
    with pytest.warns(TruncationWarning) as caught:
        encoder.encode_to(given, tmp_path / "v.npy")
    assert len(caught) == 1
    assert "2 of 122 texts" in str(caught[0].message)
    with pytest.raises(InputError, match=r"texts\[60\] has"):
        encoder.encode_to(given, tmp_path / "w.npy", long="error")


@pytest.mark.parametrize(
    ("name", "error"),
    [("v.csv", InputError), ("no/such/v.npy", TableError), ("no/such/v.parquet", TableError)],
)
def test_outputs_that_cannot_be(
    encoder: BiEncoder, tmp_path: Path, name: str, error: type[SememeError]
) -> None:
    with pytest.raises(error):
        encoder.encode_to(["a"], tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_string_is_not_texts(encoder: BiEncoder, tmp_path: Path) -> None:
    for wrong in ("hello", 5):
        with pytest.raises(InputError):
            encoder.encode_to(wrong, tmp_path / "v.npy")  # type: ignore[arg-type]


def test_the_input_is_never_held_as_a_whole(encoder: BiEncoder, tmp_path: Path) -> None:
    ahead = 0

    def stream() -> Any:
        nonlocal ahead
        for text in texts(400):
            ahead += 1
            finished = len(list(tmp_path.glob("v.npy.job/part-*.npy"))) * SHARD
            assert ahead - finished <= 3 * SHARD
            yield text

    assert encoder.encode_to(stream(), tmp_path / "v.npy").rows == 400
    assert [path.name for path in tmp_path.iterdir()] == ["v.npy"]


LONG = ["One two three. " * 20, "", "Wind.", "a" * 300]


@pytest.mark.parametrize("name", ["p.parquet", "p.jsonl"])
def test_split_texts_have_a_row_a_passage(encoder: BiEncoder, tmp_path: Path, name: str) -> None:
    documents = [*LONG, *texts(SHARD)]
    done = encoder.encode_to(documents, tmp_path / name, long="split")
    table = read_table(tmp_path / name).columns
    assert list(table) == ["document", "start", "end", "passage", "vector"]
    spans = encoder.passages(documents)
    expected = [(row, *span) for row, each in enumerate(spans) for span in each or [(0, 0)]]
    places = zip(table["document"], table["start"], table["end"], strict=True)
    assert (list(places), done.rows) == (expected, len(expected))
    assert len(spans[0]) > 1
    passages = [documents[row][start:end] for row, start, end in expected]
    assert table["passage"] == passages
    vectors = np.array([*table["vector"]], np.float32)
    assert cosine_distance(vectors, encoder.encode(passages, long="error")).max() < 1e-6


def test_the_passages_of_a_file_keep_its_other_columns(encoder: BiEncoder, tmp_path: Path) -> None:
    table = {"id": ["x", "y", "z"], "text": [LONG[0], "", LONG[2]]}
    write_table(tmp_path / "papers.csv", table)
    command = ("encode", tmp_path / "papers.csv", "-o", tmp_path / "p.jsonl", "--long", "split")
    done = sememe("encode", *command[1:], "--model", encoder.model, "--precision", "f32")
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text().splitlines()]
    passages = encoder.passages(table["text"])
    assert [(row["id"], row["document"]) for row in rows] == [
        *[("x", 1)] * len(passages[0]), ("y", 2), ("z", 3)
    ]  # fmt: skip
    assert rows[-2]["vector"] is None
    assert "text" not in rows[0]
    refused = sememe(*command[:3], tmp_path / "p.npy", *command[4:], "--model", encoder.model)
    assert (refused.returncode, "results go into .parquet, .jsonl" in refused.stderr) == (2, True)


def test_split_is_for_what_is_written(encoder: BiEncoder) -> None:
    with pytest.raises(InputError, match=r"several vectors. Take encode_to\(\)"):
        encoder.encode(LONG, long="split")
    with pytest.raises(InputError, match="several passages"):
        encoder.encode_tokens(LONG, long="split")


def test_the_size_and_the_overlap_of_passages(encoder: BiEncoder) -> None:
    (short,) = encoder.passages([LONG[0]], tokens=8, overlap=0)
    assert len(short) > len(encoder.passages([LONG[0]])[0])
    with pytest.raises(InputError, match="tokens=4000: give a whole number from 1 to"):
        encoder.passages(LONG, tokens=4000)
    with pytest.raises(InputError, match="overlap=8: give a whole number from 0 to 7"):
        encoder.passages(LONG, tokens=8, overlap=8)
