"""LangChain: its own standard tests, and what they leave open: filters, modes, ids, metadata."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped,import-not-found,unused-ignore]
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.indexing import InMemoryRecordManager
from langchain_core.indexing import index as synchronise
from langchain_tests.integration_tests import (
    EmbeddingsIntegrationTests,
    VectorStoreIntegrationTests,
)

from sememe import BiEncoder, CrossEncoder, Index
from sememe.errors import BlankWarning, InputError
from sememe.integrations.langchain import SememeEmbeddings, SememeReranker, SememeVectorStore
from tiny_models import HIDDEN, Tiny, make_checkpoint, make_cross_encoder

TEXTS = ["nuclear power is clean", "the bus was poor", "a good book", "wind power is cheap"]
LANGUAGES: list[dict[str, Any]] = [{"lang": "en"}, {"lang": "en"}, {"lang": "de"}, {"lang": "de"}]


@pytest.fixture
def store(encoder: BiEncoder, tmp_path: Path) -> Iterator[SememeVectorStore]:
    with Index.create(tmp_path / "index", encoder) as index:
        yield SememeVectorStore(index)


@pytest.fixture
def filled(store: SememeVectorStore) -> SememeVectorStore:
    store.add_texts(TEXTS, LANGUAGES, ids=["a", "b", "c", "d"])
    return store


class TestStandardEmbeddings(EmbeddingsIntegrationTests):
    @pytest.fixture(autouse=True)
    def _given(self, encoder: BiEncoder) -> None:
        self.encoder = encoder

    @property
    def embeddings_class(self) -> type[SememeEmbeddings]:
        return SememeEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return {"model": self.encoder}


class TestStandardVectorStore(VectorStoreIntegrationTests):
    @pytest.fixture
    def vectorstore(self, store: SememeVectorStore) -> SememeVectorStore:
        return store


def test_queries_and_documents_are_encoded_each_with_its_prompt(encoder: BiEncoder) -> None:
    embeddings = SememeEmbeddings(encoder)
    query, document = embeddings.embed_query("power"), embeddings.embed_documents(["power"])[0]
    np.testing.assert_allclose(query, encoder.encode("power", prompt_name="query"), rtol=1e-5)
    np.testing.assert_allclose(document, encoder.encode("power", prompt_name="passage"), rtol=1e-5)
    assert query != document


@pytest.mark.filterwarnings("ignore::sememe.errors.ChoiceWarning")
def test_an_encoder_may_be_named(tiny: Tiny) -> None:
    assert len(SememeEmbeddings(str(tiny.directory)).embed_query("power")) == HIDDEN


def test_scores_are_cosines_and_vectors_find_what_their_text_finds(
    filled: SememeVectorStore, encoder: BiEncoder
) -> None:
    scored = filled.similarity_search_with_score("cheap power", k=4)
    query, texts = encoder.encode_query("cheap power"), [found.page_content for found, _ in scored]
    cosines = encoder.encode_document(texts) @ query
    np.testing.assert_allclose([score for _, score in scored], cosines, atol=1e-5)
    assert [score for _, score in scored] == sorted((score for _, score in scored), reverse=True)
    by_vector = filled.similarity_search_by_vector(query.tolist(), k=4)
    assert by_vector == [found for found, _ in scored]


def test_relevance_is_the_cosine_between_0_and_1(filled: SememeVectorStore) -> None:
    scored = filled.similarity_search_with_score("cheap power", k=4)
    relevant = filled.similarity_search_with_relevance_scores("cheap power", k=4)
    assert relevant == [(found, min(max(score, 0), 1)) for found, score in scored]
    later = filled.asimilarity_search_with_relevance_scores("cheap power", k=4)
    assert asyncio.run(later) == relevant
    threshold = scored[1][1]
    options = {"k": 4, "score_threshold": threshold}
    retriever = filled.as_retriever(search_type="similarity_score_threshold", search_kwargs=options)
    assert retriever.invoke("cheap power") == [found for found, _ in scored[:2]]
    for mode in ("bm25", "hybrid"):
        with pytest.raises(InputError, match="Relevance is a cosine"):
            filled.similarity_search_with_relevance_scores("cheap power", mode=mode)


@pytest.mark.parametrize("filter", [{"lang": "de"}, "lang = 'de'", {"id": ["c", "d"]}])
def test_a_filter_keeps_to_some_documents(filled: SememeVectorStore, filter: Any) -> None:
    retriever = filled.as_retriever(search_kwargs={"k": 4, "filter": filter})
    assert {found.id for found in retriever.invoke("power")} == {"c", "d"}
    assert {found.id for found in asyncio.run(retriever.ainvoke("power"))} == {"c", "d"}


@pytest.mark.parametrize("filter", [{}, "", None])
def test_an_empty_filter_is_none(filled: SememeVectorStore, filter: Any) -> None:
    assert len(filled.similarity_search("power", k=10, filter=filter)) == 4


def test_words_find_what_has_them(filled: SememeVectorStore) -> None:
    found = filled.similarity_search("books", mode="bm25")
    assert [one.id for one in found] == ["c"]
    assert {"a", "d"} <= {one.id for one in filled.similarity_search("power", mode="hybrid")}


def test_a_retriever_can_rerank(filled: SememeVectorStore, tmp_path: Path) -> None:
    make_cross_encoder(tmp_path / "cross")
    cross = CrossEncoder(tmp_path / "cross", precision="f32")
    retriever = filled.as_retriever(search_kwargs={"k": 4, "rerank": cross})
    ranked = cross.rank("wind power", TEXTS)
    assert [one.page_content for one in retriever.invoke("wind power")] == [
        hit.text for hit in ranked
    ]


def test_many_may_ask_at_once(filled: SememeVectorStore) -> None:
    queries = [f"{word} power" for word in ("the", "new", "good", "cheap", "clean", "wind")]
    retriever = filled.as_retriever(search_kwargs={"k": 2, "mode": "hybrid"})
    at_once = asyncio.run(retriever.abatch(queries))
    assert at_once == [retriever.invoke(query) for query in queries]


def test_relevant_documents_that_differ_are_chosen_as_an_exhaustive_search_would(
    filled: SememeVectorStore, encoder: BiEncoder
) -> None:
    filled.add_texts(["nuclear power is clean!"], ids=["e"])
    found = filled.max_marginal_relevance_search("nuclear power", k=3, lambda_mult=0.3)
    documents = filled.get_by_ids(["a", "b", "c", "d", "e"])
    vectors = encoder.encode_document([one.page_content for one in documents])
    relevance, near = vectors @ encoder.encode_query("nuclear power"), vectors @ vectors.T
    chosen = [int(np.argmax(relevance))]
    while len(chosen) < 3:
        gain = 0.3 * relevance - 0.7 * near[:, chosen].max(axis=1)
        gain[chosen] = -np.inf
        chosen.append(int(np.argmax(gain)))
    assert [one.id for one in found] == [documents[row].id for row in chosen]
    retriever = filled.as_retriever(search_type="mmr", search_kwargs={"k": 1, "filter": "id = 'c'"})
    assert [one.id for one in retriever.invoke("nuclear power")] == ["c"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False,
    allow_infinity=False) | st.text(st.characters(codec="utf-8"), max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner),
    max_leaves=4,
)  # fmt: skip
KEYS = st.sampled_from(["id", "text", "metadata.id", "metadata.metadata.text", "page"]) | st.text(
    st.characters(codec="utf-8"), max_size=4
)


@pytest.mark.slow
@given(metadata=st.dictionaries(KEYS, JSON, max_size=4))
def test_metadata_come_back_as_they_were(metadata: dict[str, Any], kept: SememeVectorStore) -> None:
    [own] = kept.add_documents([Document("a good book", metadata=metadata)])
    assert kept.get_by_ids([own]) == [Document("a good book", id=own, metadata=metadata)]
    kept.delete([own])


@pytest.fixture(scope="module")
def kept(
    encoder: BiEncoder, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SememeVectorStore]:
    with Index.create(tmp_path_factory.mktemp("kept") / "index", encoder) as index:
        yield SememeVectorStore(index)


def test_metadata_s_own_id_can_be_filtered_by(store: SememeVectorStore) -> None:
    store.add_texts(TEXTS[:2], [{"id": 7}, {"id": 8}], ids=["a", "b"])
    for filter in ({"metadata.id": 7}, '"metadata.id" = 7', "id = 'a'"):
        [found] = store.similarity_search("power", filter=filter)
        assert (found.id, found.metadata) == ("a", {"id": 7})


def test_without_ids_the_same_document_is_there_once_and_another_is_not_lost(
    store: SememeVectorStore,
) -> None:
    twice = [Document("a good book", metadata={"page": 1})] * 2
    first = store.add_documents([*twice, Document("a good book", metadata={"page": 2})])
    assert first[0] == first[1] != first[2]
    assert store.add_documents(twice[:1]) == first[:1]
    assert sorted(one.metadata["page"] for one in store.similarity_search("book")) == [1, 2]


def test_some_documents_may_have_ids(store: SememeVectorStore) -> None:
    given = store.add_documents([Document("a book", id="mine"), Document("a bus")])
    assert given[0] == "mine"
    assert [one.page_content for one in store.get_by_ids(given)] == ["a book", "a bus"]


def test_of_one_id_the_last_document_counts(store: SememeVectorStore) -> None:
    store.add_texts(["a book", "a bus"], ids=["x", "x"])
    assert [one.page_content for one in store.get_by_ids(["x"])] == ["a bus"]


def test_a_whole_number_for_an_id_is_found_by_the_text_that_a_search_gives(
    store: SememeVectorStore,
) -> None:
    store.index.add(["a bus", "a car", "the sea"], [-7, "12", 2**63 - 1])
    given = [found.id for found in store.similarity_search("a", k=4)]
    assert sorted(map(str, given)) == ["-7", "12", str(2**63 - 1)]
    asked = ["-7", "12", str(2**63 - 1), "7", "012", "1" * 30, "-0", "1٢"]
    found = store.get_by_ids(asked)
    assert [one.page_content for one in found] == ["a bus", "a car", "the sea"]
    assert [one.id for one in found] == asked[:3]
    assert store.add_documents([Document("a new bus", id="-7")]) == ["-7"]
    assert [row.text for row in store.index.get([-7])] == ["a new bus"]
    store.delete(["12", "-7", "99"])
    assert store.index.get([12, "12", -7]) == []
    with pytest.raises(InputError, match="give a list of ids"):
        store.delete("12")  # type: ignore[arg-type]


def test_what_cannot_be_added_makes_no_index(encoder: BiEncoder, tmp_path: Path) -> None:
    embeddings = SememeEmbeddings(encoder)
    bad: list[tuple[dict[str, Any], str]] = [
        ({"metadatas": [{}, {"a": object()}]}, r"metadata\[1\] cannot be kept"),
        ({"metadatas": [{}, {1: 1, "a": 1}]}, r"metadata\[1\] has the key 1"),
        ({"metadatas": [{}]}, "2 texts, 1 metadatas"),
        ({"ids": ["a", "\ud800"]}, r"ids\[1\] is "),
    ]
    for rows, said in bad:
        with pytest.raises(InputError, match=said):
            SememeVectorStore.from_texts(TEXTS[:2], embeddings, place=tmp_path / "new", **rows)
        assert not (tmp_path / "new").exists()
    made = SememeVectorStore.from_texts(
        TEXTS[:2], embeddings, place=tmp_path / "new", ids=["a"] * 2
    )
    with made.index as index:
        assert [row.text for row in index.get(["a"])] == TEXTS[1:2]


def test_unequal_numbers_are_refused(store: SememeVectorStore) -> None:
    with pytest.raises(InputError, match="2 texts, 2 metadatas, 1 ids"):
        store.add_texts(["a", "b"], ids=["x"])
    with pytest.raises(InputError, match="2 texts, 1 metadatas, 2 ids"):
        store.add_texts(["a", "b"], [{}])
    with pytest.raises(InputError, match="delete\\(\\) needs ids"):
        store.delete()
    assert len(store.index) == 0


def test_langchain_s_indexing_adds_changes_and_removes(store: SememeVectorStore) -> None:
    records = InMemoryRecordManager("test")
    records.create_schema()

    def run(*texts: str) -> dict[str, int]:
        documents = [Document(text, metadata={"source": text[:5]}) for text in texts]
        done = synchronise(
            documents, records, store, cleanup="full", source_id_key="source",
            key_encoder="sha256",
        )  # fmt: skip
        return {key: value for key, value in done.items() if value}  # type: ignore[misc]

    assert run("a book", "a bus") == {"num_added": 2}
    assert run("a book", "a train") == {"num_added": 1, "num_skipped": 1, "num_deleted": 1}
    assert {one.page_content for one in store.similarity_search("a")} == {"a book", "a train"}


def test_an_index_is_made_from_documents_and_opened_later(
    encoder: BiEncoder, tmp_path: Path
) -> None:
    documents = [Document(text, id=str(row)) for row, text in enumerate(TEXTS)]
    embeddings = SememeEmbeddings(encoder)
    made = SememeVectorStore.from_documents(documents, embeddings, place=tmp_path / "new")
    found = made.similarity_search("power")
    made.index.close()
    with Index.open(tmp_path / "new", encoder) as index:
        assert SememeVectorStore(index).similarity_search("power") == found
        assert isinstance(SememeVectorStore(index).embeddings, SememeEmbeddings)
    with pytest.raises(InputError, match="language='french' is not known"):
        SememeVectorStore.from_texts(TEXTS, embeddings, place=tmp_path / "x", language="french")
    with pytest.raises(InputError, match="place="):
        SememeVectorStore.from_texts(TEXTS, embeddings)
    fake = DeterministicFakeEmbedding(size=HIDDEN)
    with pytest.raises(InputError, match="SememeEmbeddings"):
        SememeVectorStore.from_texts(TEXTS, fake, place=tmp_path / "other")


def test_tables_and_mappings_are_no_documents(store: SememeVectorStore) -> None:
    table = pd.DataFrame({"text": TEXTS})
    for wrong in (
        {"texts": table}, {"texts": dict(enumerate(TEXTS))},
        {"texts": TEXTS, "metadatas": table}, {"texts": TEXTS, "ids": table},
    ):  # fmt: skip
        with pytest.raises(InputError, match=r"is a (DataFrame|dict): give (one column|its)"):
            store.add_texts(**wrong)
    with pytest.raises(InputError, match="texts is a DataFrame"):
        store.embeddings.embed_documents(table)
    assert len(store.index) == 0


def test_blank_documents_are_left_out_and_told_of(store: SememeVectorStore) -> None:
    with pytest.warns(BlankWarning, match=r"1 of 2 texts is blank \(texts\[0\]\) and not added"):
        assert store.add_texts(["", "a bus"], ids=["x", "y"]) == ["x", "y"]
    assert [found.id for found in store.get_by_ids(["x", "y"])] == ["y"]


def test_relevance_of_inner_products_is_refused(tmp_path: Path) -> None:
    made = make_checkpoint(tmp_path / "dot", similarity="dot")
    encoder = BiEncoder(made.directory, precision="f32")
    store = SememeVectorStore(Index.create(tmp_path / "index", encoder))
    with store.index, pytest.raises(InputError, match="not of dot products"):
        store.similarity_search_with_relevance_scores("power")


@pytest.mark.slow
def test_a_reranker_keeps_the_best_and_leaves_what_it_was_given(tmp_path: Path) -> None:
    make_cross_encoder(tmp_path)
    cross = CrossEncoder(tmp_path, precision="f32")
    documents = [Document(text, id=text, metadata={"row": row}) for row, text in enumerate(TEXTS)]
    ranked = SememeReranker(model=cross, top_n=2).compress_documents(documents, "wind power")
    by_name = SememeReranker(model=str(tmp_path), top_n=2)  # type: ignore[arg-type]
    same = by_name.compress_documents(documents, "wind power")
    assert [one.id for one in same] == [one.id for one in ranked]
    scores = cross.score([("wind power", text) for text in TEXTS])
    best = np.argsort(-scores)[:2]
    assert [one.metadata["row"] for one in ranked] == best.tolist()
    rated = [one.metadata["relevance_score"] for one in ranked]
    assert rated == pytest.approx(scores[best])
    assert [one.id for one in ranked] == [TEXTS[row] for row in best]
    assert all(set(one.metadata) == {"row"} for one in documents)
    everything = SememeReranker(model=cross, top_n=None)
    assert len(asyncio.run(everything.acompress_documents(documents, "wind power"))) == 4
    assert everything.compress_documents([], "wind power") == []
