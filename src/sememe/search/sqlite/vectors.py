"""Rows by their vectors: in a graph, which may be late, and in memory what came after it."""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sememe.neighbors import merge_neighbors, scan
from sememe.progress import progress_bar
from sememe.search.rows import Keys, Match, Row, Vectors
from sememe.search.sqlite import graph
from sememe.search.sqlite.connection import Connection, readable_errors
from sememe.search.store import COLUMNS, IndexInfo, Run, as_row

_READ = 20_000  # rows at once
_STATE = "SELECT name, value FROM state WHERE name IN ('info', 'graph')"
_NO_KEYS = np.empty(0, np.int64)


class VectorIndex:
    """Nearest neighbours among the vectors of a file, kept up to date with it.

    A key whose row was removed may still be among them: whoever looks up the row gets none.

    Attributes:
        info: what the index remembered of itself when this was last brought up to date.
    """

    info: IndexInfo

    def __init__(self, folder: Path) -> None:
        self._folder = folder / graph.FOLDER
        self._state: dict[str, str] = {}  # of the file, when this was brought up to date
        self._graph: graph.Graph | None = None
        self._keys, self._rows = _NO_KEYS, np.empty((0, 0), np.float32)

    def __len__(self) -> int:
        return len(self._keys) + (len(self._graph) if self._graph is not None else 0)

    @property
    def _last(self) -> int:
        """The greatest key in the graph; 0 without one."""
        return self._graph.last if self._graph is not None else 0

    def refresh(self, run: Run) -> None:
        """Read what is new in the file."""
        state = dict(run(_STATE))
        if state != self._state:
            info = IndexInfo(**json.loads(state["info"]))
            if not self._state or info.fingerprint != self.info.fingerprint:
                self._keys, self._rows = _NO_KEYS, np.empty((0, info.dim), np.float32)
            self.info = info
            self._graph = graph.open_graph(self._folder / state.get("graph", ""), info.dim)
            # Without a graph all rows are read again: the late ones are not all.
            self._keep(self._keys > (np.inf if self._graph is None else self._last))
            self._state = state
        after = max([self._last, *self._keys[-1:].tolist()])
        late = list(read_vectors(run, after, self.info.dim))
        if not late:
            return
        keys, rows = zip((self._keys, self._rows), *late, strict=True)
        self._keys, self._rows = np.concatenate(keys), np.concatenate(rows)
        # The + keeps to the index of ids, which is much smaller than the texts.
        self._keep(_within(self._keys, sorted_keys(run, "+key > ?", [self._last])))

    def _keep(self, which: NDArray[np.bool_]) -> None:
        self._keys, self._rows = self._keys[which], self._rows[which]

    def nearest(self, queries: Vectors, count: int) -> tuple[Keys, Vectors]:
        """Keys and inner products (m, up to count), best first; the key -1 is of none."""
        parts = [] if self._graph is None else [self._graph.nearest(queries, count)]
        if len(self._keys) or not parts:
            parts.append(_flat(queries, count, self._keys, self._rows))
        return merge_neighbors(parts, count)

    def exact(self, queries: Vectors, count: int, among: Keys) -> tuple[Keys, Vectors]:
        """The same of the vectors with the given keys, ascending, all of them compared."""
        merged = []
        for start in range(0, len(among) or 1, _READ):
            keys = among[start : start + _READ]
            late = keys > self._last
            parts = [(keys[late], self._rows[np.searchsorted(self._keys, keys[late])])]
            if self._graph is not None:
                parts.append((keys[~late], self._graph.vectors(keys[~late])))
            merged.append(merge_neighbors([_flat(queries, count, *part) for part in parts], count))
        return merge_neighbors(merged, count)


def read_vectors(run: Run, after: int, dim: int) -> Iterator[tuple[Keys, Vectors]]:
    """Keys above `after`, ascending, and their vectors, a part at a time."""
    sql = "SELECT key, vector FROM vectors WHERE key > ? ORDER BY key LIMIT ?"
    while part := run(sql, [after, _READ]):
        keys = np.array([key for key, _ in part], np.int64)
        yield keys, np.frombuffer(b"".join(blob for _, blob in part), np.float32).reshape(-1, dim)
        after = part[-1][0]


def _within(keys: Keys, among: Keys) -> NDArray[np.bool_]:
    """Which keys are among some that are in order."""
    if not len(among):
        return np.zeros(keys.shape, bool)
    places = np.minimum(np.searchsorted(among, keys), len(among) - 1)
    return np.equal(among[places], keys)


def _flat(queries: Vectors, count: int, keys: Keys, rows: Vectors) -> tuple[Keys, Vectors]:
    places, products = scan(queries, rows, count)
    return keys[places], products


