"""Token ids equal transformers' own, and what truncation took is counted."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer as Bare
from transformers import BertTokenizer

from sememe.checkpoint import read
from sememe.text import Tokenizer, Tokens
from tiny_models import TEXTS, VOCABULARY, Tiny, make_checkpoint


@pytest.fixture(scope="session")
def tokenizer(tiny: Tiny) -> Tokenizer:
    return Tokenizer(read(tiny.directory))


def listed(tokens: Tokens) -> list[list[int]]:
    ends = tokens.starts + tokens.lengths
    return [tokens.ids[a:b].tolist() for a, b in zip(tokens.starts, ends, strict=True)]


def test_ids_equal_transformers(tiny: Tiny, tokenizer: Tokenizer) -> None:
    reference = BertTokenizer.from_pretrained(str(tiny.transformer))
    texts = [*TEXTS, "wind " * 90, "Naïve CAFÉ", "tab\there\nand\u00a0there", "[SEP] [CLS]", "\0"]
    expected = reference(texts, truncation=True, max_length=32).input_ids
    found = tokenizer(texts)
    assert listed(found) == expected
    assert found.ids.dtype == found.lengths.dtype == np.int32


def test_no_texts(tokenizer: Tokenizer) -> None:
    found = tokenizer([])
    assert len(found.ids) == len(found.lengths) == len(found.starts) == len(found.cut) == 0


@given(st.lists(st.integers(0, 120), min_size=1, max_size=10))
def test_cut_tokens_are_counted(tokenizer: Tokenizer, sizes: list[int]) -> None:
    found = tokenizer(["wind " * size for size in sizes])
    assert found.cut.tolist() == [max(0, size - 30) for size in sizes]
    assert found.lengths.tolist() == [min(size, 30) + 2 for size in sizes]


@pytest.mark.parametrize(("prompt", "length"), [("the power : ", 4), ("", 1), ("wind " * 99, 31)])
def test_a_prompt_s_length_counts_what_opens_it_and_not_what_closes_it(
    tokenizer: Tokenizer, prompt: str, length: int
) -> None:
    assert tokenizer.prompt_length(prompt) == length


def test_without_special_tokens_an_empty_text_has_no_token(tmp_path: Path) -> None:
    make_checkpoint(tmp_path)
    bare = Bare.from_file(str(tmp_path / "tokenizer.json"))
    bare.post_processor = None
    bare.save(str(tmp_path / "tokenizer.json"))
    tokenizer = Tokenizer(read(tmp_path))
    found = tokenizer(["", "wind", "wind " * 40])
    assert found.lengths.tolist() == [0, 1, 32]
    assert found.cut.tolist() == [0, 0, 8]
    assert found.padded(np.array([0])).tolist() == [[0]]
    assert tokenizer.prompt_length("wind wind") == 2


def test_the_hash_follows_the_vocabulary(tmp_path: Path) -> None:
    for kind in ("json", "vocab"):
        make_checkpoint(tmp_path / kind, tokenizer=kind)
        before = Tokenizer(read(tmp_path / kind)).sha256
        assert before == Tokenizer(read(tmp_path / kind)).sha256
        name = "tokenizer.json" if kind == "json" else "vocab.txt"
        path = tmp_path / kind / name
        path.write_text(path.read_text().replace(VOCABULARY[-1], "CAFE"))
        assert Tokenizer(read(tmp_path / kind)).sha256 != before
