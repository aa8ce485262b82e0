"""A file of approximate neighbours beside the data: a cache, which may be missing at any time."""

import os
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sememe.errors import ChoiceWarning, warn

FOLDER = "neighbors"

_LINKS, _WIDTH = 32, 80  # of a graph's node; candidates while it is built
_SEARCHED = 64  # candidates of a search, at least

Vectors = NDArray[np.float32]
Keys = NDArray[np.int64]


class Graph:
    """Hierarchical navigable small worlds (Malkov and Yashunin, 2018), by FAISS, over some vectors.

    Attributes:
        keys: int64 (n,), ascending, of the vectors in it.
        rows: float32 (n, dim), the vectors.
    """

    def __init__(self, index: Any, keys: Keys) -> None:
        self._index, self.keys = index, keys

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def rows(self) -> Vectors:
        """The vectors, float32 (n, dim), without a copy."""
        faiss = _faiss()
        flat = faiss.downcast_index(self._index.storage)
        found: Vectors = faiss.rev_swig_ptr(flat.get_xb(), flat.ntotal * flat.d)
        return found.reshape(flat.ntotal, flat.d)

    @property
    def last(self) -> int:
        """The greatest key; 0 without any."""
        return int(self.keys[-1]) if len(self.keys) else 0

    def grow(self, keys: Keys, rows: Vectors) -> None:
        """Take in vectors whose keys are above all that are in it."""
        self._index.add(rows)
        self.keys = np.concatenate([self.keys, keys])

    def nearest(self, queries: Vectors, count: int) -> tuple[Keys, Vectors]:
        """Keys (m, count) and inner products (m, count) of about the nearest vectors."""
        faiss = _faiss()
        count = min(count, len(self))
        how = faiss.SearchParametersHNSW(efSearch=max(_SEARCHED, 2 * count))
        products, at = self._index.search(queries, count, params=how)
        return np.where(at >= 0, self.keys[at], -1), np.where(at >= 0, products, -np.inf)

    def save(self, folder: Path, generation: int) -> str:
        """Write a file, whole when it has its name; the name says all that a whole file has."""
        folder.mkdir(exist_ok=True)
        temporary = folder / "new"
        _faiss().write_index(self._index, str(temporary))
        with temporary.open("ab") as file:
            file.write(self.keys.tobytes())
            os.fsync(file.fileno())
        size = temporary.stat().st_size
        name = f"{generation}-{self.last}-{len(self)}-{size}.faiss"
        temporary.replace(folder / name)
        return name


def new_graph(dim: int) -> Graph | None:
    """A graph without vectors; None without FAISS, which is told of once."""
    if not _has_faiss():
        return None
    faiss = _faiss()
    index = faiss.IndexHNSWFlat(dim, _LINKS, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = _WIDTH
    return Graph(index, np.empty(0, np.int64))


def open_graph(path: Path, dim: int, *, to_grow: bool = False) -> Graph | None:
    """The graph of a file, mapped unless it is to grow; None if it is missing or damaged."""
    if not _has_faiss():
        return None
    faiss = _faiss()
    try:
        last, count, size = covered(path.name)
        if path.stat().st_size != size:
            return None
        index = faiss.read_index(str(path), 0 if to_grow else faiss.IO_FLAG_MMAP_IFC)
        found = Graph(index, np.fromfile(path, np.int64, offset=size - 8 * count))
    except (RuntimeError, OSError, ValueError):
        return None
    whole = (index.ntotal, index.d, len(found), found.last) == (count, dim, count, last)
    return found if whole else None


def covered(name: str) -> tuple[int, int, int]:
    """By a file's name, its greatest key, how many vectors and how many bytes it has."""
    _, last, count, size = name.removesuffix(".faiss").split("-")
    return int(last), int(count), int(size)


def _faiss() -> Any:
    return import_module("faiss")  # on use: it is an extra, and takes a while


def _has_faiss() -> bool:
    try:
        _faiss()
    except ImportError:
        warn(
            "Without faiss every search compares all vectors. For searches of a fraction of a "
            'millisecond: pip install "sememe[search]"',
            ChoiceWarning,
            once=True,
        )
        return False
    return True
