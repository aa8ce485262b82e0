"""The shared index's store does what the contract says, on a real postgres."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from postgres_server import ABOUT, Server, some_rows, some_vectors
from sememe.errors import ChoiceWarning, InputError, StoreError
from sememe.search.postgres.store import PostgresStore
from sememe.search.query import parse
from sememe.search.rows import Row, Vectors

Make = Callable[..., PostgresStore]
ODD = [
    "it's",
    'a "b"',
    "'; drop table rows; --",
    "%s",
    "$1",
    "\\",
    "null",
    "NULL",
    "ä 😀",
    "\n",
    "{}",
]


@pytest.fixture(scope="module")
def store(postgres: Server) -> Iterator[PostgresStore]:
    """One that tests fill as they like."""
    store = PostgresStore.create(postgres.url("shared"), ABOUT)
    yield store
    store.close()


def filled(store: PostgresStore, count: int) -> tuple[list[Row], Vectors]:
    written, vectors = some_rows(count), some_vectors(count, store.info().dim)
    store.put(written, vectors, "first", replace=False)
    return written, vectors


def found(store: PostgresStore, query: str, count: int = 10, where: str | None = None) -> list[str]:
    return [match.row.id for match in store.matching(query, count, parse(where))]


def test_what_was_put_is_there_when_it_is_opened_again(
    make_store: Make, postgres_place: str
) -> None:
    info = make_store().info()
    written, _ = filled(PostgresStore(postgres_place), 20)
    again = PostgresStore(postgres_place)
    assert (len(again), again.info()) == (20, info)
    assert again.get(["3", "19", "99"]) == {"3": written[3], "19": written[19]}


def test_odd_ids_texts_and_metadata_are_only_values(make_store: Make) -> None:
    store = make_store()
    ids = [*ODD, "1", str(2**63 - 1), "-5"]
    written = [Row(own, own, {own: [own, None, {"x": 0.1}]}) for own in ids]
    store.put(written, some_vectors(len(ids)), "first", replace=False)
    assert store.get(ids) == {row.id: row for row in written}
    for own in ids:
        literals = ["'" + own.replace("'", "''") + "'", *([own] if own in ids[-3:] else [])]
        for literal in literals:  # a whole number is found by itself too
            [matches] = store.nearest(some_vectors(1), 50, parse(f"id = {literal}"), "first")
            assert [match.row.id for match in matches] == [own]
    assert store.delete(["1", "'; drop table rows; --"]) == 2
    assert store.get(["1", "-5"]).keys() == {"-5"}


@given(st.text(), st.dictionaries(st.text(), st.text() | st.integers() | st.lists(st.booleans())))
@settings(max_examples=50)
def test_a_row_comes_back_as_it_was_or_is_refused_for_a_nul(
    store: PostgresStore, text: str, metadata: dict[str, Any]
) -> None:
    row = Row("1", text, metadata)
    values = [text, *metadata, *metadata.values()]
    if any(isinstance(value, str) and "\0" in value for value in values):
        with pytest.raises(InputError, match="id '1' cannot be kept: a NUL"):
            store.put([row], some_vectors(1), "first", replace=True)
    else:
        store.put([row], some_vectors(1), "first", replace=True)
        assert store.get(["1"]) == {"1": row}


NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**80), 2**80)


@given(st.dictionaries(st.sampled_from(["a", '"1e+23"', "\\"]), NUMBERS | st.lists(NUMBERS)))
@example({"a": [1e23, -1e23, 0.1, 1e-7, -0.0, 5e-324, 1.7976931348623157e308, 1e16, 2**53 + 1.0]})
@example({"1e+23": ["1e+23", '"', 2**62, 10**23, 1e22]})
@settings(max_examples=60)
def test_a_row_with_any_numbers_comes_back_and_may_be_put_again(
    store: PostgresStore, metadata: dict[str, Any]
) -> None:
    row = Row("numbers", "", metadata)
    store.delete(["numbers"])
    for _ in range(2):
        store.put([row], some_vectors(1), "first", replace=False)
        [kept] = store.get(["numbers"]).values()
        assert kept == row
        assert json.dumps(kept.metadata).replace("-0.0", "0.0") == json.dumps(
            dict(sorted(metadata.items(), key=lambda item: (len(item[0]), item[0])))
        ).replace("-0.0", "0.0"), "a float stays one"


def test_a_filter_finds_a_float_as_it_is_written(make_store: Make) -> None:
    store = make_store()
    store.put([Row("1", "", {"big": 1e23})], some_vectors(1), "first", replace=False)
    for where, count in (("big = 1e23", 1), ("big = 1e24", 0), ("big > 1e22", 1)):
        assert len(store.nearest(some_vectors(1), 1, parse(where), "first")[0]) == count


@pytest.mark.slow
@pytest.mark.parametrize(
    "row",
    [
        Row("bad", "a\0b", {}), Row("bad", "a\ud800b", {}), Row("bad", "", {"a": "\0"}),
        Row("bad", "", {"\ud800": 1}), Row("bad", "", {"a": float("nan")}),
        Row("bad" * 999, "", {}),
    ],
    ids=["nul", "surrogate", "nul in metadata", "surrogate in metadata", "nan", "long id"],
)  # fmt: skip
def test_what_postgresql_cannot_hold_is_refused_by_its_id(make_store: Make, row: Row) -> None:
    store = make_store()
    with pytest.raises(InputError, match="The row with the id 'bad"):
        store.put([Row("1", "good", {}), row], some_vectors(2), "first", replace=True)
    assert len(store) == 0
    assert store.get([row.id]) == {}


def test_a_backslash_before_u0000_is_no_nul(make_store: Make) -> None:
    row = Row("\\u0000", "\\u0000", {"\\u0000": "\\\\u0000"})
    store = make_store()
    store.put([row], some_vectors(1), "first", replace=False)
    assert store.get(["\\u0000"]) == {"\\u0000": row}


def test_neighbours_are_numpys(make_store: Make) -> None:
    store = make_store(dim=32)
    _, vectors = filled(store, 3_000)
    queries = some_vectors(120, 32, seed=1)
    products = queries @ vectors.T
    best = np.argsort(-products, axis=1)[:, :10]
    matches = store.nearest(queries, 10, None, "first")
    ids = np.array([[int(match.row.id) for match in line] for line in matches])
    recall = np.mean([np.isin(a, b).mean() for a, b in zip(ids, best, strict=True)])
    assert recall >= 0.95
    scores = np.array([[match.score for match in line] for line in matches])
    np.testing.assert_allclose(scores, np.take_along_axis(products, ids, axis=1), atol=1e-6)
    assert (np.diff(scores) <= 0).all()


@pytest.mark.slow
def test_a_filter_lets_as_many_through_as_there_are(make_store: Make) -> None:
    store = make_store()
    _, vectors = filled(store, 3_000)
    store.compact()
    queries = some_vectors(5, seed=2)
    for where, passing in (
        ("even = true", range(0, 3_000, 2)),
        ("n < 7", range(7)),
        ("n in (5, 2999)", (5, 2999)),
        ("n > 5000", ()),
    ):
        results = store.nearest(queries, 10, parse(where), "first")
        for query, matches in zip(queries, results, strict=True):
            best = sorted(passing, key=lambda n: -(vectors[n] @ query))[:10]
            assert len(matches) == len(best), where
            assert len({int(match.row.id) for match in matches} & set(best)) >= 0.9 * len(best)


def test_equals_are_in_the_order_they_came_in(make_store: Make) -> None:
    store = make_store()
    ones = np.ones((9, 8), np.float32)
    store.put(some_rows(9), ones, "first", replace=False)
    [matches] = store.nearest(ones[:1], 50, None, "first")
    assert [int(match.row.id) for match in matches] == [*range(9)]


@pytest.mark.parametrize("dim", [2_001, 4_000])
def test_long_vectors_are_indexed_by_halves_and_scored_whole(make_store: Make, dim: int) -> None:
    store = make_store(dim=dim)
    _, vectors = filled(store, 30)
    [matches] = store.nearest(vectors[7:8], 3, None, "first")
    products = vectors @ vectors[7]
    best = np.argsort(-products)[:3]
    assert [int(match.row.id) for match in matches] == best.tolist()
    np.testing.assert_allclose([match.score for match in matches], products[best], atol=1e-6)


def test_vectors_too_long_for_an_index_are_compared_all_and_that_is_said(make_store: Make) -> None:
    with pytest.warns(ChoiceWarning, match="up to 4,000 numbers, and these have 4,001"):
        store = make_store(dim=4_001)
    _, vectors = filled(store, 5)
    assert store.nearest(vectors[3:4], 1, None, "first")[0][0].row.id == "3"


def test_a_wrong_dimension_is_said_and_nothing_written(make_store: Make) -> None:
    store = make_store()
    with pytest.raises(StoreError, match="expected 8 dimensions, not 3"):
        store.put(some_rows(2), some_vectors(2, 3), "first", replace=False)
    filled(store, 2)
    with pytest.raises(StoreError, match="different vector dimensions"):
        store.nearest(some_vectors(1, 3), 1, None, "first")
    assert len(store) == 2


def test_words_are_found_by_their_stems_and_rare_ones_count_more(make_store: Make) -> None:
    store = make_store()
    texts = ["the dog walks", "dogs and dogs", "a zebra and a dog", "nothing here"]
    written = [Row(str(n), text, {"n": n}) for n, text in enumerate(texts)]
    store.put(written, some_vectors(4), "first", replace=False)
    assert found(store, "walking") == ["0"]
    assert found(store, "dog or zebra?")[0] == "2"
    assert sorted(found(store, "dog")) == ["0", "1", "2"]
    assert found(store, "dog", where="n > 1") == ["2"]
    assert len(found(store, "dog", count=2)) == 2


def test_simple_words_are_as_they_are(make_store: Make) -> None:
    store = make_store(language="simple")
    store.put([Row("1", "walks", {}), Row("2", "The", {})], some_vectors(2), "first", replace=False)
    assert (found(store, "walk"), found(store, "WALKS"), found(store, "the")) == ([], ["1"], ["2"])


@given(st.text() | st.text("&|!():*<->'\\\"%$ a", max_size=20))
@settings(max_examples=60)
def test_any_text_is_a_query(store: PostgresStore, query: str) -> None:
    assert store.matching(query, 3, None) == store.matching(query, 3, None)


def test_a_text_longer_than_a_tsvector_is_kept_and_found(make_store: Make) -> None:
    store = make_store()
    row = Row("1", " ".join(f"word{n}" for n in range(300_000)), {})
    store.put([row], some_vectors(1), "first", replace=False)
    assert store.matching("word17", 1, None)[0].row == row


def test_the_same_row_may_be_put_again_and_another_one_needs_replace(make_store: Make) -> None:
    store = make_store()
    written, vectors = filled(store, 3)
    store.put(written, vectors, "first", replace=False)
    other = [Row("3", "new", {}), Row("1", "another", {})]
    with pytest.raises(InputError, match=r"Another row with the id '1' .*upsert\(\) replaces it"):
        store.put(other, vectors[:2], "first", replace=False)
    assert len(store) == 3
    store.put(other, vectors[:2], "first", replace=True)
    assert store.get(["1", "3"]) == {"1": other[1], "3": other[0]}
    assert store.nearest(vectors[1:2], 1, None, "first")[0][0].row == other[1]
    assert found(store, "another") == ["1"]


def test_an_old_fingerprint_is_refused(make_store: Make) -> None:
    with pytest.raises(StoreError, match="was given another encoder meanwhile"):
        make_store().put(some_rows(1), some_vectors(1), "second", replace=True)


def test_what_is_deleted_is_nowhere(make_store: Make) -> None:
    store = make_store()
    _, vectors = filled(store, 10)
    assert store.delete(["3", "4", "99"]) == 2
    store.compact()
    assert {int(match.row.id) for match in store.nearest(vectors[:1], 50, None, "first")[0]} == {
        0, 1, 2, 5, 6, 7, 8, 9,
    }  # fmt: skip
    assert (len(store), found(store, "text 3"), store.delete([])) == (8, found(store, "text"), 0)


def test_nothing_is_found_where_nothing_is(make_store: Make) -> None:
    store = make_store()
    store.put([], np.empty((0, 8), np.float32), "first", replace=False)
    assert (store.nearest(some_vectors(2), 3, None, "first"), store.get([]), len(store)) == (
        [[], []],
        {},
        0,
    )
