"""The store of a shared index: PostgreSQL with pgvector, in a schema `sememe_<name>`."""

import json
import re
import reprlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from struct import pack
from typing import Any, Self

from sememe.errors import ChoiceWarning, InputError, StoreError, StoreMissing, warn
from sememe.search.postgres.connection import Address, Connection, parse_address
from sememe.search.query import POSTGRES, Condition
from sememe.search.rows import Match, Row, Vectors
from sememe.search.store import (
    COLUMNS,
    IndexInfo,
    Run,
    Store,
    T,
    as_row,
    check_format,
    create_state,
)

_PREFIX = "sememe_"
_FLOATS, _HALVES = 2_000, 4_000  # the most numbers of a vector that pgvector indexes
_WORDS = 200_000  # characters of a text: a tsvector holds a megabyte

# Held to the end of a transaction.
_LOCK = "SELECT pg_advisory_xact_lock{}('rows'::regclass::oid::bigint)"
_QUERIES = 100  # vectors that are looked for in one statement
_NEAREST = (
    f"SELECT n, score, {COLUMNS} FROM"
    " unnest(string_to_array(?, ';')) WITH ORDINALITY AS query(v, n), LATERAL"
    " (SELECT rows.*, -(vector <#> v::vector) AS score"
    " FROM vectors JOIN rows USING (key) WHERE {condition} ORDER BY {order} LIMIT ?) AS best"
    " ORDER BY n, score DESC, key"
)
# ts_rank grows with how often a word is there and falls with the text's length, but a word that
# every row has counts as much as a rare one; BM25's weight of a word mends that.
_MATCHING = (
    "WITH query AS MATERIALIZED (SELECT word, (SELECT count(*) FROM rows WHERE words @@ word) AS n"
    " FROM (SELECT quote_literal(lexeme)::tsquery AS word"
    " FROM unnest(to_tsvector(?::regconfig, ?))) AS lexemes),"
    " best AS (SELECT rows.key, sum(ts_rank('{{1,1,1,1}}', words, word, 1)"
    " * ln(1 + ((SELECT count(*) FROM rows) - n + .5) / (n + .5))) AS score"
    " FROM query JOIN rows ON words @@ word WHERE {condition} GROUP BY rows.key"
    " ORDER BY score DESC, key LIMIT ?)"
    f" SELECT score, {COLUMNS} FROM best JOIN rows USING (key)"
    " ORDER BY score DESC, key"
)


class PostgresStore(Store):
    """Rows and vectors in a schema of a database; any number of processes search and write."""

    _dialect = POSTGRES
    _values = "SELECT jsonb_array_elements_text(?::jsonb)"
    _fields = "SELECT DISTINCT e.key, jsonb_typeof(value) FROM rows, jsonb_each(metadata) AS e"

    def __init__(self, place: str) -> None:
        address = parse_address(place)
        self.place = address.url
        self._link = Connection(address, lambda run: _enter(run, address))
        super().__init__()

    @classmethod
    def create(cls, place: str, info: IndexInfo) -> Self:
        """Make an index, and pgvector's extension if the database has none."""
        address = parse_address(place)
        link = Connection(address, lambda _: None)
        try:
            link.transact(lambda run: _create(run, address, info))
        finally:
            link.close()
        return cls(place)

    def _query(self, sql: str, values: Sequence[object] = ()) -> list[Any]:
        return self._link.run(sql, values)

    def _transact(self, step: Callable[[Run], T]) -> T:
        return self._link.transact(step)

    def _lock(self, run: Run, *, is_alone: bool = True) -> None:
        """Many may add at once, and nobody while one writes otherwise."""
        run(_LOCK.format("" if is_alone else "_shared"))

    def check(self, rows: Sequence[Row]) -> None:
        """InputError for a NUL character, or an id that is too long."""
        for _ in _row_fields(rows):
            pass

    def _insert(self, run: Run, rows: Sequence[Row], vectors: Vectors) -> None:
        both = zip(_row_fields(rows), _vector_fields(vectors), strict=True)
        _receive(run, "id, text, metadata, start, vector", ((*row, v) for row, v in both))
        run(
            "WITH new AS (INSERT INTO rows (id, text, metadata, start)"
            " SELECT id, text, metadata, start FROM incoming ORDER BY id, start"  # never crossing
            " ON CONFLICT DO NOTHING RETURNING key, id, start)"
            " INSERT INTO vectors SELECT new.key, vector FROM new JOIN incoming USING (id, start)"
        )
        others = run(
            "SELECT rows.id FROM incoming JOIN rows USING (id) WHERE NOT EXISTS (SELECT FROM"
            " incoming AS written WHERE (written.id, written.start, written.text, written.metadata)"
            " = (rows.id, rows.start, rows.text, rows.metadata)) ORDER BY place LIMIT 1"
        )
        if others:
            raise InputError(
                f"Another row with the id {others[0][0]!r} is in {self.place}: upsert() replaces "
                "it."
            )

    def _create_next(self, run: Run, info: IndexInfo) -> None:
        _create_vectors(run, "next", info)

    def _insert_vectors(self, run: Run, table: str, keys: Sequence[int], vectors: Vectors) -> None:
        fields = zip((pack("!q", key) for key in keys), _vector_fields(vectors), strict=True)
        _receive(run, "key, vector", fields)
        new = "SELECT key, vector FROM incoming ORDER BY key"
        run(f"INSERT INTO {table} {new} ON CONFLICT DO NOTHING")

    def nearest(
        self, vectors: Vectors, count: int, where: Condition | None, fingerprint: str
    ) -> list[list[Match]]:
        """The rows with the greatest inner products: by HNSW, and by all where it finds too few."""
        condition, values = self._condition(where)
        column, kind = _indexed(vectors.shape[1])
        distance = f"({column}) <#> v::{kind}"  # what the index of neighbours sorts by

        def best(run: Run, rows: Vectors, order: str) -> list[list[Match]]:
            rankings: list[list[Match]] = [[] for _ in rows]
            sql = _NEAREST.format(condition=condition, order=order)
            for start in range(0, len(rows), _QUERIES):
                queries = ";".join(str(row.tolist()) for row in rows[start : start + _QUERIES])
                for query, score, *line in run(sql, [queries, *values, count]):
                    rankings[start + query - 1].append(Match(as_row(line), score))
            return rankings

        def search(run: Run) -> list[list[Match]]:
            run("LOCK TABLE vectors IN ACCESS SHARE MODE")  # a reindex ends by dropping it
            self._check_encoder(self._infos(run)["info"], fingerprint, "search again")
            rankings = best(run, vectors, distance)
            few = [query for query, matches in enumerate(rankings) if len(matches) < count]
            exact = best(run, vectors[few], "score DESC, key")
            for query, matches in zip(few, exact, strict=True):
                rankings[query] = matches
            return rankings

        return self._link.transact(search, is_read_only=True)

    def matching(self, query: str, count: int, where: Condition | None) -> list[Match]:
        """The rows with words of the query, by the sum over the words of `ts_rank` times rarity."""
        condition, values = self._condition(where)
        text = query.encode(errors="replace").decode().replace("\0", " ")
        sql = _MATCHING.format(condition=condition)
        lines = self._query(sql, [self.language, text, *values, count])
        return [Match(as_row(line), score) for score, *line in lines]

    def compact(self) -> None:
        """Vacuum and count anew, which the server also does by itself in time."""
        self._query("VACUUM (ANALYZE) rows, vectors")

    def close(self) -> None:
        self._link.close()


