"""The store of an embedded index: a folder with one SQLite file, and neighbours as a cache."""

import json
import os
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import RLock
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from sememe.checkpoint.write import take_name
from sememe.errors import InputError, StoreError
from sememe.search.conditions import SQLITE, Condition
from sememe.search.sqlite.growth import settle
from sememe.search.sqlite.near import Near
from sememe.search.sqlite.schema import (
    FILE,
    create_file,
    get_about,
    get_state,
    open_file,
    said,
    set_state,
)
from sememe.search.store import About, Id, Match, Row, Vectors

_LOCK = "write.lock"
_AT_ONCE = 500  # values of one statement
_REENCODED = 2_000  # rows of one step
_WORD = re.compile(r"\w+")


class SQLiteStore:
    """A folder that holds an index. One process writes at a time, any number read meanwhile."""

    def __init__(self, folder: Path) -> None:
        self.place = str(folder)
        self._folder = folder
        self._mutex, self._writer = RLock(), RLock()  # of the connection; of who writes here
        self._lock = FileLock(folder / _LOCK, timeout=0)
        self._connection = open_file(folder / FILE)
        self._near = Near(folder)

    @classmethod
    def create(cls, place: str | os.PathLike[str], about: About) -> "SQLiteStore":
        """Make the folder, whole or not at all.

        Raises:
            InputError: it is there already.
            StoreError: it cannot be written.
        """
        folder = Path(place)
        if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
            raise InputError(
                f"{folder} is there already: open it, or make the index in a new folder."
            )
        with said(folder):
            folder.parent.mkdir(parents=True, exist_ok=True)
            with TemporaryDirectory(dir=folder.parent, prefix=".sememe-") as temporary:
                whole = Path(temporary) / "index"
                whole.mkdir()
                create_file(whole / FILE, about)
                take_name(whole, folder)
        return cls(folder)

    @classmethod
    def open(cls, place: str | os.PathLike[str]) -> "SQLiteStore":
        """Open a folder that is there; StoreError if it holds no sound index."""
        return cls(Path(place))

    def about(self) -> About:
        """What the index remembers of itself."""
        with self._reading() as connection:
            return get_about(connection)

    def __len__(self) -> int:
        with self._reading() as connection:
            return int(connection.execute("SELECT count(*) FROM texts").fetchone()[0])

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the lock of the one who writes, and bring the neighbours up to date at the end."""
        with self._writer:
            try:
                self._lock.acquire()
            except Timeout:
                raise StoreError(
                    f"Another process is writing to {self.place}; try again when it is done. "
                    "Searches go on meanwhile."
                ) from None
            except OSError as error:
                raise StoreError(f"{self.place} cannot be written: {error.strerror}.") from None
            try:
                yield
                if self._lock.lock_counter == 1:
                    self._settle()
            finally:
                self._lock.release()

    def get(self, ids: Iterable[Id]) -> dict[Id, Row]:
        """Those rows that are there."""
        with self._reading() as connection:
            return {
                row.id: row
                for part in _parts(list(ids))
                for row in map(_row, connection.execute(
                    f"SELECT id, text, metadata FROM texts WHERE id IN ({_marks(part)})", part
                ))
            }  # fmt: skip

    def put(
        self, rows: Sequence[Row], vectors: Vectors, fingerprint: str, *, replace: bool
    ) -> None:
        """Write rows, all or none."""
        written = [(r.id, r.text, json.dumps(r.metadata, ensure_ascii=False)) for r in rows]
        with self._transaction() as connection:
            if fingerprint != self.about().fingerprint:
                raise StoreError(
                    f"{self.place} was given another encoder meanwhile: open it again."
                )
            if replace:
                _delete(connection, [row.id for row in rows])
            last = connection.execute(
                "SELECT seq FROM sqlite_sequence WHERE name = 'texts'"
            ).fetchone()
            first = (last[0] if last else 0) + 1
            connection.executemany(
                "INSERT INTO texts VALUES (?, ?, ?, ?)",
                ((key, *row) for key, row in enumerate(written, first)),
            )
            connection.executemany(
                "INSERT INTO vectors VALUES (?, ?)",
                ((key, vector.tobytes()) for key, vector in enumerate(vectors, first)),
            )

    def delete(self, ids: Iterable[Id]) -> int:
        """Remove rows, all or none."""
        with self._transaction() as connection:
            return _delete(connection, list(ids))

    def nearest(self, vectors: Vectors, count: int, where: Condition | None) -> list[list[Match]]:
        """The rows with the greatest inner products, by the graph where there are many."""
        with self._reading() as connection:
            connection.execute("BEGIN")  # all that is read is of one moment
            try:
                self._near.refresh(connection)
                among = None if where is None else _keys(connection, where)
                return self._found(connection, vectors, count, among)
            finally:
                connection.execute("COMMIT")

    def _found(
        self, connection: sqlite3.Connection, vectors: Vectors, count: int, among: Any
    ) -> list[list[Match]]:
        asked = count
        while True:
            keys, products = self._near.nearest(vectors, asked, among)
            if among is not None:
                keys = np.where(np.isin(keys, among), keys, -1)
            rows = _rows(connection, np.unique(keys[keys >= 0]).tolist())
            found = [
                [Match(rows[key], score) for key, score in zip(*line, strict=True) if key in rows]
                for line in zip(keys.tolist(), products.tolist(), strict=True)
            ]
            if asked >= len(self._near) or all(len(line) >= count for line in found):
                return [line[:count] for line in found]
            asked *= 4  # some of them are gone, or not asked for

    def matching(self, query: str, count: int, where: Condition | None) -> list[Match]:
        """The rows with the best Okapi BM25 (Robertson et al., 1994), by SQLite's FTS5."""
        words = dict.fromkeys(_WORD.findall(query.lower()))
        if not words:
            return []
        asked = " OR ".join(f'"{word}"' for word in words)
        hits = "SELECT rowid AS hit, -bm25(words) AS score FROM words WHERE words MATCH ?"
        condition, values = ("1", []) if where is None else where.sql(SQLITE)
        if where is None:
            hits += f" ORDER BY rank LIMIT {int(count)}"
        with self._reading() as connection:
            found = connection.execute(
                f"SELECT id, text, metadata, score FROM ({hits}) JOIN texts ON key = hit "
                f"WHERE {condition} ORDER BY score DESC, key LIMIT ?",
                (asked, *values, count),
            )
            return [Match(_row(line[:3]), line[3]) for line in found]

    def reencode(self, about: About, encode: Callable[[list[str]], Vectors]) -> None:
        """Fill a table of new vectors, a part at a time, and let it take the old one's place."""
        with self.writing():
            with self._transaction() as connection:
                if get_state(connection, "next") != about.fingerprint:
                    connection.execute("DELETE FROM new_vectors")
                    set_state(connection, "next", about.fingerprint)
            while part := self._without_new():
                vectors = encode([text for _, text in part])
                with self._transaction() as connection:
                    connection.executemany(
                        "INSERT INTO new_vectors VALUES (?, ?)",
                        ((key, v.tobytes()) for (key, _), v in zip(part, vectors, strict=True)),
                    )
            with self._transaction() as connection:
                connection.execute("DELETE FROM vectors")
                connection.execute("INSERT INTO vectors SELECT * FROM new_vectors")
                connection.execute("DELETE FROM new_vectors")
                set_state(connection, "next", "")
                set_state(connection, "about", json.dumps(asdict(about)))
                set_state(connection, "graph", "")
                set_state(connection, "generation", get_state(connection, "generation") + 1)

    def compact(self) -> None:
        """Bring the graph up to date and give the disk back what was removed."""
        with self.writing():
            self._settle(whole=True)
            with self._reading() as connection:
                connection.execute("INSERT INTO words(words) VALUES ('optimize')")
                connection.execute("VACUUM")
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Close the file."""
        with self._mutex:
            self._connection.close()

    def _without_new(self) -> list[tuple[int, str]]:
        with self._reading() as connection:
            return connection.execute(
                "SELECT key, text FROM texts WHERE key NOT IN (SELECT key FROM new_vectors) "
                "ORDER BY key LIMIT ?", (_REENCODED,)
            ).fetchall()  # fmt: skip

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._mutex, said(self._folder):
            yield self._connection

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self.writing(), self._reading() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def _settle(self, *, whole: bool = False) -> None:
        with said(self._folder):
            settle(self._folder, self.about().dim, whole=whole)


def _delete(connection: sqlite3.Connection, ids: list[Id]) -> int:
    return sum(
        connection.execute(f"DELETE FROM texts WHERE id IN ({_marks(part)})", part).rowcount
        for part in _parts(ids)
    )


def _keys(connection: sqlite3.Connection, where: Condition) -> Any:
    condition, values = where.sql(SQLITE)
    found = connection.execute(f"SELECT key FROM texts WHERE {condition} ORDER BY key", values)
    return np.fromiter((key for (key,) in found), np.int64)


def _rows(connection: sqlite3.Connection, keys: list[int]) -> dict[int, Row]:
    return {
        line[0]: _row(line[1:])
        for part in _parts(keys)
        for line in connection.execute(
            f"SELECT key, id, text, metadata FROM texts WHERE key IN ({_marks(part)})", part
        )
    }


def _row(line: Sequence[Any]) -> Row:
    return Row(line[0], line[1], json.loads(line[2]) if line[2] != "{}" else {})


def _parts(values: list[Any]) -> Iterator[list[Any]]:
    for start in range(0, len(values), _AT_ONCE):
        yield values[start : start + _AT_ONCE]


def _marks(values: Sequence[object]) -> str:
    return ",".join("?" * len(values))
