"""Passages: ends of paragraphs and sentences, overlap, and long sentences and words by force."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sememe.checkpoint import read
from sememe.errors import InputError
from sememe.text import Tokenizer, sentence_spans, split_passages
from sememe.text.passages import Counter
from tiny_architectures import tokenizer_of
from tiny_models import edit_json, make_checkpoint


def words(texts: Sequence[str]) -> list[int]:
    return [len(text.split()) for text in texts]


def characters(texts: Sequence[str]) -> list[int]:
    return [len(text) for text in texts]


def passages(text: str, tokens: int, overlap: int = 0, count: Counter = words) -> list[str]:
    return [text[a:b] for a, b in split_passages(text, count, tokens=tokens, overlap=overlap)]


def test_passages_end_where_sentences_do() -> None:
    text = "One two. Three four. Five six. Seven."
    assert passages(text, 5) == ["One two. Three four.", "Five six. Seven."]


def test_the_end_of_a_paragraph_is_better_than_that_of_a_sentence() -> None:
    text = "One two. Three four.\n\nFive six. Seven eight. Nine."
    assert passages(text, 7)[0] == "One two. Three four."
    assert passages(text.replace("\n\n", " "), 7)[0] == "One two. Three four. Five six."


def test_a_paragraph_that_ends_in_the_first_half_does_not_end_a_passage() -> None:
    text = "One two.\r\n \r\nThree four. Five six. Seven eight."
    assert passages(text, 6) == ["One two.\r\n \r\nThree four. Five six.", "Seven eight."]


def test_one_line_break_of_windows_is_no_paragraph() -> None:
    text = "One two. Three four.\r\nFive six. Seven eight. Nine."
    assert passages(text, 7)[0] == "One two. Three four.\r\nFive six."


def test_whole_sentences_overlap_as_far_as_they_fit() -> None:
    text = "One two. Three four. Five. Six seven. Eight."
    assert passages(text, 5, overlap=3) == [
        "One two. Three four. Five.", "Three four. Five. Six seven.", "Five. Six seven. Eight."
    ]  # fmt: skip
    assert passages(text, 5, overlap=2)[1] == "Five. Six seven. Eight."
    assert passages(text, 5, overlap=0)[1] == "Six seven. Eight."


def test_an_overlap_that_leaves_no_room_is_left_out() -> None:
    text = "One. Two three four. Five six seven eight nine."
    assert passages(text, 5, overlap=4) == ["One. Two three four.", "Five six seven eight nine."]


def test_a_long_sentence_is_cut_between_words_and_does_not_overlap() -> None:
    assert passages("a b c d e f g", 4, overlap=3) == ["a b c d", "e f g"]


def test_an_endless_word_is_cut_by_force() -> None:
    assert passages("a" * 10, 4, count=characters) == ["aa", "aaa", "aa", "aaa"]
    assert passages("é", 1, count=lambda texts: [7] * len(texts)) == ["é"]


def test_a_blank_text_has_no_passage() -> None:
    assert passages(" \n\n\t ", 4) == []


@pytest.mark.parametrize(("tokens", "overlap"), [(0, 0), (4, 4), (4, -1), (True, 0)])
def test_limits_that_cannot_be_are_refused(tokens: int, overlap: int) -> None:
    with pytest.raises(InputError, match="give a whole number"):
        split_passages("a", words, tokens=tokens, overlap=overlap)


@pytest.fixture(scope="module", params=["word pieces", "bytes", "unigram"])
def tokenizer(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Tokenizer:
    folder = tmp_path_factory.mktemp("model")
    make_checkpoint(folder)
    tokenizer_of(request.param).save(str(folder / "tokenizer.json"))
    edit_json(folder / "config.json", vocab_size=1000)
    return Tokenizer(read(folder))


def test_a_tokenizer_counts_the_tokens_of_texts_that_it_would_cut(tokenizer: Tokenizer) -> None:
    assert tokenizer.count(["", " a" * 500])[1] >= 500


@settings(max_examples=60)
@given(
    st.text(alphabet="ab e.!。\n\r\té", max_size=120),
    st.integers(1, 12),
    st.integers(0, 11),
    st.sampled_from(["words", "characters", "tokens"]),
)
def test_passages_hold_the_promise(
    tokenizer: Tokenizer, text: str, tokens: int, overlap: int, unit: str
) -> None:
    count = {"words": words, "characters": characters, "tokens": tokenizer.count}[unit]
    overlap = min(overlap, tokens - 1)
    spans = split_passages(text, count, tokens=tokens, overlap=overlap)
    parts = [text[a:b] for a, b in spans]
    assert all(part and part == part.strip() for part in parts)
    assert all(b - a == 1 or count([text[a:b]])[0] <= tokens for a, b in spans)
    covered = {i for a, b in spans for i in range(a, b)}
    assert {i for i, character in enumerate(text) if not character.isspace()} <= covered
    whole = sentence_spans(text)
    for (a, b), (c, d) in pairwise(spans):
        assert a < c
        assert b < d
        if c < b:
            assert c in {start for start, _ in whole}
            assert b in {end for _, end in whole}
            assert count([text[c:b]])[0] <= overlap


def test_sentences_that_have_more_tokens_together_than_apart_still_fit() -> None:
    squares: Counter = lambda texts: [len(text) ** 2 for text in texts]  # noqa: E731
    parts = passages("aaa. bbb. ccc. ddd.", 100, count=squares)
    assert parts == ["aaa. bbb.", "ccc. ddd."]
