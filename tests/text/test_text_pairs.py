"""Pairs are joined and cut as transformers' own tokenizers join and cut them."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer as Bare
from tokenizers import processors

from sememe.checkpoint import read
from sememe.errors import CheckpointError, InputError
from sememe.text import PairTokenizer, Tokens
from tiny_architectures import Made, make
from tiny_models import TEXTS, WORDS, edit_json, write_json

words = st.sampled_from(
    [*WORDS.split(), "zebra", "日本", "!", "  ", "Ünï", "</s>", "[SEP]", "\u00a0"]
)
texts = st.lists(words, max_size=14).map(" ".join) | st.text(max_size=30)
pairs = st.lists(st.tuples(texts, texts), min_size=1, max_size=6)
# Beside four special tokens of RoBERTa's, or three of BERT's: even and odd room, and hardly any.
lengths = st.integers(6, 20)


@pytest.fixture(scope="module", params=["electra", "roberta", "xlm-roberta", "mpnet"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """WordPiece, byte-level BPE, Unigram, and WordPiece with RoBERTa's special tokens."""
    return make(tmp_path_factory.mktemp(request.param), request.param)


def tokenizer(made: Made, length: int) -> PairTokenizer:
    write_json(made.encoder / "sentence_bert_config.json", {"max_seq_length": length})
    return PairTokenizer(read(made.encoder))


def rows(tokens: Tokens) -> list[tuple[list[int], list[int]]]:
    """The ids and the types of each pair."""
    assert tokens.second is not None
    ends = tokens.starts + tokens.lengths
    return [
        (tokens.ids[a:b].tolist(), [int(i >= second) for i in range(b - a)])
        for a, b, second in zip(tokens.starts, ends, tokens.second, strict=True)
    ]


def reference(made: Made, pairs: list[tuple[str, str]], **cut: Any) -> list[Any]:
    fed = made.tokenizer(*map(list, zip(*pairs, strict=True)), return_token_type_ids=True, **cut)
    return list(zip(fed.input_ids, fed.token_type_ids, strict=True))


@pytest.mark.slow
@settings(max_examples=40)
@given(pairs, lengths)
def test_pairs_are_cut_like_longest_first(
    made: Made, pairs: list[tuple[str, str]], length: int
) -> None:
    found = tokenizer(made, length)(pairs)
    assert rows(found) == reference(made, pairs, truncation="longest_first", max_length=length)
    whole = [len(ids) for ids, _ in reference(made, pairs)]
    assert found.cut.tolist() == [max(0, size - length) for size in whole]


@pytest.mark.slow
@settings(max_examples=40)
@given(pairs, lengths)
def test_documents_are_cut_like_only_second(
    made: Made, pairs: list[tuple[str, str]], length: int
) -> None:
    room = length - len(reference(made, [("", "")])[0][0])
    queries = [len(made.tokenizer(a, add_special_tokens=False).input_ids) for a, _ in pairs]
    cut = partial(tokenizer(made, length), truncate="document")
    if max(queries) >= room:
        with pytest.raises(InputError, match="nothing of a document would be read"):
            cut(pairs)
        return
    expected = reference(made, pairs, truncation="only_second", max_length=length)
    assert rows(cut(pairs)) == expected


def test_types_that_are_not_meant_for_the_model_are_left_out(tmp_path: Path) -> None:
    made = make(tmp_path, "bert")
    assert any(rows(tokenizer(made, 20)([("a", "b")]))[0][1])
    names = ["input_ids", "attention_mask"]
    write_json(made.encoder / "tokenizer_config.json", {"model_input_names": names})
    assert not any(rows(tokenizer(made, 20)([("a", "b")]))[0][1])
    edit_json(made.encoder / "tokenizer_config.json", model_input_names=[*names, "token_type_ids"])
    assert any(rows(tokenizer(made, 20)([("a", "b")]))[0][1])


@pytest.mark.parametrize(
    "template", ["[CLS]:1 $A:0 [SEP]:0 $B:1", "[CLS]:0 $A:0 $B:1 [SEP]:0", "[CLS]:0 $A:0 $B:2"]
)
def test_types_that_no_graph_is_fed_are_refused(tmp_path: Path, template: str) -> None:
    made = make(tmp_path, "bert")
    path = made.encoder / "tokenizer.json"
    bare = Bare.from_file(str(path))
    special = [(name, bare.token_to_id(name)) for name in ("[CLS]", "[SEP]")]
    bare.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair=template, special_tokens=special
    )
    bare.save(str(path))
    with pytest.raises(CheckpointError, match=r"tokenizer\.json: it gives a pair's tokens the"):
        tokenizer(made, 20)


def test_no_pairs_and_empty_second_texts(made: Made) -> None:
    cut = tokenizer(made, 12)
    assert len(cut([]).lengths) == 0
    pairs = [(text, "") for text in TEXTS]
    assert rows(cut(pairs)) == reference(made, pairs, truncation=True, max_length=12)
