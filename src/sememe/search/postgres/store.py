"""The store of a shared index: PostgreSQL with pgvector."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from struct import pack
from typing import Self

from sememe.errors import InputError, StoreError
from sememe.search.conditions import POSTGRES, Condition
from sememe.search.postgres import schema
from sememe.search.postgres.connection import Connection, Records, Run
from sememe.search.postgres.packing import id_texts, packed, row_fields, vector_fields
from sememe.search.postgres.place import Place, placed
from sememe.search.store import About, Id, Match, Row, Vectors

_PART = 2_000  # rows that are encoded anew at a time
_QUERIES = 100  # vectors that are looked for in one statement
_LOCK = "pg_advisory_xact_lock{}('rows'::regclass::oid::bigint)"
_ALONE, _TOGETHER = f"select {_LOCK.format('')}", f"select {_LOCK.format('_shared')}"
# ts_rank grows with how often a word is there and falls with the length of the text, but a word
# that every row has counts as much as a rare one; BM25's weight of a word mends that.
_MATCHING = (
    "with query as materialized (select word, (select count(*) from rows where words @@ word) as n"
    " from (select quote_literal(lexeme)::tsquery as word"
    " from unnest(to_tsvector(%s::regconfig, %s))) as lexemes),"
    " best as (select rows.key, sum(ts_rank('{{1,1,1,1}}', words, word, 1)"
    " * ln(1 + ((select count(*) from rows) - n + .5) / (n + .5))) as score"
    " from query join rows on words @@ word where {} group by rows.key"
    " order by score desc, key limit %s)"
    " select id, text, metadata, score from best join rows using (key) order by score desc, key"
)
_INCOMING = (
    "create temp table if not exists incoming (place bigint generated always as identity,"
    " key bigint, id jsonb, text text, metadata jsonb, vector vector) on commit delete rows"
)


class PostgresStore:
    """Rows and vectors in one schema of a database; see `sememe.search.store.Store`.

    Many may write at once. A row that takes another's place has a new key, so that a vector under
    a key is always of the text under it.
    """

    def __init__(self, place: Place) -> None:
        self.place = str(place)
        self._link = Connection(place, lambda run: schema.enter(run, place))
        self._dim = self.about().dim

    @classmethod
    def create(cls, place: str, about: About) -> Self:
        """Make an index at a URL; StoreError when there is one, or the server is not fit for it."""
        where = placed(place)
        link = Connection(where, lambda run: run("create extension if not exists vector"))
        try:
            link.transact(lambda run: schema.create(run, where, about))
        finally:
            link.close()
        return cls(where)

    @classmethod
    def open(cls, place: str) -> Self:
        """The index at a URL; StoreError that names the others when it is not there."""
        return cls(placed(place))

    def about(self) -> About:
        """What the index remembers of itself."""
        return self._link.transact(schema.read_about)["current"]

    def __len__(self) -> int:
        """How many rows there are."""
        [[count]] = self._link.run("select count(*) from rows")
        return int(count)

    def writing(self) -> AbstractContextManager[None]:
        """Everybody may write."""
        return nullcontext()

    def get(self, ids: Iterable[Id]) -> dict[Id, Row]:
        """Those rows that are there."""
        found = self._link.run(
            "select id, text, metadata from rows where id = any(%s::jsonb[])", [id_texts(ids)]
        )
        return {id: Row(id, text, metadata) for id, text, metadata in found}

    def put(
        self, rows: Sequence[Row], vectors: Vectors, fingerprint: str, *, replace: bool
    ) -> None:
        """Write rows of different ids, all or none."""
        both = zip(row_fields(rows), vector_fields(vectors), strict=True)
        records = packed((*row, vector) for row, vector in both)
        self._link.transact(lambda run: self._put(run, records, vectors, fingerprint, replace))

    def _put(
        self, run: Run, records: list[bytes], vectors: Vectors, fingerprint: str, replace: bool
    ) -> None:
        run(_TOGETHER)
        self._check(schema.read_about(run)["current"], vectors, fingerprint)
        run(_INCOMING)
        run("copy incoming (id, text, metadata, vector) from stdin (format binary)", (), records)
        if replace:
            run(
                "with old as (select rows.key from rows join incoming using (id) order by id for update"
                " of rows), gone as (delete from rows where key in (select key from old))"
                " delete from vectors where key in (select key from old)"
            )
        run(
            "with new as (insert into rows (id, text, metadata) select id, text, metadata"
            f" from incoming order by id {'' if replace else 'on conflict do nothing'}"
            " returning key, id)"
            " insert into vectors select new.key, vector from new join incoming using (id)"
        )
        other = run(
            "select id from incoming join rows using (id) where (rows.text, rows.metadata)"
            " <> (incoming.text, incoming.metadata) order by place limit 1"
        )
        if other:
            raise InputError(
                f"another row with the id {other[0][0]!r} is in {self.place}: upsert replaces it"
            )

    def _check(self, about: About, vectors: Vectors, fingerprint: str) -> None:
        if about.fingerprint != fingerprint:
            raise StoreError(
                f"{self.place} holds vectors of {about.model} ({about.fingerprint}), these are of "
                f"another encoder ({fingerprint}): open the index with its own, or reindex it"
            )
        if vectors.shape[1] != about.dim:
            raise InputError(_dims(self.place, about.dim, vectors.shape[1]))

    def delete(self, ids: Iterable[Id]) -> int:
        """Remove the rows of those ids that are there."""
        texts = id_texts(ids)

        def step(run: Run) -> int:
            run(_ALONE)
            [[count]] = run(
                "with gone as (delete from rows where id = any(%s::jsonb[]) returning key), other as"
                " (delete from vectors using gone where vectors.key = gone.key)"
                " select count(*) from gone",
                [texts],
            )
            return int(count)

        return self._link.transact(step)

    def nearest(
        self, vectors: Vectors, count: int, where: Condition | None
    ) -> list[list[Match]]:
        """The rows with the greatest inner products: HNSW's, exact ones where it finds too few."""
        if vectors.shape[1] != self._dim:
            self._dim = self.about().dim  # it may have been encoded anew
        if vectors.shape[1] != self._dim:
            raise InputError(_dims(self.place, self._dim, vectors.shape[1]))
        found = self._nearest(vectors, count, where, schema.distance(self._dim))
        few = [query for query, matches in enumerate(found) if len(matches) < count]
        exact = self._nearest(vectors[few], count, where, "score desc, key")
        for query, matches in zip(few, exact, strict=True):
            found[query] = matches
        return found

    def _nearest(
        self, vectors: Vectors, count: int, where: Condition | None, order: str
    ) -> list[list[Match]]:
        condition, params = where.sql(POSTGRES) if where else ("true", [])
        sql = (
            "select n, id, text, metadata, score from"
            " unnest(string_to_array(%s, ';')) with ordinality as query(v, n), lateral"
            " (select rows.key, id, text, metadata, -(vector <#> v::vector) as score"
            f" from vectors join rows using (key) where {condition} order by {order} limit %s)"
            " order by n, score desc, key"
        )
        found: list[list[Match]] = [[] for _ in vectors]
        for start in range(0, len(vectors), _QUERIES):
            queries = ";".join(str(vector.tolist()) for vector in vectors[start : start + _QUERIES])
            for query, *row, score in self._link.run(sql, [queries, *params, count]):
                found[start + query - 1].append(Match(Row(*row), score))
        return found

    def matching(self, query: str, count: int, where: Condition | None) -> list[Match]:
        """The rows that have words of the query, by the sum of the words' `ts_rank` and rarity."""
        condition, params = where.sql(POSTGRES) if where else ("true", [])
        text = query.encode(errors="replace").decode().replace("\0", " ")
        found = self._link.run(
            _MATCHING.format(condition), [self.about().language, text, *params, count]
        )
        return [Match(Row(*row), score) for *row, score in found]

    def reencode(self, about: About, encode: Callable[[list[str]], Vectors]) -> None:
        """Fill another table of vectors, a part at a time, which then takes the place of the first."""
        if not self._link.transact(lambda run: self._begin(run, about)):
            return
        [[last]] = self._link.run("select coalesce(max(key), 0) from next")
        while part := self._link.run(
            "select key, text from rows where key > %s order by key limit %s", [last, _PART]
        ):
            vectors = self._encoded(part, about, encode)
            self._link.transact(lambda run, v=vectors: self._add(run, about, v))
            last = part[-1][0]
        self._link.transact(lambda run: self._end(run, about, encode))

    def _begin(self, run: Run, about: About) -> bool:
        """Make the other table, or go on with it; False when there is nothing to do."""
        run(_ALONE)
        known = schema.read_about(run)
        if known["current"] == about:
            return False
        if known.get("next") != about:
            run("drop table if exists next")
            schema.add_vectors(run, "next", about)
            schema.write_about(run, "next", about)
        return True

    def _encoded(
        self, part: Records, about: About, encode: Callable[[list[str]], Vectors]
    ) -> list[bytes]:
        vectors = encode([text for _, text in part])
        if vectors.shape != (len(part), about.dim):
            raise InputError(_dims(self.place, about.dim, vectors.shape[-1]))
        keys = (pack("!q", key) for key, _ in part)
        return packed(zip(keys, vector_fields(vectors), strict=True))

    def _add(self, run: Run, about: About, vectors: list[bytes]) -> None:
        """Write new vectors, which somebody who encodes the same may have written."""
        run(_TOGETHER)
        if schema.read_about(run).get("next") != about:
            raise StoreError(f"{self.place} is by now being encoded by somebody else")
        run(_INCOMING)
        run("copy incoming (key, vector) from stdin (format binary)", (), vectors)
        run("insert into next select key, vector from incoming order by key on conflict do nothing")

    def _end(self, run: Run, about: About, encode: Callable[[list[str]], Vectors]) -> None:
        """While nobody writes: encode what was written meanwhile, and let the new vectors count."""
        run(_ALONE)
        known = schema.read_about(run)
        if known["current"] == about:
            return  # somebody who encoded the same was quicker
        while part := run(
            "select key, text from rows where not exists"
            f" (select from next where next.key = rows.key) order by key limit {_PART}"
        ):
            self._add(run, about, self._encoded(part, about, encode))
            run("delete from incoming")
        run("delete from next where not exists (select from rows where rows.key = next.key)")
        run("drop table vectors")
        run("alter table next rename to vectors")
        if known["current"].language != about.language:
            run("alter table rows drop column words")
            schema.add_words(run, about)
        run("delete from about")
        schema.write_about(run, "current", about)

    def compact(self) -> None:
        """Vacuum and count anew, which the server also does by itself in time."""
        self._link.run("vacuum (analyze) rows, vectors")

    def close(self) -> None:
        """Let the server go."""
        self._link.close()


def _dims(place: str, dim: int, given: int) -> str:
    return f"{place} holds vectors of {dim} numbers, not {given}"