def _names(run: Run) -> list[str]:
    schemas = run("SELECT nspname FROM pg_namespace WHERE starts_with(nspname, ?)", [_PREFIX])
    return sorted(name.removeprefix(_PREFIX) for (name,) in schemas)


def _create(run: Run, place: Address, info: IndexInfo) -> None:
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
    create_state(run, info)
    _enter(run, place)
    language = info.language.replace("'", "''")
    run(
        "CREATE TABLE rows (key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, id text NOT NULL,"
        " start integer NOT NULL, text text NOT NULL, metadata jsonb NOT NULL, UNIQUE (id, start),"
        " words tsvector GENERATED ALWAYS AS"
        f" (to_tsvector('{language}'::regconfig, left(text, {_WORDS}))) STORED)"
    )
    run("CREATE INDEX ON rows USING gin (words)")
    _create_vectors(run, "vectors", info)


def _enter(run: Run, place: Address) -> None:
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


def _create_vectors(run: Run, table: str, info: IndexInfo) -> None:
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


def _indexed(dim: int) -> tuple[str, str]:
    halves = _FLOATS < dim <= _HALVES
    return (f"vector::halfvec({dim})", "halfvec") if halves else ("vector", "vector")


_HEAD, _TAIL = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")  # as JSON writes it
# jsonb makes 1e+23 the whole number 10²³, and Python's float is another; with .0 it stays a float.
_POWER = re.compile(r'(?P<text>"(?:[^"\\]|\\.)*")|-?[\d.]+e\+\d+')
_ID_BYTES = 2_000  # a key of a B-tree has no more room


def _receive(run: Run, columns: str, records: Iterable[Sequence[bytes]]) -> None:
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


def _row_fields(rows: Sequence[Row]) -> Iterator[tuple[bytes, ...]]:
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
                metadata = _POWER.sub(
                    lambda match: match["text"] or format(Decimal(match[0]), ".1f"), metadata
                )
            yield row_id, row.text.encode(), b"\1" + metadata.encode(), pack("!i", row.start)
        except ValueError as error:
            reason = "half a surrogate pair in it" if isinstance(error, UnicodeError) else error
            raise InputError(
                f"The row with the id {reprlib.repr(row.id)} cannot be kept: {reason}."
            ) from None


def _vector_fields(vectors: Vectors) -> Iterator[bytes]:
    head = pack("!hh", vectors.shape[1], 0)
    return (head + vector.tobytes() for vector in vectors.astype(">f4"))
