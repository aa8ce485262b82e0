"""Packing and padding, held against the same written out in plain Python."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sememe.text import Tokens, batches, pack

lengths = st.lists(st.integers(0, 60), max_size=80)
ragged = st.lists(st.lists(st.integers(1, 9), max_size=12), min_size=1, max_size=30)
budgets = st.integers(1, 400)


def tokens(texts: list[list[int]]) -> Tokens:
    sizes = np.array([len(text) for text in texts], np.int32)
    starts = np.cumsum(sizes, dtype=np.int64) - sizes
    ids = np.array([token for text in texts for token in text], np.int32)
    return Tokens(ids, sizes, starts, np.zeros(len(texts), np.int64))


@given(lengths, budgets)
def test_every_row_is_packed_exactly_once(sizes: list[int], budget: int) -> None:
    packed = [row for rows in pack(np.array(sizes, np.int32), budget) for row in rows.tolist()]
    assert sorted(packed) == list(range(len(sizes)))


@given(lengths, budgets)
def test_a_batch_costs_no_more_than_the_budget_unless_it_is_one_text(
    sizes: list[int], budget: int
) -> None:
    for rows in pack(np.array(sizes, np.int32), budget):
        assert len(rows) == 1 or len(rows) * max(sizes[row] for row in rows) <= budget


@given(lengths, budgets)
def test_the_longest_texts_come_first_and_equal_ones_in_their_order(
    sizes: list[int], budget: int
) -> None:
    packed = [int(row) for rows in pack(np.array(sizes, np.int32), budget) for row in rows]
    assert packed == sorted(packed, key=lambda row: (-sizes[row], row))


@given(lengths, budgets)
def test_a_batch_is_as_full_as_the_budget_allows(sizes: list[int], budget: int) -> None:
    packed = list(pack(np.array(sizes, np.int32), budget))
    for rows in packed[:-1]:
        assert (len(rows) + 1) * max(1, sizes[rows[0]]) > budget


@given(ragged)
def test_padding_equals_a_plain_loop(texts: list[list[int]]) -> None:
    rows = np.arange(len(texts))[::-1]
    found = tokens(texts).padded(rows)
    longest = max(1, *map(len, texts), 0)
    assert found.dtype == np.int32
    assert found.tolist() == [texts[row] + [0] * (longest - len(texts[row])) for row in rows]


@pytest.mark.slow
@given(ragged, budgets, st.data())
def test_batches_hold_their_rows_own_tokens(
    texts: list[list[int]], budget: int, data: st.DataObject
) -> None:
    some = data.draw(st.lists(st.sampled_from(range(len(texts))), unique=True))
    seen = []
    for batch in batches(tokens(texts), np.array(some, np.intp), budget):
        for row, ids, length in zip(batch.rows, batch.ids, batch.lengths, strict=True):
            assert ids[:length].tolist() == texts[row]
            assert not ids[length:].any()
            seen.append(int(row))
    assert sorted(seen) == sorted(some)
