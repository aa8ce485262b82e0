"""The tables of an index in one SQLite file, what it remembers, and what SQLite's errors mean."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

from sememe.errors import StoreError, is_unavailable
from sememe.search.store import About

FILE = "data.sqlite"
FORMAT = 1
_TOKENIZERS = {"english": "porter unicode61", "simple": "unicode61"}

# A key is never used again, so a row of the neighbours' file can be dead but never another text.
# `id` has no type, so that 1 and "1" stay two ids.
_TABLES = """
CREATE TABLE state (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE texts (
    key INTEGER PRIMARY KEY AUTOINCREMENT, id NOT NULL UNIQUE, text TEXT NOT NULL,
    metadata TEXT NOT NULL
);
CREATE TABLE vectors (key INTEGER PRIMARY KEY, vector BLOB NOT NULL);
CREATE TABLE new_vectors (key INTEGER PRIMARY KEY, vector BLOB NOT NULL);
CREATE VIRTUAL TABLE words USING fts5(text, content='texts', content_rowid='key', tokenize='{}');
CREATE TRIGGER added AFTER INSERT ON texts BEGIN
    INSERT INTO words(rowid, text) VALUES (new.key, new.text);
END;
CREATE TRIGGER removed AFTER DELETE ON texts BEGIN
    INSERT INTO words(words, rowid, text) VALUES ('delete', old.key, old.text);
    DELETE FROM vectors WHERE key = old.key;
    DELETE FROM new_vectors WHERE key = old.key;
END;
"""


def create_file(path: Path, about: About) -> None:
    """Make the file of an index without rows."""
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(_TABLES.format(_TOKENIZERS[about.language]))
        state = {
            "format": FORMAT,
            "about": json.dumps(asdict(about)),
            "generation": 0,
            "graph": "",
            "next": "",
        }
        connection.executemany("INSERT INTO state VALUES (?, ?)", state.items())
    finally:
        connection.close()


def get_state(connection: sqlite3.Connection, name: str) -> Any:
    """A value that the index remembers."""
    return connection.execute("SELECT value FROM state WHERE name = ?", (name,)).fetchone()[0]


def get_about(connection: sqlite3.Connection) -> About:
    """What the index remembers of itself."""
    return parse_about(get_state(connection, "about"))


@lru_cache(maxsize=8)
def parse_about(written: str) -> About:
    """What is written of an index as an About."""
    return About(**json.loads(written))


def set_state(connection: sqlite3.Connection, name: str, value: object) -> None:
    """Remember a value."""
    connection.execute("UPDATE state SET value = ? WHERE name = ?", (value, name))


@contextmanager
def said(folder: Path) -> Iterator[None]:
    """Turn SQLite's errors into one that says what to do."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        kept = "What was written before is safe, and nothing of this step was written"
        mends = {
            "closed database": f"{folder} was closed: open it again.",
            "full": f"{folder}: the disk is full. {kept}; make room, and the same call goes on.",
            "disk I/O": f"{folder}: the disk gave an error ({error}). {kept}.",
            "locked": f"{folder}: another program holds {FILE}. {kept}; try again when it is done.",
            "readonly": f"{folder} may not be written by this process.",
            "unable to open": f"{folder}: {FILE} cannot be opened; is it yours to read?",
        }
        for sign, mend in mends.items():
            if sign in str(error):
                passes = sign in ("full", "disk I/O", "locked")
                raise StoreError(mend, unavailable=passes) from error
        raise StoreError(
            f"{folder} is damaged ({error}): copy it again or take it from a backup; sqlite3's "
            ".recover saves what can be read."
        ) from error
    except OSError as error:
        raise StoreError(
            f"{folder}: {error.strerror or error}.", unavailable=is_unavailable(error)
        ) from error
