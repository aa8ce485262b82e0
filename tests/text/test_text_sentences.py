"""Where long texts are cut: nothing lost, nothing too long, between sentences where it can be."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sememe.text.long_texts import windows

# Words, sentence ends of many scripts, emoji, line ends, and runs without any of them.
pieces = st.sampled_from(
    ["the", "x" * 40, "日本語", "。", "！", ". ", "! ", "? ", "… ", "؟ ", "। ", "\n", "\r\n",
     " ", "  ", "👩‍👩‍👧", "🙂", "e.g. ", "J. ", "3.14", "»", '"', "\u2028"]
)  # fmt: skip
texts = st.lists(pieces, max_size=60).map("".join)
rooms = st.integers(1, 25)


def tokenized(text: str) -> list[int]:
    """Where tokens begin: words in pieces of up to three letters, every other mark alone."""
    return [found.start() for found in re.finditer(r"\w{1,3}|[^\w\s]", text)]


@given(texts, rooms)
def test_every_token_is_read_in_order_and_no_window_is_too_long(text: str, room: int) -> None:
    starts = tokenized(text)
    found = windows(text, starts, room)
    assert found[0][0] == 0
    assert found[-1][1] == len(starts)
    for start, stop in found:
        assert start < stop or not starts
        assert stop - start <= room
    for (start, stop), (following, end) in pairwise(found):
        assert start < following <= stop < end
        assert stop - following <= room // 8


@given(texts, rooms)
def test_there_are_not_many_more_windows_than_there_must_be(text: str, room: int) -> None:
    starts = tokenized(text)
    assert len(windows(text, starts, room)) <= 3 * len(starts) / (room - room // 8) + 3


@pytest.mark.parametrize("room", [1, 2, 8, 100])
def test_right_at_the_limit_there_is_one_window(room: int) -> None:
    text = "a " * room
    assert windows(text, tokenized(text), room) == [(0, room)]
    longer = windows(text + "a", tokenized(text + "a"), room)
    assert longer[0] == (0, room)
    assert len(longer) == 2


def cuts(text: str, room: int) -> list[str]:
    """What each window holds."""
    starts = tokenized(text)
    places = [*starts, len(text)]
    return [text[places[a] : places[b]].strip() for a, b in windows(text, starts, room)]


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("The cat is in. The dog is out today.", "The cat is in."),
        ("Is the cat in? The dog is out today.", "Is the cat in?"),
        ('"The cat is in!" The dog is out today.', '"The cat is in!"'),
        ("The cat… The dog is out for the day now.", "The cat…"),
        ("The cat is in\n\nthe dog is out today", "The cat is in"),
        ("猫は家にいる。犬は外にいるらしい、今日も明日も。", "猫は家にいる。"),
        ("هل القط هنا؟ الكلب في الخارج اليوم", "هل القط هنا؟"),
        ("बिल्ली घर में है। कुत्ता बाहर है आज भी और कल भी", "बिल्ली घर में है।"),
    ],
)
def test_a_window_ends_where_a_sentence_does(text: str, first: str) -> None:
    assert cuts(text, room=len(tokenized(first)) + 2)[0] == first


@pytest.mark.parametrize(
    "first", ["We met J. Smith today", "Pets, e.g. the cat", "It cost 3.50 as"]
)
def test_not_every_full_stop_ends_a_sentence(first: str) -> None:
    assert cuts(f"{first} it was said there", room=len(tokenized(first)))[0] == first


def test_a_sentence_that_is_too_long_is_cut_between_words_then_anywhere() -> None:
    assert cuts("abcdef ghijkl mnopqr stu", 3)[:2] == ["abcdef", "ghijkl"]
    assert cuts("abcdefghijklmno", 2)[:2] == ["abcdef", "ghijkl"]


def test_the_overlap_begins_with_a_sentence_or_a_word() -> None:
    for before, window in pairwise(cuts("two ten. " * 20, room=24)):
        assert window.startswith("two ten.")
        assert before.rstrip(".").endswith("two ten")
    for before, window in pairwise(cuts("abcdef " * 40, room=24)):
        assert window.startswith("abcdef")
        assert before.endswith("abcdef")


def test_the_longest_texts_take_no_time_out_of_proportion() -> None:
    for text in ("\n" * 200_000 + "a", " " * 200_000 + "a", "." * 200_000, "a. " * 100_000):
        starts = tokenized(text)
        assert windows(text, starts, 254)[-1][1] == len(starts)
