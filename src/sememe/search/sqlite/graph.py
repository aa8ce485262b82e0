"""A file of approximate neighbours beside the data: a cache, which may be missing at any time."""

import os
import re
import secrets
import sys
from contextlib import suppress
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from sememe.errors import ChoiceWarning, StoreError, is_unavailable, warn
from sememe.extras import importing
from sememe.neighbors import scan
from sememe.search.rows import Keys, Vectors

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


class Graph:
    """Hierarchical navigable small worlds (Malkov and Yashunin, 2018), by FAISS, over some vectors.

    Copies of a vector are one node: nodes that are all equally near have no links to others.

    Attributes:
        keys: int64 (n,), ascending, of the vectors in it.
        nodes: int64 (n,), the node of each.
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
        """Keys (m, up to count) and inner products of about the nearest vectors, best first.

        A place that none fills has the key -1.
        """
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
