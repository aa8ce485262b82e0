"""An index of texts, searched by meaning, by words, or by both: the flow of a search."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from threading import Lock
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from sememe.arguments import did_you_mean, one_of, shown, whole_number
from sememe.checkpoint import DEFAULT_MODEL
from sememe.costs import Budget
from sememe.encoders import BiEncoder, CrossEncoder
from sememe.encoders.opening import as_encoder, as_scorer
from sememe.errors import InputError, SememeError, SememeWarning, warn
from sememe.processes import PerProcess
from sememe.progress import counted
from sememe.search import encoding, ranking
from sememe.search.encoding import Model
from sememe.search.query import Condition, parse
from sememe.search.ranking import Hits, RerankDepth
from sememe.search.rows import Id, Match, Row, Vectors, check_ids, new_rows
from sememe.search.store import Place, Store, open_store
from sememe.text import check_texts

MODES = ("dense", "bm25", "hybrid")
_CANDIDATES = 100  # of each ranking that is fused
_MOST = 2**31 - 1  # texts; no index has so many

Where = str | Mapping[str, object] | None


class Index:
    """A durable index of texts, their vectors and metadata: make one with `create`, or `open` it.

    It lies in a folder (one SQLite file; one process writes at a time, any number search), or on a
    PostgreSQL server with pgvector, which many programs share.

    Example:
        >>> index = Index.create("faq.sememe", BiEncoder())           # doctest: +SKIP
        >>> index.add(["Reset your password here.", "We ship on Mondays."])   # doctest: +SKIP
        >>> index.search("cannot log in")[0].text                     # doctest: +SKIP
        'Reset your password here.'
    """

    def __init__(self, store: Store, encoder: BiEncoder | None) -> None:
        self._store, self._encoder = store, encoder
        self._rerankers: dict[str, CrossEncoder] = {}
        # Held by the thread that opens an encoder, so that others wait and take the same one.
        self._opening = PerProcess(Lock)

    @classmethod
    def create(
        cls,
        place: Place,
        encoder: BiEncoder | Model = DEFAULT_MODEL,
        *,
        language: str = "english",
        long: str = "truncate",
        passage_tokens: int | None = None,
        passage_overlap: int | None = None,
    ) -> "Index":
        """Make an index without texts.

        Args:
            place: a folder that is new or empty, or `postgresql://user@host/database/name`.
            encoder: a bi-encoder, or its name (default: all-MiniLM-L6-v2); its fingerprint is
                stored, and checked on every opening.
            language: how `bm25` compares words: `english`, by their stems; `simple`, as they are.
            long: `truncate` reads the beginning of texts; `split` stores and finds their passages.
            passage_tokens: how many tokens a passage has at most (None: 128, or half of what the
                encoder reads, if that is less).
            passage_overlap: how many may stand in the one before too, in sentences (None: 1/8).

        Raises:
            InputError: there is an index already, or an argument that is not known.
            StoreError: it cannot be written.
        """
        encoder = as_encoder(encoder)
        info = encoding.new_info(encoder, language, long, passage_tokens, passage_overlap)
        return cls(open_store(place, info), encoder)

    @classmethod
    def open(cls, place: Place, encoder: BiEncoder | Model | None = None) -> "Index":
        """Open an index.

        Args:
            place: as it was created.
            encoder: the one that it was made with, or another name of it. None opens it by the
                name that is stored, when it is first needed.

        Raises:
            StoreError: there is none, it is damaged, or it was made with another encoder.
        """
        store = open_store(place)
        if encoder is not None:
            try:
                encoder = encoding.open_encoder(store.place, store.info(), encoder)
            except SememeError:
                store.close()
                raise
        return cls(store, encoder)

    @property
    def place(self) -> str:
        """Where it is; an address without its password."""
        return self._store.place

    @property
    def encoder(self) -> BiEncoder:
        """The encoder, opened by its stored name if none was given."""
        with self._opening():
            if self._encoder is None:
                info = self._store.info()
                self._encoder = encoding.open_encoder(self.place, info, info.model)
            return self._encoder

    @property
    def id_column(self) -> str | None:
        """The column of files that `sememe index` takes ids from; "" for none, None if unknown."""
        return self._store.info().id_column

    @id_column.setter
    def id_column(self, name: str) -> None:
        self._store.set_info(replace(self._store.info(), id_column=name))

    def __len__(self) -> int:
        return len(self._store)

    def __repr__(self) -> str:
        return f"Index({self.place!r}, {counted(len(self), 'text')})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Index.open, (self.place, self._encoder)

    def __enter__(self) -> "Index":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def fields(self) -> dict[str, set[str]]:
        """What `where=` knows: `id`, `text` and the metadata's keys, with their types in JSON."""
        return self._store.fields()

    def ids_of(self, texts: Iterable[str]) -> dict[str, list[str]]:
        """The ids under which texts are in the index, by text; it reads all texts there are."""
        return self._store.ids_of(check_texts(texts))

    def add(
        self,
        texts: Iterable[str],
        ids: Iterable[Id] | None = None,
        metadata: Iterable[Mapping[str, Any] | None] | None = None,
        *,
        vectors: npt.ArrayLike | None = None,
        progress: bool | None = None,
    ) -> list[str]:
        """Add texts. What is stored already is not encoded again: an interrupted call resumes.

        Args:
            texts: any iterable of str. Blank ones are left out, and a warning says which.
            ids: your own, one a text; whole numbers become texts. Without them, each is made of
                the text itself: the same texts in the same order have the same ids.
            metadata: a dict a text, kept as JSON keeps it (a tuple becomes a list); `where=`
                filters by it.
            vectors: the texts' vectors (n, dim), where this encoder computed them already.
            progress: see `BiEncoder.encode`.

        Returns:
            The ids, one a text; that of a blank text is not in the index.

        Raises:
            InputError: a text, id or metadata that cannot be stored (which row), an id that comes
                twice, or one that is stored with another text or metadata; then nothing is written.
            StoreError: another process writes, or the disk is full; what was written stays.
        """
        rows = new_rows(texts, ids, metadata)
        encoding.write(self._store, lambda: self.encoder, rows, vectors, progress, replace=False)
        return [row.id for row in rows]

    def upsert(
        self,
        texts: Iterable[str],
        ids: Iterable[Id] | None = None,
        metadata: Iterable[Mapping[str, Any] | None] | None = None,
        *,
        vectors: npt.ArrayLike | None = None,
        progress: bool | None = None,
    ) -> list[str]:
        """Add texts, or put them in the place of those with the same ids; arguments as `add`'s."""
        rows = new_rows(texts, ids, metadata)
        encoding.write(self._store, lambda: self.encoder, rows, vectors, progress, replace=True)
        return [row.id for row in rows]

    def delete(self, ids: Iterable[Id] | None = None, *, where: Where = None) -> int:
        """Remove texts by their ids, or those that fit a filter; how many there were.

        An id that is not in the index is no error. A text in passages goes if one of them fits.

        Raises:
            InputError: neither or both, what cannot be an id, or a filter with an error.
            StoreError: another process writes, or the disk is full; then nothing is removed.
        """
        if (ids is None) == (where is None):
            raise InputError("delete takes ids or where=, one of them.")
        condition = parse(where)
        which = condition or check_ids(cast(Iterable[Id], ids))
        with self._store.writing():
            count = self._store.delete(which)
        self._note_unknown(count, condition)
        return count

    def get(self, ids: Iterable[Id]) -> list[Row]:
        """The rows (id, text, metadata) of the ids that are stored, in the order of the ids."""
        ids = check_ids(ids)
        rows = self._store.get(ids)
        return [rows[row_id] for row_id in ids if row_id in rows]

    def rows(self, where: Where = None) -> Iterator[Row]:
        """All rows (id, text, metadata), or those that fit a filter, a few at a time.

        Texts are whole, in passages or not; one counts if one of its passages fits. What is removed
        meanwhile does not come. Raises InputError for a filter with an error.

        Example:
            >>> dict((row.id, row.text) for row in index.rows("year >= 2024"))  # doctest: +SKIP
        """
        return self._store.rows(parse(where))

    def search(
        self,
        query: str | npt.ArrayLike,
        *,
        top_k: int = 10,
        mode: str = "dense",
        where: Where = None,
        rerank: CrossEncoder | Model | None = None,
        budget: Budget | str | int | None = None,
        candidates: int = _CANDIDATES,
        per_document: int | None = 1,
    ) -> Hits:
        """Find the texts that answer a query, best first.

        Args:
            query: a text; or, with `mode="dense"` and without `rerank`, its vector (dim,).
            top_k: how many hits at the most.
            mode: `dense` compares meaning, `bm25` words, `hybrid` fuses the ranks of both.
            where: keep to some texts: `"lang = 'en' AND year >= 2023"`, or `{"lang": "en"}`; the
                whole language is in docs/search.md.
            rerank: a cross-encoder, or its name, that reads the query with each candidate, and
                orders them.
            budget: how many candidates it reads: a number, a time such as "2s", or "20n" for each
                query; None reads all. The others follow in their order, with the scores they had.
            candidates: how many there are, and how many of each ranking `hybrid` fuses; `top_k` at
                least.
            per_document: how many passages of a text, where `create` split texts; None for all.

        Raises:
            InputError: a blank query, a filter with an error (in which column), a wrong argument.
            StoreError: the index is damaged or gone, or its encoder is another one.
        """
        if not (isinstance(query, str) or encoding.is_vector(query)):
            raise InputError(f"query is {shown(query)}; give a text, or a vector (dim,).")
        if isinstance(query, list) and any(isinstance(each, str) for each in query):
            raise InputError("query is a list of texts: search_many takes several.")
        return self.search_many(
            [query] if isinstance(query, str) else np.asarray(query)[None],
            top_k=top_k, mode=mode, where=where, rerank=rerank, budget=budget,
            candidates=candidates, per_document=per_document,
        )[0]  # fmt: skip

    def search_many(
        self,
        queries: Sequence[str] | npt.ArrayLike,
        *,
        top_k: int = 10,
        mode: str = "dense",
        where: Where = None,
        rerank: CrossEncoder | Model | None = None,
        budget: Budget | str | int | None = None,
        candidates: int = _CANDIDATES,
        per_document: int | None = 1,
        progress: bool | None = None,
    ) -> list[Hits]:
        """Do what `search` does for many queries together, or for vectors (m, dim).

        The queries are encoded in one go, and so are all pairs scored for `rerank`: what that costs
        and what was truncated is said once. They share the `budget`, which reads on where further
        candidates are close to the first `top_k`. `progress`: see `BiEncoder.encode`.
        """
        top_k = min(whole_number("top_k", top_k), _MOST)
        candidates = min(whole_number("candidates", candidates), _MOST)
        if budget is not None and rerank is None:
            raise InputError("budget= is for a cross-encoder: give rerank= too.")
        allowed = Budget.parse("all" if budget is None else budget)
        if per_document is not None:
            whole_number("per_document", per_document)
        one_of("mode", mode, MODES)
        questions, condition = encoding.check_queries(queries), parse(where)
        if not len(questions):
            return []
        if not isinstance(questions, list) and (mode != "dense" or rerank is not None):
            raise InputError('A query that is a vector goes with mode="dense" and without rerank=.')
        cross = None if rerank is None else self._reranker(rerank)
        count = top_k if mode != "hybrid" and cross is None else max(top_k, candidates)
        rankings = self._rankings(questions, count, mode, condition, per_document, progress)
        if cross is not None:
            texts = cast(list[str], questions)
            rankings = ranking.reranked(cross, texts, rankings, allowed, top_k, progress)
        self._note_unknown(sum(map(len, rankings)), condition)
        split = self._store.has_passages
        return [
            ranking.make_hits(matches[:top_k], query, lambda: self.encoder, are_passages=split)
            for query, matches in zip(questions, rankings, strict=True)
        ]

    def tune_rerank(
        self,
        queries: Mapping[str, str],
        qrels: Mapping[str, Mapping[str, float] | Mapping[int, float]],
        rerank: CrossEncoder | Model,
        *,
        top_k: int = 10,
        mode: str = "dense",
        where: Where = None,
        candidates: int = _CANDIDATES,
        progress: bool | None = None,
    ) -> RerankDepth:
        """How many candidates a cross-encoder should read here, by labelled queries; 0 for none.

        It measures nDCG at some depths up to `candidates`; one counts where its gain is certain.

        Args:
            queries: their texts by their names, at least 10.
            qrels: for each query the grades of documents by their ids, 1 for one that answers it.
            rerank, top_k, mode, where, candidates, progress: as `search_many` has them.

        Raises:
            InputError: too few queries, one without an answer, an id that is not in the index.

        Example:
            >>> depth = index.tune_rerank(queries, qrels, cross)             # doctest: +SKIP
            >>> index.search(query, rerank=cross, budget=f"{depth.depth}n")        # doctest: +SKIP
        """
        top_k = min(whole_number("top_k", top_k), _MOST)
        count = max(top_k, min(whole_number("candidates", candidates), _MOST))
        grades = ranking.check_qrels(queries, qrels, self._store)
        texts, condition = encoding.check_queries(list(queries.values())), parse(where)
        cross = self._reranker(rerank)
        rankings = self._rankings(texts, count, one_of("mode", mode, MODES), condition, 1, progress)
        return ranking.tuned(cross, cast(list[str], texts), rankings, grades, top_k, progress)

    def _note_unknown(self, count: int, where: Condition | None) -> None:
        """Warn where nothing fits a filter with a key that no text has: it may be misspelt."""
        fields = self.fields() if where and where.keys and not count else {}
        if where and fields and (unknown := min(where.keys - fields.keys(), default="")):
            names = f"{did_you_mean(unknown, fields)}; there are {', '.join(fields)}"
            warn(f'where: no text has a "{unknown}"{names}.', SememeWarning)

    def _rankings(
        self,
        queries: list[str] | Vectors,
        count: int,
        mode: str,
        where: Condition | None,
        per_document: int | None,
        progress: bool | None,
    ) -> list[list[Match]]:
        """For each query the `count` best texts, or the best passages of texts."""
        store = self._store
        searches: list[Callable[[int], list[list[Match]]]] = []
        if mode != "bm25":
            info = store.info()
            rows = encoding.query_vectors(self.place, info, lambda: self.encoder, queries, progress)
            searches.append(lambda number: store.nearest(rows, number, where, info.fingerprint))
        if mode != "dense":
            searches.append(lambda number: [store.matching(q, number, where) for q in queries])
        if store.has_passages:
            rankings = [ranking.by_document(search, count, per_document) for search in searches]
        else:
            rankings = [search(count) for search in searches]
        if mode != "hybrid":
            return rankings[0]
        both = zip(*rankings, strict=True)
        fused = [ranking.fused(matches, by_text=per_document == 1) for matches in both]
        return [ranking.best_of_texts(matches, per_document)[:count] for matches in fused]

    def _reranker(self, rerank: CrossEncoder | Model) -> CrossEncoder:
        if isinstance(rerank, str | os.PathLike):
            name = os.fspath(rerank)
            with self._opening():
                if name not in self._rerankers:
                    self._rerankers[name] = as_scorer(name, "rerank")
                rerank = self._rerankers[name]
        cross = as_scorer(rerank, "rerank")
        if len(cross.labels) > 1:
            raise InputError(
                f"rerank has the labels {', '.join(cross.labels)}, so no one score to rank by; "
                "give a cross-encoder with one label."
            )
        return cross

    def reindex(self, encoder: BiEncoder | Model, *, progress: bool | None = None) -> None:
        """Encode all texts again with another encoder; only when all are done does it count.

        Searches use the old vectors meanwhile. Passages stay as they are. Interrupted, the same
        call resumes where it stopped.
        """
        encoder = as_encoder(encoder)
        encoding.reencode(self._store, encoder, progress)
        self._encoder = encoder

    def compact(self) -> None:
        """Give back the room of texts that were deleted, and bring the neighbours up to date."""
        self._store.compact()

    def close(self) -> None:
        """Let go of files and connections; what was written is written."""
        self._store.close()
