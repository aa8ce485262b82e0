"""Rows by their vectors: in a graph, a cache that may be late, and in memory what came after it."""

import json
import os
import re
import secrets
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cached_property
from importlib import import_module
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sememe.errors import ChoiceWarning, StoreError, is_unavailable, warn
from sememe.extras import importing
from sememe.neighbors import merge_neighbors, scan
from sememe.progress import progress_bar
from sememe.search.rows import Keys, Match, Row, Vectors
from sememe.search.sqlite.connection import Connection, readable_errors
from sememe.search.store import COLUMNS, IndexInfo, Run, as_row

FOLDER = "neighbors"
FLAT = 20_000
"""So many vectors are compared all, whatever there is beside them."""

_LINKS, _WIDTH = 32, 80  # of a graph's node; candidates while it is built
_LEAST = 64  # candidates of a search
_SHARE = 10  # a graph may not reach the last of many: it is asked for a tenth of its nodes at most
_CELL = 1e-3  # numbers this near mostly have one sign
_SAME = 1e-5  # of the greatest number: copies of a vector differ by less
_AT_ONCE = 4_000  # rows whose signs are made together
_NAME = re.compile(r"[0-9a-f]+-(\d+)-(\d+)-(\d+)\.hnsw")
_READ = 20_000  # rows at once
_STATE = "SELECT name, value FROM state WHERE name IN ('info', 'graph')"
_NO_KEYS = np.empty(0, np.int64)


class VectorIndex:
    """Nearest neighbours among the vectors of a file, kept up to date with it.

    A key whose row was removed may still be among them: whoever looks up the row gets none. `info`
    is what the index remembered of itself when this was last brought up to date.
    """

    info: IndexInfo

    def __init__(self, folder: Path) -> None:
        self._folder = folder / FOLDER
        self._state: dict[str, str] = {}  # of the file, when this was brought up to date
        self._graph: Graph | None = None
        self._keys, self._rows = _NO_KEYS, np.empty((0, 0), np.float32)

    def __len__(self) -> int:
        return len(self._keys) + (len(self._graph) if self._graph is not None else 0)

    @property
    def _last(self) -> int:
        return self._graph.last if self._graph is not None else 0

    def refresh(self, run: Run) -> None:
        """Read what is new in the file."""
        state = dict(run(_STATE))
        if state != self._state:
            info = IndexInfo(**json.loads(state["info"]))
            if not self._state or info.fingerprint != self.info.fingerprint:
                self._keys, self._rows = _NO_KEYS, np.empty((0, info.dim), np.float32)
            self.info = info
            self._graph = open_graph(self._folder / state.get("graph", ""), info.dim)
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
    if among is None or len(among) > FLAT:
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
    folder = folder / FOLDER
    state = dict(file.read(lambda run: run(_STATE)))
    name, dim = state.get("graph", ""), IndexInfo(**json.loads(state["info"])).dim
    last, count, size = covered(name)
    if not size or not (folder / name).is_file() or (folder / name).stat().st_size != size:
        last, count = 0, 0  # an index may be copied without it, or with a part
    # The + keeps to the index of ids, which is much smaller than the texts.
    sql = "SELECT count(*), count(CASE WHEN key > ? THEN 1 END) FROM rows WHERE +key > 0"
    [[live, late]] = file.read(lambda run: run(sql, [last]))
    dead = count - (live - late)
    is_stale = dead > _DEAD * count or (all_late and dead > 0)
    if not (is_stale or late > max(FLAT, _LATE * count) or (all_late and late)):
        return
    name_after = ""
    if live > FLAT:
        old = None if is_stale else open_graph(folder / name, dim, to_grow=True)
        new = new_graph(dim) if old is None else old
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


