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

from filelock import FileLock, Timeout

from sememe.checkpoint.write import take_name
from sememe.errors import ChoiceWarning, InputError, StoreError, is_unavailable, warn
from sememe.search.query import SQLITE, Condition
from sememe.search.rows import Id, Match, Row, Vectors, stored_ids
from sememe.search.sqlite.connection import (
    FILE,
    Connection,
    create_file,
    get_info,
    get_state,
    obstacle,
    readable_errors,
    set_state,
)
from sememe.search.sqlite.vectors import (
    VectorIndex,
    marks,
    nearest_rows,
    parts,
    read_rows,
    row,
    update_graph,
)
from sememe.search.store import IndexInfo

_LOCK = "write.lock"
_REENCODED = 2_000  # rows of one step
_TYPES = {"text": "string", "integer": "number", "real": "number", "true": "boolean"}
_TYPES |= {"false": "boolean"}
_WORD = re.compile(r"\w+")


class SQLiteStore:
    """A folder that holds an index. One of these writes at a time, any number read meanwhile."""

    def __init__(self, folder: Path) -> None:
        self.place = str(folder)
        self._folder = folder
        self._writer = RLock()
        # Whether the graph may be late (the last writer may have been killed), and is to be mended.
        self._wrote, self._settles = True, True
        self._lock, self._process = FileLock(folder / _LOCK, timeout=0), os.getpid()
        self._file = Connection(folder)
        self._vectors, self._vectors_of = VectorIndex(folder), self._file.connection

    @classmethod
    def create(cls, place: str | os.PathLike[str], info: IndexInfo) -> "SQLiteStore":
        """Make the folder, whole or not at all.

        Raises:
            InputError: it is there already.
            StoreError: it cannot be written.
        """
        folder = Path(place).absolute()
        with readable_errors(folder):
            _refuse_existing(folder)
            folder.parent.mkdir(parents=True, exist_ok=True)
            with TemporaryDirectory(dir=folder.parent, prefix=".sememe-") as temporary:
                whole = Path(temporary) / "index"
                whole.mkdir()
                create_file(whole / FILE, info)
                try:
                    take_name(whole, folder)
                except OSError:
                    _refuse_existing(folder)  # another process made one meanwhile
                    raise
        return cls(folder)

    @classmethod
    def open(cls, place: str | os.PathLike[str]) -> "SQLiteStore":
        """Open a folder that is there; StoreError if it holds no sound index."""
        return cls(Path(place).absolute())

    def info(self) -> IndexInfo:
        """What the index remembers of itself."""
        return self._file.read(get_info)

    def set_info(self, info: IndexInfo) -> None:
        """Remember it."""
        with self._transaction() as connection:
            set_state(connection, "about", json.dumps(asdict(info)))

    def __len__(self) -> int:
        return self._file.read(lambda c: int(c.execute("SELECT count(*) FROM texts").fetchone()[0]))

    def fields(self) -> dict[str, set[str]]:
        """Of all rows; reads their metadata."""
        sql = "SELECT DISTINCT each.key, each.type FROM texts, json_each(metadata) AS each"
        found = {"id": {"string"}, "text": {"string"}}
        for key, kind in self._file.read(lambda connection: connection.execute(sql).fetchall()):
            found.setdefault(key, set()).add(_TYPES.get(kind, kind))
        return found

    def ids_of(self, texts: Iterable[str]) -> dict[str, list[str]]:
        """Compares all texts."""
        wanted, found = set(texts), dict[str, list[str]]()

        def look(connection: sqlite3.Connection) -> None:
            found.clear()
            for text, own in connection.execute("SELECT text, id FROM texts ORDER BY key"):
                if text in wanted:
                    found.setdefault(text, []).append(str(own))

        self._file.read(look)
        return found

    def check(self, rows: Sequence[Row]) -> None:
        """Whatever can be a row can be kept."""

    @contextmanager
    def writing(self, progress: bool | None = None) -> Iterator[None]:
        """Hold the lock of the one who writes, and bring the neighbours up to date at the end."""
        with self._file.mutex:
            if self._process != os.getpid():  # forked, and another thread may have held these
                self._writer, self._process = RLock(), os.getpid()
                self._lock = FileLock(self._lock.lock_file, timeout=0)
        with self._writer:
            held = self._lock.lock_counter
            try:
                self._acquire()
                yield
                if self._wrote and not held:
                    self._try_to_settle(progress)
            finally:
                while self._lock.lock_counter > held:
                    self._lock.release()

    def get(self, ids: Iterable[str]) -> dict[str, Row]:
        """Those rows that are there."""
        return self._file.read(lambda connection: read_rows(connection, "id", stored_ids(ids)))

    def put(
        self, rows: Sequence[Row], vectors: Vectors, fingerprint: str, *, replace: bool
    ) -> None:
        """Write rows, all or none."""
        written = [(r.id, r.text, json.dumps(r.metadata, ensure_ascii=False)) for r in rows]
        with self._transaction() as connection:
            if fingerprint != get_info(connection).fingerprint:
                raise StoreError(
                    f"{self.place} was given another encoder meanwhile: open it again."
                )
            if replace:
                _delete(connection, stored_ids(row.id for row in rows))
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

    def delete(self, ids: Iterable[str]) -> int:
        """Remove rows, all or none."""
        with self._transaction() as connection:
            return _delete(connection, stored_ids(ids))

    def nearest(
        self, vectors: Vectors, count: int, where: Condition | None, fingerprint: str
    ) -> list[list[Match]]:
        """The rows with the greatest inner products, by the graph where there are many."""

        def look(connection: sqlite3.Connection) -> list[list[Match]]:
            try:
                connection.execute("BEGIN")  # all that is read is of one moment
                self._refresh(connection)
                if self._vectors.info.fingerprint != fingerprint:
                    raise StoreError(
                        f"{self.place} was given another encoder meanwhile: search again."
                    )
                return nearest_rows(connection, self._vectors, vectors, count, where)
            finally:
                if connection.in_transaction:
                    connection.execute("COMMIT")

        return self._file.read(look)

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
        sql = (
            f"SELECT id, text, metadata, score FROM ({hits}) JOIN texts ON key = hit "
            f"WHERE {condition} ORDER BY score DESC, key LIMIT ?"
        )
        found = self._file.read(lambda c: c.execute(sql, (asked, *values, count)).fetchall())
        return [Match(row(line[:3]), line[3]) for line in found]

    def reencode(self, info: IndexInfo, encode: Callable[[list[str]], Vectors]) -> None:
        """Fill a table of new vectors, a part at a time, and let it take the old one's place."""
        with self.writing():
            with self._transaction() as connection:
                if get_info(connection).fingerprint == info.fingerprint:
                    set_state(connection, "about", json.dumps(asdict(info)))
                    return
                if get_state(connection, "next") != info.fingerprint:
                    connection.execute("DELETE FROM new_vectors")
                    set_state(connection, "next", info.fingerprint)
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
                set_state(connection, "about", json.dumps(asdict(info)))
                set_state(connection, "graph", "")
                set_state(connection, "generation", get_state(connection, "generation") + 1)

    def compact(self) -> None:
        """Bring the graph up to date and give the disk back what was removed."""
        with self.writing():
            update_graph(self._file, self._folder, whole=True)
            self._settles = True
            self._file.read(_vacuum)

    def close(self) -> None:
        """Close the file."""
        with self._file.mutex:
            self._file.close()
            self._vectors = VectorIndex(self._folder)  # which lets go of the graph

    def _without_new(self) -> list[tuple[int, str]]:
        sql = (
            "SELECT key, text FROM texts WHERE key > (SELECT ifnull(max(key), 0) FROM new_vectors) "
            "ORDER BY key LIMIT ?"
        )
        return self._file.read(lambda connection: connection.execute(sql, (_REENCODED,)).fetchall())

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self.writing(), self._file.mutex, readable_errors(self._folder):
            self._file.read(lambda _: None)  # on a connection that is of now
            connection = self._file.connection
            try:
                connection.execute("BEGIN IMMEDIATE")
                yield connection
                connection.execute("COMMIT")
                self._wrote = True
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def _acquire(self) -> None:
        self._file.check()  # FileLock would make a folder that is gone
        try:
            self._lock.acquire()
        except Timeout:
            raise StoreError(
                f"Another process, or another Index in this one, is writing to {self.place}; try "
                "again when it is done. Searches go on meanwhile.",
                unavailable=True,
            ) from None
        except OSError as error:
            raise StoreError(
                f"{self.place} cannot be written: {error.strerror or error}.",
                unavailable=is_unavailable(error),
            ) from None

    def _refresh(self, connection: sqlite3.Connection) -> None:
        if connection is not self._vectors_of:  # the last one may have read what was half written
            self._vectors, self._vectors_of = VectorIndex(self._folder), connection
        self._vectors.refresh(connection)

    def _try_to_settle(self, progress: bool | None) -> None:
        """What was written is written: without a graph that is up to date, searches are slower."""
        if not self._settles:
            return
        try:
            update_graph(self._file, self._folder, progress=progress)
            self._wrote = False
        except (StoreError, MemoryError) as error:
            self._settles = False
            warn(
                f"All is written, but what makes searches fast is not up to date ({error}); "
                "compact() brings it up to date.",
                ChoiceWarning,
            )


def _refuse_existing(folder: Path) -> None:
    if taken := obstacle(folder):
        raise InputError(
            f"{folder} is there already ({taken}): open it, or make the index in a new folder."
        )


def _delete(connection: sqlite3.Connection, ids: list[Id]) -> int:
    return sum(
        connection.execute(f"DELETE FROM texts WHERE id IN ({marks(part)})", part).rowcount
        for part in parts(ids)
    )


def _vacuum(connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO words(words) VALUES ('optimize')")
    connection.execute("PRAGMA temp_store = DEFAULT")  # the new file is one, of the old one's size
    connection.execute("VACUUM")
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
