"""Nearest neighbours among many vectors: lists of near ones, and only the nearest lists searched.

The vectors are shared out to lists by k-means (an inverted file: Jégou, Douze and Schmid 2011), and
every vector is compared with the members of the lists nearest to it. How many lists that takes is
not a setting: for a sample of the vectors the neighbours are computed exactly, and as many lists
are searched as the sample needs. Nothing is random but the sample, whose seed is fixed.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from sememe.neighbors.exact import Neighbors, nearest
from sememe.neighbors.vectors import unit
from sememe.progress import progress_bar

RECALL = 0.97
"""What is aimed at on the sample; a little is lost on the others."""

# Below, to compare all with all is as fast.
APPROXIMATE_FROM = 30_000
_LIST = 400  # vectors in a list
_TRAINED_ON = 32  # vectors a list for k-means
_ROUNDS = 6
_SAMPLE = 400
_MOST_PROBES = 128
_BLOCK = 32_768
_QUERIES = 2048  # in one product
_PENDING = 24  # candidates a row before they are merged

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]


def self_join(rows: Floats, k: int, progress: bool | None = None) -> Neighbors:
    """The k nearest other rows of each unit row: exact for few, approximate from 30,000 on.

    Args:
        rows: float32 (n, dim), of unit length.
        k: how many neighbours.
        progress: a bar from 30,000 on: True, False, or None for one on a terminal.

    Returns:
        Neighbors whose `recall` says which share of the true neighbours was found in the sample.

    Example:
        >>> self_join(np.eye(3, dtype=np.float32), 1).recall
        1.0
    """
    if len(rows) < APPROXIMATE_FROM:
        return nearest(rows, k)
    centers = _centers(rows, max(2, len(rows) // _LIST))
    chosen = np.sort(np.random.default_rng(1).choice(len(rows), _SAMPLE, replace=False))
    truth = _exact(rows, chosen, k)
    probes = _probes(rows, centers, chosen, truth)
    nearby = np.concatenate(
        [nearest(centers, probes, queries=rows[part]).indices for part in _parts(len(rows))]
    )
    lists = _Lists(rows, nearby[:, 0], len(centers))
    indices = np.empty((len(rows), k), np.int32)
    similarity = np.empty((len(rows), k), np.float32)

    def join(part: slice) -> None:
        own = lists.order[part]
        indices[own], similarity[own] = _joined(lists, own, nearby[own], k)

    # While one thread multiplies, the other one chooses.
    parts = list(_parts(len(rows)))
    with ThreadPoolExecutor(2) as threads, progress_bar(len(rows), "texts", progress) as bar:
        for part, _ in zip(parts, threads.map(join, parts), strict=True):
            bar.update(part.stop - part.start)
    found = [np.isin(truth[i], indices[row]).mean() for i, row in enumerate(chosen)]
    return Neighbors(indices, similarity, float(np.mean(found)))


def _parts(count: int) -> Iterator[slice]:
    return (slice(start, min(start + _BLOCK, count)) for start in range(0, count, _BLOCK))


def _centers(rows: Floats, count: int) -> Floats:
    """Centres of spherical k-means over a sample, float32 (count, dim)."""
    chance = np.random.default_rng(0)
    size = min(len(rows), _TRAINED_ON * count)
    sample = rows[np.sort(chance.choice(len(rows), size, replace=False))]
    centers = sample[chance.choice(size, count, replace=False)]
    ones, every = np.ones(size, np.float32), np.arange(size)
    for _ in range(_ROUNDS):
        closest = nearest(centers, 1, queries=sample).indices[:, 0]
        total = sparse.csr_matrix((ones, (closest, every)), (count, size)) @ sample
        used = np.bincount(closest, minlength=count) > 0
        centers[used] = unit(total[used])
    return centers


def _exact(rows: Floats, chosen: NDArray[np.int64], k: int) -> Ints:
    found = nearest(rows, k + 1, queries=rows[chosen]).indices
    # Without itself; where a copy of it came first, without the last.
    kept = [[i for i in line if i != row][:k] for line, row in zip(found, chosen, strict=True)]
    return np.array(kept, np.int32)


def _probes(rows: Floats, centers: Floats, chosen: NDArray[np.int64], truth: Ints) -> int:
    """How many lists must be searched to find enough of the sample's true neighbours."""
    most = min(_MOST_PROBES, len(centers))
    order = nearest(centers, most, queries=rows[chosen]).indices
    home = nearest(centers, 1, queries=rows[truth.ravel()]).indices.reshape(truth.shape)
    share = np.cumsum((order[:, None, :] == home[:, :, None]).sum(axis=(0, 1))) / truth.size
    enough = np.flatnonzero(share >= RECALL)
    return int(enough[0]) + 1 if len(enough) else most


