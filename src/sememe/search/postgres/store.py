"""The store of a shared index: PostgreSQL with pgvector."""

from collections.abc import Callable, Sequence
from struct import pack
from typing import Any, Self

from sememe.errors import InputError
from sememe.search.postgres import tables
from sememe.search.postgres.connection import Connection, parse_address
from sememe.search.query import POSTGRES, Condition
from sememe.search.rows import Match, Row, Vectors
from sememe.search.store import COLUMNS, IndexInfo, Run, Store, T, as_row

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
        self._link = Connection(address, lambda run: tables.enter(run, address))
        super().__init__()

    @classmethod
    def create(cls, place: str, info: IndexInfo) -> Self:
        """Make an index, and pgvector's extension if the database has none.

        Raises:
            InputError: it is there already, or this is no URL of an index.
            StoreError: the server cannot be reached, or it has no pgvector.
        """
        address = parse_address(place)
        link = Connection(address, lambda _: None)
        try:
            link.transact(lambda run: tables.create(run, address, info))
        finally:
            link.close()
        return cls(place)

    def _query(self, sql: str, values: Sequence[object] = ()) -> list[Any]:
        return self._link.run(sql, values)

    def _transact(self, step: Callable[[Run], T]) -> T:
        return self._link.transact(step)

    def _lock(self, run: Run, *, is_alone: bool = True) -> None:
        """Many may add at once, and nobody while one writes otherwise."""
        run(tables.ALONE if is_alone else tables.TOGETHER)

    def check(self, rows: Sequence[Row]) -> None:
        """InputError for a NUL character, or an id that is too long."""
        for _ in tables.row_fields(rows):
            pass

    def _insert(self, run: Run, rows: Sequence[Row], vectors: Vectors) -> None:
        both = zip(tables.row_fields(rows), tables.vector_fields(vectors), strict=True)
        tables.receive(run, "id, text, metadata, start, vector", ((*row, v) for row, v in both))
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
        tables.create_vectors(run, "next", info)

    def _insert_vectors(self, run: Run, table: str, keys: Sequence[int], vectors: Vectors) -> None:
        fields = zip((pack("!q", key) for key in keys), tables.vector_fields(vectors), strict=True)
        tables.receive(run, "key, vector", fields)
        new = "SELECT key, vector FROM incoming ORDER BY key"
        run(f"INSERT INTO {table} {new} ON CONFLICT DO NOTHING")

    def nearest(
        self, vectors: Vectors, count: int, where: Condition | None, fingerprint: str
    ) -> list[list[Match]]:
        """The rows with the greatest inner products: by HNSW, and by all where it finds too few."""
        condition, values = self._condition(where)

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
            rankings = best(run, vectors, tables.distance(vectors.shape[1]))
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
