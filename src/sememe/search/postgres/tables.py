"""The tables of an index, a schema `sememe_<name>`: made, read, written and encoded anew."""

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

from sememe.errors import ChoiceWarning, InputError, StoreError, StoreMissing, warn
from sememe.search.postgres.connection import Address, Connection, Run
from sememe.search.rows import Id, Row, Vectors, stored_ids
from sememe.search.store import IndexInfo, Opened, info_values

_LAYOUTS = (1, 2)  # of texts, and of texts in passages
_PREFIX = "sememe_"
_FLOATS, _HALVES = 2_000, 4_000  # the most numbers of a vector that pgvector indexes
_WORDS = 200_000  # characters of a text: a tsvector holds a megabyte


def names(run: Run) -> list[str]:
    """The indexes of this database."""
    schemas = run("select nspname from pg_namespace where starts_with(nspname, %s)", [_PREFIX])
    return sorted(name.removeprefix(_PREFIX) for (name,) in schemas)


def create(run: Run, place: Address, info: IndexInfo) -> None:
    """Make an index with nothing in it, and pgvector's extension."""
    run("select pg_advisory_xact_lock(hashtext('sememe'), 0)")  # one at a time: no name has two
    run("create extension if not exists vector")
    if place.name in names(run):
        raise InputError(f"{place.url} is there already: open it, or take another name.")
    [[encoding]] = run("show server_encoding")
    if encoding != "UTF8":
        raise StoreError(f"{place.url}: the database holds {encoding}, and an index needs UTF8.")
    run(f"create schema {_PREFIX}{place.name}")
    enter(run, place)
    run("create table about (state text primary key, about jsonb not null)")
    language = info.language.replace("'", "''")
    run(
        "create table rows (key bigint generated always as identity primary key, id jsonb not null,"
        " text text not null, metadata jsonb not null,"
        + (
            " start integer not null, unique (id, start),"
            if info.passage_tokens
            else " unique (id),"
        )
        + " words tsvector generated always as"
        f" (to_tsvector('{language}'::regconfig, left(text, {_WORDS}))) stored)"
    )
    run("create index on rows using gin (words)")
    add_vectors(run, "vectors", info)
    write_info(run, "current", info)


def enter(run: Run, place: Address) -> None:
    """Let statements mean the index's tables."""
    indexes = names(run)
    if place.name not in indexes:
        raise StoreMissing(
            f"There is no index {place.url}; in this database are: {', '.join(indexes) or 'none'}."
        )
    extension = run(
        "select quote_ident(nspname), string_to_array(extversion, '.')::int[] from pg_extension"
        " join pg_namespace on pg_namespace.oid = extnamespace where extname = 'vector'"
    )
    if not extension or extension[0][1] < [0, 8]:
        raise StoreError(f"{place.url}: pgvector is missing in the database, or older than 0.8.")
    [[usable]] = run("select has_schema_privilege(%s, 'usage')", [_PREFIX + place.name])
    if not usable:
        raise StoreError(
            f"{place.url}: its owner has to grant usage on schema {_PREFIX}{place.name}."
        )
    run(f"set search_path to {_PREFIX}{place.name}, {extension[0][0]}")
    run("set hnsw.ef_search = 200")
    run("set hnsw.iterative_scan = strict_order")  # on until the filter has let enough through


def add_vectors(run: Run, table: str, info: IndexInfo) -> None:
    """Make a table of vectors with its index of neighbours."""
    run(f"create table {table} (key bigint primary key, vector vector({info.dim}) not null)")
    if info.dim <= _HALVES:
        column, kind = _indexed(info.dim)
        run(f"create index on {table} using hnsw (({column}) {kind}_ip_ops)")
    else:
        warn(
            f"pgvector indexes vectors of up to {_HALVES:,} numbers, and these have "
            f"{info.dim:,}: every search compares all of them.",
            ChoiceWarning,
            once=True,
        )


def distance(dim: int) -> str:
    """What the index of neighbours sorts by, for a query `v`."""
    column, kind = _indexed(dim)
    return f"({column}) <#> v::{kind}"


def _indexed(dim: int) -> tuple[str, str]:
    halves = _FLOATS < dim <= _HALVES
    return (f"vector::halfvec({dim})", "halfvec") if halves else ("vector", "vector")


def read_info(run: Run) -> dict[str, IndexInfo]:
    """What the index remembers of itself, `current`, and what a reencode makes of it, `next`."""
    rows = run("select state, about::text from about")
    values = {state: json.loads(info) for state, info in rows}
    if any(info.pop("layout") not in _LAYOUTS for info in values.values()):
        raise StoreError("This index was made by a later sememe: upgrade yours.")
    return {state: IndexInfo(**info) for state, info in values.items()}


def write_info(run: Run, state: str, info: IndexInfo) -> None:
    """Remember it."""
    data = json.dumps(info_values(info) | {"layout": _LAYOUTS[bool(info.passage_tokens)]})
    run("delete from about where state = %s", [state])
    run("insert into about values (%s, %s::jsonb)", [state, data])


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


def put(
    run: Run, records: list[bytes], replaced: str | None, place: str, *, has_passages: bool
) -> None:
    """Write rows; one that takes another's place has a new key, so no vector is of an old text."""
    start = ", start" * has_passages
    receive(run, "id, text, metadata, start, vector", records)
    if replaced is not None:
        delete(run, IDS, [replaced])
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


def delete(run: Run, which: str, values: Sequence[object]) -> int:
    """Remove the texts whose ids a statement gives; how many they were."""
    run(ALONE)
    [[count]] = run(
        f"with gone as (delete from rows where id in ({which}) returning key, id),"
        " vector as (delete from vectors where key in (select key from gone))"
        " select count(distinct id) from gone",
        values,
    )
    return int(count)


_MISSING = (
    "select key, text, {opening} from rows"
    " where not exists (select from next where next.key = rows.key) order by key limit %s"
)
_GONE = "delete from next where not exists (select from rows where rows.key = next.key)"
_OPENING = "(select text from rows as first where first.id = rows.id and first.start = 0)"
Encode = Callable[[list[Opened]], Vectors]


def reencode(link: Connection, info: IndexInfo, encode: Encode, size: int) -> None:
    """Encode part after part; what was written meanwhile at the end, while nobody writes."""
    if link.transact(partial(_begin, info=info)):
        for part in iter(lambda: link.read(partial(_missing, info=info, size=size)), []):
            link.transact(partial(_add, info=info, records=_encoded(part, encode)))
            if len(part) < size:  # a busy writer would keep it going for ever
                break
        link.transact(partial(_end, info=info, encode=encode, size=size))


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


def _missing(run: Run, info: IndexInfo, size: int) -> list[list[Any]]:
    """Some rows that have no new vector yet."""
    _check(run, info)
    return run(_MISSING.format(opening=_OPENING if info.passage_tokens else "text"), [size])


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


def _end(run: Run, info: IndexInfo, encode: Encode, size: int) -> None:
    run(ALONE)
    while part := _missing(run, info, size):
        _add(run, info, _encoded(part, encode))
    run(_GONE)
    run("drop table vectors")
    run("alter table next rename to vectors")
    column = read_info(run)["current"].id_column  # which may be new since the beginning
    run("delete from about")
    write_info(run, "current", replace(info, id_column=column))
