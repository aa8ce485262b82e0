"""Where sentences end, in scripts of many kinds."""

import pytest

from sememe.text import sentences


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("The cat is in. The dog is out today.", "The cat is in."),
        ("Is the cat in? The dog is out today.", "Is the cat in?"),
        ('"The cat is in!" The dog is out today.', '"The cat is in!"'),
        ("The cat… The dog is out for the day now.", "The cat…"),
        ("The cat is in\n\nthe dog is out today", "The cat is in"),
        ("The cat is in\u2028the dog is out today", "The cat is in"),
        ("猫は家にいる。犬は外にいるらしい、今日も明日も。", "猫は家にいる。"),
        ("هل القط هنا؟ الكلب في الخارج اليوم", "هل القط هنا؟"),
        ("बिल्ली घर में है। कुत्ता बाहर है आज भी और कल भी", "बिल्ली घर में है।"),
    ],
)
def test_a_sentence_ends_with_its_mark(text: str, first: str) -> None:
    assert sentences(text)[0] == first


@pytest.mark.parametrize(
    "first", ["We met J. Smith today", "Pets, e.g. the cat", "It cost 3.50 as"]
)
def test_not_every_full_stop_ends_a_sentence(first: str) -> None:
    assert sentences(f"{first} it was said there") == [f"{first} it was said there"]
