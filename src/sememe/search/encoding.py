"""Vectors of an index: which encoder fits, and how texts are encoded and written, and queries."""

import dataclasses
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sememe.arguments import one_of, shown
from sememe.encoders import BiEncoder
from sememe.errors import InputError, StoreError, reason
from sememe.neighbors import as_vectors, normalized
from sememe.search.rows import Row, Vectors, passages_of, same
from sememe.search.store import PART, IndexInfo, Opened, Store
from sememe.text import as_list, rows_with_text

LANGUAGES = ("english", "simple")
Model = str | os.PathLike[str]
_LARGEST = 1e15  # number of a vector that is compared by its products
_PASSAGE_TOKENS = 128


def new_info(
    encoder: BiEncoder, language: str, long: str, tokens: int | None, overlap: int | None
) -> IndexInfo:
    """What a new index remembers; InputError for options that are not known or do not fit."""
    one_of("language", language, LANGUAGES)
    info = IndexInfo(**encoder_info(encoder), language=language)
    if one_of("long", long, ("truncate", "split")) == "truncate":
        if tokens is not None or overlap is not None:
            raise InputError('passage_tokens and passage_overlap go with long="split".')
        return info
    tokens = tokens or min(_PASSAGE_TOKENS, encoder.max_length // 2)
    overlap = tokens // 8 if overlap is None else overlap
    encoder.passages([""], tokens=tokens, overlap=overlap)  # which checks the two
    return dataclasses.replace(info, passage_tokens=tokens, passage_overlap=overlap)


def encoder_info(encoder: BiEncoder) -> dict[str, Any]:
    """What an index remembers of its encoder; InputError for one that cannot have an index."""
    _check_kind(encoder)
    if encoder.measure not in ("cosine", "dot"):
        raise InputError(
            f"{encoder.model} compares by {encoder.measure} distance; an index needs an encoder "
            "that compares by cosine or dot product."
        )
    names = ("model", "precision", "fingerprint", "dim", "measure", "pooling", "engine")
    return {name: getattr(encoder, name) for name in names}


def open_encoder(place: str, info: IndexInfo, encoder: BiEncoder | Model) -> BiEncoder:
    """The encoder itself, or a model opened as the index's own was; StoreError for another one."""
    if isinstance(encoder, str | os.PathLike):
        try:
            encoder = BiEncoder(
                encoder, engine=info.engine, precision=info.precision, pooling=info.pooling
            )
        except InputError as error:
            made = f"{place} was made with {info.model} by {info.engine} in {info.precision}"
            raise StoreError(f"{made}, and {encoder} cannot be: {reason(error)}.") from error
    _check_kind(encoder)
    if encoder.fingerprint != info.fingerprint:
        raise StoreError(
            f"{place} was made with {info.model} in {info.precision} "
            f"({info.fingerprint}), and this is {encoder.model} in {encoder.precision} "
            f"({encoder.fingerprint}): their vectors cannot be compared. Open it without an "
            "encoder, or with that one, or encode its texts again: "
            "Index.open(place).reindex(encoder)."
        )
    return encoder


def _check_kind(encoder: object) -> None:
    if not isinstance(encoder, BiEncoder):
        raise InputError(f"encoder is {shown(encoder)}; give a BiEncoder.")


def write(
    store: Store,
    encoder: Callable[[], BiEncoder],
    rows: list[Row],
    vectors: npt.ArrayLike | None,
    progress: bool | None,
    *,
    replace: bool,
) -> None:
    """Put the rows that have a text and are not stored as they are; `vectors` are of all rows."""
    with_text = rows_with_text([row.text for row in rows], "and not added")
    store.check([rows[number] for number in with_text])
    with store.writing(progress):
        stored = store.get([rows[number].id for number in with_text])
        new = [n for n in with_text if not same(stored.get(rows[n].id), rows[n])]
        changed = [number for number in new if rows[number].id in stored]
        if changed and not replace:
            raise InputError(
                f"ids[{changed[0]}] is {rows[changed[0]].id!r}, which is there with another "
                "text or metadata: upsert() replaces it, --replace on the command line."
            )
        info = store.info()
        checked = None if vectors is None else _checked(vectors, len(rows), info)
        if new:
            source = encoder() if checked is None else checked[new]
            fingerprint = getattr(source, "fingerprint", info.fingerprint)
            for step, part in steps(source, [rows[n] for n in new], info, progress):
                store.put(step, part, fingerprint, replace=replace)


def reencode(store: Store, encoder: BiEncoder, progress: bool | None) -> None:
    """Encode all rows of a store again."""
    info = dataclasses.replace(store.info(), **encoder_info(encoder))
    parts: list[list[Opened] | None] = []
    # The store asks part by part; to the encoder they are one job, of which it tells once.
    vectors = encoded(encoder, iter(parts.pop, None), info, len(store), progress)

    def encode(part: list[Opened]) -> Vectors:
        parts.append(part)
        return next(vectors)

    store.reencode(info, encode)
    parts.append(None)
    next(vectors, None)


def encoded(
    encoder: BiEncoder,
    parts: Iterable[list[Opened]],
    info: IndexInfo,
    total: int,
    progress: bool | None,
) -> Iterator[Vectors]:
    """Vectors of texts, a part at a time; a passage's is the mean of its own and its opening's."""
    places: dict[str, int] = {}
    pairs: list[list[int]] = []
    is_cosine = info.measure == "cosine"

    def texts() -> Iterator[list[str]]:
        for part in parts:
            if not info.passage_tokens:
                yield [text for text, _ in part]
                continue
            places.clear()
            pairs[:] = [[places.setdefault(t.strip(), len(places)) for t in pair] for pair in part]
            yield list(places)

    for vectors in encoder.encode_parts(
        texts(), normalize=is_cosine, total=total, progress=progress
    ):
        if info.passage_tokens:
            vectors = vectors[pairs].mean(1)
        yield normalized(vectors) if is_cosine and info.passage_tokens else vectors


def steps(
    source: BiEncoder | Vectors, rows: list[Row], info: IndexInfo, progress: bool | None
) -> Iterator[tuple[list[Row], Vectors]]:
    """Rows with their vectors, the user's or an encoder's; all passages of a text in one step."""
    if not isinstance(source, BiEncoder):
        places = range(0, len(rows), PART)
        return ((rows[at : at + PART], source[at : at + PART]) for at in places)
    spans: list[Any] = [[]] * len(rows)  # of a whole text, which is its only passage
    if info.passage_tokens:
        limits = {"tokens": info.passage_tokens, "overlap": info.passage_overlap}
        spans = source.passages([row.text for row in rows], **limits)
    parts: list[list[tuple[Row, Opened]]] = []
    count = 0
    for row, places in zip(rows, spans, strict=True):
        passages = passages_of(row, places)
        if not parts or len(parts[-1]) + len(passages) > PART:
            parts.append([])
        parts[-1] += [(passage, (passage.text, passages[0].text)) for passage in passages]
        count += len(passages)
    texts = ([opened for _, opened in part] for part in parts)
    vectors = encoded(source, texts, info, count, progress)
    return zip(([row for row, _ in part] for part in parts), vectors, strict=True)


def _checked(vectors: npt.ArrayLike, count: int, info: IndexInfo) -> Vectors:
    """The user's vectors of so many texts; InputError where they are not for this index."""
    if info.passage_tokens:
        raise InputError("vectors= are of whole texts, and this index splits texts: leave it out.")
    array = as_vectors(vectors)
    if array.shape != (count, info.dim):
        raise InputError(
            f"vectors have the shape {array.shape}; these texts need ({count}, {info.dim}) here."
        )
    return _scaled(array, info)


def check_queries(queries: Sequence[str] | npt.ArrayLike) -> list[str] | Vectors:
    """The queries, texts or vectors (m, dim); InputError for what is neither, or blank."""
    if not isinstance(queries, Iterable):
        raise InputError(f"queries is {shown(queries)}; give a list of texts, or vectors.")
    items: Any = queries
    if not isinstance(queries, np.ndarray):
        is_table = hasattr(queries, "columns")
        items = as_list(queries, "queries", axes=1 if is_table else getattr(queries, "ndim", 1))
    if len(items) and not isinstance(items[0], str) and is_vector(items[0]):
        return as_vectors(items, name="queries")
    for number, query in enumerate(items):
        if not isinstance(query, str) or not query.strip():
            raise InputError(
                f"query {number} is {shown(query)}; a text that is not blank is needed."
            )
    return list(items)


def query_vectors(
    place: str,
    info: IndexInfo,
    encoder: Callable[[], BiEncoder],
    queries: list[str] | Vectors,
    progress: bool | None,
) -> Vectors:
    """The vectors of queries, texts or vectors of the user's, as the index compares them."""
    if isinstance(queries, list):
        # Another process may have encoded all again.
        opened = open_encoder(place, info, encoder())
        return opened.encode_query(queries, normalize=info.measure == "cosine", progress=progress)
    if queries.shape[1] != info.dim:
        raise InputError(f"A query of {queries.shape[1]} numbers; vectors here have {info.dim}.")
    return _scaled(queries, info)


def _scaled(vectors: Vectors, info: IndexInfo) -> Vectors:
    if info.measure == "cosine":
        return normalized(vectors)
    if np.abs(vectors).max(initial=0) > _LARGEST:
        raise InputError(f"A vector has a number beyond {_LARGEST:.0e}: products would overflow.")
    return vectors


def is_vector(value: Any) -> bool:
    """Whether a value is one row of numbers."""
    try:
        return np.ndim(value) == 1
    except ValueError:  # lists of different lengths
        return False
