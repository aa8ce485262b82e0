"""The graph of neighbours of the embedded store, and what a process holds in memory."""

import shutil
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_writes import DIM, create, of_texts, vectors

from sememe.errors import ChoiceWarning, StoreError
from sememe.search.index import Index
from sememe.search.sqlite import vectors as vectors_module
from sememe.search.sqlite.store import SQLiteStore
from sememe.search.sqlite.vectors import Graph, new_graph, open_graph

QUERIES = np.random.default_rng(2).standard_normal((20, DIM)).astype(np.float32)


@pytest.fixture(autouse=True)
def small_graphs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectors_module, "FLAT", 40)


def store_of(index: Index) -> SQLiteStore:
    assert isinstance(index._store, SQLiteStore)
    return index._store


def best(rows: np.ndarray, query: np.ndarray, count: int) -> list[float]:
    lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(query)
    return sorted((rows @ query / lengths).tolist(), reverse=True)[:count]


@pytest.mark.slow
@pytest.mark.parametrize("noise", [0, 1e-7])
def test_copies_hide_nothing(tmp_path: Path, noise: float) -> None:
    chance = np.random.default_rng(0)
    rows = np.repeat(vectors([f"text {n}" for n in range(60)]), 50, axis=0)
    rows = (rows + noise * chance.standard_normal(rows.shape)).astype(np.float32)
    rows = rows[chance.permutation(len(rows))]
    with create(tmp_path / "index") as index:
        index.add([f"text {n}" for n in range(len(rows))], range(len(rows)), vectors=rows)
        for query in QUERIES:
            for count in (10, 120):
                hits = index.search(query, top_k=count)
                scores = [hit.score for hit in hits]
                assert scores == pytest.approx(best(rows, query, count), abs=1e-5)
                assert len({hit.id for hit in hits}) == count


