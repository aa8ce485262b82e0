"""Read word by word, a text has the ids that the tokenizer gives the whole of it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer as Bare
from tokenizers import pre_tokenizers

from sememe.checkpoint import read
from sememe.text import UNKNOWN, StaticTokenizer
from static_models import GIVEN, llama_pairs, make_static_embedding, unigrams, word_pieces

KINDS: dict[str, Callable[[], Bare]] = {
    "word pieces": word_pieces,
    "unigrams": unigrams,
    "llama": llama_pairs,
}
HARD = [
    "wind", "Power", "zebra", "the", "café", "cafe\u0301", "\u0301x", "日本", "ﬁne", "Σ", "ΟΔΟΣ",
    "▁", "▁a", "a▁", "[SEP]", "a[UNK]b", "<s>", "<unk>", "x<s>", "", " ", "\t", "a\nb", "\u00a0",
    "\u3000", "\u200b", "☃", "42", "don't", "-", "👩\u200d🔬", "\0",
]  # fmt: skip
pieces = st.one_of(st.sampled_from(HARD), st.text(max_size=3))
texts = st.lists(pieces, max_size=8).map(" ".join)


@pytest.fixture(scope="module", params=KINDS)
def both(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[StaticTokenizer, Bare]:
    bare = KINDS[request.param]()
    folder = tmp_path_factory.mktemp("static") / "model"
    make_static_embedding(folder, bare)
    tokenizer = StaticTokenizer(read(folder))
    assert tokenizer._apart
    return tokenizer, Bare.from_file(str(folder / "tokenizer.json"))


def ids_of(tokenizer: StaticTokenizer, given: list[str]) -> list[list[int]]:
    found = tokenizer(given)
    ends = found.starts + found.lengths
    return [found.ids[a:b].tolist() for a, b in zip(found.starts, ends, strict=True)]


def whole(bare: Bare, given: list[str]) -> list[list[int]]:
    return [e.ids for e in bare.encode_batch_fast(given, add_special_tokens=False)]


@pytest.mark.slow
@settings(max_examples=60)
@given(given=st.lists(texts, min_size=1, max_size=6))
def test_ids_are_those_of_the_whole_text(
    both: tuple[StaticTokenizer, Bare], given: list[str]
) -> None:
    tokenizer, bare = both
    assert ids_of(tokenizer, given) == whole(bare, given)


def test_no_text_and_texts_without_a_token(both: tuple[StaticTokenizer, Bare]) -> None:
    assert len(both[0]([]).lengths) == 0
    assert both[0](["", ""]).lengths.tolist() == [0, 0]


def test_ids_stay_the_same_from_many_threads_while_words_are_forgotten(
    both: tuple[StaticTokenizer, Bare], monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer, bare = both
    monkeypatch.setattr(tokenizer, "_most_characters", 30)
    parts = [[f"{a} {b}" for b in HARD[i:]] for i, a in enumerate(HARD)]
    expected = [whole(bare, part) for part in parts]
    with ThreadPoolExecutor(8) as threads:
        for _ in range(3):
            assert list(threads.map(lambda part: ids_of(tokenizer, part), parts)) == expected


@pytest.mark.parametrize("kind", ["across spaces", "an added word of two", "byte level"])
def test_a_tokenizer_that_joins_words_reads_whole_texts(tmp_path: Path, kind: str) -> None:
    bare = llama_pairs() if kind == "across spaces" else word_pieces()
    if kind == "across spaces":
        made = bare.to_str().replace('"merges":[', '"merges":[["e","▁"],')
        bare = Bare.from_str(made.replace('"vocab":{', f'"vocab":{{"e▁":{bare.get_vocab_size()},'))
    elif kind == "an added word of two":
        bare.add_tokens(["wind power"])
    else:
        bare.pre_tokenizer = pre_tokenizers.ByteLevel()
    make_static_embedding(tmp_path, bare)
    tokenizer = StaticTokenizer(read(tmp_path))
    given = [*GIVEN, "the wind power is the one"]
    assert not tokenizer._apart
    assert ids_of(tokenizer, given) == whole(bare, given)


def test_lengths_are_cut_and_counted(tmp_path: Path) -> None:
    bare = word_pieces()
    bare.enable_truncation(5)
    make_static_embedding(tmp_path, bare)
    found = StaticTokenizer(read(tmp_path))(["wind " * 9, "the wind", "the  " + "wind " * 9])
    assert found.lengths.tolist() == [5, 2, 5]
    assert found.cut.tolist() == [4, 0, 5]
    assert found.cut.dtype == np.int64
    assert UNKNOWN not in found.ids
