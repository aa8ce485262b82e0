"""LangChain: an encoder as `Embeddings`, an index as `VectorStore`, a cross-encoder as reranker."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sememe.encoders import BiEncoder, CrossEncoder
from sememe.encoders.opening import as_encoder, as_scorer
from sememe.errors import InputError
from sememe.extras import importing
from sememe.search import Hit, Index, Row
from sememe.search.index import Where
from sememe.search.rows import check_ids, new_rows
from sememe.search.store import Place
from sememe.text import as_list

with importing("langchain_core", purpose="LangChain's adapters"):
    from langchain_core.callbacks import Callbacks
    from langchain_core.documents import BaseDocumentCompressor, Document
    from langchain_core.embeddings import Embeddings
    from langchain_core.runnables import run_in_executor
    from langchain_core.vectorstores import VectorStore
    from langchain_core.vectorstores.utils import maximal_marginal_relevance
    from pydantic import ConfigDict, field_validator

# Metadata's own `id` and `text` get another name: in an index these are the document's.
_PREFIX = "metadata."
_TAKEN = re.compile(r"(metadata\.)*(id|text)")
Metadatas = list[dict[str, Any]] | None


class SememeEmbeddings(Embeddings):
    """A bi-encoder, by its name or open; queries and documents each get their prompt."""

    def __init__(self, model: str | BiEncoder) -> None:
        self.encoder = as_encoder(model)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """One vector a text."""
        return list(self.encoder.encode_document(texts).tolist())

    def embed_query(self, text: str) -> list[float]:
        """The vector of a query."""
        return list(self.encoder.encode_query(text).tolist())


class SememeVectorStore(VectorStore):
    """A `sememe.Index` as a vector store.

    Searches take `filter=`, which is `where=` of `Index.search`, and its `mode=`, `rerank=` and
    `candidates=`; a retriever takes them in `search_kwargs`. In a filter `id` and `text` are the
    document's; metadata's own are called `"metadata.id"` and `"metadata.text"`.
    """

    def __init__(self, index: Index) -> None:
        self.index = index

    @classmethod
    def from_texts(
        cls, texts: list[str], embedding: Embeddings, metadatas: Metadatas = None, *,
        ids: list[str] | None = None, place: Place = "", **options: Any,
    ) -> "SememeVectorStore":  # fmt: skip
        """Add texts to `Index.create(place, …)`; InputError without, or with others' embeddings."""
        if not (place and isinstance(embedding, SememeEmbeddings)):
            raise InputError("A new index needs place= (a folder, say) and SememeEmbeddings.")
        documents = _rows(texts, metadatas, ids)  # first: an error leaves no empty index behind
        store = cls(Index.create(place, embedding.encoder, **options))
        store._put(*documents)
        return store

    def _put(self, ids: list[str], rows: list[Row]) -> list[str]:
        last = dict(zip(ids, rows, strict=True))
        details = [row.metadata for row in last.values()]
        self.index.upsert([row.text for row in last.values()], list(last), details)
        return ids

    @property
    def embeddings(self) -> SememeEmbeddings:
        """The index's encoder."""
        return SememeEmbeddings(self.index.encoder)

    def add_texts(
        self, texts: Iterable[str], metadatas: Metadatas = None, *,
        ids: Sequence[str | None] | None = None, **_: Any,
    ) -> list[str]:  # fmt: skip
        """Add documents, or put them in the place of those with the same ids; the last one counts.

        Where there is no id, text and metadata make one: a document that comes twice is there once.
        Blank documents are left out, and a warning says which.
        InputError for unequal numbers, and what `Index.upsert` refuses; then nothing is written.
        """
        return self._put(*_rows(texts, metadatas, ids))

    def delete(self, ids: list[str] | None = None, **_: Any) -> bool:
        """Remove documents by their ids, some of which may not be there; InputError without ids."""
        if ids is None:
            raise InputError("delete() needs ids; to be rid of all documents, remove the index.")
        self.index.delete(ids)
        return True

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """The documents that are there, in the order of the ids."""
        return [_document(row) for row in self.index.get(ids)]

    def similarity_search(self, query: str, k: int = 4, **options: Any) -> list[Document]:
        """The `k` documents that answer a query best, best first."""
        return [document for document, _ in self.similarity_search_with_score(query, k, **options)]

    def similarity_search_by_vector(
        self, embedding: list[float], k: int = 4, **options: Any
    ) -> list[Document]:
        """The `k` documents that are nearest to a vector."""
        scored = self.similarity_search_with_score(embedding, k, **options)
        return [document for document, _ in scored]

    def similarity_search_with_score(
        self, query: str | list[float], k: int = 4, filter: Where = None, **options: Any
    ) -> list[tuple[Document, float]]:
        """As `similarity_search`, with scores: the higher, the better (see `sememe.search.Hit`)."""
        hits = self.index.search(query, top_k=k, where=filter or None, **options)
        return [(_document(hit), hit.score) for hit in hits]

    def max_marginal_relevance_search(
        self, query: str, k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **options: Any
    ) -> list[Document]:
        """Of the `fetch_k` best, encoded anew, `k` that differ (Carbonell and Goldstein, 1998)."""
        documents, encoder = self.similarity_search(query, fetch_k, **options), self.index.encoder
        texts = [document.page_content for document in documents]
        vectors = encoder.encode_document(texts, progress=False).tolist()
        query_vector = encoder.encode_query(query)
        rows = maximal_marginal_relevance(query_vector, vectors, lambda_mult, k)
        return [documents[row] for row in rows]

    def _similarity_search_with_relevance_scores(
        self, query: str, k: int = 4, **options: Any
    ) -> list[tuple[Document, float]]:
        """Relevance is the cosine, and 0 where that is negative."""
        dense = options.get("mode", "dense") == "dense" and options.get("rerank") is None
        if not dense or self.index.encoder.measure != "cosine":
            raise InputError("Relevance is a cosine: not of dot products, bm25, hybrid or rerank=.")
        scored = self.similarity_search_with_score(query, k, **options)
        return [(document, min(max(score, 0.0), 1.0)) for document, score in scored]

    async def _asimilarity_search_with_relevance_scores(
        self, query: str, k: int = 4, **options: Any
    ) -> list[tuple[Document, float]]:
        search = self._similarity_search_with_relevance_scores
        return await run_in_executor(None, search, query, k, **options)