@pytest.mark.slow
@given(
    dim=st.integers(1, 5),
    numbers=st.lists(st.integers(0, 7), max_size=120),
    cuts=st.lists(st.integers(0, 120), max_size=3),
)
def test_every_vector_has_a_node_that_is_its_own(
    tmp_path_factory: pytest.TempPathFactory, dim: int, numbers: list[int], cuts: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("graph")
    base = np.random.default_rng(0).standard_normal((8, dim)).astype(np.float32)
    base[1] = base[0] + 1e-3  # nearly one vector, and another
    rows, keys = base[numbers], np.arange(1, len(numbers) + 1)
    found = new_graph(dim)
    for part in np.split(np.arange(len(numbers)), sorted(cuts)):
        if len(part):
            assert found is not None
            found.grow(keys[part], rows[part])
            found = open_graph(folder / found.save(folder), dim, to_grow=True)
    assert isinstance(found, Graph)
    assert found.keys.tolist() == keys.tolist()
    np.testing.assert_array_equal(found.vectors(found.keys), rows)
    assert len(set(found.nodes.tolist())) == len(set(numbers))


def test_a_filter_whose_texts_are_far_from_the_query_is_exact(tmp_path: Path) -> None:
    texts = [f"text {n}" for n in range(400)]
    rows = vectors(texts) * 0.1
    rows[:, 0] += np.where(np.arange(400) % 2, 1, -1)
    with create(tmp_path / "index") as index:
        index.add(texts, range(400), [{"odd": n % 2} for n in range(400)], vectors=rows)
        found = index.search_many(rows[0:100:2], where="odd = 1", top_k=7)
        for query, hits in zip(rows[0:100:2], found, strict=True):
            scores = [hit.score for hit in hits]
            assert scores == pytest.approx(best(rows[1::2], query, 7), abs=1e-5)


@pytest.mark.slow
def test_a_long_life_holds_no_dead_vectors(tmp_path: Path) -> None:
    texts = [f"text {n}" for n in range(30)]
    with create(tmp_path / "index") as index:
        for number in range(40):
            rows = vectors([f"{text} {number}" for text in texts])
            index.upsert(texts, range(30), [{"n": number}] * 30, vectors=rows)
            hits = index.search(QUERIES[0], top_k=30)
            assert [hit.score for hit in hits] == pytest.approx(
                best(rows, QUERIES[0], 30), abs=1e-5
            )
            assert len(store_of(index)._vectors) == 30


def test_a_graph_that_cannot_be_written_takes_nothing_back(tmp_path: Path) -> None:
    texts = [f"text {n}" for n in range(90)]
    with create(tmp_path / "index") as index:
        (tmp_path / "index" / vectors_module.FOLDER).write_text("in the way")
        with pytest.warns(ChoiceWarning, match=r"All is written.*compact\(\)"):
            index.add(texts, range(90), vectors=vectors(texts))
        assert len(index) == 90
        assert index.search(vectors(["text 7"])[0])[0].id == "7"
        with pytest.raises(StoreError, match="index"):
            index.compact()
        (tmp_path / "index" / vectors_module.FOLDER).unlink()
        index.compact()
        assert len(list((tmp_path / "index" / vectors_module.FOLDER).iterdir())) == 1


def test_vectors_of_another_encoder_are_not_compared(tmp_path: Path) -> None:
    with create(tmp_path / "index") as index:
        index.add(["a", "b"], [1, 2], vectors=vectors(["a", "b"]))
        store = store_of(index)
        old = store.info()
        query = vectors(["a"])  # encoded, and then somebody encodes all anew
        store.reencode(replace(old, fingerprint="1" * 16), of_texts(vectors))
        with pytest.raises(StoreError, match="another encoder meanwhile: search again"):
            store.nearest(query, 2, None, old.fingerprint)
        assert len(store.nearest(query, 2, None, "1" * 16)[0]) == 2


def test_what_is_encoded_so_already_is_not_encoded_again(tmp_path: Path) -> None:
    with create(tmp_path / "index") as index:
        index.add(["a", "b"], [1, 2], vectors=vectors(["a", "b"]))
        encoded: list[str] = []

        def encode(texts: list[str]) -> np.ndarray:
            encoded.extend(texts)
            return vectors(texts)

        store_of(index).reencode(store_of(index).info(), of_texts(encode))
        assert not encoded


def test_closing_lets_go_of_the_graph(tmp_path: Path) -> None:
    texts = [f"text {n}" for n in range(90)]
    with create(tmp_path / "index") as index:
        index.add(texts, range(90), vectors=vectors(texts))
        index.search(QUERIES[0])
        (file,) = (tmp_path / "index" / vectors_module.FOLDER).iterdir()
        assert file.name in Path("/proc/self/maps").read_text()
        index.close()
        assert file.name not in Path("/proc/self/maps").read_text()


def test_a_failed_graph_is_not_tried_again_by_each_write(tmp_path: Path) -> None:
    texts = [f"text {n}" for n in range(99)]
    with create(tmp_path / "index") as index:
        (tmp_path / "index" / vectors_module.FOLDER).write_text("in the way")
        with pytest.warns(ChoiceWarning, match=r"compact\(\)"):
            index.add(texts[:90], range(90), vectors=vectors(texts[:90]))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            index.add(texts[90:], range(90, 99), vectors=vectors(texts[90:]))


def test_what_a_killed_writer_left_late_is_made_up_for(tmp_path: Path) -> None:
    texts = [f"text {n}" for n in range(90)]
    with create(tmp_path / "index") as index:
        index.add(texts, range(90), vectors=vectors(texts))
        shutil.rmtree(tmp_path / "index" / vectors_module.FOLDER)
    with Index.open(tmp_path / "index") as index:
        index.add(texts, range(90), vectors=vectors(texts))  # nothing is new
    assert list((tmp_path / "index" / vectors_module.FOLDER).iterdir())


def test_more_hits_than_texts_with_copies_among_them(tmp_path: Path) -> None:
    texts = [f"text {n // 2}" for n in range(90)]
    with create(tmp_path / "index") as index:
        index.add(texts, range(90), vectors=vectors(texts))
        for where in (None, {"none": None}):
            assert len(index.search(QUERIES[0], top_k=10**9, where=where)) == 90


def test_no_memory_for_what_is_new_spoils_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with create(tmp_path / "index") as index:
        index.add(["a"], [1], vectors=vectors(["a"]))
        index.search(QUERIES[0])
        index.add(["b"], [2], vectors=vectors(["b"]))
        real: Any = np.concatenate
        calls: list[int] = []

        def failing(*given: Any, **options: Any) -> Any:
            calls.append(1)
            if len(calls) == 2:
                raise MemoryError
            return real(*given, **options)

        with monkeypatch.context() as patch:
            patch.setattr(np, "concatenate", failing)
            with pytest.raises(MemoryError):
                index.search(QUERIES[0])
        for own, text in ((1, "a"), (2, "b")):
            assert index.search(vectors([text])[0])[0].id == str(own)
