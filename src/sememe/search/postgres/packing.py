"""Rows and vectors as the bytes that PostgreSQL's binary COPY reads: many times faster than SQL."""

import json
import re
import reprlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from decimal import Decimal
from struct import pack

from sememe.errors import InputError
from sememe.search.store import Id, Row, Vectors

_HEAD, _TAIL = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")  # as JSON writes it
# jsonb makes 1e+23 the whole number 10²³, and Python's float is another; with .0 it stays a float.
_POWER = re.compile(r'(?P<text>"(?:[^"\\]|\\.)*")|-?[\d.]+e\+\d+')
_ID_BYTES = 2_000  # a key of a B-tree has no more room


def packed(records: Iterable[Sequence[bytes]]) -> list[bytes]:
    """The stream of a COPY whose records have these fields."""
    body = (
        pack("!h", len(fields)) + b"".join(pack("!i", len(field)) + field for field in fields)
        for fields in records
    )
    return [b"".join((_HEAD, *body, _TAIL))]


def row_fields(rows: Sequence[Row]) -> Iterator[tuple[bytes, bytes, bytes]]:
    """id, text and metadata; InputError with the id of a row that PostgreSQL cannot hold."""
    for row in rows:
        try:
            yield b"\1" + _id(row.id), _utf8(row.text), b"\1" + _json(row.metadata)
        except (TypeError, ValueError) as error:
            why = "half a surrogate pair in it" if isinstance(error, UnicodeError) else error
            shown = reprlib.repr(row.id)
            raise InputError(f"The row with the id {shown} cannot be kept: {why}.") from None


def vector_fields(vectors: Vectors) -> Iterator[bytes]:
    """Each vector as pgvector receives it."""
    head = pack("!hh", vectors.shape[1], 0)
    return (head + vector.tobytes() for vector in vectors.astype(">f4"))


def id_array(ids: Iterable[Id]) -> str:
    """Ids as an array in JSON, without those that no row can have."""
    found = []
    for each in ids:
        with suppress(ValueError):
            found.append(_id(each))
    return "[" + b",".join(found).decode() + "]"


def _id(value: Id) -> bytes:
    data = _json(value)
    if len(data) > _ID_BYTES:
        raise ValueError(f"an id may have {_ID_BYTES:,} bytes, this one has {len(data):,}")
    return data


def _json(value: object) -> bytes:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    if "e+" in text:
        text = _POWER.sub(_float, text)
    if _NUL.search(text):
        raise ValueError("a NUL character in it")
    return text.encode()


def _float(found: re.Match[str]) -> str:
    return found["text"] or format(Decimal(found[0]), ".1f")


def _utf8(text: str) -> bytes:
    if "\0" in text:
        raise ValueError("a NUL character in it")
    return text.encode()
