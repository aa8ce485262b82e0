"""Rows by their vectors: in a graph, which may be late, and in memory what came after it."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sememe.neighbors import merge_neighbors, scan
from sememe.progress import progress_bar
from sememe.search.query import SQLITE, Condition
from sememe.search.rows import Match, Row
from sememe.search.sqlite import graph
from sememe.search.sqlite.connection import (
    Connection,
    get_info,
    get_state,
    parse_info,
    readable_errors,
    set_state,
)
from sememe.search.sqlite.graph import FOLDER, Graph, Keys, Vectors, open_graph
from sememe.search.store import IndexInfo

_READ = 20_000  # rows at once
_FORGET = 1.25  # so many times as many vectors as when the dead ones were last forgotten, and
_ANYHOW = 1_000  # so many more, are held before they are again
_SEEN = "SELECT value FROM state WHERE name IN ('about', 'generation', 'graph') ORDER BY name"
_NO_KEYS = np.empty(0, np.int64)


class VectorIndex:
    """Nearest neighbours among the vectors of a file, kept up to date with it.

    A key whose row was removed may still be found: whoever looks up the row finds none.

    Attributes:
        about: what the index remembered of itself when this was last brought up to date.
    """

    info: IndexInfo

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
        dim = self.info.dim
        late = list(read_vectors(connection, max([last, *self._keys[-1:].tolist()]), dim))
        if not late:
            return
        keys, rows = zip((self._keys, self._rows), *late, strict=True)
        self._keys, self._rows = np.concatenate(keys), np.concatenate(rows)
        if len(self._keys) > _FORGET * self._lived + _ANYHOW:
            live = connection.execute("SELECT key FROM texts WHERE key > ?", (last,))
            self._keep(within(self._keys, np.sort(np.fromiter((k for (k,) in live), np.int64))))
            self._lived = len(self._keys)

    def _begin(self, seen: tuple[Any, ...]) -> None:
        """Forget what is not so any longer, and open another graph."""
        self.info = parse_info(seen[0])
        if seen[1] != self._seen[1]:
            self._keys, self._rows = _NO_KEYS, np.empty((0, self.info.dim), np.float32)
        self._graph = open_graph(self._folder / seen[2], self.info.dim) if seen[2] else None
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


_AT_ONCE = 500  # values of one statement
_SPARE, _MORE = 2, 4  # so many times as many are asked for: with a filter, and when they were few
_WIDE = 2_000  # from here on to compare all takes no longer


def nearest_rows(
    connection: sqlite3.Connection,
    index: VectorIndex,
    vectors: Vectors,
    count: int,
    where: Condition | None,
) -> list[list[Match]]:
    """For each vector the rows with the greatest inner products, best first."""
    among = None if where is None else _keys(connection, where)
    rows: dict[int, Row] = {}
    best: list[list[tuple[int, float]]] = [[] for _ in vectors]
    left = list(range(len(vectors)))
    for asked in _rounds(len(index), count, among):
        if asked is None:
            all_keys = _keys(connection, None) if among is None else among
            keys, products = index.exact(vectors[left], count, all_keys)
        else:
            keys, products = index.nearest(vectors[left], asked)
        there: Any = rows
        if among is None:
            new = {key for line in keys.tolist() for key in line} - rows.keys() - {-1}
            rows |= read_rows(connection, "key", list(new))
        else:
            there = set(keys[within(keys, among)].tolist())
        for query, *line in zip(left, keys.tolist(), products.tolist(), strict=True):
            best[query] = [pair for pair in zip(*line, strict=True) if pair[0] in there][:count]
        left = [query for query in left if len(best[query]) < count]
        if not left or (asked is not None and asked >= len(index)):
            break
    if among is not None:
        rows = read_rows(connection, "key", list({key for line in best for key, _ in line}))
    return [[Match(rows[key], score) for key, score in line] for line in best]


def _rounds(held: int, count: int, among: Keys | None) -> Iterator[int | None]:
    """How many neighbours to ask for, one time after the other; None compares all, exactly."""
    if among is None or len(among) > graph.FLAT:
        asked = count if among is None else ceil(_SPARE * count * held / len(among))
        yield asked
        while (asked := asked * _MORE) <= _WIDE:
            yield asked
    yield None


def read_rows(connection: sqlite3.Connection, column: str, values: list[Any]) -> dict[Any, Row]:
    """The rows that have one of the values in a column (key or id), by it."""
    return {
        (str(line[0]) if column == "id" else line[0]): row(line[1:])
        for part in parts(values)
        for line in connection.execute(
            f"SELECT {column}, id, text, metadata FROM texts WHERE {column} IN ({marks(part)})",
            part,
        )
    }


def row(line: Sequence[Any]) -> Row:
    """A row out of its columns id, text and metadata."""
    return Row(str(line[0]), line[1], json.loads(line[2]) if line[2] != "{}" else {})


def parts(values: list[Any]) -> Iterator[list[Any]]:
    """As many values at a time as a statement takes."""
    for start in range(0, len(values), _AT_ONCE):
        yield values[start : start + _AT_ONCE]


def marks(values: Sequence[object]) -> str:
    """Placeholders for so many."""
    return ",".join("?" * len(values))


def _keys(connection: sqlite3.Connection, where: Condition | None) -> Keys:
    condition, values = ("1", []) if where is None else where.sql(SQLITE)
    keys = connection.execute(f"SELECT key FROM texts WHERE {condition}", values)
    return np.sort(np.fromiter((key for (key,) in keys), np.int64))


_LATE = 0.25  # of the graph's vectors: over that, what came later is taken in
_DEAD = 0.25  # of the graph's vectors: over that, it is built without them


def update_graph(
    file: Connection, folder: Path, *, whole: bool = False, progress: bool | None = None
) -> None:
    """Take into the graph what came later, if that is much or all is wanted; or build it anew.

    Nobody else may write meanwhile. Between its parts the file is free: others search, or fork.
    """
    folder = folder / graph.FOLDER
    name, count, live, late = file.read(lambda connection: _counted(connection, folder))
    dead = count - (live - late)
    stale = dead > _DEAD * count or (whole and dead > 0)
    if not (stale or late > max(graph.FLAT, _LATE * count) or (whole and late)):
        return
    if live <= graph.FLAT:
        _remember(file, folder, "")
        return
    dim = file.read(get_info).dim
    found = None if stale else graph.open_graph(folder / name, dim, to_grow=True)
    found = graph.new_graph(dim) if found is None else found
    if found is not None:
        with progress_bar(live if stale else late, "neighbours", progress) as bar:
            while part := file.read(partial(_part, after=found.last, dim=dim)):
                found.grow(*part)
                bar.update(len(part[0]))
        _remember(file, folder, found.save(folder))


def _counted(connection: sqlite3.Connection, folder: Path) -> tuple[str, int, int, int]:
    """The graph's name and size; how many rows there are, and how many behind the graph."""
    name = get_state(connection, "graph")
    last, count, size = graph.covered(name)
    if not size or not (folder / name).is_file() or (folder / name).stat().st_size != size:
        last, count = 0, 0  # an index may be copied without it, or with a part
    # The + keeps to the index of ids, which is much smaller than the texts.
    sql = "SELECT count(*) FROM texts WHERE +key > ?"
    live, late = (connection.execute(sql, (after,)).fetchone()[0] for after in (0, last))
    return name, count, live, late


def _part(
    connection: sqlite3.Connection, after: int, dim: int
) -> tuple[graph.Keys, graph.Vectors] | None:
    return next(read_vectors(connection, after, dim), None)


def _remember(file: Connection, folder: Path, name: str) -> None:
    file.read(lambda connection: set_state(connection, "graph", name))
    with readable_errors(folder):
        for path in folder.iterdir() if folder.is_dir() else ():
            if path.name != name:
                with suppress(OSError):  # Windows keeps what a reader has mapped; next time, then
                    path.unlink()
