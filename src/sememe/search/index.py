"""An index of texts, searched by meaning, by words, or by both: the flow of a search."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from threading import Lock
from types import TracebackType
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from sememe.arguments import one_of, shown, whole_number
from sememe.checkpoint import DEFAULT_MODEL
from sememe.encoders import BiEncoder, CrossEncoder
from sememe.encoders.opening import as_encoder, as_scorer
from sememe.errors import InputError, SememeError, StoreError
from sememe.neighbors import as_vectors, normalized
from sememe.processes import PerProcess
from sememe.progress import counted
from sememe.search.query import Condition, parse
from sememe.search.ranking import Hits, best_of_texts, fused, make_hits, reranked
from sememe.search.rows import (
    Id,
    Match,
    Row,
    Vectors,
    check_ids,
    new_rows,
    passages_of,
    same,
    trimmed,
)
from sememe.search.store import IndexInfo, Opened, Place, Store, create_store, open_store
from sememe.text import as_list, check_texts, rows_with_text

MODES = ("dense", "bm25", "hybrid")
LANGUAGES = ("english", "simple")
_CANDIDATES = 100  # of each ranking that is fused
_LARGEST = 1e15  # number of a vector that is compared by its products
_MOST = 2**31 - 1  # texts; no index has so many
_STEP = 2_000  # texts that are encoded and written together: what a kill can cost
_PASSAGE_TOKENS = 128
_PASSAGES = 4  # so many times as many as there shall be texts

Where = str | Mapping[str, object] | None
Model = str | os.PathLike[str]


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
            long: `truncate` reads the beginning of each text; `split` stores texts in passages, and
                a hit says which one answers best. A passage's vector is the mean of its own and of
                the one of the text's first passage.
            passage_tokens: how many tokens a passage has at most (None: 128, or half of what the
                encoder reads, if that is less).
            passage_overlap: how many of them may stand in the passage before too, in whole
                sentences (None: an eighth).

        Raises:
            InputError: there is an index already, or an argument that is not known.
            StoreError: it cannot be written.
        """
        one_of("language", language, LANGUAGES)
        encoder = as_encoder(encoder)
        info = IndexInfo(**_encoder_info(encoder), language=language)
        if one_of("long", long, ("truncate", "split")) == "split":
            tokens = passage_tokens or min(_PASSAGE_TOKENS, encoder.max_length // 2)
            overlap = tokens // 8 if passage_overlap is None else passage_overlap
            encoder.passages([""], tokens=tokens, overlap=overlap)  # which checks the two
            info = replace(info, passage_tokens=tokens, passage_overlap=overlap)
        elif passage_tokens is not None or passage_overlap is not None:
            raise InputError('passage_tokens and passage_overlap go with long="split".')
        return cls(create_store(place, info), encoder)

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
                info = store.info()
                if isinstance(encoder, str | os.PathLike):
                    encoder = _opened_as(info, encoder)
                _check_encoder(store.place, info, encoder)
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
                encoder = _opened_as(info, info.model)
                _check_encoder(self.place, info, encoder)
                self._encoder = encoder
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

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def fields(self) -> dict[str, set[str]]:
        """What `where=` knows: `id`, `text` and the keys of the metadata, with their types.

        They have JSON's names: `string`, `number`, `boolean`, `null`, `array` and `object`.
        """
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
        return self._write(new_rows(texts, ids, metadata), vectors, progress, replace=False)

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
        return self._write(new_rows(texts, ids, metadata), vectors, progress, replace=True)

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
        row_ids = None if ids is None else check_ids(ids)
        with self._store.writing():
            return self._store.delete(self._store.ids(condition) if row_ids is None else row_ids)

    def get(self, ids: Iterable[Id]) -> list[Row]:
        """The rows (id, text, metadata) of the ids that are stored, in the order of the ids."""
        ids = check_ids(ids)
        rows = self._store.get(ids)
        return [rows[row_id] for row_id in ids if row_id in rows]

    def rows(self, where: Where = None) -> Iterator[Row]:
        """All rows (id, text, metadata), or those that fit a filter, a few at a time.

        Texts are whole, in passages or not; one counts if one of its passages fits. What is removed
        meanwhile does not come.

        Raises:
            InputError: a filter with an error.

        Example:
            >>> dict((row.id, row.text) for row in index.rows("year >= 2024"))  # doctest: +SKIP
        """
        condition = parse(where)
        return self._rows(condition)

    def _rows(self, condition: Condition | None) -> Iterator[Row]:
        ids = self._store.ids(condition)
        for start in range(0, len(ids), _STEP):
            yield from self.get(ids[start : start + _STEP])

    def search(
        self,
        query: str | npt.ArrayLike,
        *,
        top_k: int = 10,
        mode: str = "dense",
        where: Where = None,
        rerank: CrossEncoder | Model | None = None,
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
            candidates: how many it reads at the most, and how many of each ranking `hybrid` fuses;
                `top_k` at least.
            per_document: how many passages of a text at the most, where `create` split texts; None
                for all.

        Raises:
            InputError: a blank query, a filter with an error (in which column), or an argument out
                of its range.
            StoreError: the index is damaged or gone, or its encoder is another one.
        """
        if not (isinstance(query, str) or _is_vector(query)):
            raise InputError(f"query is {shown(query)}; give a text, or a vector (dim,).")
        return self.search_many(
            [query] if isinstance(query, str) else np.asarray(query)[None],
            top_k=top_k, mode=mode, where=where, rerank=rerank, candidates=candidates,
            per_document=per_document,
        )[0]  # fmt: skip

    def search_many(
        self,
        queries: Sequence[str] | npt.ArrayLike,
        *,
        top_k: int = 10,
        mode: str = "dense",
        where: Where = None,
        rerank: CrossEncoder | Model | None = None,
        candidates: int = _CANDIDATES,
        per_document: int | None = 1,
        progress: bool | None = None,
    ) -> list[Hits]:
        """Do what `search` does for many queries together, or for vectors (m, dim).

        The queries are encoded in one go, and so are all pairs scored for `rerank`: what that costs
        and what was truncated is said once. `progress`: see `BiEncoder.encode`.
        """
        one_of("mode", mode, MODES)
        top_k = min(whole_number("top_k", top_k), _MOST)
        candidates = min(whole_number("candidates", candidates), _MOST)
        if per_document is not None:
            whole_number("per_document", per_document)
        questions, condition = _checked_queries(queries), parse(where)
        if not len(questions):
            return []
        if not isinstance(questions, list) and (mode != "dense" or rerank is not None):
            raise InputError('A query that is a vector goes with mode="dense" and without rerank=.')
        cross = None if rerank is None else self._reranker(rerank)
        count = top_k if mode != "hybrid" and cross is None else max(top_k, candidates)
        info = self._store.info()
        rankings = self._rankings(questions, count, mode, condition, per_document, info, progress)
        if cross is not None:
            rankings = reranked(cross, cast(list[str], questions), rankings, progress)
        return [
            make_hits(
                matches[:top_k], query, lambda: self.encoder, are_passages=info.passage_tokens > 0
            )
            for query, matches in zip(questions, rankings, strict=True)
        ]

    def _rankings(
        self,
        queries: list[str] | Vectors,
        count: int,
        mode: str,
        where: Condition | None,
        per_document: int | None,
        info: IndexInfo,
        progress: bool | None,
    ) -> list[list[Match]]:
        def best(find: Callable[[int], list[list[Match]]]) -> list[list[Match]]:
            if not info.passage_tokens:
                return find(count)
            passages = count
            while True:  # until there are enough texts, or no more passages
                passages *= 1 if per_document is None else _PASSAGES
                rankings = find(passages)
                texts = [best_of_texts(matches, per_document)[:count] for matches in rankings]
                if all(
                    len(some) == count or len(matches) < passages
                    for some, matches in zip(texts, rankings, strict=True)
                ):
                    return [[Match(trimmed(row), score) for row, score in some] for some in texts]

        by_meaning: list[list[Match]] = []
        if mode != "bm25":
            vectors = self._query_vectors(queries, info, progress)
            by_meaning = best(
                lambda number: self._store.nearest(vectors, number, where, info.fingerprint)
            )
        if mode == "dense":
            return by_meaning
        by_words = best(
            lambda number: [self._store.matching(str(query), number, where) for query in queries]
        )
        if mode == "bm25":
            return by_words
        return [
            best_of_texts(fused(both, by_text=per_document == 1), per_document)[:count]
            for both in zip(by_meaning, by_words, strict=True)
        ]

    def _query_vectors(
        self, queries: list[str] | Vectors, info: IndexInfo, progress: bool | None
    ) -> Vectors:
        if isinstance(queries, list):
            # Another process may have encoded all again.
            _check_encoder(self.place, info, self.encoder)
            return self.encoder.encode_query(
                queries, normalize=info.measure == "cosine", progress=progress
            )
        if queries.shape[1] != info.dim:
            raise InputError(
                f"A query of {queries.shape[1]} numbers; vectors here have {info.dim}."
            )
        return _scaled(queries, info)

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
        encoder, old = as_encoder(encoder), self._store.info()
        info = replace(old, **_encoder_info(encoder))
        parts: list[list[Opened] | None] = []
        # The store asks part by part; to the encoder they are one job, of which it tells once.
        vectors = _encoded(encoder, iter(parts.pop, None), info, len(self), progress)

        def encode(part: list[Opened]) -> Vectors:
            parts.append(part)
            return next(vectors)

        self._store.reencode(info, encode)
        parts.append(None)
        next(vectors, None)
        self._encoder = encoder

    def compact(self) -> None:
        """Give back the room of texts that were deleted, and bring the neighbours up to date."""
        self._store.compact()

    def close(self) -> None:
        """Let go of files and connections; what was written is written."""
        self._store.close()

    def _write(
        self,
        rows: list[Row],
        vectors: npt.ArrayLike | None,
        progress: bool | None,
        *,
        replace: bool,
    ) -> list[str]:
        """Put the rows that have a text and are not stored as they are; the ids of all."""
        with_text = rows_with_text([row.text for row in rows], "and not added")
        self._store.check([rows[number] for number in with_text])
        with self._store.writing(progress):
            stored = self._store.get([rows[number].id for number in with_text])
            new = [n for n in with_text if not same(stored.get(rows[n].id), rows[n])]
            changed = [number for number in new if rows[number].id in stored]
            if changed and not replace:
                raise InputError(
                    f"ids[{changed[0]}] is {rows[changed[0]].id!r}, which is there with another "
                    "text or metadata: upsert() replaces it, --replace on the command line."
                )
            info = self._store.info()
            some = None if vectors is None else _checked_vectors(vectors, len(rows), info)[new]
            if new:
                self._put([rows[number] for number in new], some, info, progress, replace=replace)
        return [row.id for row in rows]

    def _put(
        self,
        rows: list[Row],
        vectors: Vectors | None,
        info: IndexInfo,
        progress: bool | None,
        *,
        replace: bool,
    ) -> None:
        fingerprint = info.fingerprint if vectors is not None else self.encoder.fingerprint
        if info.passage_tokens:
            spans = self.encoder.passages(
                [row.text for row in rows],
                tokens=info.passage_tokens, overlap=info.passage_overlap,
            )  # fmt: skip
            both = zip(rows, spans, strict=True)
            rows = [passage for row, places in both for passage in passages_of(row, places)]
        steps = _steps(rows)
        if vectors is not None:
            ends = np.cumsum([len(step) for step in steps])
            parts: Iterable[Vectors] = np.split(vectors, ends[:-1])
        else:
            openings = {row.id: row.text for row in rows if not row.start}
            opened = ([(row.text, openings[row.id]) for row in step] for step in steps)
            parts = _encoded(self.encoder, opened, info, len(rows), progress)
        for step, part in zip(steps, parts, strict=True):
            self._store.put(step, part, fingerprint, replace=replace)


def _encoded(
    encoder: BiEncoder,
    parts: Iterable[list[Opened]],
    info: IndexInfo,
    total: int,
    progress: bool | None,
) -> Iterator[Vectors]:
    """Vectors of texts, a part at a time; a passage's is the mean of its own and its opening's."""
    current: list[Opened] = []

    def texts() -> Iterator[list[str]]:
        for part in parts:
            current[:] = part
            if info.passage_tokens:
                yield list(dict.fromkeys(text.strip() for pair in part for text in pair))
            else:
                yield [text for text, _ in part]

    is_cosine = info.measure == "cosine"
    for vectors in encoder.encode_parts(
        texts(), normalize=is_cosine, total=total, progress=progress
    ):
        if info.passage_tokens:
            different = dict.fromkeys(text.strip() for pair in current for text in pair)
            places = {text: place for place, text in enumerate(different)}
            pairs = np.array([[places[text.strip()] for text in pair] for pair in current])
            means: Vectors = vectors[pairs].mean(1)
            yield normalized(means) if is_cosine else means
        else:
            yield vectors


def _steps(rows: list[Row]) -> list[list[Row]]:
    """The rows a few at a time, with all passages of a text together."""
    steps: list[list[Row]] = []
    for _, passages in groupby(rows, key=lambda row: row.id):
        text = list(passages)
        if not steps or len(steps[-1]) + len(text) > _STEP:
            steps.append([])
        steps[-1] += text
    return steps


def _encoder_info(encoder: BiEncoder) -> dict[str, Any]:
    """What an index remembers of its encoder."""
    _check_kind(encoder)
    if encoder.measure not in ("cosine", "dot"):
        raise InputError(
            f"{encoder.model} compares by {encoder.measure} distance; an index needs an encoder "
            "that compares by cosine or dot product."
        )
    names = ("model", "precision", "fingerprint", "dim", "measure", "pooling", "engine")
    return {name: getattr(encoder, name) for name in names}


def _checked_vectors(vectors: npt.ArrayLike, count: int, info: IndexInfo) -> Vectors:
    if info.passage_tokens:
        raise InputError("vectors= are of whole texts, and this index splits texts: leave it out.")
    array = as_vectors(vectors)
    if array.shape != (count, info.dim):
        raise InputError(
            f"vectors have the shape {array.shape}; for these texts and this index it has to be "
            f"({count}, {info.dim})."
        )
    return _scaled(array, info)


def _scaled(vectors: Vectors, info: IndexInfo) -> Vectors:
    if info.measure == "cosine":
        return normalized(vectors)
    if np.abs(vectors).max(initial=0) > _LARGEST:
        raise InputError(f"A vector has a number beyond {_LARGEST:.0e}: products would overflow.")
    return vectors


def _check_kind(encoder: object) -> None:
    if not isinstance(encoder, BiEncoder):
        raise InputError(f"encoder is {shown(encoder)}; give a BiEncoder.")


def _check_encoder(place: str, info: IndexInfo, encoder: BiEncoder) -> None:
    _check_kind(encoder)
    if encoder.fingerprint != info.fingerprint:
        raise StoreError(
            f"{place} was made with {info.model} in {info.precision} "
            f"({info.fingerprint}), and this is {encoder.model} in {encoder.precision} "
            f"({encoder.fingerprint}): their vectors cannot be compared. Open it without an "
            "encoder, or with that one, or encode its texts again: "
            "Index.open(place).reindex(encoder)."
        )


def _opened_as(info: IndexInfo, model: Model) -> BiEncoder:
    """A model opened as the index's own encoder was."""
    return BiEncoder(model, engine=info.engine, precision=info.precision, pooling=info.pooling)


def _checked_queries(queries: Sequence[str] | npt.ArrayLike) -> list[str] | Vectors:
    if isinstance(queries, str):
        raise InputError("queries is a single str; put it into a list, or call search().")
    if not isinstance(queries, Iterable):
        raise InputError(f"queries is {shown(queries)}; give a list of texts, or vectors.")
    items: Any = queries
    if not isinstance(queries, np.ndarray):
        items = as_list(queries, "queries", axes=getattr(queries, "ndim", 1))
    if len(items) and not isinstance(items[0], str) and _is_vector(items[0]):
        return as_vectors(items, name="queries")
    for number, query in enumerate(items):
        if not isinstance(query, str) or not query.strip():
            raise InputError(
                f"query {number} is {shown(query)}; a text that is not blank is needed."
            )
    return list(items)


def _is_vector(value: Any) -> bool:
    try:
        return np.ndim(value) == 1
    except ValueError:  # lists of different lengths
        return False
