"""The store of an embedded index: a folder with one SQLite file, and neighbours as a cache."""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import RLock
from typing import Any, Self

from filelock import FileLock, Timeout

from sememe.checkpoint.write import take_name
from sememe.errors import ChoiceWarning, InputError, StoreError, warn
from sememe.processes import PerProcess
from sememe.search.query import SQLITE, Condition
from sememe.search.rows import Match, Row, Vectors
from sememe.search.sqlite.connection import (
    FILE,
    VECTORS,
    Connection,
    create_file,
    obstacle,
    readable_errors,
)
from sememe.search.sqlite.vectors import VectorIndex, nearest_rows, sorted_keys, update_graph
from sememe.search.store import COLUMNS, IndexInfo, Place, Run, Store, T, as_row

_WORD = re.compile(r"\w+")


def match_expression(query: str) -> str:
    """What FTS5 matches texts with any word of a query by; "" for a query without words.

    >>> match_expression("Lost my card: lost!")
    '"lost" OR "my" OR "card"'
    """
    return " OR ".join(f'"{word}"' for word in dict.fromkeys(_WORD.findall(query.lower())))


class SQLiteStore(Store):
    """A folder that holds an index. One of these writes at a time, any number read meanwhile."""

    _dialect = SQLITE
    _values = "SELECT value FROM json_each(?)"
    _fields = "SELECT DISTINCT each.key, each.type FROM rows, json_each(metadata) AS each"

    def __init__(self, place: Place) -> None:
        self._folder = folder = Path(place).absolute()
        self.place = str(folder)
        # Whether the graph may be late (the last writer may have been killed), and is to be mended.
        self._may_be_late, self._is_mended = True, True
        self._writer = PerProcess(RLock)
        self._write_lock = PerProcess(lambda: FileLock(folder / "write.lock", timeout=0))
        self._file = Connection(folder)
        self._vectors, self._vectors_of = VectorIndex(folder), self._file.connection
        super().__init__()

    @classmethod
    def create(cls, place: Place, info: IndexInfo) -> Self:
        """Make the folder, complete or not at all; InputError if it is there already."""
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

    def _query(self, sql: str, values: Sequence[object] = ()) -> list[Any]:
        return self._file.read(lambda run: run(sql, values))

    def _transact(self, step: Callable[[Run], T]) -> T:
        with self.writing():
            result = self._file.transact(step)
            self._may_be_late = True
        return result

    def _insert(self, run: Run, rows: Sequence[Row], vectors: Vectors) -> None:
        [[last]] = run("SELECT ifnull(max(seq), 0) FROM sqlite_sequence WHERE name = 'rows'")
        keys = range(last + 1, last + 1 + len(rows))
        lines = (
            (key, row.id, row.start, row.text, json.dumps(row.metadata, ensure_ascii=False))
            for key, row in zip(keys, rows, strict=True)
        )
        self._file.connection.executemany("INSERT INTO rows VALUES (?, ?, ?, ?, ?)", lines)
        self._insert_vectors(run, "vectors", keys, vectors)

    def _create_next(self, run: Run, info: IndexInfo) -> None:  # noqa: ARG002
        run(VECTORS.format("next"))

    def _insert_vectors(
        self, run: Run, table: str, keys: Sequence[int], vectors: Vectors  # noqa: ARG002
    ) -> None:  # fmt: skip
        lines = ((key, vector.tobytes()) for key, vector in zip(keys, vectors, strict=True))
        self._file.connection.executemany(f"INSERT INTO {table} VALUES (?, ?)", lines)

    @contextmanager
    def writing(self, progress: bool | None = None) -> Iterator[None]:
        """Hold the lock of the one who writes, and bring the neighbours up to date at the end."""
        with self._writer():
            lock = self._write_lock()
            depth = lock.lock_counter
            try:
                self._acquire(lock)
                yield
                if self._may_be_late and not depth:
                    self._update_graph(progress)
            finally:
                while lock.lock_counter > depth:
                    lock.release()

    def nearest(
        self, vectors: Vectors, count: int, where: Condition | None, fingerprint: str
    ) -> list[list[Match]]:
        """The rows with the greatest inner products, by the graph where there are many."""

        def search(run: Run) -> list[list[Match]]:
            connection = self._file.connection
            try:
                run("BEGIN")  # all that is read is of one moment
                if connection is not self._vectors_of:  # which may have read what was half written
                    self._vectors, self._vectors_of = VectorIndex(self._folder), connection
                self._vectors.refresh(run)
                self._check_encoder(self._vectors.info, fingerprint, "search again")
                among = None if where is None else sorted_keys(run, *where.sql(SQLITE))
                return nearest_rows(run, self._vectors, vectors, count, among)
            finally:
                if connection.in_transaction:
                    run("COMMIT")

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
            f"SELECT score, {COLUMNS} FROM ({hits}) JOIN rows ON key = hit "
            f"WHERE {condition} ORDER BY score DESC, key LIMIT ?",
            (question, *values, count),
        )
        return [Match(as_row(line), score) for score, *line in lines]

    def compact(self) -> None:
        """Bring the graph up to date and give the disk back what was removed."""

        def vacuum(run: Run) -> None:
            run("INSERT INTO words(words) VALUES ('optimize')")
            run("PRAGMA temp_store = DEFAULT")  # the new file is as large as the old one
            run("VACUUM")
            run("PRAGMA temp_store = MEMORY")
            run("PRAGMA wal_checkpoint(TRUNCATE)")

        with self.writing():
            update_graph(self._file, self._folder, all_late=True)
            self._is_mended = True
            self._file.read(vacuum)

    def close(self) -> None:
        with self._file.mutex:
            self._file.close()
            self._vectors = VectorIndex(self._folder)  # which lets go of the graph

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
