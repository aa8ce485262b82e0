"""The store of an embedded index: a folder with one SQLite file, and neighbours as a cache."""

import json
import os
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import RLock
from typing import Any

from filelock import FileLock, Timeout

from sememe.checkpoint.write import take_name
from sememe.errors import ChoiceWarning, InputError, StoreError, warn
from sememe.processes import PerProcess
from sememe.search.query import SQLITE, Condition
from sememe.search.rows import Match, Row, Vectors, documents, stored_ids
from sememe.search.sqlite.connection import (
    FILE,
    Connection,
    create_file,
    get_info,
    get_state,
    obstacle,
    readable_errors,
    set_info,
    set_state,
)
from sememe.search.sqlite.vectors import (
    VectorIndex,
    nearest_rows,
    parts,
    read_rows,
    row,
    update_graph,
)
from sememe.search.store import PART, IndexInfo, Opened, Store

_WORD = re.compile(r"\w+")


def match_expression(query: str) -> str:
    """What FTS5 matches texts with any word of a query by; "" for a query without words.

    >>> match_expression("Lost my card: lost!")
    '"lost" OR "my" OR "card"'
    """
    return " OR ".join(f'"{word}"' for word in dict.fromkeys(_WORD.findall(query.lower())))


class SQLiteStore(Store):
    """A folder that holds an index. One of these writes at a time, any number read meanwhile."""

    _dialect, _table, _id = SQLITE, "texts", "CAST(id AS TEXT)"
    _fields = "SELECT DISTINCT each.key, each.type FROM texts, json_each(metadata) AS each"

    def __init__(self, folder: Path) -> None:
        self.place = str(folder)
        self._folder = folder
        # Whether the graph may be late (the last writer may have been killed), and is to be mended.
        self._may_be_late, self._is_mended = True, True
        self._writer = PerProcess(RLock)
        self._lock = PerProcess(lambda: FileLock(folder / "write.lock", timeout=0))
        self._file = Connection(folder)
        self._vectors, self._vectors_of = VectorIndex(folder), self._file.connection
        self.has_passages = self.info().passage_tokens > 0
        self._columns = "id, text, metadata" + ", start" * self.has_passages

    @classmethod
    def create(cls, place: str | os.PathLike[str], info: IndexInfo) -> "SQLiteStore":
        """Make the folder, complete or not at all.

        Raises:
            InputError: it is there already.
            StoreError: it cannot be written.
        """
        folder = Path(place).absolute()
        with readable_errors(folder):
            _refuse_existing(folder)
            folder.parent.mkdir(parents=True, exist_ok=True)
            with TemporaryDirectory(dir=folder.parent, prefix=".sememe-") as temporary:
                new = Path(temporary) / "index"
                new.mkdir()
                create_file(new / FILE, info)
                try:
                    take_name(new, folder)
                except OSError:
                    _refuse_existing(folder)  # another process made one meanwhile
                    raise
        return cls(folder)

    @classmethod
    def open(cls, place: str | os.PathLike[str]) -> "SQLiteStore":
        """Open an existing folder; StoreError if it holds no sound index."""
        return cls(Path(place).absolute())

    def info(self) -> IndexInfo:
        return self._file.read(get_info)

    def set_info(self, info: IndexInfo) -> None:
        with self._transaction() as connection:
            set_info(connection, info)

    def _query(self, sql: str, values: Sequence[object] = ()) -> list[Any]:
        return self._file.read(lambda connection: connection.execute(sql, values).fetchall())

    @contextmanager
    def writing(self, progress: bool | None = None) -> Iterator[None]:
        """Hold the lock of the one who writes, and bring the neighbours up to date at the end."""
        with self._writer():
            lock = self._lock()
            depth = lock.lock_counter
            try:
                self._acquire(lock)
                yield
                if self._may_be_late and not depth:
                    self._update_graph(progress)
            finally:
                while lock.lock_counter > depth:
                    lock.release()

    def get(self, ids: Iterable[str]) -> dict[str, Row]:
        rows = self._file.read(lambda c: read_rows(c, self._columns, "id", stored_ids(ids)))
        return {row.id: row for row in documents(rows.values())}

    def put(
        self, rows: Sequence[Row], vectors: Vectors, fingerprint: str, *, replace: bool
    ) -> None:
        with self._transaction() as connection:
            self._check_encoder(get_info(connection), fingerprint, "open it again")
            if replace:
                _delete(connection, (row.id for row in rows))
            sql = "SELECT seq FROM sqlite_sequence WHERE name = 'texts'"
            last = connection.execute(sql).fetchone()
            first = (last[0] if last else 0) + 1
            lines = (
                (row.id, row.text, json.dumps(row.metadata, ensure_ascii=False), row.start)
                for row in rows
            )
            columns = 3 + self.has_passages
            connection.executemany(
                f"INSERT INTO texts VALUES (?{', ?' * columns})",
                ((key, *line[:columns]) for key, line in enumerate(lines, first)),
            )
            connection.executemany(
                "INSERT INTO vectors VALUES (?, ?)",
                ((key, vector.tobytes()) for key, vector in enumerate(vectors, first)),
            )

    def delete(self, ids: Iterable[str] | Condition) -> int:
        with self._transaction() as connection:
            return _delete(connection, self.ids(ids) if isinstance(ids, Condition) else ids)

    def nearest(
        self, vectors: Vectors, count: int, where: Condition | None, fingerprint: str
    ) -> list[list[Match]]:
        """The rows with the greatest inner products, by the graph where there are many."""

        def search(connection: sqlite3.Connection) -> list[list[Match]]:
            try:
                connection.execute("BEGIN")  # all that is read is of one moment
                if connection is not self._vectors_of:  # which may have read what was half written
                    self._vectors, self._vectors_of = VectorIndex(self._folder), connection
                self._vectors.refresh(connection)
                self._check_encoder(self._vectors.info, fingerprint, "search again")
                return nearest_rows(connection, self._vectors, self._columns, vectors, count, where)
            finally:
                if connection.in_transaction:
                    connection.execute("COMMIT")

        return self._file.read(search)

    def matching(self, query: str, count: int, where: Condition | None) -> list[Match]:
        """The rows with the best Okapi BM25 (Robertson et al., 1994), by SQLite's FTS5."""
        question = match_expression(query)
        if not question:
            return []
        hits = "SELECT rowid AS hit, -bm25(words) AS score FROM words WHERE words MATCH ?"
        condition, values = self._condition(where)
        if where is None:
            hits += f" ORDER BY rank LIMIT {int(count)}"
        lines = self._query(
            f"SELECT score, {self._columns} FROM ({hits}) JOIN texts ON key = hit "
            f"WHERE {condition} ORDER BY score DESC, key LIMIT ?",
            (question, *values, count),
        )
        return [Match(row(line), score) for score, *line in lines]

    def reencode(
        self, info: IndexInfo, encode: Callable[[list[Opened]], Vectors], size: int = PART
    ) -> None:
        """Fill a table of new vectors, a part at a time, and let it take the old one's place."""
        opening = "(SELECT text FROM texts WHERE id = passage.id AND start = 0)"
        sql = (
            f"SELECT key, text, {opening if self.has_passages else 'text'} FROM texts AS passage "
            "WHERE key > (SELECT ifnull(max(key), 0) FROM new_vectors) ORDER BY key LIMIT ?"
        )
        with self.writing():
            with self._transaction() as connection:
                if get_info(connection).fingerprint == info.fingerprint:
                    set_info(connection, info)
                    return
                if get_state(connection, "next") != info.fingerprint:
                    connection.execute("DELETE FROM new_vectors")
                    set_state(connection, "next", info.fingerprint)
            while part := self._file.read(lambda c: c.execute(sql, (size,)).fetchall()):
                vectors = encode([(text, opening) for _, text, opening in part])
                with self._transaction() as connection:
                    connection.executemany(
                        "INSERT INTO new_vectors VALUES (?, ?)",
                        ((line[0], v.tobytes()) for line, v in zip(part, vectors, strict=True)),
                    )
            with self._transaction() as connection:
                connection.execute("DELETE FROM vectors")
                connection.execute("INSERT INTO vectors SELECT * FROM new_vectors")
                connection.execute("DELETE FROM new_vectors")
                set_state(connection, "next", "")
                set_info(connection, info)
                set_state(connection, "graph", "")
                set_state(connection, "generation", get_state(connection, "generation") + 1)

    def compact(self) -> None:
        """Bring the graph up to date and give the disk back what was removed."""

        def vacuum(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT INTO words(words) VALUES ('optimize')")
            connection.execute("PRAGMA temp_store = DEFAULT")  # the new file is of the old's size
            connection.execute("VACUUM")
            connection.execute("PRAGMA temp_store = MEMORY")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

        with self.writing():
            update_graph(self._file, self._folder, all_late=True)
            self._is_mended = True
            self._file.read(vacuum)

    def close(self) -> None:
        with self._file.mutex:
            self._file.close()
            self._vectors = VectorIndex(self._folder)  # which lets go of the graph

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self.writing(), self._file.mutex, readable_errors(self._folder):
            self._file.read(lambda _: None)  # on a connection that is of now
            connection = self._file.connection
            try:
                connection.execute("BEGIN IMMEDIATE")
                yield connection
                connection.execute("COMMIT")
                self._may_be_late = True
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def _acquire(self, lock: FileLock) -> None:
        self._file.check()  # FileLock would make a folder that is gone
        with readable_errors(self._folder):
            try:
                lock.acquire()
            except Timeout:
                raise StoreError(
                    f"Another process, or another Index in this one, is writing to {self.place}; "
                    "try again when it is done. Searches continue meanwhile.",
                    unavailable=True,
                ) from None

    def _update_graph(self, progress: bool | None) -> None:
        """What was written is written: without a graph that is up to date, searches are slower."""
        if not self._is_mended:
            return
        try:
            update_graph(self._file, self._folder, progress=progress)
            self._may_be_late = False
        except (StoreError, MemoryError) as error:
            self._is_mended = False
            warn(
                f"All is written, but what makes searches fast is not up to date ({error}); "
                "compact() brings it up to date.",
                ChoiceWarning,
            )


def _refuse_existing(folder: Path) -> None:
    if in_the_way := obstacle(folder):
        raise InputError(
            f"{folder} is there already ({in_the_way}): open it, or make the index in a new folder."
        )


def _delete(connection: sqlite3.Connection, ids: Iterable[str]) -> int:
    """Remove the rows with these ids; how many texts they were."""
    count = 0
    for part in parts(stored_ids(dict.fromkeys(ids))):
        marks = ",".join("?" * len(part))
        sql = f"SELECT count(DISTINCT id) FROM texts WHERE id IN ({marks})"
        count += connection.execute(sql, part).fetchone()[0]
        connection.execute(f"DELETE FROM texts WHERE id IN ({marks})", part)
    return count
