"""Groups against a search by hand, who is kept, and on what way the others are joined to them."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sememe.pairs import Dropped, Group, Pairs, find_pairs


def pairs_of(edges: dict[tuple[int, int], float], texts: list[str]) -> Pairs:
    first, second = np.array(list(edges), np.int32).reshape(-1, 2).T
    return Pairs(first, second, np.array(list(edges.values()), np.float32), texts, 0.5)


@st.composite
def graphs(draw: st.DrawFn) -> tuple[dict[tuple[int, int], float], list[str]]:
    size = draw(st.integers(2, 14))
    every = list(itertools.combinations(range(size), 2))
    chosen = draw(st.lists(st.sampled_from(every), unique=True, max_size=2 * size))
    scores = st.sampled_from([0.0, 0.25, 0.5, 0.75])
    return {edge: draw(scores) for edge in chosen}, [f"text {i}" for i in range(size)]


def reached(edges: dict[tuple[int, int], float], start: int) -> dict[int, int]:
    """How many pairs away each row is that can be reached: wave after wave."""
    away, wave = {start: 0}, {start}
    while wave:
        wave = {b for pair in edges for a, b in (pair, pair[::-1]) if a in wave} - set(away)
        away |= {row: max(away.values()) + 1 for row in wave}
    return away


@pytest.mark.slow
@given(graphs())
def test_groups_are_what_can_be_reached_and_their_first_is_the_most_central(
    graph: tuple[dict[tuple[int, int], float], list[str]],
) -> None:
    edges, texts = graph
    groups = pairs_of(edges, texts).groups()
    joined = {row for edge in edges for row in edge}
    assert {frozenset(group.rows) for group in groups} == {
        frozenset(reached(edges, row)) for row in joined
    }
    assert groups == sorted(groups, key=lambda group: (-len(group.rows), min(group.rows)))
    central = {row: sum(s for edge, s in edges.items() if row in edge) for row in joined}
    for group in groups:
        best = min(group.rows, key=lambda row: (-central[row], row))
        assert group.representative == best
        assert list(group.rows[1:]) == sorted(set(group.rows) - {best})


@pytest.mark.slow
@given(graphs())
def test_one_of_each_group_is_kept_and_the_others_are_told_by_the_shortest_way(
    graph: tuple[dict[tuple[int, int], float], list[str]],
) -> None:
    edges, texts = graph
    pairs = pairs_of(edges, texts)
    kept, dropped = pairs.deduplicated().tolist(), pairs.dropped()
    assert sorted([*kept, *(one.row for one in dropped)]) == list(range(len(texts)))
    assert [one.row for one in dropped] == sorted(one.row for one in dropped)
    head = {row: group.representative for group in pairs.groups() for row in group.rows}
    for one in dropped:
        assert one.kept == head[one.row]
        away = reached(edges, one.kept)
        assert away[one.partner] == away[one.row] - 1
        pair = (min(one.row, one.partner), max(one.row, one.partner))
        assert one.score == edges[pair]


def test_a_copy_is_told_of_as_its_first_copy_is() -> None:
    #       0 - 1 - 2, 1 the middle; 3 a copy of 0, 4 of 1; 2 - 5 leads on.
    edges = {(0, 1): 0.75, (1, 2): 0.75, (2, 5): 0.5, (0, 3): 1.0, (1, 4): 1.0}
    pairs = pairs_of(edges, ["a", "b", "c", "a", "b", "d"])
    assert pairs.groups() == [Group((1, 0, 2, 3, 4, 5))]
    assert pairs.deduplicated().tolist() == [1]
    assert pairs.dropped() == [
        Dropped(0, 1, 1, 0.75),
        Dropped(2, 1, 1, 0.75),
        Dropped(3, 1, 1, 0.75),
        Dropped(4, 1, 1, 1.0),
        Dropped(5, 1, 2, 0.5),
    ]


def test_of_copies_alone_the_first_is_kept() -> None:
    pairs = find_pairs(["b", "a", "a", "a"], vectors=np.ones((4, 2)), threshold=1)
    assert pairs.deduplicated().tolist() == [1]
    pairs = find_pairs(["a", "b", "a", "a"], vectors=np.eye(4))
    assert pairs.deduplicated().tolist() == [0, 1]
    assert [(one.row, one.kept, one.score) for one in pairs.dropped()] == [(2, 0, 1), (3, 0, 1)]


def test_they_are_told_in_one_line() -> None:
    pairs = find_pairs(["a", "b", "c"], vectors=[[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]], threshold=0.9)
    assert repr(pairs) == "<Pairs: 1 among 3 texts, 0.900 and above>"
    assert len(pairs) == 1


def test_a_notebook_shows_a_table_in_which_no_text_is_markup() -> None:
    texts = [f"<script>alert({row})</script>" for row in range(30)]
    pairs = find_pairs(texts, vectors=np.ones((30, 2)), threshold=0.9)
    page = pairs._repr_html_()
    assert page.startswith("<table><caption>435 among 30 texts, 0.900 and above</caption>")
    assert page.count("<tr>") == 21
    assert "<td>1.000</td><td>&lt;script&gt;alert(0)" in page
    assert "<script" not in page
