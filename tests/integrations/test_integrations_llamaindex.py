"""LlamaIndex: embeddings and reranking inside its own index, pipeline and query engine."""

import asyncio
from pathlib import Path

import numpy as np
import pytest
from llama_index.core import StorageContext, VectorStoreIndex, load_index_from_storage
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.schema import NodeWithScore, TextNode

from sememe import BiEncoder, CrossEncoder
from sememe.errors import InputError
from sememe.integrations.llamaindex import SememeEmbedding, SememeReranker
from tiny_models import HIDDEN, Tiny, make_cross_encoder

TEXTS = ["nuclear power is clean", "the bus was poor", "a good book", "wind power is cheap"]


@pytest.fixture(scope="module")
def embedding(encoder: BiEncoder) -> SememeEmbedding:
    return SememeEmbedding(encoder)


@pytest.fixture(scope="module")
def cross(tmp_path_factory: pytest.TempPathFactory) -> CrossEncoder:
    directory = tmp_path_factory.mktemp("cross")
    make_cross_encoder(directory)
    return CrossEncoder(directory, precision="f32")


def nodes(scores: list[float] | None = None) -> list[NodeWithScore]:
    return [
        NodeWithScore(node=TextNode(text=text, id_=str(row)), score=scores[row] if scores else None)
        for row, text in enumerate(TEXTS)
    ]


def test_queries_and_texts_are_encoded_each_with_its_prompt(
    embedding: SememeEmbedding, encoder: BiEncoder
) -> None:
    query, text = encoder.encode_query("power"), encoder.encode_document("power")
    close = np.testing.assert_allclose
    close(embedding.get_query_embedding("power"), query, rtol=1e-5)
    close(embedding.get_text_embedding("power"), text, rtol=1e-5)
    close(embedding.get_text_embedding_batch(["power", "a"])[0], text, rtol=1e-5)
    assert not np.allclose(query, text)
    assert all(type(value) is float for value in embedding.get_query_embedding("power"))


def test_async_gives_the_same(embedding: SememeEmbedding) -> None:
    async def found() -> list[list[float]]:
        one = embedding.aget_text_embedding("a book"), embedding.aget_query_embedding("a book")
        return [*await asyncio.gather(*one), *await embedding.aget_text_embedding_batch(TEXTS)]

    text, query, *batch = asyncio.run(found())
    assert text == embedding.get_text_embedding("a book")
    assert query == embedding.get_query_embedding("a book")
    assert batch == embedding.get_text_embedding_batch(TEXTS)


@pytest.mark.filterwarnings("ignore::sememe.errors.ChoiceWarning")
def test_what_it_says_of_itself_opens_it_again(embedding: SememeEmbedding, tiny: Tiny) -> None:
    said = embedding.to_dict()
    assert said["class_name"] == "SememeEmbedding"
    assert said["model_name"] == str(tiny.directory)
    again = SememeEmbedding.from_dict(said)
    assert len(again.get_query_embedding("power")) == HIDDEN


def test_llamaindex_finds_what_the_encoder_finds(
    embedding: SememeEmbedding, encoder: BiEncoder
) -> None:
    made = IngestionPipeline(transformations=[embedding]).run(
        nodes=[TextNode(text=text) for text in TEXTS]
    )
    found = VectorStoreIndex(made, embed_model=embedding).as_retriever(similarity_top_k=4)
    hits = found.retrieve("cheap power")
    cosines = encoder.encode_document(TEXTS) @ encoder.encode_query("cheap power")
    order = np.argsort(-cosines)
    assert [hit.text for hit in hits] == [TEXTS[row] for row in order]
    assert [hit.score for hit in hits] == pytest.approx(cosines[order], abs=1e-5)


@pytest.mark.parametrize("top_n", [2, None])
def test_a_reranker_keeps_the_best_by_its_own_score(cross: CrossEncoder, top_n: int | None) -> None:
    given = nodes([0.1, 0.2, 0.3, 0.4])
    ranked = SememeReranker(model=cross, top_n=top_n).postprocess_nodes(given, query_str="power")
    scores = cross.score([("power", text) for text in TEXTS])
    best = np.argsort(-scores)[:top_n]
    assert [one.node.node_id for one in ranked] == [str(row) for row in best]
    assert [one.score for one in ranked] == pytest.approx(scores[best])
    assert [one.score for one in given] == [0.1, 0.2, 0.3, 0.4]


def test_a_reranker_reads_the_metadata_that_embeddings_read(cross: CrossEncoder) -> None:
    node = TextNode(text="a book", metadata={"title": "energy"}, excluded_embed_metadata_keys=[])
    [ranked] = SememeReranker(model=cross).postprocess_nodes(
        [NodeWithScore(node=node)], query_str="power"
    )
    assert ranked.score == pytest.approx(cross.score(("power", "title: energy\n\na book")).item())


@pytest.mark.filterwarnings("ignore::sememe.errors.ChoiceWarning")
def test_a_reranker_is_opened_by_its_name(cross: CrossEncoder, tmp_path: Path) -> None:
    make_cross_encoder(tmp_path)
    by_name, opened = SememeReranker(model=str(tmp_path)), SememeReranker(model=cross)  # type: ignore[arg-type]
    found, expected = (
        [one.node.node_id for one in each.postprocess_nodes(nodes(), query_str="power")]
        for each in (by_name, opened)
    )
    assert found == expected


def test_a_reranker_without_a_query_says_so(cross: CrossEncoder) -> None:
    with pytest.raises(InputError, match="query_str="):
        SememeReranker(model=cross).postprocess_nodes(nodes())
    assert SememeReranker(model=cross).postprocess_nodes([], query_str="power") == []


def test_vectors_are_stored_and_found_again(embedding: SememeEmbedding, tmp_path: Path) -> None:
    made = VectorStoreIndex([one.node for one in nodes()], embed_model=embedding)
    found = made.as_retriever().retrieve("power")
    made.storage_context.persist(str(tmp_path))
    context = StorageContext.from_defaults(persist_dir=str(tmp_path))
    again = load_index_from_storage(context, embed_model=embedding)
    assert [(one.node.node_id, one.score) for one in again.as_retriever().retrieve("power")] == [
        (one.node.node_id, one.score) for one in found
    ]