_WITH_FILTER, _MORE = 2, 4  # so many times as many are asked for; and when they were few
_WIDE = 2_000  # from here on to compare all takes no longer


def nearest_rows(
    run: Run, index: VectorIndex, vectors: Vectors, count: int, among: Keys | None
) -> list[list[Match]]:
    """For each vector the rows with the greatest inner products, best first.

    `among` are the keys of the rows that pass a filter, ascending; None without one.
    """
    rows: dict[int, Row] = {}
    best: list[list[tuple[int, float]]] = [[] for _ in vectors]
    open_queries = list(range(len(vectors)))
    for neighbors in _rounds(len(index), count, among):
        if neighbors is None:
            all_keys = sorted_keys(run, "TRUE", []) if among is None else among
            keys, products = index.exact(vectors[open_queries], count, all_keys)
        else:
            keys, products = index.nearest(vectors[open_queries], neighbors)
        live: Any = rows
        if among is None:
            new = {key for line in keys.tolist() for key in line} - rows.keys() - {-1}
            rows |= _rows(run, new)
        else:
            live = set(keys[_within(keys, among)].tolist())
        for query, *line in zip(open_queries, keys.tolist(), products.tolist(), strict=True):
            best[query] = [pair for pair in zip(*line, strict=True) if pair[0] in live][:count]
        open_queries = [query for query in open_queries if len(best[query]) < count]
        if not open_queries or (neighbors is not None and neighbors >= len(index)):
            break
    if among is not None:
        rows = _rows(run, {key for line in best for key, _ in line})
    return [[Match(rows[key], score) for key, score in line] for line in best]


def _rounds(size: int, count: int, among: Keys | None) -> Iterator[int | None]:
    """How many neighbours to ask for, one time after the other; None compares all, exactly."""
    if among is None or len(among) > graph.FLAT:
        neighbors = count if among is None else ceil(_WITH_FILTER * count * size / len(among))
        yield neighbors
        while (neighbors := neighbors * _MORE) <= _WIDE:
            yield neighbors
    yield None


def _rows(run: Run, keys: Iterable[int]) -> dict[int, Row]:
    sql = f"SELECT key, {COLUMNS} FROM rows WHERE key IN (SELECT value FROM json_each(?))"
    return {key: as_row(line) for key, *line in run(sql, [json.dumps(list(keys))])}


def sorted_keys(run: Run, condition: str, values: Sequence[object]) -> Keys:
    """The keys of the rows for which a condition in SQL is true, ascending."""
    keys = run(f"SELECT key FROM rows WHERE {condition}", values)
    return np.sort(np.fromiter((key for (key,) in keys), np.int64, len(keys)))


_LATE = 0.25  # of the graph's vectors: over that, what came later is taken in
_DEAD = 0.25  # of the graph's vectors: over that, it is built without them


def update_graph(
    file: Connection, folder: Path, *, all_late: bool = False, progress: bool | None = None
) -> None:
    """Take into the graph what came later, if that is much or `all_late`; or build it anew.

    Nobody else may write meanwhile. Between its parts the file is free: others search, or fork.
    """
    folder = folder / graph.FOLDER
    state = dict(file.read(lambda run: run(_STATE)))
    name, dim = state.get("graph", ""), IndexInfo(**json.loads(state["info"])).dim
    last, count, size = graph.covered(name)
    if not size or not (folder / name).is_file() or (folder / name).stat().st_size != size:
        last, count = 0, 0  # an index may be copied without it, or with a part
    # The + keeps to the index of ids, which is much smaller than the texts.
    sql = "SELECT count(*), count(CASE WHEN key > ? THEN 1 END) FROM rows WHERE +key > 0"
    [[live, late]] = file.read(lambda run: run(sql, [last]))
    dead = count - (live - late)
    is_stale = dead > _DEAD * count or (all_late and dead > 0)
    if not (is_stale or late > max(graph.FLAT, _LATE * count) or (all_late and late)):
        return
    name_after = ""
    if live > graph.FLAT:
        old = None if is_stale else graph.open_graph(folder / name, dim, to_grow=True)
        new = graph.new_graph(dim) if old is None else old
        if new is None:
            return
        with progress_bar(live if is_stale else late, "neighbours", progress) as bar:
            while part := file.read(lambda run: next(read_vectors(run, new.last, dim), None)):
                new.grow(*part)
                bar.update(len(part[0]))
        name_after = new.save(folder)
    file.read(lambda run: run("REPLACE INTO state VALUES ('graph', ?)", [name_after]))
    with readable_errors(folder):
        for path in folder.iterdir() if folder.is_dir() else ():
            if path.name != name_after:
                with suppress(OSError):  # Windows keeps what a reader has mapped; next time, then
                    path.unlink()