class Graph:
    """Hierarchical navigable small worlds (Malkov and Yashunin, 2018), by FAISS, over some vectors.

    `keys`, int64 (n,), are those of the vectors in it, ascending, and `nodes` the node of each.
    Copies of a vector are one node: nodes that are all equally near have no links to others.
    """

    def __init__(self, index: Any, keys: Keys, nodes: Keys) -> None:
        self._index, self.keys, self.nodes = index, keys, nodes

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def last(self) -> int:
        """The greatest key; 0 without any."""
        return int(self.keys[-1]) if len(self.keys) else 0

    def vectors(self, keys: Keys) -> Vectors:
        """The vectors of some of its keys."""
        return self._rows[self.nodes[np.searchsorted(self.keys, keys)]]

    def grow(self, keys: Keys, rows: Vectors) -> None:
        """Take in vectors whose keys are above all that are in it."""
        nodes, signs = self._index.ntotal, _signs(rows)
        all_signs = np.concatenate([self._node_signs, signs])
        _, first, sign = np.unique(all_signs, return_index=True, return_inverse=True)
        first = first[sign[nodes:]]  # the first with each row's sign: a node, or a row behind them
        has_node, row = first < nodes, np.maximum(first - nodes, 0)
        others = rows[row]
        others[has_node] = self._rows[first[has_node]]
        is_new = np.abs(others - rows).max(1) > _SAME * np.abs(rows).max(1)
        is_new |= first == nodes + np.arange(len(rows))
        numbers = nodes - 1 + np.cumsum(is_new)
        old_nodes = np.where(has_node, first, numbers[row])
        self._index.add(rows[is_new])
        self._node_signs = np.concatenate([self._node_signs, signs[is_new]])
        self.keys = np.concatenate([self.keys, keys])
        self.nodes = np.concatenate([self.nodes, np.where(is_new, numbers, old_nodes)])

    def nearest(self, queries: Vectors, count: int) -> tuple[Keys, Vectors]:
        """Keys (m, up to count), -1 for none, and inner products of about the nearest vectors."""
        size, count = self._index.ntotal, min(count, len(self))
        if size <= FLAT or count * _SHARE > size:
            best, products = scan(queries, self._rows, count)
            nodes = best.astype(np.int64)
        else:
            width = import_module("faiss").SearchParametersHNSW(efSearch=max(_LEAST, 2 * count))
            products, nodes = self._index.search(queries, count, params=width)
        if size == len(self) and nodes.min(initial=0) >= 0:
            return self.keys[nodes], products
        all_keys = np.full((len(nodes), count), -1, np.int64)
        all_products = np.full((len(nodes), count), -np.inf, np.float32)
        by_node, starts = self._copies
        for line, best in enumerate(nodes):
            copies = [by_node[starts[node] : starts[node + 1]] for node in best if node >= 0]
            keys = np.concatenate([by_node[:0], *copies])[:count]
            all_keys[line, : len(keys)] = keys
            sizes = [len(copy) for copy in copies]
            each = np.repeat(products[line, : len(copies)], sizes)
            all_products[line, : len(keys)] = each[:count]
        return all_keys, all_products

    @cached_property
    def _copies(self) -> tuple[Keys, Keys]:
        """The keys node by node, and where each node's begin."""
        order = np.argsort(self.nodes, kind="stable")
        starts = np.searchsorted(self.nodes[order], np.arange(self._index.ntotal + 1))
        return self.keys[order], starts

    @cached_property
    def _node_signs(self) -> Keys:
        return _signs(self._rows)

    @property
    def _rows(self) -> Vectors:
        """The nodes' vectors, without a copy."""
        faiss: Any = import_module("faiss")
        flat = faiss.downcast_index(self._index.storage)
        if not flat.ntotal:
            return np.empty((0, flat.d), np.float32)
        rows: Vectors = faiss.rev_swig_ptr(flat.get_xb(), flat.ntotal * flat.d)
        return rows.reshape(flat.ntotal, flat.d)

    def save(self, folder: Path) -> str:
        """Write a file, complete when it has its name, which says what a complete one has."""
        temporary = folder / "new"
        try:
            folder.mkdir(exist_ok=True)
            _faiss().write_index(self._index, str(temporary))
            with temporary.open("ab") as file:
                file.write(self.keys.tobytes() + self.nodes.tobytes())
                os.fsync(file.fileno())
        except (OSError, RuntimeError) as error:  # the latter is FAISS'
            with suppress(OSError):
                temporary.unlink()
            raise StoreError(
                f"{folder} cannot be written: {' '.join(str(error).split())}",
                unavailable=is_unavailable(error),
            ) from None
        size = temporary.stat().st_size
        name = f"{secrets.token_hex(4)}-{self.last}-{len(self)}-{size}.hnsw"
        temporary.replace(folder / name)
        return name


def new_graph(dim: int) -> Graph | None:
    """A graph without vectors; None without FAISS, of which one warning tells."""
    faiss = _faiss()
    if faiss is None:
        return None
    index = faiss.IndexHNSWFlat(dim, _LINKS, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = _WIDTH
    return Graph(index, np.empty(0, np.int64), np.empty(0, np.int64))


def open_graph(path: Path, dim: int, *, to_grow: bool = False) -> Graph | None:
    """The graph of a file, mapped unless it is to grow; None if it is missing or damaged."""
    last, count, size = covered(path.name)
    faiss = _faiss() if size else None
    if faiss is None:
        return None
    try:
        if path.stat().st_size != size:
            return None
        index = faiss.read_index(str(path), 0 if to_grow else faiss.IO_FLAG_MMAP_IFC)
        numbers = np.fromfile(path, np.int64, offset=size - 16 * count).reshape(2, count)
    except (RuntimeError, OSError, ValueError):
        return None
    graph = Graph(index, *numbers)
    shape = (index.ntotal, index.d, graph.last)
    return graph if shape == (int(graph.nodes.max()) + 1, dim, last) else None


def covered(name: str) -> tuple[int, int, int]:
    """By a file's name, its greatest key, how many vectors and how many bytes it has; or zeros."""
    match = _NAME.fullmatch(name)
    return (int(match[1]), int(match[2]), int(match[3])) if match else (0, 0, 0)


def _signs(rows: Vectors) -> Keys:
    """A number a row that nearly all copies share, whatever batches they were encoded in."""
    weights = np.random.default_rng(0).integers(2**62, size=rows.shape[1])
    parts = (rows[start : start + _AT_ONCE] for start in range(0, len(rows), _AT_ONCE))
    signs = [np.rint(part / _CELL).astype(np.int64) @ weights for part in parts]
    return np.concatenate([np.empty(0, np.int64), *signs])


def _faiss() -> Any:
    """FAISS, an extra that takes a while to import; None without it, of which one warning tells."""
    try:
        with importing("faiss", purpose="searches that take less than a millisecond"):
            return import_module("faiss")
    except ImportError as error:
        warn(f"Every search compares all vectors: {error}", ChoiceWarning, once=True)
        return None


def _after_fork() -> None:
    """FAISS' other threads did not survive the fork, and it would wait for them for ever."""
    if faiss := sys.modules.get("faiss"):
        faiss.omp_set_num_threads(1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
