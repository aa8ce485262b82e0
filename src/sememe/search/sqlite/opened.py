"""The file of an index as one process holds it open."""

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from sememe.errors import StoreError, StoreMissing
from sememe.search.sqlite.schema import FILE, FORMAT, get_state, said

T = TypeVar("T")
_FOREIGN = ("not a database", "no such table")


def in_the_way(folder: Path) -> str:
    """What is where the folder of a new index would be; "" for nothing, and an empty folder."""
    if folder.is_dir():
        if any(folder.iterdir()):
            return "a folder with something in it"
        return "the folder that you are in" if folder.samefile(Path.cwd()) else ""
    return "a file" if folder.exists() else ""


class Opened:
    """A connection to the file, which nobody but SQLite may open in this process.

    To close any other descriptor of it would drop all locks that the process holds on it (POSIX),
    and another process could then remove the log of a writer.

    Raises:
        StoreMissing: there is none, and one could be made there.
        StoreError: it is cut short or no index, or a later sememe wrote it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._path, self._process = folder, folder / FILE, os.getpid()
        if not self._path.is_file():
            if taken := in_the_way(folder):
                raise StoreError(f"{folder} is {taken}, and no index: take another name.")
            raise StoreMissing(
                f"There is no index at {folder}: make one with sememe index, or Index.create."
            )
        with said(folder):
            self._connect()
            try:
                written = get_state(self.connection, "format")
            except (sqlite3.DatabaseError, TypeError) as error:
                self.connection.close()
                if isinstance(error, TypeError) or any(sign in str(error) for sign in _FOREIGN):
                    raise StoreError(f"{self._path} is no index of sememe's.") from None
                raise
        if written != FORMAT:
            self.connection.close()
            raise StoreError(
                f"{folder} was written by a later sememe: pip install --upgrade sememe"
            )

    def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What `work` gives, which may be done twice: when somebody wrote meanwhile unseen."""
        if os.getpid() != self._process:
            raise StoreError(
                f"{self._folder} was opened before this process was forked: open it here anew."
            )
        with said(self._folder):
            while True:
                if self._changed():
                    self.connection.close()
                    self._connect()
                try:
                    result = work(self.connection)
                except sqlite3.DatabaseError:
                    if not self._changed():
                        raise
                else:
                    if not self._changed():
                        return result

    def _connect(self) -> None:
        writable = os.access(self._folder, os.W_OK) and os.access(self._path, os.W_OK)
        # Who may not even write the log's index has to say that nobody writes, if there is no log.
        self._unwritten = None if writable or self._log().exists() else self._state()
        how = "?immutable=1" if self._unwritten else "" if writable else "?mode=ro"
        self.connection = sqlite3.connect(
            f"{self._path.absolute().as_uri()}{how}",
            uri=True, isolation_level=None, check_same_thread=False, timeout=10,
        )  # fmt: skip
        self.connection.execute("PRAGMA synchronous = FULL")
        self.connection.execute("PRAGMA temp_store = MEMORY")

    def _changed(self) -> bool:
        return self._unwritten is not None and self._unwritten != self._state()

    def _state(self) -> tuple[object, ...]:
        found = self._path.stat()
        return found.st_ino, found.st_mtime_ns, found.st_size, self._log().exists()

    def _log(self) -> Path:
        return self._path.with_name(f"{FILE}-wal")
