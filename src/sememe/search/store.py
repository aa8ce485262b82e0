"""What the stores of an index share: the contract, the flow of every change, and SQL for both."""

import json
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib import import_module
from typing import Any, TypeVar

from sememe.arguments import as_path
from sememe.errors import StoreError
from sememe.search.query import Condition, Dialect
from sememe.search.rows import Match, Row, Vectors, documents

PART = 2_000
"""So many rows are read together."""

COLUMNS = "id, text, CAST(metadata AS TEXT), start"
"""What `as_row` makes a row of."""

_FORMAT = "3"
_JSON_TYPES = {"text": "string", "integer": "number", "real": "number"}
_JSON_TYPES |= {"true": "boolean", "false": "boolean"}
Place = str | os.PathLike[str]
Opened = tuple[str, str]
"""A text, or a passage; and the passage that its text begins with, or the text again."""

Encode = Callable[[list[Opened]], Vectors]
Run = Callable[..., list[Any]]
"""`run(sql, values=())` gives the rows of one statement, in which `?` is a value."""

T = TypeVar("T")


@dataclass(frozen=True)
class IndexInfo:
    """What an index remembers of itself, its encoder, and how texts are compared and split.

    Attributes:
        model, precision, fingerprint, dim, engine, pooling: the encoder's.
        measure: `cosine` or `dot`: whether vectors were made of length 1 before.
        language: how words are compared: `english` by their stems, `simple` as they are.
        id_column: the column of files that ids come from; "" where they are made of the texts, None
            where it is not known.
        passage_tokens, passage_overlap: how many tokens a passage has at most, 0 where texts are
            whole; and how many may stand in the one before too.
    """

    model: str
    precision: str
    fingerprint: str
    dim: int
    measure: str = "cosine"
    language: str = "english"
    pooling: str | None = None
    engine: str = "auto"
    id_column: str | None = None
    passage_tokens: int = 0
    passage_overlap: int = 0


def create_state(run: Run, info: IndexInfo) -> None:
    """Fill the table `state` of a new index."""
    run("INSERT INTO state VALUES ('format', ?)", [_FORMAT])
    write_info(run, info)


def write_info(run: Run, info: IndexInfo, name: str = "info") -> None:
    """Remember it: `info`, or what a reencode makes of it, `next`."""
    run("DELETE FROM state WHERE name = ?", [name])
    run("INSERT INTO state VALUES (?, ?)", [name, json.dumps(asdict(info))])


def check_format(run: Run, place: str) -> None:
    """StoreError for an index that another version of sememe has laid out."""
    formats = {value for (value,) in run("SELECT value FROM state WHERE name = 'format'")}
    if formats != {_FORMAT}:
        raise StoreError(
            f"{place} is no index that this version of sememe reads: another version made it. Take "
            "that version, or index the texts again."
        )


def as_row(line: Sequence[Any]) -> Row:
    """A row out of `COLUMNS`."""
    row_id, text, metadata, start = line
    return Row(row_id, text, json.loads(metadata) if metadata != "{}" else {}, start)