class SememeReranker(BaseDocumentCompressor):
    """The `top_n` best documents (None: all), with the score in `metadata["relevance_score"]`.

    `model` is a cross-encoder, or its name.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)
    model: CrossEncoder
    top_n: int | None = 3

    @field_validator("model", mode="before")
    @classmethod
    def _open(cls, model: CrossEncoder | str) -> CrossEncoder:
        return as_scorer(model, "model")

    def compress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None  # noqa: ARG002
    ) -> list[Document]:  # fmt: skip
        """Rerank documents."""
        texts = [document.page_content for document in documents]
        hits = self.model.rank(query, texts, top_k=self.top_n, progress=False)
        ranked = [(documents[hit.index], {"relevance_score": hit.score}) for hit in hits]
        return [one.model_copy(update={"metadata": one.metadata | new}) for one, new in ranked]


def _rows(
    texts: Iterable[str], metadatas: Metadatas, ids: Sequence[str | None] | None
) -> tuple[list[str], list[Row]]:
    """An id for each document, and the rows to store; InputError for what cannot be stored."""
    texts = as_list(texts, "texts")
    details = ([] if metadatas is None else as_list(metadatas, "metadatas")) or [{} for _ in texts]
    user_ids = ([] if ids is None else as_list(ids, "ids")) or [None for _ in texts]
    if not len(texts) == len(details) == len(user_ids):
        raise InputError(f"{len(texts)} texts, {len(details)} metadatas, {len(user_ids)} ids.")
    rows = new_rows(texts, metadata=[_stored(metadata or {}) for metadata in details])
    document_ids = [
        user_id or _content_id(text, metadata or {})
        for user_id, text, metadata in zip(user_ids, texts, details, strict=True)
    ]
    check_ids(document_ids)
    return document_ids, rows


def _document(row: Row | Hit) -> Document:
    names = (key.removeprefix(_PREFIX) if _TAKEN.fullmatch(key) else key for key in row.metadata)
    metadata = dict(zip(names, row.metadata.values(), strict=True))
    return Document(id=row.id, page_content=row.text, metadata=metadata)


def _stored(metadata: Mapping[Any, Any]) -> dict[Any, Any]:
    names = (_PREFIX + key if _TAKEN.fullmatch(str(key)) else key for key in metadata)
    return dict(zip(names, metadata.values(), strict=True))


def _content_id(text: str, metadata: Mapping[Any, Any]) -> str:
    content = json.dumps([text, metadata], sort_keys=True, default=repr)
    return hashlib.sha256(content.encode()).hexdigest()[:24]
