"""The file of an index: its tables, what SQLite's errors mean, and one connection to it."""

import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock, RLock
from typing import Any
from weakref import WeakSet

from sememe.errors import StoreError, StoreMissing, is_unavailable
from sememe.search.store import IndexInfo, Run, T, check_format, create_state

FILE = "data.sqlite"
TOKENIZERS = {"english": "porter unicode61", "simple": "unicode61"}
VECTORS = "CREATE TABLE {} (key INTEGER PRIMARY KEY, vector BLOB NOT NULL)"

# A key is never used again, so a row of the neighbours' file can be dead but never another text.
_TABLES = f"""
CREATE TABLE state (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE rows (
    key INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, start INTEGER NOT NULL,
    text TEXT NOT NULL, metadata TEXT NOT NULL, UNIQUE (id, start)
);
{VECTORS.format("vectors")};
CREATE VIRTUAL TABLE words
    USING fts5(text, content='rows', content_rowid='key', tokenize='{{tokenizer}}');
CREATE TRIGGER added AFTER INSERT ON rows BEGIN
    INSERT INTO words(rowid, text) VALUES (new.key, new.text);
END;
CREATE TRIGGER removed AFTER DELETE ON rows BEGIN
    INSERT INTO words(words, rowid, text) VALUES ('delete', old.key, old.text);
END;
"""


def create_file(path: Path, info: IndexInfo) -> None:
    """Make the file of an index without rows."""
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(_TABLES.format(tokenizer=TOKENIZERS[info.language]))
        create_state(lambda sql, values=(): connection.execute(sql, values).fetchall(), info)
    finally:
        connection.close()


