"""The contract of a store, which keeps texts, vectors and metadata; and how one is opened."""

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from typing import Any

from sememe.errors import StoreError
from sememe.search.query import Condition, Dialect
from sememe.search.rows import Match, Row, Vectors

PART = 2_000
"""So many rows are read together."""

_JSON_TYPES = {"text": "string", "integer": "number", "real": "number"}
_JSON_TYPES |= {"true": "boolean", "false": "boolean"}
Place = str | os.PathLike[str]
Opened = tuple[str, str]
"""A text, or a passage; and the passage that its text begins with, or the text again."""


@dataclass(frozen=True)
class IndexInfo:
    """What an index remembers of itself.

    Attributes:
        model: the encoder's name, or its directory.
        precision: what the encoder computed in.
        fingerprint: the encoder's; vectors may be compared only under one.
        dim: the size of a vector.
        measure: `cosine` or `dot`: whether vectors were made of length 1 before.
        language: how words are compared: `english` by their stems, `simple` as they are.
        pooling: the pooling that the encoder was opened with; None for the checkpoint's own.
        engine: what the encoder computed with.
        id_column: the column of files that ids come from; "" where they are made of the texts,
            None where it is not known.
        passage_tokens: how many tokens a passage of a text has at most; 0 where texts are whole.
        passage_overlap: how many tokens of a passage may stand in the one before too.
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


def info_values(info: IndexInfo) -> dict[str, Any]:
    """What is stored of it: nothing that an older sememe would not know, if texts are whole."""
    values = asdict(info)
    if not info.passage_tokens:
        del values["passage_tokens"], values["passage_overlap"]
    return values


class Store(ABC):
    """Rows and their vectors, durable; safe to use from several threads.

    Vectors are float32 (n, dim) and compared by their inner product. Every method may raise
    StoreError: the store is damaged, full, gone, or another process writes (one line says which).

    Attributes:
        place: how messages call it; never a password.
        has_passages: whether a row is a passage of a text.
    """

    place: str
    has_passages: bool
    _dialect: Dialect
    _table: str
    _id: str  # of a row, as a text, in SQL
    _fields: str  # the statement that gives all keys of the metadata with their types

    @abstractmethod
    def _query(self, sql: str, values: Sequence[object] = ()) -> Iterable[Sequence[Any]]:
        """The rows of a statement that reads."""

    @abstractmethod
    def info(self) -> IndexInfo:
        """What the index remembers of itself."""

    @abstractmethod
    def set_info(self, info: IndexInfo) -> None:
        """Remember what differs from `info()` in nothing that vectors depend on."""

    def __len__(self) -> int:
        """How many texts there are."""
        what = f"DISTINCT {self._id}" if self.has_passages else "*"
        [[count]] = self._query(f"SELECT count({what}) FROM {self._table}")
        return int(count)

    def fields(self) -> dict[str, set[str]]:
        """`id`, `text` and the keys of the metadata, with the types of their values, as in JSON."""
        fields = {"id": {"string"}, "text": {"string"}}
        for key, kind in self._query(self._fields):
            fields.setdefault(key, set()).add(_JSON_TYPES.get(kind, kind))
        return fields

    def ids(self, where: Condition | None) -> list[str]:
        """The ids of the texts of which a row fits the condition, in the order of writing."""
        condition, values = self._condition(where)
        sql = (
            f"SELECT {self._id} FROM {self._table} WHERE {condition} GROUP BY id ORDER BY min(key)"
        )
        return [row_id for (row_id,) in self._query(sql, values)]

    def ids_of(self, texts: Iterable[str]) -> dict[str, list[str]]:
        """The ids of the rows with these texts, by text; reads all texts of the store."""
        texts = set(texts)
        ids: dict[str, list[str]] = {}
        for row in self.rows(None):
            if row.text in texts:
                ids.setdefault(row.text, []).append(row.id)
        return ids

    def rows(self, where: Condition | None) -> Iterator[Row]:
        """The texts of which a row fits the condition, each whole, a few at a time."""
        ids = self.ids(where)
        for start in range(0, len(ids), PART):
            rows = self.get(ids[start : start + PART])
            yield from (rows[row_id] for row_id in ids[start : start + PART] if row_id in rows)

    def _condition(self, where: Condition | None) -> tuple[str, list[object]]:
        """A filter in the store's SQL, and its values; true for none."""
        return ("TRUE", []) if where is None else where.sql(self._dialect)

    def _check_encoder(self, info: IndexInfo, fingerprint: str, remedy: str) -> None:
        """StoreError if vectors are not of the index's encoder."""
        if info.fingerprint != fingerprint:
            raise StoreError(f"{self.place} was given another encoder meanwhile: {remedy}.")

    def check(self, rows: Sequence[Row]) -> None:  # noqa: B027
        """InputError for a row that this store cannot keep."""

    @abstractmethod
    def writing(self, progress: bool | None = None) -> AbstractContextManager[None]:
        """Held around all steps of a write; where only one may write, a second one gets an error.

        `progress` is for the work at the end: see `BiEncoder.encode`.
        """

    @abstractmethod
    def get(self, ids: Iterable[str]) -> dict[str, Row]:
        """The texts with these ids, by id; each whole."""

    @abstractmethod
    def put(
        self, rows: Sequence[Row], vectors: Vectors, fingerprint: str, *, replace: bool
    ) -> None:
        """Write rows of different ids, or passages: all or none, durable when it returns.

        The passages of a text come one after the other, and all together.
        `fingerprint` is the vectors' and must be the index's still. With `replace` a row takes the
        place of the one with its id; without, the same row may exist, another is an InputError.
        """

    @abstractmethod
    def delete(self, ids: Iterable[str] | Condition) -> int:
        """Remove the texts with these ids, or that fit, all or none; how many they were."""

    @abstractmethod
    def nearest(
        self, vectors: Vectors, count: int, where: Condition | None, fingerprint: str
    ) -> list[list[Match]]:
        """For each vector the `count` rows with the greatest inner products, best first.

        `fingerprint` is the vectors' and must be the index's still.
        """

    @abstractmethod
    def matching(self, query: str, count: int, where: Condition | None) -> list[Match]:
        """The `count` rows whose words fit a query's best, best first; any text is a query."""

    @abstractmethod
    def reencode(
        self, info: IndexInfo, encode: Callable[[list[Opened]], Vectors], size: int = PART
    ) -> None:
        """Give every row a new vector, `size` at a time, and only then let all of them count.

        Readers see the old vectors until the last moment. Interrupted, it resumes.
        """

    @abstractmethod
    def compact(self) -> None:
        """Give back the room of removed rows, and bring what speeds up searches up to date."""

    @abstractmethod
    def close(self) -> None:
        """Let go of files and connections."""


def create_store(place: Place, info: IndexInfo) -> Store:
    """A new store in a folder or at a PostgreSQL address; InputError if one exists."""
    store: Store = _kind(place).create(place, info)
    return store


def open_store(place: Place) -> Store:
    """An existing store; StoreError if there is none, or it is damaged."""
    store: Store = _kind(place).open(place)
    return store


def _kind(place: Place) -> Any:
    if isinstance(place, str) and place.startswith(("postgresql://", "postgres://")):
        from sememe.search.postgres.store import PostgresStore

        return PostgresStore
    from sememe.search.sqlite.store import SQLiteStore

    return SQLiteStore
