"""The store of a shared index: PostgreSQL with pgvector."""

import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from hashlib import md5
from typing import Any, Self

from sememe.search.postgres import tables
from sememe.search.postgres.connection import Address, Connection, Run, parse_address
from sememe.search.postgres.tables import id_array, packed, reencode, row_fields, vector_fields
from sememe.search.query import POSTGRES, Condition
from sememe.search.rows import Match, Row, Vectors, documents
from sememe.search.store import PART, IndexInfo, Opened, Store

_QUERIES = 100  # vectors that are looked for in one statement
_NEAREST = (
    "select n, score, {columns} from"
    " unnest(string_to_array(%s, ';')) with ordinality as query(v, n), lateral"
    " (select rows.*, -(vector <#> v::vector) as score"
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
    " select score, {columns} from best join rows using (key)"
    " order by score desc, key"
)


class PostgresStore(Store):
    """Rows and vectors in a schema of a database; any number of processes search and write."""

    _dialect, _table, _id = POSTGRES, "rows", "id #>> '{}'"
    _fields = "select distinct e.key, jsonb_typeof(value) from rows, jsonb_each(metadata) as e"

    def __init__(self, place: Address) -> None:
        self.place = place.url
        self._link = Connection(place, lambda run: tables.enter(run, place))
        self.has_passages = self.info().passage_tokens > 0
        self._columns = "id #>> '{}', text, metadata" + ", start" * self.has_passages

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
            link.transact(lambda run: tables.create(run, new, info))
        finally:
            link.close()
        return cls(new)

    @classmethod
    def open(cls, place: str) -> Self:
        """Open an index that is there; StoreError, which names those that are, if it is not."""
        return cls(parse_address(place))

    def info(self) -> IndexInfo:
        return tables.read_info(self._link.run)["current"]

    def set_info(self, info: IndexInfo) -> None:
        self._link.transact(partial(tables.set_info, info=info))

    def _query(self, sql: str, values: Sequence[object] = ()) -> list[list[Any]]:
        return self._link.run(sql, values)

    def ids_of(self, texts: Iterable[str]) -> dict[str, list[str]]:
        """By the hashes of all texts, so that only those that are equal are sent."""
        if self.has_passages:
            return super().ids_of(texts)
        hashes = [md5(text.encode(), usedforsecurity=False).hexdigest() for text in texts]
        sql = (
            "select text, id #>> '{}' from rows where md5(text) in"
            " (select jsonb_array_elements_text(%s::jsonb)) order by key"
        )
        ids: dict[str, list[str]] = {}
        for text, row_id in self._query(sql, [json.dumps(hashes)]):
            ids.setdefault(text, []).append(row_id)
        return ids

    def check(self, rows: Sequence[Row]) -> None:
        """InputError for a NUL character, or an id that is too long."""
        for _ in row_fields(rows):
            pass

    def writing(self, progress: bool | None = None) -> AbstractContextManager[None]:  # noqa: ARG002
        """Everybody may write."""
        return nullcontext()

    def get(self, ids: Iterable[str]) -> dict[str, Row]:
        order = "id, start" if self.has_passages else "id"
        sql = f"select {self._columns} from rows where id in ({tables.IDS}) order by {order}"
        rows = (Row(*row) for row in self._link.run(sql, [id_array(ids)]))
        return {row.id: row for row in documents(rows)}

    def put(
        self, rows: Sequence[Row], vectors: Vectors, fingerprint: str, *, replace: bool
    ) -> None:
        both = zip(row_fields(rows), vector_fields(vectors), strict=True)
        records = packed((*row, vector) for row, vector in both)
        old = id_array(row.id for row in rows) if replace else None

        def work(run: Run) -> None:
            run(tables.TOGETHER if old is None else tables.ALONE)
            self._check_encoder(tables.read_info(run)["current"], fingerprint, "open it again")
            tables.put(run, records, old, self.place, has_passages=self.has_passages)

        self._link.transact(work)

    def delete(self, ids: Iterable[str] | Condition) -> int:
        if isinstance(ids, Condition):
            condition, values = ids.sql(POSTGRES)
            which = f"select id from rows where {condition}"
        else:
            which, values = tables.IDS, [id_array(ids)]
        return self._link.transact(lambda run: tables.delete(run, which, values))

    def nearest(
        self, vectors: Vectors, count: int, where: Condition | None, fingerprint: str
    ) -> list[list[Match]]:
        """The rows with the greatest inner products: by HNSW, and by all where it finds too few."""

        def search(run: Run) -> list[list[Match]]:
            run("lock table vectors in access share mode")  # a reindex ends by dropping it
            self._check_encoder(tables.read_info(run)["current"], fingerprint, "search again")
            rankings = self._nearest(run, vectors, count, where, tables.distance(vectors.shape[1]))
            few = [query for query, matches in enumerate(rankings) if len(matches) < count]
            exact = self._nearest(run, vectors[few], count, where, "score desc, key")
            for query, matches in zip(few, exact, strict=True):
                rankings[query] = matches
            return rankings

        return self._link.read(search)

    def matching(self, query: str, count: int, where: Condition | None) -> list[Match]:
        """The rows with words of the query, by the sum over the words of `ts_rank` times rarity."""
        condition, params = self._condition(where)
        text = query.encode(errors="replace").decode().replace("\0", " ")
        rows = self._link.run(
            _MATCHING.format(condition=condition, columns=self._columns),
            [self.info().language, text, *params, count],
        )
        return [Match(Row(*row), score) for score, *row in rows]

    def reencode(
        self, info: IndexInfo, encode: Callable[[list[Opened]], Vectors], size: int = PART
    ) -> None:
        """Fill a table of new vectors, a part at a time, and let it take the old one's place."""
        reencode(self._link, info, encode, size)

    def compact(self) -> None:
        """Vacuum and count anew, which the server also does by itself in time."""
        self._link.run("vacuum (analyze) rows, vectors")

    def close(self) -> None:
        self._link.close()

    def _nearest(
        self, run: Run, vectors: Vectors, count: int, where: Condition | None, order: str
    ) -> list[list[Match]]:
        condition, params = self._condition(where)
        sql = _NEAREST.format(condition=condition, order=order, columns=self._columns)
        rankings: list[list[Match]] = [[] for _ in vectors]
        for start in range(0, len(vectors), _QUERIES):
            queries = ";".join(str(vector.tolist()) for vector in vectors[start : start + _QUERIES])
            for query, score, *row in run(sql, [queries, *params, count]):
                rankings[start + query - 1].append(Match(Row(*row), score))
        return rankings