class _Lists:
    """The rows of each list, end to end: list i holds `order[starts[i] : starts[i + 1]]`."""

    def __init__(self, rows: Floats, home: Ints, count: int) -> None:
        self.rows = rows
        self.order = np.argsort(home, kind="stable")
        self.starts = np.searchsorted(home[self.order], np.arange(count + 1))

    def members(self, number: int) -> NDArray[np.int64]:
        return self.order[self.starts[number] : self.starts[number + 1]]


def _joined(lists: _Lists, own: NDArray[np.int64], nearby: Ints, k: int) -> tuple[Ints, Floats]:
    """The k nearest of a block of rows among the members of the lists near to each."""
    queries = lists.rows[own]
    best = _Best(len(own), k)
    # A row's own list first: what it gives is the bar that the members of the others must pass.
    for part in (nearby[:, :1], nearby[:, 1:]):
        for number, asking in _by_list(part):
            members = lists.members(number)
            inside = lists.rows[members]
            for start in range(0, len(asking), _QUERIES):
                asked = asking[start : start + _QUERIES]
                similarity = queries[asked] @ inside.T
                similarity[own[asked][:, None] == members] = -np.inf
                best.offer(asked, members, similarity)
        best.merge()
    return best.indices, best.similarity


def _by_list(nearby: Ints) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Each list that is near to some rows, and these rows."""
    flat = nearby.ravel()
    order = np.argsort(flat, kind="stable")
    numbers, starts = np.unique(flat[order], return_index=True)
    asking = np.split(order // nearby.shape[1], starts[1:]) if len(order) else []
    yield from zip(numbers.tolist(), asking, strict=True)


class _Best:
    """The k best of every row of a block so far, and candidates that wait to be merged."""

    def __init__(self, rows: int, k: int) -> None:
        self.indices = np.full((rows, k), -1, np.int32)
        self.similarity = np.full((rows, k), -np.inf, np.float32)
        self._waiting: list[tuple[NDArray[np.int64], NDArray[np.int64], Floats]] = []
        self._count = 0

    def offer(self, asked: NDArray[np.int64], members: NDArray[np.int64], found: Floats) -> None:
        """Keep what is better than the k-th best so far, of products (asked, members)."""
        k = self.indices.shape[1]
        bar = self.similarity[asked, -1:]
        if np.isneginf(bar).any() and k < found.shape[1]:
            bar = np.maximum(bar, -np.partition(-found, k - 1, axis=1)[:, k - 1 : k])
        flat = np.flatnonzero(found >= bar)
        row = flat // found.shape[1]
        value = found.ravel()[flat]
        real = value > -np.inf
        which = members[flat - row * found.shape[1]]
        self._waiting.append((asked[row[real]], which[real], value[real]))
        self._count += len(flat)
        if self._count > _PENDING * len(self.indices):
            self.merge()

    def merge(self) -> None:
        """Choose the k best again, of equals those of the lower index."""
        rows, k = self.indices.shape
        old = np.repeat(np.arange(rows), k)
        row = np.concatenate([old, *(part[0] for part in self._waiting)])
        index = np.concatenate([self.indices.ravel(), *(part[1] for part in self._waiting)])
        value = np.concatenate([self.similarity.ravel(), *(part[2] for part in self._waiting)])
        order = np.lexsort((index, -value, row))
        first = np.searchsorted(row[order], np.arange(rows))
        chosen = order[first[:, None] + np.arange(k)]
        self.indices, self.similarity = index[chosen].astype(np.int32), value[chosen]
        self._waiting, self._count = [], 0
