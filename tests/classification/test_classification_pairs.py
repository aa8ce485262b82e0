"""Pairs of one label: drawn one by one, the same in every process, never of a text with itself."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sememe.data import load
from sememe.training.batches import LabelPairs


def pairs_of(sizes: list[int], rounds: int, seed: int) -> LabelPairs:
    rows = [(f"{label} {i}", str(label)) for label, size in enumerate(sizes) for i in range(size)]
    rows = rows[::2] + rows[1::2]
    examples = load({"text": [text for text, _ in rows], "label": [label for _, label in rows]})
    return LabelPairs(examples, rounds, seed)


@pytest.mark.slow
@given(
    sizes=st.lists(st.integers(2, 6), min_size=2, max_size=6),
    rounds=st.integers(1, 4),
    seed=st.integers(0, 2**32),
)
def test_pairs_are_of_one_label_and_of_two_texts(sizes: list[int], rounds: int, seed: int) -> None:
    pairs = pairs_of(sizes, rounds, seed)
    drawn = [pairs[i] for i in range(len(pairs))]
    for (first, second), target in drawn:
        assert first.split()[0] == second.split()[0] == str(target)
        assert first != second
    begun = Counter(texts[0] for texts, _ in drawn)
    assert len(begun) == sum(sizes)
    assert set(begun.values()) == {rounds}
    again = pairs_of(sizes, rounds, seed)
    assert [again[i] for i in range(len(again))] == drawn


def test_every_pair_comes_in_time() -> None:
    pairs = pairs_of([5, 5], 60, 0)
    drawn = {pairs[i].texts for i in range(len(pairs))}
    assert len(drawn) == 2 * 5 * 4


def test_a_label_with_one_text_left_is_paired_with_itself() -> None:
    examples = load({"text": ["a", "b", "c", "d"], "label": ["x", "x", "y", "y"]})
    pairs = LabelPairs(examples.subset([0, 1, 2]), 1)
    assert pairs[2].texts == ("c", "c")