class Store(ABC):
    """Rows and their vectors, durable; safe to use from several threads.

    The tables are `rows` (key, id, start, text, metadata), of which a key is never used again,
    `vectors` (key, vector) and `state` (name, value as JSON). Vectors are float32 (n, dim) and
    compared by their inner product. Every method may raise StoreError: the store is damaged, full,
    gone, or another process writes (one line says which).

    Attributes:
        place: how messages call it; never a password.
        language, has_passages: how words are compared; whether a row is a passage of a text.
    """

    place: str
    _dialect: Dialect
    _values: str  # the statement that gives the texts of an array in JSON
    _fields: str  # the statement that gives all keys of the metadata with their types

    def __init__(self) -> None:
        info = self.info()
        self.language = info.language
        self.has_passages = info.passage_tokens > 0

    @abstractmethod
    def _query(self, sql: str, values: Sequence[object] = ()) -> list[Any]:
        """The rows of one statement that reads."""

    @abstractmethod
    def _transact(self, step: Callable[[Run], T]) -> T:
        """What `step` gives; all of its statements are written, or none."""

    def _lock(self, run: Run, *, is_alone: bool = True) -> None:  # noqa: B027
        """Hold the rows to the end of the transaction, against all writers or those alone."""

    @abstractmethod
    def _insert(self, run: Run, rows: Sequence[Row], vectors: Vectors) -> None:
        """Write new rows with their vectors."""

    @abstractmethod
    def _create_next(self, run: Run, info: IndexInfo) -> None:
        """Make a second table of vectors, `next`."""

    @abstractmethod
    def _insert_vectors(self, run: Run, table: str, keys: Sequence[int], vectors: Vectors) -> None:
        """Write vectors, without those that somebody else has written."""

    def info(self) -> IndexInfo:
        """What the index remembers of itself."""
        return self._infos(self._query)["info"]

    def _infos(self, run: Run) -> dict[str, IndexInfo]:
        lines = run("SELECT name, value FROM state WHERE name IN ('info', 'next')")
        return {name: IndexInfo(**json.loads(value)) for name, value in lines}

    def set_info(self, info: IndexInfo) -> None:
        """Remember what differs from `info()` in nothing that vectors depend on."""

        def step(run: Run) -> None:
            self._lock(run)
            if self._infos(run)["info"].fingerprint == info.fingerprint:
                write_info(run, info)

        self._transact(step)

    def _check_encoder(self, info: IndexInfo, fingerprint: str, remedy: str) -> None:
        """StoreError if vectors are not of the index's encoder."""
        if info.fingerprint != fingerprint:
            raise StoreError(f"{self.place} was given another encoder meanwhile: {remedy}.")

    def __len__(self) -> int:
        [[count]] = self._query("SELECT count(*) FROM rows WHERE start = 0")
        return int(count)

    def fields(self) -> dict[str, set[str]]:
        """`id`, `text` and the keys of the metadata, with the types of their values, as in JSON."""
        fields = {"id": {"string"}, "text": {"string"}}
        for key, kind in self._query(self._fields):
            fields.setdefault(key, set()).add(_JSON_TYPES.get(kind, kind))
        return fields

    def ids_of(self, texts: Iterable[str]) -> dict[str, list[str]]:
        """The ids of the rows with these texts, by text; reads all texts of the store."""
        texts = set(texts)
        ids: dict[str, list[str]] = {}
        if self.has_passages:
            both: Iterable[Sequence[str]] = ((row.text, row.id) for row in self.rows(None))
        else:
            sql = f"SELECT text, id FROM rows WHERE text IN ({self._values}) ORDER BY key"
            both = self._query(sql, [json.dumps([text for text in texts if "\0" not in text])])
        for text, row_id in both:
            if text in texts:
                ids.setdefault(text, []).append(row_id)
        return ids

    def rows(self, where: Condition | None) -> Iterator[Row]:
        """The texts of which a row fits the condition, each whole, a few at a time."""
        ids = self._ids(self._query, where)
        for start in range(0, len(ids), PART):
            rows = self.get(ids[start : start + PART])
            yield from (rows[row_id] for row_id in ids[start : start + PART] if row_id in rows)

    def get(self, ids: Iterable[str]) -> dict[str, Row]:
        """The texts with these ids, by id; each whole."""
        sql = f"SELECT {COLUMNS} FROM rows WHERE id IN ({self._values}) ORDER BY id, start"
        rows = map(as_row, self._query(sql, [json.dumps(list(ids))]))
        return {row.id: row for row in documents(rows)}

    def _ids(self, run: Run, where: Condition | None) -> list[str]:
        """The ids of the texts of which a row fits the condition, in the order of writing."""
        condition, values = self._condition(where)
        sql = f"SELECT id FROM rows WHERE {condition} GROUP BY id ORDER BY min(key)"
        return [row_id for (row_id,) in run(sql, values)]

    def _condition(self, where: Condition | None) -> tuple[str, list[object]]:
        """A filter in the store's SQL, and its values; true for none."""
        return ("TRUE", []) if where is None else where.sql(self._dialect)

    def check(self, rows: Sequence[Row]) -> None:  # noqa: B027
        """InputError for a row that this store cannot keep."""

    def writing(self, progress: bool | None = None) -> AbstractContextManager[None]:  # noqa: ARG002
        """Held around all steps of a write; where only one may write, others get an error."""
        return nullcontext()

    def put(
        self, rows: Sequence[Row], vectors: Vectors, fingerprint: str, *, replace: bool
    ) -> None:
        """Write rows of different ids, or all passages of texts: all or none, and durable.

        `fingerprint` is the vectors' and must be the index's still. With `replace` a row takes the
        place of the one with its id, under a new key; without, the same row may exist, another is
        an InputError.
        """

        def step(run: Run) -> None:
            self._lock(run, is_alone=replace)
            self._check_encoder(self._infos(run)["info"], fingerprint, "open it again")
            if replace:
                self._remove(run, {row.id for row in rows})
            self._insert(run, rows, vectors)

        self._transact(step)

    def delete(self, which: Iterable[str] | Condition) -> int:
        """Remove the texts with these ids, or that fit, all or none; how many they were."""
        where = which if isinstance(which, Condition) else None
        ids = [] if isinstance(which, Condition) else list(which)  # a step may be run twice

        def step(run: Run) -> int:
            self._lock(run)
            return self._remove(run, ids if where is None else self._ids(run, where))

        return self._transact(step)

    def _remove(self, run: Run, ids: Iterable[str]) -> int:
        condition, values = f"id IN ({self._values})", [json.dumps(list(ids))]
        [[count]] = run(f"SELECT count(DISTINCT id) FROM rows WHERE {condition}", values)
        if count:
            keys = f"SELECT key FROM rows WHERE {condition}"
            run(f"DELETE FROM vectors WHERE key IN ({keys})", values)
            run(f"DELETE FROM rows WHERE {condition}", values)
        return int(count)

    @abstractmethod
    def nearest(
        self, vectors: Vectors, count: int, where: Condition | None, fingerprint: str
    ) -> list[list[Match]]:
        """For each vector, of this fingerprint, the `count` rows with the greatest products."""

    @abstractmethod
    def matching(self, query: str, count: int, where: Condition | None) -> list[Match]:
        """The `count` rows whose words fit a query's best, best first; any text is a query."""

    def reencode(self, info: IndexInfo, encode: Encode, size: int = PART) -> None:
        """Give every row a new vector, `size` at a time, and only then let all of them count.

        Readers see the old vectors until the last moment. Interrupted, it resumes. What others
        write meanwhile is encoded at the end, while nobody writes.
        """
        with self.writing():
            if not self._transact(partial(self._begin, info=info)):
                return
            after = 0
            while part := self._transact(partial(self._missing, info=info, size=size, after=after)):
                keys, texts = zip(*part, strict=True)
                add = partial(self._add, info=info, keys=keys, vectors=encode([*texts]))
                self._transact(add)
                after = keys[-1]
                if len(keys) < size:  # a busy writer would keep it going for ever
                    break
            self._transact(partial(self._end, info=info, encode=encode, size=size))

    def _begin(self, run: Run, info: IndexInfo) -> bool:
        """Make the other table, or resume with it; False if the index has these vectors already."""
        self._lock(run)
        if self._infos(run)["info"].fingerprint == info.fingerprint:
            write_info(run, info)
            return False
        if not self._is_next(run, info):
            run("DROP TABLE IF EXISTS next")
            self._create_next(run, info)
            write_info(run, info, "next")
        return True

    def _is_next(self, run: Run, info: IndexInfo) -> bool:
        infos = self._infos(run)
        return "next" in infos and infos["next"].fingerprint == info.fingerprint

    def _missing(
        self, run: Run, info: IndexInfo, size: int, after: int = 0
    ) -> list[tuple[int, Opened]]:
        """Keys and texts of some rows that have no new vector yet."""
        self._check_next(run, info)
        opening = "(SELECT text FROM rows AS first WHERE first.id = rows.id AND first.start = 0)"
        lines = run(
            f"SELECT key, text, {opening if info.passage_tokens else 'text'} FROM rows"
            " WHERE key > ? AND NOT EXISTS (SELECT 1 FROM next WHERE next.key = rows.key)"
            " ORDER BY key LIMIT ?",
            [after, size],
        )
        return [(key, (text, opened)) for key, text, opened in lines]

    def _check_next(self, run: Run, info: IndexInfo) -> None:
        """Let the other table be for these vectors to the end of the transaction, or StoreError."""
        self._lock(run, is_alone=False)
        if not self._is_next(run, info):
            raise StoreError(
                "Another process began or ended to encode this index anew meanwhile: see which "
                "encoder it has, and call reindex again if that is not yours."
            )

    def _add(self, run: Run, info: IndexInfo, keys: Sequence[int], vectors: Vectors) -> None:
        self._check_next(run, info)
        self._insert_vectors(run, "next", keys, vectors)

    def _end(self, run: Run, info: IndexInfo, encode: Encode, size: int) -> None:
        self._lock(run)
        while part := self._missing(run, info, size):
            keys, texts = zip(*part, strict=True)
            self._insert_vectors(run, "next", keys, encode([*texts]))
        run("DELETE FROM next WHERE NOT EXISTS (SELECT 1 FROM rows WHERE rows.key = next.key)")
        run("DROP TABLE vectors")
        run("ALTER TABLE next RENAME TO vectors")
        column = self._infos(run)["info"].id_column  # which may be new since the beginning
        run("DELETE FROM state WHERE name IN ('next', 'graph')")  # the graph was of the old vectors
        write_info(run, replace(info, id_column=column))

    @abstractmethod
    def compact(self) -> None:
        """Give back the room of removed rows, and bring what speeds up searches up to date."""

    @abstractmethod
    def close(self) -> None:
        """Let go of files and connections."""


def open_store(place: Place, info: IndexInfo | None = None) -> Store:
    """The store in a folder or at a PostgreSQL address; with `info` a new one.

    StoreError if there is none, or it is damaged; InputError if a new one exists.
    """
    is_shared = isinstance(place, str) and place.startswith(("postgresql://", "postgres://"))
    name, folder = ("PostgresStore", "postgres") if is_shared else ("SQLiteStore", "sqlite")
    kind: Any = getattr(import_module(f"sememe.search.{folder}.store"), name)
    place = place if is_shared else as_path("place", place)
    store: Store = kind(place) if info is None else kind.create(place, info)
    return store
