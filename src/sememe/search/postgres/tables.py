"""The tables of an index, a schema `sememe_<name>`: made, found again, and filled by COPY."""

import json
import re
import reprlib
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from struct import pack

from sememe.errors import ChoiceWarning, InputError, StoreError, StoreMissing, warn
from sememe.search.postgres.connection import Address
from sememe.search.rows import Row, Vectors
from sememe.search.store import IndexInfo, Run, check_format, write_format, write_info

_PREFIX = "sememe_"
_FLOATS, _HALVES = 2_000, 4_000  # the most numbers of a vector that pgvector indexes
_WORDS = 200_000  # characters of a text: a tsvector holds a megabyte

# Held to the end of a transaction.
_LOCK = "SELECT pg_advisory_xact_lock{}('rows'::regclass::oid::bigint)"
ALONE, TOGETHER = _LOCK.format(""), _LOCK.format("_shared")


def _names(run: Run) -> list[str]:
    """The indexes of this database."""
    schemas = run("SELECT nspname FROM pg_namespace WHERE starts_with(nspname, ?)", [_PREFIX])
    return sorted(name.removeprefix(_PREFIX) for (name,) in schemas)


def create(run: Run, place: Address, info: IndexInfo) -> None:
    """Make an index with nothing in it, and pgvector's extension."""
    run("SELECT pg_advisory_xact_lock(hashtext('sememe'), 0)")  # one at a time: no name has two
    run("CREATE EXTENSION IF NOT EXISTS vector")
    if place.name in _names(run):
        raise InputError(f"{place.url} is there already: open it, or take another name.")
    [[encoding]] = run("SHOW server_encoding")
    if encoding != "UTF8":
        raise StoreError(f"{place.url}: the database holds {encoding}, and an index needs UTF8.")
    run(f"CREATE SCHEMA {_PREFIX}{place.name}")
    run(f"CREATE TABLE {_PREFIX}{place.name}.state (name text PRIMARY KEY, value text NOT NULL)")
    run(f"SET search_path TO {_PREFIX}{place.name}")
    write_format(run)
    write_info(run, info)
    enter(run, place)
    language = info.language.replace("'", "''")
    run(
        "CREATE TABLE rows (key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, id text NOT NULL,"
        " start integer NOT NULL, text text NOT NULL, metadata jsonb NOT NULL, UNIQUE (id, start),"
        " words tsvector GENERATED ALWAYS AS"
        f" (to_tsvector('{language}'::regconfig, left(text, {_WORDS}))) STORED)"
    )
    run("CREATE INDEX ON rows USING gin (words)")
    create_vectors(run, "vectors", info)


def enter(run: Run, place: Address) -> None:
    """Let statements mean the index's tables."""
    indexes = _names(run)
    if place.name not in indexes:
        raise StoreMissing(
            f"There is no index {place.url}; in this database are: {', '.join(indexes) or 'none'}."
        )
    extension = run(
        "SELECT quote_ident(nspname), string_to_array(extversion, '.')::int[] FROM pg_extension"
        " JOIN pg_namespace ON pg_namespace.oid = extnamespace WHERE extname = 'vector'"
    )
    if not extension or extension[0][1] < [0, 8]:
        raise StoreError(f"{place.url}: pgvector is missing in the database, or older than 0.8.")
    [[is_usable]] = run("SELECT has_schema_privilege(?, 'usage')", [_PREFIX + place.name])
    if not is_usable:
        raise StoreError(
            f"{place.url}: its owner has to grant usage on schema {_PREFIX}{place.name}."
        )
    run(f"SET search_path TO {_PREFIX}{place.name}, {extension[0][0]}")
    [[has_state]] = run("SELECT to_regclass('state') IS NOT NULL")
    check_format(run if has_state else lambda _: [], place.url)
    run("SET hnsw.ef_search = 200")
    run("SET hnsw.iterative_scan = strict_order")  # on until the filter has let enough through


def create_vectors(run: Run, table: str, info: IndexInfo) -> None:
    """Make a table of vectors with its index of neighbours."""
    run(f"CREATE TABLE {table} (key bigint PRIMARY KEY, vector vector({info.dim}) NOT NULL)")
    if info.dim <= _HALVES:
        column, kind = _indexed(info.dim)
        run(f"CREATE INDEX ON {table} USING hnsw (({column}) {kind}_ip_ops)")
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


_HEAD, _TAIL = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")  # as JSON writes it
# jsonb makes 1e+23 the whole number 10²³, and Python's float is another; with .0 it stays a float.
_POWER = re.compile(r'(?P<text>"(?:[^"\\]|\\.)*")|-?[\d.]+e\+\d+')
_ID_BYTES = 2_000  # a key of a B-tree has no more room


def receive(run: Run, columns: str, records: Iterable[Sequence[bytes]]) -> None:
    """Bring records of these fields into `incoming`."""
    run(
        "CREATE TEMP TABLE IF NOT EXISTS incoming (place bigint GENERATED ALWAYS AS IDENTITY,"
        " key bigint, id text, start integer, text text, metadata jsonb, vector vector)"
        " ON COMMIT DELETE ROWS"
    )
    run("TRUNCATE incoming")
    body = (
        pack("!h", len(fields)) + b"".join(pack("!i", len(field)) + field for field in fields)
        for fields in records
    )
    stream = [b"".join((_HEAD, *body, _TAIL))]
    run(f"COPY incoming ({columns}) FROM stdin (FORMAT binary)", (), stream)


def row_fields(rows: Sequence[Row]) -> Iterator[tuple[bytes, ...]]:
    """id, text, metadata, start; InputError with the id of a row that PostgreSQL cannot hold."""
    for row in rows:
        try:
            row_id = row.id.encode()
            metadata = json.dumps(row.metadata, ensure_ascii=False, allow_nan=False)
            if len(row_id) > _ID_BYTES:
                raise ValueError(
                    f"an id may have {_ID_BYTES:,} bytes, this one has {len(row_id):,}"
                )
            if "\0" in row.id + row.text or _NUL.search(metadata):
                raise ValueError("a NUL character in it")
            if "e+" in metadata:
                metadata = _POWER.sub(_float, metadata)
            yield row_id, row.text.encode(), b"\1" + metadata.encode(), pack("!i", row.start)
        except ValueError as error:
            reason = "half a surrogate pair in it" if isinstance(error, UnicodeError) else error
            raise InputError(
                f"The row with the id {reprlib.repr(row.id)} cannot be kept: {reason}."
            ) from None


def _float(match: re.Match[str]) -> str:
    return match["text"] or format(Decimal(match[0]), ".1f")


def vector_fields(vectors: Vectors) -> Iterator[bytes]:
    """Each vector as pgvector receives it."""
    head = pack("!hh", vectors.shape[1], 0)
    return (head + vector.tobytes() for vector in vectors.astype(">f4"))
