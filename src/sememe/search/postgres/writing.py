"""How rows are written: packed for a binary COPY, put in one order, and encoded anew."""

import json
import re
import reprlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from functools import partial
from struct import pack
from typing import Any

from sememe.errors import InputError, StoreError
from sememe.search.postgres.connection import Connection, Run
from sememe.search.postgres.schema import add_vectors, read_info, write_info
from sememe.search.rows import Id, Row, Vectors, stored_ids
from sememe.search.store import IndexInfo, Opened

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


def row_fields(rows: Sequence[Row]) -> Iterator[tuple[bytes, ...]]:
    """id, text, metadata, start; InputError with the id of a row that PostgreSQL cannot hold."""
    for row in rows:
        try:
            if "\0" in row.text:
                raise ValueError("a NUL character in it")
            yield (
                b"\1" + _id(row.id),
                row.text.encode(),
                b"\1" + _json(row.metadata),
                pack("!i", row.start),
            )
        except (TypeError, ValueError) as error:
            reason = "half a surrogate pair in it" if isinstance(error, UnicodeError) else error
            raise InputError(
                f"The row with the id {reprlib.repr(row.id)} cannot be kept: {reason}."
            ) from None


def vector_fields(vectors: Vectors) -> Iterator[bytes]:
    """Each vector as pgvector receives it."""
    head = pack("!hh", vectors.shape[1], 0)
    return (head + vector.tobytes() for vector in vectors.astype(">f4"))


def id_array(ids: Iterable[str]) -> str:
    """Ids as an array in JSON, without those that no row can have."""
    values = []
    for each in stored_ids(ids):
        with suppress(ValueError):
            values.append(_id(each))
    return "[" + b",".join(values).decode() + "]"


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


def _float(match: re.Match[str]) -> str:
    return match["text"] or format(Decimal(match[0]), ".1f")


# Held to the end of a transaction: many may add at once, and nobody while one writes otherwise.
_LOCK = "select pg_advisory_xact_lock{}('rows'::regclass::oid::bigint)"
ALONE, TOGETHER = _LOCK.format(""), _LOCK.format("_shared")
IDS = "select jsonb_array_elements(%s::jsonb)"


def receive(run: Run, columns: str, records: list[bytes]) -> None:
    """Bring what is packed into `incoming`."""
    run(
        "create temp table if not exists incoming (place bigint generated always as identity,"
        " key bigint, id jsonb, text text, metadata jsonb, start integer, vector vector)"
        " on commit delete rows"
    )
    run("truncate incoming")
    run(f"copy incoming ({columns}) from stdin (format binary)", (), records)


def put(run: Run, records: list[bytes], fingerprint: str, replaced: str | None, place: str) -> None:
    """Write rows; one that takes another's place has a new key, so no vector is of an old text."""
    run(TOGETHER if replaced is None else ALONE)
    info = read_info(run)["current"]
    if info.fingerprint != fingerprint:
        raise StoreError(f"{place} was given another encoder meanwhile: open it again.")
    start = ", start" * bool(info.passage_tokens)
    receive(run, "id, text, metadata, start, vector", records)
    if replaced is not None:
        delete(run, replaced)
    run(
        f"with new as (insert into rows (id, text, metadata{start})"
        f" select id, text, metadata{start} from incoming order by id{start}"  # writers never cross
        f" on conflict do nothing returning key, id{start})"
        f" insert into vectors select new.key, vector from new join incoming using (id{start})"
    )
    same_start = " and written.start = rows.start" * bool(start)
    others = run(
        "select rows.id #>> '{}' from incoming join rows using (id) where not exists (select from"
        f" incoming as written where written.id = rows.id{same_start} and (written.text,"
        " written.metadata) = (rows.text, rows.metadata)) order by place limit 1"
    )
    if others:
        raise InputError(
            f"Another row with the id {others[0][0]!r} is in {place}: upsert() replaces it."
        )


def set_info(run: Run, info: IndexInfo) -> None:
    """Remember it, unless the index was given another encoder meanwhile."""
    run(ALONE)
    if read_info(run)["current"].fingerprint == info.fingerprint:
        write_info(run, "current", info)


def delete(run: Run, ids: str) -> int:
    """Remove the texts of ids in a JSON array; how many they were."""
    run(ALONE)
    [[count]] = run(
        f"with gone as (delete from rows where id in ({IDS}) returning key, id), vector as (delete"
        " from vectors where key in (select key from gone)) select count(distinct id) from gone",
        [ids],
    )
    return int(count)


_PART = 2_000  # rows that are encoded at a time
_MISSING = (
    "select key, text, {opening} from rows"
    " where not exists (select from next where next.key = rows.key) order by key limit %s"
)
_GONE = "delete from next where not exists (select from rows where rows.key = next.key)"
_OPENING = "(select text from rows as first where first.id = rows.id and first.start = 0)"
Encode = Callable[[list[Opened]], Vectors]


def reencode(link: Connection, info: IndexInfo, encode: Encode) -> None:
    """Encode part after part; what was written meanwhile at the end, while nobody writes."""
    if link.transact(partial(_begin, info=info)):
        for part in iter(lambda: link.read(partial(_missing, info=info)), []):
            link.transact(partial(_add, info=info, records=_encoded(part, encode)))
            if len(part) < _PART:  # a busy writer would keep it going for ever
                break
        link.transact(partial(_end, info=info, encode=encode))


def _begin(run: Run, info: IndexInfo) -> bool:
    """Make the other table, or resume with it; False if the index has these vectors already."""
    run(ALONE)
    infos = read_info(run)
    if infos["current"].fingerprint == info.fingerprint:
        write_info(run, "current", info)
        return False
    if infos.get("next") != info != infos["current"]:
        run("drop table if exists next")
        add_vectors(run, "next", info)
        write_info(run, "next", info)
    return True


def _missing(run: Run, info: IndexInfo) -> list[list[Any]]:
    """Some rows that have no new vector yet."""
    _check(run, info)
    return run(_MISSING.format(opening=_OPENING if info.passage_tokens else "text"), [_PART])


def _check(run: Run, info: IndexInfo) -> None:
    """Let the other table be for these vectors to the end of the transaction, or StoreError."""
    run(TOGETHER)
    if read_info(run).get("next") != info:
        raise StoreError(
            "Another process began or ended to encode this index anew meanwhile: see which encoder "
            "it has, and call reindex again if that is not yours."
        )


def _encoded(part: list[list[Any]], encode: Encode) -> list[bytes]:
    vectors = vector_fields(encode([(text, opening) for _, text, opening in part]))
    return packed(zip((pack("!q", key) for key, *_ in part), vectors, strict=True))


def _add(run: Run, info: IndexInfo, records: list[bytes]) -> None:
    """Write vectors, unless somebody who encodes the same has written them."""
    _check(run, info)
    receive(run, "key, vector", records)
    run("insert into next select key, vector from incoming order by key on conflict do nothing")


def _end(run: Run, info: IndexInfo, encode: Encode) -> None:
    run(ALONE)
    while part := _missing(run, info):
        _add(run, info, _encoded(part, encode))
    run(_GONE)
    run("drop table vectors")
    run("alter table next rename to vectors")
    column = read_info(run)["current"].id_column  # which may be new since the beginning
    run("delete from about")
    write_info(run, "current", replace(info, id_column=column))
