"""Vectors that `encode_to` wrote, for the texts that somebody has now: checked, and in order."""

import os
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sememe.encoders.bi import BiEncoder
from sememe.encoders.disk import FINGERPRINT
from sememe.encoders.vectors import Vectors, similarity
from sememe.errors import InputError, TruncationWarning
from sememe.neighbors import as_vectors
from sememe.tables import ArrowColumn, read_table
from sememe.tables.parquet import require_pyarrow
from sememe.text import check_texts

_CHECKED = 8  # texts that are encoded again
_TOLERANCE = 5e-3  # 1 - cosine: of what int8 writes


def read_vectors(
    path: str | os.PathLike[str],
    texts: Sequence[str],
    encoder: BiEncoder,
    *,
    columns: Sequence[str] = ("text",),
    encode: Callable[[list[str]], Any] | None = None,
) -> Vectors:
    """The vectors of texts from a file, or a folder of shards, that `encode_to` wrote.

    Parquet and jsonl hold the texts too: each text has the vector of the same text there, so the
    file may hold others, in another order. An .npy has one vector a text. Eight of the texts are
    encoded again, whatever the file says, and their vectors must be those of the file.

    Args:
        path: `x.parquet`, `x.jsonl`, `x.npy`, or a folder of parquet shards.
        texts, encoder: the n texts, and the encoder that the vectors have to be of.
        columns: the file's columns of which each text consists.
        encode: how texts are encoded; `encoder.encode` if None.

    Returns:
        float32 (n, dim), in the order of the texts; zeros where a text is blank.

    Raises:
        InputError: the vectors are of another encoder, or of other texts (which one).
        TableError: the file cannot be read.
    """
    texts = check_texts(texts)
    rows = [row for row, text in enumerate(texts) if text.strip()]
    if not rows:
        return np.zeros((len(texts), encoder.dim), np.float32)
    values = _read(Path(path), texts, rows, encoder.fingerprint, columns)
    vectors = np.zeros((len(texts), values.shape[1]), np.float32)
    vectors[rows] = values
    sample = [rows[at] for at in np.linspace(0, len(rows) - 1, _CHECKED).astype(int)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TruncationWarning)  # given when the file was written
        again = np.asarray((encode or encoder.encode)([texts[row] for row in sample]), np.float32)
    if again.shape[1] != vectors.shape[1]:
        raise InputError(
            f"{path} has vectors of {vectors.shape[1]} and this encoder's have "
            f"{again.shape[1]}: encode the texts again."
        )
    for row, vector in zip(sample, again, strict=True):
        likeness = similarity(vectors[row], vector, "cosine")[0, 0]
        if vector.any() and not likeness > 1 - _TOLERANCE:  # NaN is not, either
            raise InputError(
                f"{path}: the vector of texts[{row}] is not the one that this encoder gives. "
                "It is of another text, prompt, model or precision: encode the texts again."
            )
    return vectors


def _read(
    path: Path, texts: list[str], rows: list[int], fingerprint: str, columns: Sequence[str]
) -> Vectors:
    if path.suffix.lower() == ".npy":
        try:
            values = np.load(path, mmap_mode="r")
        except (OSError, ValueError) as error:
            raise InputError(f"{path} cannot be read as .npy: {error}.") from None
        if values.ndim != 2 or len(values) != len(texts):
            raise InputError(
                f"{path} has the shape {values.shape}, and there are {len(texts):,} texts: an .npy "
                "needs one vector a text, in their order."
            )
        return _checked(path, values[rows])
    parts = sorted(path.glob("part-*.parquet")) if path.is_dir() else [path]
    if not parts:
        raise InputError(f"{path} is a folder without part-*.parquet, as encode_to writes them.")
    places: dict[str, int] = {}
    arrays: list[Vectors] = []
    count = 0
    for part in parts:
        table = read_table(part)
        if "vector" not in table.columns:
            raise InputError(f"{part} has no column vector: give what sememe encode wrote.")
        if part.suffix.lower() == ".parquet":
            metadata = require_pyarrow().parquet.read_schema(part).metadata or {}
            written = metadata.get(FINGERPRINT.encode(), fingerprint.encode()).decode()
            if written != fingerprint:
                raise InputError(
                    f"{part} was computed by the encoder {written}, and this one is {fingerprint}: "
                    "they differ in their model or precision. Give those of the file, or encode "
                    "the texts again."
                )
        numbers, values = vector_column(part, table.columns["vector"])
        part_texts = table.text_column(list(columns))
        for place, row in enumerate(numbers, count):
            places.setdefault(part_texts[row], place)
        arrays.append(values)
        count += len(values)
    missing = [row for row in rows if texts[row] not in places]
    if missing:
        raise InputError(
            f"{path} has no vector for {len(missing):,} of {len(rows):,} texts, such as "
            f"texts[{missing[0]}]: encode them again."
        )
    return _checked(path, np.concatenate(arrays)[[places[texts[row]] for row in rows]])


def vector_column(part: Path, column: Sequence[Any]) -> tuple[list[int], Vectors]:
    """The rows that have a vector, and these vectors."""
    if isinstance(column, ArrowColumn):
        pa = require_pyarrow()
        arrow = pa.array(column)
        if pa.types.is_fixed_size_list(arrow.type):  # by Python's floats it would take minutes
            chunks = getattr(arrow, "chunks", [arrow])
            has_vector = np.concatenate([chunk.is_valid().to_numpy(False) for chunk in chunks])
            values = np.concatenate([chunk.flatten().to_numpy(False) for chunk in chunks])
            return np.flatnonzero(has_vector).tolist(), values.reshape(-1, arrow.type.list_size)
    numbers = [row for row, value in enumerate(column) if value is not None]
    return numbers, _checked(part, [column[row] for row in numbers])


def _checked(path: Path, values: Any) -> Vectors:
    if getattr(values, "dtype", None) == np.uint8:
        raise InputError(f"{path} holds binary vectors; encode the texts as another dtype.")
    return as_vectors(values, name=f"vectors of {path}")
