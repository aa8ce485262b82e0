"""What is held out: no text of it is trained on, and every run holds out the same."""

import warnings
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sememe.data import Examples, load, split
from sememe.errors import ChoiceWarning, InputError


def of_pairs(pairs: list[tuple[int, int]]) -> Examples:
    return load({
        "sentence1": [str(first) for first, _ in pairs],
        "sentence2": [str(second) for _, second in pairs],
        "score": [i % 4 / 3 for i in range(len(pairs))],
    })  # fmt: skip


def texts_in(examples: Examples) -> set[str]:
    return {text for example in examples for text in example.texts}


def places(examples: Examples) -> list[str]:
    return [examples.where(i) for i in range(len(examples))]


@pytest.mark.slow
@given(
    pairs=st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), min_size=4, max_size=60),
    size=st.one_of(st.floats(0.05, 0.6), st.integers(1, 3)),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=200)
def test_no_text_is_in_both_parts(pairs: list[tuple[int, int]], size: float, seed: int) -> None:
    examples = of_pairs(pairs)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        train, dev = split(examples, size, seed)
    assert sorted(places(train) + places(dev)) == sorted(places(examples))
    wanted = max(1, round(size * len(pairs))) if size < 1 else size
    assert wanted / 2 <= len(dev) <= wanted
    if not said:
        assert not texts_in(train) & texts_in(dev)
    else:
        assert len(dev) == wanted
        assert [warning.category for warning in said] == [ChoiceWarning]
        assert rows_in_small_groups(pairs, wanted / 2) < wanted / 2


def rows_in_small_groups(pairs: list[tuple[int, int]], largest: float) -> int:
    """How many rows are in groups of `largest` rows at the most; groups are found slowly."""
    groups: list[tuple[set[int], int]] = []
    for pair in pairs:
        own, rows, others = set(pair), 1, []
        for texts, size in groups:
            if own & texts:
                own, rows = own | texts, rows + size
            else:
                others.append((texts, size))
        groups = [*others, (own, rows)]
    return sum(size for _, size in groups if size <= largest)


@given(seed=st.integers(0, 2**32))
@settings(max_examples=20)
def test_one_seed_gives_one_split(seed: int) -> None:
    pairs = [(i, i // 3 + 1000) for i in range(100)]
    first, again = (split(of_pairs(pairs), 0.2, seed) for _ in range(2))
    assert places(first[1]) == places(again[1])
    assert places(first[1]) != places(split(of_pairs(pairs), 0.2, seed + 1)[1])
    assert list(first[0]) == list(again[0])


def test_the_order_of_the_file_is_kept() -> None:
    examples = of_pairs([(i, i + 100) for i in range(50)])
    for part in split(examples, 0.3, 5):
        numbers = [int(example.texts[0]) for example in part]
        assert numbers == sorted(numbers)


def labelled(counts: dict[str, int]) -> Examples:
    labels = [label for label, n in counts.items() for _ in range(n)]
    return load({"text": [f"text {i}" for i in range(len(labels))], "label": labels})


def count(examples: Examples) -> dict[str, int]:
    assert examples.targets is not None
    return dict(Counter(examples.labels[place] for place in examples.targets))


def test_labels_keep_their_proportions() -> None:
    examples = labelled({"many": 800, "some": 150, "few": 50})
    train, dev = split(examples, 0.1, 3)
    assert count(dev) == {"many": 80, "some": 15, "few": 5}
    assert count(train) == {"many": 720, "some": 135, "few": 45}


@given(n=st.integers(2, 9), size=st.floats(0.05, 0.5), seed=st.integers(0, 99))
@settings(max_examples=40)
def test_labels_of_equal_size_are_held_out_equally(n: int, size: float, seed: int) -> None:
    examples = labelled({f"label {i}": n for i in range(20)})
    train, dev = split(examples, size, seed)
    assert len(dev) == round(size * 20 * n)
    held = [count(dev).get(f"label {i}", 0) for i in range(20)]
    assert max(held) - min(held) <= 1
    assert len(count(train)) == 20


def test_equal_texts_stay_together_under_labels_too() -> None:
    texts = [f"text {i % 60}" for i in range(120)]
    examples = load({"text": texts, "label": [i % 3 for i in range(120)]})
    train, dev = split(examples, 0.25, 1)
    assert len(dev) == 30
    assert not texts_in(train) & texts_in(dev)
    assert set(count(dev).values()) == {10}


def test_rows_that_hang_together_in_one_chain_are_divided_and_that_is_said() -> None:
    examples = of_pairs([(i, i + 1) for i in range(40)])
    with pytest.warns(ChoiceWarning, match="too many rows of the data share .* a text of one part"):
        train, dev = split(examples, 10, 0)
    assert (len(train), len(dev)) == (30, 10)


def test_triplets_with_one_negative_for_all_are_kept_apart_by_the_rest() -> None:
    n = 40
    examples = load({
        "anchor": [f"anchor {i // 2}" for i in range(n)],
        "positive": [f"positive {i}" for i in range(n)],
        "negative": ["always this one"] * n,
    })  # fmt: skip
    with pytest.warns(ChoiceWarning, match="a negative of one part may be in the other part too"):
        train, dev = split(examples, 10, 0)
    assert len(dev) == 10
    assert texts_in(train) & texts_in(dev) == {"always this one"}


def test_what_is_split_may_be_a_part_itself() -> None:
    examples = of_pairs([(i, i + 1000) for i in range(100)])
    train, dev = split(examples.subset(np.arange(50, 90)), 0.25, 0)
    assert (len(train), len(dev)) == (30, 10)
    assert {int(example.texts[0]) for part in (train, dev) for example in part} == {*range(50, 90)}


@pytest.mark.parametrize("size", [0, -1, 1.0, 8, 8.5, 0.99, -0.1])
def test_a_size_that_leaves_nothing(size: float) -> None:
    examples = of_pairs([(i, i + 100) for i in range(8)])
    if size == 1.0:
        assert len(split(examples, size)[1]) == 1  # one example, like 1
        return
    with pytest.raises(InputError, match=r"of the 8 examples .* or a number from 1 to 7"):
        split(examples, size)
