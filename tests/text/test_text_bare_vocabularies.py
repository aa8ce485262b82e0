"""Tokenizers without tokenizer.json: RoBERTa's vocabulary and merges, MPNet's vocabulary."""

from pathlib import Path

import pytest
from tokenizers import AddedToken
from transformers import MPNetTokenizer, RobertaTokenizer

from sememe.checkpoint import read
from sememe.errors import CheckpointError
from sememe.text import PairTokenizer, Tokenizer, Tokens
from tiny_architectures import MPNET_VOCABULARY, byte_level, make
from tiny_models import TEXTS, write_json

WRITTEN = [*TEXTS, "Wind  power ", " the <mask> and</s>", "[SEP] x", "a\u00a0\n b", "😀"]


def ids(tokens: Tokens) -> list[list[int]]:
    ends = tokens.starts + tokens.lengths
    return [tokens.ids[a:b].tolist() for a, b in zip(tokens.starts, ends, strict=True)]


def roberta(folder: Path, *, spaced: bool = False) -> Path:
    encoder = make(folder, "roberta").encoder
    (encoder / "tokenizer.json").unlink()
    byte_level().save_model(str(encoder))
    write_json(
        encoder / "tokenizer_config.json",
        {"tokenizer_class": "RobertaTokenizer", "add_prefix_space": spaced},
    )
    return encoder


@pytest.mark.parametrize("spaced", [False, True])
def test_vocabulary_and_merges_are_read_as_roberta_s(tmp_path: Path, spaced: bool) -> None:
    encoder = roberta(tmp_path, spaced=spaced)
    # As roberta-base's own tokenizer.json has it: the mask takes the space before it.
    mask = AddedToken("<mask>", lstrip=True, special=True)
    reference = RobertaTokenizer.from_pretrained(str(encoder), mask_token=mask)
    expected = reference(WRITTEN, truncation=True, max_length=48).input_ids
    assert ids(Tokenizer(read(encoder))(WRITTEN)) == expected
    pairs = [(a, b) for a in WRITTEN for b in WRITTEN]
    expected = reference(*map(list, zip(*pairs, strict=True)), truncation=True, max_length=48)
    assert ids(PairTokenizer(read(encoder))(pairs)) == expected.input_ids


def test_every_file_counts_in_the_hash(tmp_path: Path) -> None:
    encoder = roberta(tmp_path)
    seen = {Tokenizer(read(encoder)).sha256}
    assert Tokenizer(read(encoder)).sha256 in seen
    for name in ("vocab.json", "merges.txt", "tokenizer_config.json"):
        path = encoder / name
        lines = path.read_text(encoding="utf-8").splitlines()
        changed = lines[:-1] if name == "merges.txt" else [*lines, ""]
        path.write_text("\n".join(changed) + "\n", encoding="utf-8")
        digest = Tokenizer(read(encoder)).sha256
        assert digest not in seen, name
        seen.add(digest)


@pytest.mark.parametrize("name", ["vocab.json", "merges.txt"])
def test_half_a_vocabulary_is_refused(tmp_path: Path, name: str) -> None:
    encoder = roberta(tmp_path)
    (encoder / name).unlink()
    with pytest.raises(CheckpointError, match=r"merges\.txt"):
        Tokenizer(read(encoder))


def test_mpnet_s_vocabulary_is_word_pieces_in_roberta_s_frame(tmp_path: Path) -> None:
    encoder = make(tmp_path, "mpnet").encoder
    (encoder / "tokenizer.json").unlink()
    (encoder / "vocab.txt").write_text("\n".join(MPNET_VOCABULARY) + "\n", encoding="utf-8")
    reference = MPNetTokenizer.from_pretrained(str(encoder))
    texts = [text for text in WRITTEN if "[SEP]" not in text]
    expected = reference(texts, truncation=True, max_length=48).input_ids
    assert ids(Tokenizer(read(encoder))(texts)) == expected
    pairs = [(a, b) for a in texts for b in texts]
    found = reference(*map(list, zip(*pairs, strict=True)), truncation=True, max_length=48)
    assert ids(PairTokenizer(read(encoder))(pairs)) == found.input_ids
