"""Batches: every row has its turn, and step k is the same whatever came before it."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sememe.data import Examples, load
from sememe.errors import InputError
from sememe.training.batches import Batches, Ints

BASE = load({"anchor": [f"a{i}" for i in range(300)], "positive": [f"p{i}" for i in range(300)]})


def of_length(n: int) -> Examples:
    return BASE.subset(np.arange(n))


def labelled(counts: list[int]) -> Examples:
    labels = [label for label, n in enumerate(counts) for _ in range(n)]
    return load({"text": [f"text {i}" for i in range(len(labels))], "label": labels})


def every(batches: Batches) -> list[tuple[int, Ints]]:
    return [batches[step] for step in range(len(batches))]


def plain(steps: list[tuple[int, Ints]]) -> list[tuple[int, list[int]]]:
    return [(part, rows.tolist()) for part, rows in steps]


sizes = st.lists(st.integers(1, 60), min_size=1, max_size=3)


@given(lengths=sizes, size=st.integers(1, 17), epochs=st.integers(1, 3), seed=st.integers(0, 2**63))
@settings(max_examples=60)
def test_every_row_comes_exactly_once_an_epoch(
    lengths: list[int], size: int, epochs: int, seed: int
) -> None:
    batches = Batches([of_length(n) for n in lengths], size, epochs=epochs, seed=seed)
    assert len(batches) == epochs * batches.per_epoch
    for epoch in range(epochs):
        steps = range(epoch * batches.per_epoch, (epoch + 1) * batches.per_epoch)
        seen = Counter((batches[s][0], int(row)) for s in steps for row in batches[s][1])
        assert seen == {(part, row): 1 for part, n in enumerate(lengths) for row in range(n)}
    for part, rows in every(batches):
        # A short batch is the last of its part, and a row is alone only where there is no other.
        assert min(2, size, lengths[part]) <= len(rows) <= size + (size > 1)


@given(
    lengths=sizes,
    size=st.integers(2, 9),
    weighted=st.booleans(),
    at=st.floats(0, 1),
    seed=st.integers(0, 99),
)
@settings(max_examples=60)
def test_a_resumed_job_sees_the_same_tail(
    lengths: list[int], size: int, weighted: bool, at: float, seed: int
) -> None:
    parts = [of_length(n) for n in lengths]
    weights = [1.5, 1, 0.25][: len(parts)] if weighted else None

    def fresh() -> Batches:
        return Batches(parts, size, weights=weights, seed=seed, epochs=3)

    expected, start = plain(every(fresh())), int(at * (len(fresh()) - 1))
    resumed = fresh()
    assert plain([resumed[step] for step in range(start, len(resumed))]) == expected[start:]
    assert plain([fresh()[start]]) == [expected[start]]


def test_batches_of_labels_resume_too() -> None:
    parts = [labelled([20, 30, 15, 9]), labelled([10] * 8)]
    expected = plain(every(Batches(parts, 6, per_label=2, seed=4, epochs=5)))
    for start in range(0, len(expected), 7):
        fresh = Batches(parts, 6, per_label=2, seed=4, epochs=5)
        assert plain([fresh[step] for step in range(start, len(fresh))]) == expected[start:]


def test_epochs_and_seeds_differ_in_order() -> None:
    batches = Batches([of_length(64)], 8, epochs=2)
    first, second = (plain([batches[s] for s in range(a, a + 8)]) for a in (0, 8))
    assert first != second
    assert first != plain(every(Batches([of_length(64)], 8, seed=1)))
    assert np.concatenate([rows for _, rows in first]).tolist() != [*range(64)]


def test_parts_take_turns_in_no_order() -> None:
    parts = [part for part, _ in every(Batches([of_length(200), of_length(200)], 4))]
    assert Counter(parts) == {0: 50, 1: 50}
    changes = sum(a != b for a, b in pairwise(parts))
    assert 30 < changes < 70


def test_weights_are_proportions_of_batches() -> None:
    parts = [of_length(300), of_length(60), of_length(40)]
    batches = Batches(parts, 10, weights=[1, 2, 1], epochs=6)
    assert batches.per_epoch == 40
    for epoch in range(6):
        drawn = Counter(batches[epoch * 40 + step][0] for step in range(40))
        assert drawn == {0: 10, 1: 20, 2: 10}
    # Each part goes through all its rows before one comes again.
    for part, n in enumerate(map(len, parts)):
        rows = np.concatenate([rows for other, rows in every(batches) if other == part])
        for start in range(0, len(rows) - n + 1, n):
            assert sorted(rows[start : start + n]) == [*range(n)]


def test_a_part_of_small_weight_is_not_left_out() -> None:
    batches = Batches([of_length(100), of_length(100)], 10, weights=[1, 1e-6])
    assert Counter(part for part, _ in every(batches)) == {0: 20, 1: 1}


def test_a_fraction_of_an_epoch() -> None:
    expected = plain(every(Batches([of_length(100)], 10, epochs=2)))
    assert plain(every(Batches([of_length(100)], 10, epochs=1.5))) == expected[:15]
    assert len(Batches([of_length(100)], 10, epochs=0.001)) == 1


def test_there_is_no_step_outside() -> None:
    batches = Batches([of_length(10)], 5)
    for step in (-1, 2):
        with pytest.raises(IndexError, match=f"step {step} of 2"):
            batches[step]


@given(
    counts=st.lists(st.integers(2, 20), min_size=2, max_size=9),
    per_label=st.integers(1, 4),
    data=st.data(),
)
@settings(max_examples=60)
def test_batches_of_labels(counts: list[int], per_label: int, data: st.DataObject) -> None:
    fit = data.draw(st.integers(2, len(counts)))
    examples = labelled([n + 2 for n in counts])
    assert examples.targets is not None
    batches = Batches([examples], fit * per_label, per_label=per_label, epochs=2)
    turns = Counter[int]()
    for _, rows in every(batches):
        labels = Counter(examples.targets[rows].tolist())
        assert set(labels.values()) == {per_label}
        assert len(labels) == fit
        turns.update(labels.keys())
        if per_label <= min(counts):
            for label in labels:
                mine = rows[examples.targets[rows] == label]
                assert len(set(mine.tolist())) == per_label or (counts[label] + 2) % per_label
    assert len(batches) == 2 * max(1, len(examples) // (fit * per_label))


def test_labels_come_equally_often_whatever_their_size() -> None:
    examples = labelled([100, 10, 10])
    assert examples.targets is not None
    batches = Batches([examples], 6, per_label=2, epochs=3)
    drawn = Counter(int(place) for _, rows in every(batches) for place in examples.targets[rows])
    assert drawn == {0: 120, 1: 120, 2: 120}
    large = {int(row) for _, rows in every(batches) for row in rows if row < 100}
    assert len(large) > 75


@pytest.mark.parametrize(
    ("size", "per_label", "message"),
    [
        (6, 4, "has 1.5 labels; with the 3 of the data that must be a whole number from 2 to 3"),
        (8, 2, "a batch of 8 with 2 of each label has 4 labels"),
        (4, 4, "has 1 labels"),
    ],
)
def test_labels_that_do_not_fit_a_batch(size: int, per_label: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Batches([labelled([9, 9, 9])], size, per_label=per_label)


def test_only_labelled_texts_are_drawn_by_label() -> None:
    mixed = Batches([of_length(9), labelled([9, 9])], 4, per_label=2)
    drawn = [rows.tolist() for part, rows in every(mixed) if part == 0]
    assert sorted(row for rows in drawn for row in rows) == list(range(9))
