"""The vectors of an index as a process holds them: a graph over the many, and what came later."""

import sqlite3
from pathlib import Path
from typing import Any

import numpy as np

from sememe.neighbors import scan
from sememe.search.sqlite.graph import FOLDER, Graph, Keys, Vectors, open_graph
from sememe.search.sqlite.schema import get_about

FLAT = 20_000
"""So many vectors are compared all, whatever there is beside them."""

_FEW = 10  # a graph is asked for at most the tenth part of what it has
_READ = 10_000  # rows at once
_SEEN = "SELECT value FROM state WHERE name IN ('generation', 'graph') ORDER BY name"
_NO_KEYS = np.empty(0, np.int64)


class Near:
    """Nearest neighbours among the vectors of a file, kept up to date with it.

    A key whose row was removed may still be found: whoever looks up the row finds none.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / FOLDER
        self._seen: tuple[Any, ...] = (-1, "")  # the generation, and the graph's name
        self._graph: Graph | None = None
        self._keys, self._rows = _NO_KEYS, np.empty((0, 0), np.float32)

    def __len__(self) -> int:
        return len(self._keys) + (len(self._graph) if self._graph is not None else 0)

    def refresh(self, connection: sqlite3.Connection) -> None:
        """Read what is new in the file."""
        seen = tuple(value for (value,) in connection.execute(_SEEN))
        if seen[0] != self._seen[0]:
            dim = get_about(connection).dim
            self._keys, self._rows = _NO_KEYS, np.empty((0, dim), np.float32)
        dim = self._rows.shape[1]
        if seen != self._seen:
            self._graph = open_graph(self._folder / seen[1], dim) if seen[1] else None
            # Without a graph all rows are read again: the late ones are not all.
            late = self._keys > (self._graph.last if self._graph is not None else np.inf)
            self._keys, self._rows, self._seen = self._keys[late], self._rows[late], seen
        last = self._graph.last if self._graph is not None else 0
        keys, rows = read_vectors(connection, max([last, *self._keys[-1:].tolist()]), dim)
        if len(keys):
            self._keys = np.concatenate([self._keys, keys])
            self._rows = np.concatenate([self._rows, rows])

    def nearest(self, queries: Vectors, count: int, among: Keys | None) -> tuple[Keys, Vectors]:
        """Keys and inner products (m, up to count), best first; among given keys if there are some.

        A place that no vector fills has the key -1.
        """
        if among is not None and len(among) <= FLAT:
            return _flat(queries, count, *self._chosen(among))
        found = [_flat(queries, count, self._keys, self._rows)]
        if self._graph is not None:
            found.append(self._among_many(self._graph, queries, count))
        keys = np.concatenate([part[0] for part in found], axis=1)
        products = np.concatenate([part[1] for part in found], axis=1)
        order = np.argsort(-products, axis=1, kind="stable")[:, :count]
        return np.take_along_axis(keys, order, 1), np.take_along_axis(products, order, 1)

    def _among_many(self, graph: Graph, queries: Vectors, count: int) -> tuple[Keys, Vectors]:
        if count * _FEW > len(graph):  # a graph may not reach the last of many
            return _flat(queries, count, graph.keys, graph.rows)
        return graph.nearest(queries, count)

    def _chosen(self, among: Keys) -> tuple[Keys, Vectors]:
        """Those of the given keys, ascending, whose vectors are here."""
        keys, rows = [], []
        parts = [] if self._graph is None else [(self._graph.keys, self._graph.rows)]
        for own, vectors in (*parts, (self._keys, self._rows)):
            here = among[np.isin(among, own, assume_unique=True)]
            keys.append(here)
            rows.append(vectors[np.searchsorted(own, here)])
        return np.concatenate(keys), np.concatenate(rows)


def read_vectors(connection: sqlite3.Connection, after: int, dim: int) -> tuple[Keys, Vectors]:
    """Keys above `after`, ascending, and their vectors."""
    found = connection.execute(
        "SELECT key, vector FROM vectors WHERE key > ? ORDER BY key", (after,)
    )
    keys, rows = [_NO_KEYS], [np.empty((0, dim), np.float32)]
    while part := found.fetchmany(_READ):
        keys.append(np.array([key for key, _ in part], np.int64))
        rows.append(np.frombuffer(b"".join(blob for _, blob in part), np.float32).reshape(-1, dim))
    return np.concatenate(keys), np.concatenate(rows)


def _flat(queries: Vectors, count: int, keys: Keys, rows: Vectors) -> tuple[Keys, Vectors]:
    at, products = scan(queries, rows, count)
    return keys[at], products
