"""Vectors of a file serve again, for their own texts and their own encoder alone."""

from pathlib import Path

import numpy as np
import pytest

from commands import sememe
from sememe import BiEncoder
from sememe.encoders import disk
from sememe.encoders.stored import read_vectors
from sememe.errors import InputError, TableError
from sememe.tables import write_table
from tiny_models import TEXTS, make_checkpoint

OTHERS = [*reversed(TEXTS), "a new text that is not there"]


@pytest.mark.parametrize("name", ["v.parquet", "v.jsonl", "v.npy", "folder"])
def test_what_was_written_comes_back(
    encoder: BiEncoder, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "SHARD_TEXTS", 4)
    encoder.encode_to(TEXTS, tmp_path / name)
    vectors = read_vectors(tmp_path / name, TEXTS, encoder)
    assert vectors.dtype == np.float32
    is_blank = [not text.strip() for text in TEXTS]
    expected = np.where(np.array(is_blank)[:, None], 0, encoder.encode(TEXTS))
    assert np.abs(vectors - expected).max() < 1e-5
    assert any(is_blank)


@pytest.mark.parametrize("name", ["v.parquet", "v.jsonl"])
def test_texts_are_found_by_themselves(encoder: BiEncoder, tmp_path: Path, name: str) -> None:
    encoder.encode_to(OTHERS, tmp_path / name)
    vectors = read_vectors(tmp_path / name, TEXTS[:3], encoder)
    assert np.abs(vectors - encoder.encode(TEXTS[:3])).max() < 1e-5
    with pytest.raises(InputError, match=r"no vector for 1 of 2 texts, such as texts\[1\]"):
        read_vectors(tmp_path / name, ["a", "unknown"], encoder)


@pytest.mark.parametrize("dtype", ["float16", "int8"])
def test_smaller_types_become_float32(encoder: BiEncoder, tmp_path: Path, dtype: str) -> None:
    if dtype == "int8":
        vectors = encoder.encode(TEXTS)
        vectors = np.rint(vectors * 127 / np.abs(vectors).max()).astype(np.int8)
        write_table(tmp_path / "v.parquet", {"text": TEXTS, "vector": vectors})
    else:
        encoder.encode_to(TEXTS, tmp_path / "v.parquet", dtype=dtype)
    assert read_vectors(tmp_path / "v.parquet", TEXTS, encoder).dtype == np.float32


def test_another_encoder_is_refused(encoder: BiEncoder, tmp_path: Path) -> None:
    other = BiEncoder(make_checkpoint(tmp_path / "m", seed=7).directory, precision="f32")
    other.encode_to(TEXTS, tmp_path / "v.parquet")
    with pytest.raises(InputError, match=f"by the encoder {other.fingerprint}, and this one is"):
        read_vectors(tmp_path / "v.parquet", TEXTS, encoder)
    for name in ("v.npy", "v.jsonl"):  # these do not say by which
        other.encode_to(TEXTS, tmp_path / name)
        with pytest.raises(InputError, match=r"v\.\w+: the vector of texts\[0\] is not the one"):
            read_vectors(tmp_path / name, TEXTS, encoder)


def test_other_texts_are_refused(encoder: BiEncoder, tmp_path: Path) -> None:
    encoder.encode_to(OTHERS, tmp_path / "v.npy")
    with pytest.raises(InputError, match=r"an \.npy needs one vector a text"):
        read_vectors(tmp_path / "v.npy", TEXTS, encoder)
    with pytest.raises(InputError, match=r"the vector of texts\[0\] is not the one"):
        read_vectors(tmp_path / "v.npy", ["b", *OTHERS[1:]], encoder)


def test_what_is_no_such_file_is_refused(encoder: BiEncoder, tmp_path: Path) -> None:
    write_table(tmp_path / "t.parquet", {"text": TEXTS})
    with pytest.raises(InputError, match="has no column vector"):
        read_vectors(tmp_path / "t.parquet", TEXTS, encoder)
    with pytest.raises(TableError, match="there is no file"):
        read_vectors(tmp_path / "no.parquet", TEXTS, encoder)
    with pytest.raises(InputError, match="a folder without part"):
        read_vectors(tmp_path, TEXTS, encoder)
    encoder.encode_to(TEXTS, tmp_path / "b.parquet", dtype="binary")
    with pytest.raises(InputError, match="holds binary vectors"):
        read_vectors(tmp_path / "b.parquet", TEXTS, encoder)
    (tmp_path / "r.jsonl").write_text(
        '{"text": "a", "vector": [1, 2]}\n{"text": "b", "vector": [1]}\n'
    )
    with pytest.raises(InputError, match="not an array of numbers with rows of one length"):
        read_vectors(tmp_path / "r.jsonl", ["a", "b"], encoder)
    encoder.encode_to(TEXTS, tmp_path / "s.npy", truncate_dim=8)
    with pytest.raises(InputError, match="has vectors of 8 and this encoder's have"):
        read_vectors(tmp_path / "s.npy", TEXTS, encoder)
    (tmp_path / "x.npy").write_text("no array")
    with pytest.raises(InputError, match=r"cannot be read as \.npy"):
        read_vectors(tmp_path / "x.npy", TEXTS, encoder)


@pytest.mark.slow
def test_pairs_takes_the_vectors_of_a_file(encoder: BiEncoder, tmp_path: Path) -> None:
    write_table(tmp_path / "t.csv", {"id": [*range(len(TEXTS))], "body": TEXTS})
    model = ("--model", encoder.model, "--precision", "f32")
    for_body = (tmp_path / "t.csv", "--column", "body", *model)
    assert sememe("encode", *for_body, "-o", tmp_path / "v.parquet").returncode == 0
    pairs = ("pairs", *for_body, "--top", 5, "-o")
    assert sememe(*pairs, tmp_path / "a.csv").returncode == 0
    done = sememe(*pairs, tmp_path / "b.csv", "--vectors", tmp_path / "v.parquet")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    wrong = sememe(*pairs, tmp_path / "c.csv", "--vectors", tmp_path / "no.npy")
    assert wrong.returncode == 2
    assert "no.npy cannot be read" in wrong.stderr.splitlines()[-1]
