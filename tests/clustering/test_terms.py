import numpy as np
from blobs import blobs

from sememe.clustering.terms import Naming, class_phrases, described, stop_words


def phrases(groups: list[list[str]]) -> list[list[str]]:
    return [list(each.values()) for each in class_phrases(groups, stop_words(groups))]


def test_terms_tell_a_group_from_the_others() -> None:
    cards, rates = phrases(
        [
            ["I lost my bank card", "my card was lost", "card lost again"],
            ["the exchange rate of my bank", "bad exchange rate", "exchange rates today"],
        ]
    )
    assert "card" in cards[:6]
    assert "exchange rate" in rates[:6]
    assert "bank" not in cards[:2] + rates[:2]
    assert not {"my", "was", "the"} & set(cards + rates)


def test_forms_of_a_word_already_there_are_left_out() -> None:
    vectors, _ = blobs([4], noise=0.3)
    texts = ["activate", "activate", "activating it", "activated"]
    (one,) = described(texts, vectors, np.zeros(4, dtype=np.int64), Naming())
    assert len(one.terms) == 1


def test_a_text_repeated_counts_once() -> None:
    (terms,) = phrases([["spam"] * 50 + ["red apple", "green apple"]])
    assert terms[0] == "apple"


def test_scripts_without_spaces_have_terms() -> None:
    (first, second) = phrases([["銀行のカード", "新しいカード"], ["為替レート", "レートは"]])
    assert "カー" in first
    assert "レー" in second


def test_texts_without_words_have_no_terms() -> None:
    assert phrases([["!!! ???", "", "😀"], ["word"]]) == [[], ["word"]]


def test_examples_are_central_and_different() -> None:
    vectors, _ = blobs([40], noise=0.8)
    vectors[1] = vectors[0]
    texts = [f"text {row}" for row in range(40)]
    (one,) = described(texts, vectors, np.zeros(40, dtype=np.int64), Naming())
    closest = int((vectors @ vectors.sum(axis=0)).argmax())
    assert one.examples[0] == texts[closest]
    assert len(set(one.examples)) == 3
    assert not {"text 0", "text 1"} <= set(one.examples)


def test_outliers_are_in_no_cluster() -> None:
    groups = described(
        ["a1", "b1", "c1"], np.eye(3, dtype=np.float32), np.array([0, -1, 0]), Naming()
    )
    assert [(one.size, set(one.examples)) for one in groups] == [(2, {"a1", "c1"})]


def test_words_of_scripts_with_vowel_signs_stay_whole() -> None:
    (terms,) = phrases([["हिन्दी में खाना", "हिन्दी"]])
    assert "हिन्दी" in terms
