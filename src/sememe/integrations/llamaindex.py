"""LlamaIndex: an encoder as embedding model, a cross-encoder as node postprocessor."""

from asyncio import to_thread
from typing import Any

from sememe.encoders import BiEncoder, CrossEncoder
from sememe.encoders.opening import as_encoder, as_scorer
from sememe.errors import InputError
from sememe.extras import importing

with importing("llama_index.core", purpose="LlamaIndex' adapters"):
    from llama_index.core.base.embeddings.base import BaseEmbedding, Embedding
    from llama_index.core.bridge.pydantic import Field, PrivateAttr, field_validator
    from llama_index.core.postprocessor.types import BaseNodePostprocessor
    from llama_index.core.schema import MetadataMode, NodeWithScore, QueryBundle


class SememeEmbedding(BaseEmbedding):
    """A bi-encoder, by its name or open; queries and documents each get their prompt."""

    _encoder: BiEncoder = PrivateAttr()

    def __init__(self, model_name: str | BiEncoder, **settings: Any) -> None:
        encoder = as_encoder(model_name)
        # The most that LlamaIndex allows: an encoder sorts and packs texts itself.
        super().__init__(model_name=encoder.model, **{"embed_batch_size": 2048, **settings})
        self._encoder = encoder

    @classmethod
    def class_name(cls) -> str:
        """What LlamaIndex writes into its files."""
        return "SememeEmbedding"

    def _get_query_embedding(self, query: str) -> Embedding:
        return list(self._encoder.encode_query(query).tolist())

    def _get_text_embedding(self, text: str) -> Embedding:
        return self._get_text_embeddings([text])[0]

    def _get_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        return list(self._encoder.encode_document(texts, progress=False).tolist())

    async def _aget_query_embedding(self, query: str) -> Embedding:
        return await to_thread(self._get_query_embedding, query)

    async def _aget_text_embedding(self, text: str) -> Embedding:
        return await to_thread(self._get_text_embedding, text)

    async def _aget_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        return await to_thread(self._get_text_embeddings, texts)


class SememeReranker(BaseNodePostprocessor):
    """Keep the `top_n` nodes (None: all) that a cross-encoder finds best, with its scores.

    `model` is the cross-encoder, or its name.
    """

    model: CrossEncoder = Field(exclude=True)
    top_n: int | None = 3

    @field_validator("model", mode="before")
    @classmethod
    def _open(cls, model: CrossEncoder | str) -> CrossEncoder:
        return as_scorer(model, "model")

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        if query_bundle is None:
            raise InputError("SememeReranker needs the query: pass query_str= or query_bundle=.")
        texts = [node.node.get_content(metadata_mode=MetadataMode.EMBED) for node in nodes]
        ranked = self.model.rank(query_bundle.query_str, texts, top_k=self.top_n, progress=False)
        return [NodeWithScore(node=nodes[hit.index].node, score=hit.score) for hit in ranked]
