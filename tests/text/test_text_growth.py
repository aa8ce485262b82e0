"""Tokenizers that blow texts up are refused before any text goes through them."""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Regex, normalizers, pre_tokenizers, processors
from tokenizers import Tokenizer as Bare

from sememe.checkpoint import read
from sememe.errors import CheckpointError
from sememe.text import Tokenizer
from tiny_models import make_checkpoint

Change = Callable[[Any], None]


def normalizer(*steps: Any) -> Change:
    def change(bare: Any) -> None:
        bare.normalizer = normalizers.Sequence(list(steps))

    return change


def words(*steps: Any) -> Change:
    def change(bare: Any) -> None:
        bare.pre_tokenizer = pre_tokenizers.Sequence(list(steps))

    return change


def charsmap(replaced: bytes) -> Any:
    """sentencepiece's compiled normalizer, with the one rule that `a` becomes `replaced`."""
    trie = [0] * 256
    trie[0] = 1 << 10  # where the first byte's unit is, 1 ^ byte
    trie[1 ^ ord("a")] = ord("a") | 1 << 8 | 1 << 10  # a rule ends here; its value is 1 behind
    return normalizers.Precompiled(struct.pack("<257I", 4 * 256, *trie) + replaced + b"\0")


def changed(folder: Path, change: Change) -> Tokenizer:
    make_checkpoint(folder)
    path = folder / "tokenizer.json"
    bare = Bare.from_file(str(path))
    change(bare)
    bare.save(str(path))
    return Tokenizer(read(folder))


HOSTILE: dict[str, Change] = {
    "doubled": normalizer(*[normalizers.Replace("a", "aa")] * 40),
    "in turns": normalizer(*[normalizers.Replace("a", "bb"), normalizers.Replace("b", "aa")] * 9),
    "nested": normalizer(*[normalizers.Sequence([normalizers.Replace("ab", "abab")] * 4)] * 4),
    "long": normalizer(normalizers.Replace("a", "b" * 100_000)),
    "empty": normalizer(*[normalizers.Replace("", "ab")] * 10),
    "expression": normalizer(*[normalizers.Replace(Regex("(?=z)"), "z")] * 40),
    "bytes": normalizer(*[normalizers.ByteLevel()] * 30),
    "bytes of words": words(*[pre_tokenizers.ByteLevel()] * 30),
    "ligatures": normalizer(*[normalizers.Replace("ا", "ﷺ"), normalizers.NFKC()] * 9),
    "compiled": normalizer(charsmap(b"a" * 50_000)),
    "compiled in turns": normalizer(*[charsmap(b"a" * 18)] * 8),
}
# What real tokenizers do: XLM-R, ALBERT, CLIP, ModernBERT, DeBERTa.
LIGATURE = "صلى الله عليه وسلم".encode()
USUAL: dict[str, Change] = {
    "xlm-r": normalizer(charsmap(LIGATURE), normalizers.Replace(Regex(" {2,}"), " ")),
    "albert": normalizer(
        normalizers.Replace("``", '"'),
        normalizers.Replace("''", '"'),
        normalizers.NFKD(),
        normalizers.StripAccents(),
        normalizers.Lowercase(),
        charsmap(LIGATURE),
        normalizers.Replace(Regex(" {2,}"), " "),
    ),
    "clip": normalizer(
        normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()
    ),
    "bytes": words(pre_tokenizers.Digits(), pre_tokenizers.ByteLevel()),
    "prefix": normalizer(normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")),
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE)
def test_a_tokenizer_that_blows_texts_up_is_refused(tmp_path: Path, change: Change) -> None:
    with pytest.raises(CheckpointError, match=r"tokenizer\.json: .* times as long") as caught:
        changed(tmp_path, change)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("change", USUAL.values(), ids=USUAL)
def test_a_usual_tokenizer_is_not(tmp_path: Path, change: Change) -> None:
    assert changed(tmp_path, change)(["a wind", "ﷺ"]).lengths.min() >= 2


def test_the_compiled_normalizer_of_these_tests_is_a_real_one() -> None:
    assert charsmap(b"xyz").normalize_str("bab") == "bxyzb"


def test_a_template_that_repeats_the_text_is_refused(tmp_path: Path) -> None:
    def change(bare: Any) -> None:
        bare.post_processor = processors.TemplateProcessing(
            single="$A $A", pair="$A $B", special_tokens=[]
        )

    tokenizer = changed(tmp_path, change)
    with pytest.raises(CheckpointError, match=r"tokenizer\.json: its post_processor gives"):
        tokenizer(["wind " * 50])
