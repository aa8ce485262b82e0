"""The store of a shared index: PostgreSQL with pgvector."""

import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from hashlib import md5
from typing import Self

from sememe.errors import StoreError
from sememe.search.postgres import schema, writing
from sememe.search.postgres.connection import Address, Connection, Run, parse_address
from sememe.search.postgres.writing import id_array, packed, reencode, row_fields, vector_fields
from sememe.search.query import POSTGRES, Condition
from sememe.search.rows import Match, Row, Vectors
from sememe.search.store import IndexInfo

_QUERIES = 100  # vectors that are looked for in one statement
_NEAREST = (
    "select n, id #>> '{{}}', text, metadata, score from"
    " unnest(string_to_array(%s, ';')) with ordinality as query(v, n), lateral"
    " (select rows.key, id, text, metadata, -(vector <#> v::vector) as score"
    " from vectors join rows using (key) where {condition} order by {order} limit %s) as best"
    " order by n, score desc, key"
)
# ts_rank grows with how often a word is there and falls with the text's length, but a word that
# every row has counts as much as a rare one; BM25's weight of a word mends that.
_MATCHING = (
    "with query as materialized (select word, (select count(*) from rows where words @@ word) as n"
    " from (select quote_literal(lexeme)::tsquery as word"
    " from unnest(to_tsvector(%s::regconfig, %s))) as lexemes),"
    " best as (select rows.key, sum(ts_rank('{{1,1,1,1}}', words, word, 1)"
    " * ln(1 + ((select count(*) from rows) - n + .5) / (n + .5))) as score"
    " from query join rows on words @@ word where {condition} group by rows.key"
    " order by score desc, key limit %s)"
    " select id #>> '{{}}', text, metadata, score from best join rows using (key)"
    " order by score desc, key"
)


class PostgresStore:
    """Rows and vectors in a schema of a database; any number of processes search and write."""

    def __init__(self, place: Address) -> None:
        self.place = place.url
        self._link = Connection(place, lambda run: schema.enter(run, place))
        self.info()

    @classmethod
    def create(cls, place: str, info: IndexInfo) -> Self:
        """Make an index, and pgvector's extension if the database has none.

        Raises:
            InputError: it is there already, or this is no URL of an index.
            StoreError: the server cannot be reached, or it has no pgvector.
        """
        new = parse_address(place)
        link = Connection(new, lambda _: None)
        try:
            link.transact(lambda run: schema.create(run, new, info))
        finally:
            link.close()
        return cls(new)

    @classmethod
    def open(cls, place: str) -> Self:
        """Open an index that is there; StoreError, which names those that are, if it is not."""
        return cls(parse_address(place))

    def info(self) -> IndexInfo:
        """What the index remembers of itself."""
        return schema.read_info(self._link.run)["current"]

    def set_info(self, info: IndexInfo) -> None:
        """Remember it."""
        self._link.transact(partial(writing.set_info, info=info))

    def __len__(self) -> int:
        [[count]] = self._link.run("select count(*) from rows")
        return int(count)

    def fields(self) -> dict[str, set[str]]:
        """Of all rows; reads their metadata."""
        sql = "select distinct e.key, jsonb_typeof(value) from rows, jsonb_each(metadata) as e"
        found = {"id": {"string"}, "text": {"string"}}
        for key, kind in self._link.run(sql):
            found.setdefault(key, set()).add(kind)
        return found

    def ids_of(self, texts: Iterable[str]) -> dict[str, list[str]]:
        """Compares the hashes of all texts."""
        hashes = [md5(text.encode(), usedforsecurity=False).hexdigest() for text in texts]
        sql = (
            "select text, id #>> '{}' from rows where md5(text) in"
            " (select jsonb_array_elements_text(%s::jsonb)) order by key"
        )
        found: dict[str, list[str]] = {}
        for text, own in self._link.run(sql, [json.dumps(hashes)]):
            found.setdefault(text, []).append(own)
        return found

    def check(self, rows: Sequence[Row]) -> None:
        """InputError for a NUL character, or an id that is too long."""
        for _ in row_fields(rows):
            pass

    def writing(self, progress: bool | None = None) -> AbstractContextManager[None]:  # noqa: ARG002
        """Everybody may write."""
        return nullcontext()

    def get(self, ids: Iterable[str]) -> dict[str, Row]:
        """Those rows that are there."""
        sql = f"select id #>> '{{}}', text, metadata from rows where id in ({writing.IDS})"
        return {row[0]: Row(*row) for row in self._link.run(sql, [id_array(ids)])}

    def put(
        self, rows: Sequence[Row], vectors: Vectors, fingerprint: str, *, replace: bool
    ) -> None:
        """Write rows, all or none."""
        both = zip(row_fields(rows), vector_fields(vectors), strict=True)
        records = packed((*row, vector) for row, vector in both)
        old = id_array(row.id for row in rows) if replace else None
        self._link.transact(lambda run: writing.put(run, records, fingerprint, old, self.place))

    def delete(self, ids: Iterable[str]) -> int:
        """Remove rows, all or none."""
        return self._link.transact(partial(writing.delete, ids=id_array(ids)))

    def nearest(
        self, vectors: Vectors, count: int, where: Condition | None, fingerprint: str
    ) -> list[list[Match]]:
        """The rows with the greatest inner products: by HNSW, and by all where it finds too few."""

        def search(run: Run) -> list[list[Match]]:
            run("lock table vectors in access share mode")  # a reindex ends by dropping it
            if schema.read_info(run)["current"].fingerprint != fingerprint:
                raise StoreError(f"{self.place} was given another encoder meanwhile: search again.")
            found = _nearest(run, vectors, count, where, schema.distance(vectors.shape[1]))
            few = [query for query, matches in enumerate(found) if len(matches) < count]
            exact = _nearest(run, vectors[few], count, where, "score desc, key")
            for query, matches in zip(few, exact, strict=True):
                found[query] = matches
            return found

        return self._link.read(search)

    def matching(self, query: str, count: int, where: Condition | None) -> list[Match]:
        """The rows with words of the query, by the sum over the words of `ts_rank` times rarity."""
        condition, params = where.sql(POSTGRES) if where else ("true", [])
        text = query.encode(errors="replace").decode().replace("\0", " ")
        found = self._link.run(
            _MATCHING.format(condition=condition), [self.info().language, text, *params, count]
        )
        return [Match(Row(*row), score) for *row, score in found]

    def reencode(self, info: IndexInfo, encode: Callable[[list[str]], Vectors]) -> None:
        """Fill a table of new vectors, a part at a time, and let it take the old one's place."""
        reencode(self._link, info, encode)

    def compact(self) -> None:
        """Vacuum and count anew, which the server also does by itself in time."""
        self._link.run("vacuum (analyze) rows, vectors")

    def close(self) -> None:
        """Let the server go."""
        self._link.close()


def _nearest(
    run: Run, vectors: Vectors, count: int, where: Condition | None, order: str
) -> list[list[Match]]:
    condition, params = where.sql(POSTGRES) if where else ("true", [])
    sql = _NEAREST.format(condition=condition, order=order)
    found: list[list[Match]] = [[] for _ in vectors]
    for start in range(0, len(vectors), _QUERIES):
        queries = ";".join(str(vector.tolist()) for vector in vectors[start : start + _QUERIES])
        for query, *row, score in run(sql, [queries, *params, count]):
            found[start + query - 1].append(Match(Row(*row), score))
    return found
