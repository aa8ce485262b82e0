"""Vectors for an index: which encoder fits it, and how texts, passages and queries are encoded."""

import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt

from sememe.arguments import shown
from sememe.encoders import BiEncoder
from sememe.errors import InputError, StoreError
from sememe.neighbors import as_vectors, normalized
from sememe.search.rows import Row, Vectors
from sememe.search.store import IndexInfo, Opened
from sememe.text import as_list

Model = str | os.PathLike[str]
_LARGEST = 1e15  # number of a vector that is compared by its products
_STEP = 2_000  # texts that are encoded and written together: what a kill can cost


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
        encoder = BiEncoder(
            encoder, engine=info.engine, precision=info.precision, pooling=info.pooling
        )
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


def encoded(
    encoder: BiEncoder,
    parts: Iterable[list[Opened]],
    info: IndexInfo,
    total: int,
    progress: bool | None,
) -> Iterator[Vectors]:
    """Vectors of texts, a part at a time; a passage's is the mean of its own and its opening's."""
    current: list[Opened] = []
    is_cosine = info.measure == "cosine"

    def texts() -> Iterator[list[str]]:
        for part in parts:
            current[:] = part
            yield _different(part) if info.passage_tokens else [text for text, _ in part]

    for vectors in encoder.encode_parts(
        texts(), normalize=is_cosine, total=total, progress=progress
    ):
        if not info.passage_tokens:
            yield vectors
            continue
        places = {text: place for place, text in enumerate(_different(current))}
        pairs = [[places[text.strip()] for text in pair] for pair in current]
        means: Vectors = vectors[pairs].mean(1)
        yield normalized(means) if is_cosine else means


def _different(pairs: list[Opened]) -> list[str]:
    return list(dict.fromkeys(text.strip() for pair in pairs for text in pair))


def in_steps(rows: list[Row]) -> list[list[Row]]:
    """The rows a few at a time, with all passages of a text together."""
    steps: list[list[Row]] = []
    for _, passages in groupby(rows, key=lambda row: row.id):
        text = list(passages)
        if not steps or len(steps[-1]) + len(text) > _STEP:
            steps.append([])
        steps[-1] += text
    return steps


def check_vectors(vectors: npt.ArrayLike, count: int, info: IndexInfo) -> Vectors:
    """The user's vectors of so many texts; InputError where they are not for this index."""
    if info.passage_tokens:
        raise InputError("vectors= are of whole texts, and this index splits texts: leave it out.")
    array = as_vectors(vectors)
    if array.shape != (count, info.dim):
        raise InputError(
            f"vectors have the shape {array.shape}; for these texts and this index it has to be "
            f"({count}, {info.dim})."
        )
    return _scaled(array, info)


def check_queries(queries: Sequence[str] | npt.ArrayLike) -> list[str] | Vectors:
    """The queries, texts or vectors (m, dim); InputError for what is neither, or blank."""
    if isinstance(queries, str):
        raise InputError("queries is a single str; put it into a list, or call search().")
    if not isinstance(queries, Iterable):
        raise InputError(f"queries is {shown(queries)}; give a list of texts, or vectors.")
    items: Any = queries
    if not isinstance(queries, np.ndarray):
        items = as_list(queries, "queries", axes=getattr(queries, "ndim", 1))
    if len(items) and not isinstance(items[0], str) and is_vector(items[0]):
        return as_vectors(items, name="queries")
    for number, query in enumerate(items):
        if not isinstance(query, str) or not query.strip():
            raise InputError(
                f"query {number} is {shown(query)}; a text that is not blank is needed."
            )
    return list(items)


def query_vectors(vectors: Vectors, info: IndexInfo) -> Vectors:
    """The user's vectors of queries, as the index compares them."""
    if vectors.shape[1] != info.dim:
        raise InputError(f"A query of {vectors.shape[1]} numbers; vectors here have {info.dim}.")
    return _scaled(vectors, info)


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
