"""An index at a PostgreSQL address is an index like any other."""

import random
from pathlib import Path
from typing import Any

import pytest
from random_writes import DIM, State, rows, vectors, write

from postgres_server import Server
from sememe import BiEncoder
from sememe.errors import InputError, StoreError
from sememe.search.index import Index
from sememe.search.store import IndexInfo, open_store
from tiny_models import make_checkpoint

TEXTS = ["the power of a book", "a book of the sea", "the sea is deep and blue", "no power at all"]
DETAILS = [{"year": year} for year in (2020, 2021, 2022, 2023)]


def test_an_index_on_a_server_is_filled_searched_and_opened_again(
    encoder: BiEncoder, postgres_place: str
) -> None:
    with Index.create(postgres_place, encoder) as index:
        ids = index.add(TEXTS, metadata=DETAILS)
        assert index.add(TEXTS, metadata=DETAILS) == ids
    with Index.open(postgres_place, encoder) as index:
        assert len(index) == 4
        assert index.search(TEXTS[2])[0].text == TEXTS[2]
        assert {hit.text for hit in index.search("deep books", mode="bm25")} == set(TEXTS[:3])
        hybrid = index.search("the blue sea", mode="hybrid", where="year < 2022", top_k=4)
        assert {hit.text for hit in hybrid} == set(TEXTS[:2])
        index.upsert(["rewritten"], ids=[ids[0]])
        assert [row.text for row in index.get(ids)] == ["rewritten", *TEXTS[1:]]
        assert (index.delete(ids[:2]), len(index)) == (2, 2)


def test_an_index_on_a_server_is_encoded_anew(
    encoder: BiEncoder, postgres_place: str, tmp_path: Path
) -> None:
    other = BiEncoder(
        make_checkpoint(tmp_path / "other", pooling=["cls"]).directory, precision="f32"
    )
    with Index.create(postgres_place, encoder) as index:
        index.add(TEXTS)
        index.reindex(other)
        assert index.search(TEXTS[1])[0].text == TEXTS[1]
    with pytest.raises(StoreError, match="their vectors cannot be compared"):
        Index.open(postgres_place, encoder)


def test_after_any_writes_a_server_holds_what_a_dict_would(
    postgres: Server, postgres_place: str
) -> None:
    info = IndexInfo("none", "f32", "0" * 16, DIM, language="simple")
    state: State = {}
    with Index(open_store(postgres_place, info), None) as index:
        for number in range(80):
            write(index, state, 7, number)
            if number % 20 == 0:
                postgres.cut()
        assert index.get(range(400)) == rows(state)
        assert len(index) == len(state)
        for row in rows(state):
            [best] = index.search(vectors([row.text])[0], top_k=1)
            assert (best.id, best.text) == (row.id, row.text)
            assert best.score == pytest.approx(1, abs=1e-5)


WORDS = ["alpha", "beta", "Gamma", "ÄÖ", "naïve", "日本", "it's", "\\", "10", "3.5", "ß", "İ", "😀"]
VALUES = [
    1, 1.0, -0.0, True, None, "1", "", "Ä", "%", [1], {"b": 1}, 2**62, 2**63, 10**23, 1e23, 1e-7,
]  # fmt: skip
FILTERS = [
    None, "k = 1", "k > 0", "k != '1'", "k IS NULL", "k LIKE 'ä%' OR k = 1e23", "NOT k = TRUE",
    "id > 3", "id = '3'", "text LIKE '%alpha%'", '"a ""b" IN (1, 3)', "k BETWEEN 0 AND 1",
]  # fmt: skip


IDS: list[int | str] = [*range(15), *map(str, range(15)), 2**63 - 1, -(2**63), "a'b", "Ä"]


def test_a_server_and_a_folder_find_the_same(postgres_place: str, tmp_path: Path) -> None:
    info = IndexInfo("none", "f32", "0" * 16, DIM, language="simple")
    server = Index(open_store(postgres_place, info), None)
    folder = Index(open_store(tmp_path / "index", info), None)
    with server, folder:
        for seed in range(60):
            assert written_and_found(server, seed) == written_and_found(folder, seed), seed


def test_what_an_index_remembers_beside_its_encoder(postgres_place: str, tmp_path: Path) -> None:
    info = IndexInfo("none", "f32", "0" * 16, DIM)
    for place in (postgres_place, tmp_path / "index"):
        with Index(open_store(place, info), None) as index:
            assert index.id_column is None
            index.add(["a", "b", "a"], [1, "x", 2], vectors=vectors(["a", "b", "a"]))
            index.id_column = "doc_id"
            assert index.ids_of(["a", "b", "c"]) == {"a": ["1", "2"], "b": ["x"]}
        with Index.open(place) as index:
            assert index.id_column == "doc_id"
            assert len(index) == 3


def written_and_found(index: Index, seed: int) -> list[object]:
    """What a few random calls give."""
    chance = random.Random(seed)
    ids = chance.sample(IDS, chance.randint(1, 12))
    texts = [" ".join(chance.choices(WORDS, k=chance.randint(1, 5))) for _ in ids]
    details = [{chance.choice(["k", 'a "b']): chance.choice(VALUES)} for _ in ids]
    own = vectors([f"{own!r} as of {seed}" for own in ids])
    write = chance.choice([index.add, index.add, index.upsert])
    given: list[object] = [index.delete(ids[:2])]
    try:
        given += [write(texts, ids, details, vectors=own) for _ in "12"]  # again is no other row
    except InputError:
        given.append("refused")
    for where in chance.sample(FILTERS, 4):
        hits = index.search(vectors([f"query {seed}"])[0], where=where)
        given.append([hit.id for hit in hits])
    words = index.search(chance.choice(WORDS[:5]), mode="bm25", top_k=50)
    return [*given, {hit.id for hit in words}, index.get(IDS), len(index)]


def test_what_a_server_cannot_keep_is_told_of_before_anything_is_written(
    postgres_place: str,
) -> None:
    info = IndexInfo("none", "f32", "0" * 16, DIM)
    texts = [f"text {n}" for n in range(2500)]
    texts[2400] = "nul \0 inside"
    with Index(open_store(postgres_place, info), None) as index:
        with pytest.raises(InputError, match="the id '2400' cannot be kept: a NUL"):
            index.add(texts, range(2500), vectors=vectors(texts))
        assert len(index) == 0


def test_the_fields_of_an_index(postgres_place: str, tmp_path: Path) -> None:
    info = IndexInfo("none", "f32", "0" * 16, DIM)
    metadata: list[dict[str, Any]] = [
        {"n": 1, "t": "x"},
        {"n": 2.5, "l": [1], "d": {"a": 1}},
        {"n": None, "b": True},
    ]
    for place in (postgres_place, tmp_path / "index"):
        with Index(open_store(place, info), None) as index:
            assert index.fields() == {"id": {"string"}, "text": {"string"}}
            index.add(["a", "b", "c"], [1, 2, 3], metadata, vectors=vectors(["a", "b", "c"]))
            assert index.fields() == {
                "id": {"string"}, "text": {"string"},
                "n": {"number", "null"}, "t": {"string"}, "l": {"array"}, "d": {"object"},
                "b": {"boolean"},
            }  # fmt: skip