@contextmanager
def readable_errors(folder: Path) -> Iterator[None]:
    """Turn SQLite's errors into one that says what to do."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        safe = "What was written before is safe, and nothing of this step was written"
        messages = {
            "not a database": f"{folder / FILE} is no index of sememe's.",
            "no such table": f"{folder / FILE} is no index of sememe's.",
            "closed database": f"{folder} was closed: open it again.",
            "full": f"{folder}: the disk is full. {safe}; make room, and the same call resumes.",
            "disk I/O": f"{folder}: the disk gave an error ({error}). {safe}.",
            "locked": f"{folder}: another program holds {FILE}. {safe}; try again when it is done.",
            "readonly": f"{folder} may not be written by this process.",
            "unable to open": f"{folder}: {FILE} cannot be opened; is it yours to read?",
        }
        for sign, message in messages.items():
            if sign in str(error):
                passes = sign in ("full", "disk I/O", "locked")
                raise StoreError(message, unavailable=passes) from error
        raise StoreError(
            f"{folder} is damaged ({error}): copy it again or take it from a backup; sqlite3's "
            ".recover saves what can be read."
        ) from error
    except OSError as error:
        message = f"{folder} cannot be read or written: {error.strerror or error}."
        raise StoreError(message, unavailable=is_unavailable(error)) from error


_EMPTY_LOG = 32  # bytes: a header, and nothing written
_TRIES, _PAUSE = 10, 0.02  # of a reader without rights, while a writer comes and goes; seconds


def obstacle(folder: Path) -> str:
    """What is where the folder of a new index would be; "" for nothing, and an empty folder."""
    if folder.is_dir():
        if any(folder.iterdir()):
            return "a folder with something in it"
        return "the folder that you are in" if folder.samefile(Path.cwd()) else ""
    return "a file" if folder.exists() else ""


class Connection:
    """A connection to the file, which nobody but SQLite may open in this process.

    To close any other descriptor of it would drop all locks that the process holds on it (POSIX),
    and another process could then remove the log of a writer. For the same reason no connection may
    be open while the process forks. The `mutex` is held by whoever uses the `connection`, which
    `read` may replace. StoreMissing if there is no index, and one could be made there.
    """

    connection: sqlite3.Connection
    _unlogged: tuple[int, int, int] | None = None  # the file's state, where it was read as it lay

    def __init__(self, folder: Path) -> None:
        self._folder, self._path, self.mutex = folder, folder / FILE, RLock()
        self._is_closed, self._is_stale, self._is_writable = False, True, True
        with readable_errors(folder):
            if not self._path.is_file():
                if in_the_way := obstacle(folder):
                    raise StoreError(f"{folder} is {in_the_way}, not an index: name another.")
                raise StoreMissing(
                    f"There is no index at {folder}: make one with sememe index, or Index.create."
                )
            self._file = self._identity()
        with _opening:
            _connections.add(self)
        try:
            self.read(lambda run: check_format(run, str(self._path)))
        except BaseException:
            self.close()
            raise

    def read(self, step: Callable[[Run], T]) -> T:
        """What `step` gives, which may be done twice: when somebody wrote meanwhile unseen."""
        with self.mutex, readable_errors(self._folder):
            self.check()
            for _ in range(_TRIES):
                try:
                    if self._is_stale or self._has_changed():
                        self._connect()
                    result = step(self.run)
                    if not self._has_changed():
                        return result
                except Exception as error:
                    passes = self._has_changed() or isinstance(error, sqlite3.OperationalError)
                    if self._is_writable or not passes:
                        raise
                self._is_stale = True
                time.sleep(_PAUSE)
        raise StoreError(
            f"{self._folder} cannot be read without the right to write: somebody is writing, or "
            "was killed while writing. Who may write to it has to open it once."
        )

    def run(self, sql: str, values: Sequence[object] = ()) -> list[Any]:
        """The rows of one statement."""
        return self.connection.execute(sql, values).fetchall()

    def transact(self, step: Callable[[Run], T]) -> T:
        """What `step` gives; all of its statements are written, or none."""
        with self.mutex, readable_errors(self._folder):
            self.read(lambda _: None)  # on a connection that is of now
            try:
                self.run("BEGIN IMMEDIATE")
                result = step(self.run)
                self.run("COMMIT")
            except BaseException:
                if self.connection.in_transaction:
                    self.run("ROLLBACK")
                raise
        return result

    def check(self) -> None:
        """StoreError if another file is in the place of this one, or none."""
        if self._identity() != self._file:
            raise StoreError(
                f"{self._folder} was removed or replaced since it was opened: open it again."
            )

    def close(self) -> None:
        """Let go of the file."""
        with self.mutex:
            self._is_closed, self._is_stale, self._unlogged = True, False, None
            self._disconnect()

    def _connect(self) -> None:
        self._disconnect()
        self._is_writable = os.access(self._folder, os.W_OK) and os.access(self._path, os.W_OK)
        state = self._state()
        # Who may not even write the log's index has to say that nobody writes, if there is no log.
        has_no_log = not self._is_writable and state[-1] <= _EMPTY_LOG
        self._unlogged = state if has_no_log else None
        mode = "" if self._is_writable else "?immutable=1" if has_no_log else "?mode=ro"
        self.connection = sqlite3.connect(
            f"{self._path.as_uri()}{mode}",
            uri=True, isolation_level=None, check_same_thread=False, timeout=10,
        )  # fmt: skip
        self.connection.execute("PRAGMA synchronous = FULL")
        self.connection.execute("PRAGMA temp_store = MEMORY")
        self._is_stale = False

    def _disconnect(self) -> None:
        if hasattr(self, "connection"):
            self.connection.close()

    def before_fork(self) -> None:
        """Wait for whoever uses the connection, close it, and let nobody make another one."""
        self.mutex.acquire()
        self._disconnect()
        self._is_stale = not self._is_closed

    def _has_changed(self) -> bool:
        return self._unlogged is not None and self._unlogged != self._state()

    def _state(self) -> tuple[int, int, int]:
        stat, log = self._path.stat(), self._path.with_name(f"{FILE}-wal")
        return stat.st_mtime_ns, stat.st_size, log.stat().st_size if log.exists() else 0

    def _identity(self) -> tuple[int, int] | None:
        try:
            stat = self._path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return stat.st_dev, stat.st_ino


_opening = Lock()
_connections: WeakSet[Connection] = WeakSet()
_forking: list[Connection] = []


def _before_fork() -> None:
    _opening.acquire()
    for connection in list(_connections):
        connection.before_fork()
        _forking.append(connection)


def _after_fork() -> None:
    while _forking:
        _forking.pop().mutex.release()
    _opening.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork
    )
