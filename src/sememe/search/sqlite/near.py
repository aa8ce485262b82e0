"""The vectors of an index as a process holds them: a graph over the many, and what came later."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sememe.neighbors import merge_neighbors, scan
from sememe.search.sqlite.graph import FOLDER, Graph, Keys, Vectors, open_graph
from sememe.search.sqlite.schema import parse_about
from sememe.search.store import About

_READ = 20_000  # rows at once
_DEAD = 1.25  # so many times as many vectors as when the dead ones were last forgotten, and
_ANYHOW = 1_000  # so many more, are held before they are again
_SEEN = "SELECT value FROM state WHERE name IN ('about', 'generation', 'graph') ORDER BY name"
_NO_KEYS = np.empty(0, np.int64)


class Near:
    """Nearest neighbours among the vectors of a file, kept up to date with it.

    A key whose row was removed may still be found: whoever looks up the row finds none.

    Attributes:
        about: what the index remembered of itself when this was last brought up to date.
    """

    about: About

    def __init__(self, folder: Path) -> None:
        self._folder = folder / FOLDER
        self._seen: tuple[Any, ...] = ("", -1, "")  # about, the generation, and the graph's name
        self._graph: Graph | None = None
        self._keys, self._rows = _NO_KEYS, np.empty((0, 0), np.float32)
        self._lived = 0  # late vectors when the dead ones were last forgotten

    def __len__(self) -> int:
        return len(self._keys) + (len(self._graph) if self._graph is not None else 0)

    def refresh(self, connection: sqlite3.Connection) -> None:
        """Read what is new in the file."""
        seen = tuple(value for (value,) in connection.execute(_SEEN))
        if seen != self._seen:
            self._begin(seen)
        last = self._graph.last if self._graph is not None else 0
        dim = self.about.dim
        late = list(read_vectors(connection, max([last, *self._keys[-1:].tolist()]), dim))
        if not late:
            return
        keys, rows = zip((self._keys, self._rows), *late, strict=True)
        self._keys, self._rows = np.concatenate(keys), np.concatenate(rows)
        if len(self._keys) > _DEAD * self._lived + _ANYHOW:
            live = connection.execute("SELECT key FROM texts WHERE key > ?", (last,))
            self._keep(within(self._keys, np.sort(np.fromiter((k for (k,) in live), np.int64))))
            self._lived = len(self._keys)

    def _begin(self, seen: tuple[Any, ...]) -> None:
        """Forget what is not so any longer, and open another graph."""
        self.about = parse_about(seen[0])
        if seen[1] != self._seen[1]:
            self._keys, self._rows = _NO_KEYS, np.empty((0, self.about.dim), np.float32)
        self._graph = open_graph(self._folder / seen[2], self.about.dim) if seen[2] else None
        # Without a graph all rows are read again: the late ones are not all.
        self._keep(self._keys > (self._graph.last if self._graph is not None else np.inf))
        self._seen, self._lived = seen, 0

    def _keep(self, which: Any) -> None:
        self._keys, self._rows = self._keys[which], self._rows[which]

    def nearest(self, queries: Vectors, count: int) -> tuple[Keys, Vectors]:
        """Keys and inner products (m, up to count), best first; the key -1 is of none."""
        found = [] if self._graph is None else [self._graph.nearest(queries, count)]
        if len(self._keys) or not found:
            found.append(_flat(queries, count, self._keys, self._rows))
        return merge_neighbors(found, count)

    def exact(self, queries: Vectors, count: int, among: Keys) -> tuple[Keys, Vectors]:
        """The same of the vectors with the given keys, ascending, all of them compared."""
        found = []
        for start in range(0, len(among) or 1, _READ):
            keys = among[start : start + _READ]
            late = keys > (self._graph.last if self._graph is not None else 0)
            parts = [(keys[late], self._rows[np.searchsorted(self._keys, keys[late])])]
            if self._graph is not None:
                parts.append((keys[~late], self._graph.vectors(keys[~late])))
            found.append(merge_neighbors([_flat(queries, count, *part) for part in parts], count))
        return merge_neighbors(found, count)


def read_vectors(
    connection: sqlite3.Connection, after: int, dim: int
) -> Iterator[tuple[Keys, Vectors]]:
    """Keys above `after`, ascending, and their vectors, a part at a time."""
    found = connection.execute(
        "SELECT key, vector FROM vectors WHERE key > ? ORDER BY key", (after,)
    )
    while part := found.fetchmany(_READ):
        keys = np.array([key for key, _ in part], np.int64)
        yield keys, np.frombuffer(b"".join(blob for _, blob in part), np.float32).reshape(-1, dim)


def within(keys: Keys, among: Keys) -> NDArray[np.bool_]:
    """Which keys are among some that are in order."""
    if not len(among):
        return np.zeros(keys.shape, bool)
    at = np.minimum(np.searchsorted(among, keys), len(among) - 1)
    return np.equal(among[at], keys)


def _flat(queries: Vectors, count: int, keys: Keys, rows: Vectors) -> tuple[Keys, Vectors]:
    at, products = scan(queries, rows, count)
    return keys[at], products
