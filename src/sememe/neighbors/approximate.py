"""Nearest neighbours among many vectors: lists of near ones, and only the nearest lists searched.

The lists are made by k-means (an inverted file: Jégou, Douze and Schmid 2011), and as many are
searched as an exact search for a sample needs, which has a fixed seed.
"""

from collections.abc import Iterator

import numpy as np
from scipy import sparse

from sememe.neighbors.exact import Floats, Ints, Neighbors, Rows, nearest, normalized
from sememe.processes import map_in_threads
from sememe.progress import progress_bar

RECALL = 0.97
"""The share of the sample's true neighbours that is aimed at; the others have a little less."""

APPROXIMATE_FROM = 30_000
"""Of fewer vectors, comparing all with all is as fast."""

_LIST = 400  # vectors in a list
_TRAINED_ON = 32  # vectors a list for k-means
_ROUNDS = 6
_SAMPLE = 400
_MOST_PROBES = 128
_QUERIES = 2048  # in one product
_PENDING = 24  # candidates a row before they are merged


def self_join(
    rows: Floats,
    k: int,
    progress: bool | None = None,
    *,
    approximate_from: int = APPROXIMATE_FROM,
    block_rows: int = 32_768,
) -> Neighbors:
    """The k nearest other rows of each unit row: exact for few, approximate from 30,000 on.

    Args:
        rows: float32 (n, dim), of unit length.
        k: how many neighbours.
        progress: a bar from 30,000 on: True, False, or None for one on a terminal.
        approximate_from, block_rows: another number than 30,000; how many rows are joined at a
            time.

    Example:
        >>> self_join(np.eye(3, dtype=np.float32), 1).recall
        1.0
    """
    if len(rows) < approximate_from:
        return nearest(rows, k)
    centers = _centers(rows, max(2, len(rows) // _LIST))
    sample = np.sort(np.random.default_rng(1).choice(len(rows), _SAMPLE, replace=False))
    nearest_rows = nearest(rows, k + 1, queries=rows[sample]).indices
    # Without itself; where a copy of it came first, without the last.
    pairs = zip(nearest_rows, sample, strict=True)
    truth = np.array([[i for i in line if i != row][:k] for line, row in pairs], np.int32)
    probes = _probes(rows, centers, sample, truth)
    blocks = [slice(at, min(at + block_rows, len(rows))) for at in range(0, len(rows), block_rows)]
    probed = np.concatenate([nearest(centers, probes, queries=rows[b]).indices for b in blocks])
    lists = Lists(rows, probed[:, 0], len(centers))
    indices = np.empty((len(rows), k), np.int32)
    similarity = np.empty((len(rows), k), np.float32)

    def join(block: slice) -> None:
        queries = lists.order[block]
        indices[queries], similarity[queries] = search_lists(
            lists, rows[queries], probed[queries], k, queries
        )

    # While one thread multiplies, the other one chooses.
    with progress_bar(len(rows), "texts", progress) as bar:
        for block, _ in zip(blocks, map_in_threads(2, join, blocks), strict=True):
            bar.update(block.stop - block.start)
    recall = np.mean([np.isin(truth[i], indices[row]).mean() for i, row in enumerate(sample)])
    return Neighbors(indices, similarity, float(recall))


def _centers(rows: Floats, count: int) -> Floats:
    """Centres of spherical k-means over a sample, float32 (count, dim)."""
    random = np.random.default_rng(0)
    size = min(len(rows), _TRAINED_ON * count)
    sample = rows[np.sort(random.choice(len(rows), size, replace=False))]
    centers = sample[random.choice(size, count, replace=False)]
    ones = np.ones(size, np.float32)
    for _ in range(_ROUNDS):
        closest = nearest(centers, 1, queries=sample).indices[:, 0]
        total = sparse.csr_matrix((ones, (closest, np.arange(size))), (count, size)) @ sample
        used = np.bincount(closest, minlength=count) > 0
        centers[used] = normalized(total[used])
    return centers


def _probes(rows: Floats, centers: Floats, sample: Rows, truth: Ints) -> int:
    """How many lists must be searched for enough of the sample's true neighbours."""
    most = min(_MOST_PROBES, len(centers))
    order = nearest(centers, most, queries=rows[sample]).indices
    home = nearest(centers, 1, queries=rows[truth.ravel()]).indices.reshape(truth.shape)
    share = np.cumsum((order[:, None, :] == home[:, :, None]).sum(axis=(0, 1))) / truth.size
    enough = np.flatnonzero(share >= RECALL)
    return int(enough[0]) + 1 if len(enough) else most


class Lists:
    """The rows of each list, end to end: list i holds `order[starts[i] : starts[i + 1]]`."""

    def __init__(self, rows: Floats, home: Ints, count: int) -> None:
        self.rows = rows
        self.order = np.argsort(home, kind="stable")
        self.starts = np.searchsorted(home[self.order], np.arange(count + 1))


def search_lists(
    lists: Lists, queries: Floats, probed: Ints | Rows, k: int, rows: Rows | None = None
) -> tuple[Ints, Floats]:
    """The k nearest of each query (q, dim) in the lists probed for it, best first.

    `probed` are these lists, int (q, probes), the nearest first. Where there are fewer than k, the
    index is -1 and the similarity -inf. If the queries are rows of the lists themselves, `rows`
    says which: none is its own neighbour.
    """
    best = _Best(len(queries), k)
    # A row's own list first: what it gives is the bar that the members of the others must pass.
    for part in (probed[:, :1], probed[:, 1:]):
        for number, positions in _by_list(part):
            members = lists.order[lists.starts[number] : lists.starts[number + 1]]
            member_vectors = lists.rows[members]
            for start in range(0, len(positions) if len(members) else 0, _QUERIES):
                block = positions[start : start + _QUERIES]
                similarity = queries[block] @ member_vectors.T
                if rows is not None:
                    similarity[rows[block][:, None] == members] = -np.inf
                best.offer(block, members, similarity)
        best.merge()
    return best.indices, best.similarity


def _by_list(probed: Ints | Rows) -> Iterator[tuple[int, Rows]]:
    """Each list that is probed for some rows, and the positions of these rows."""
    flat = probed.ravel()
    order = np.argsort(flat, kind="stable")
    numbers, starts = np.unique(flat[order], return_index=True)
    positions = np.split(order // probed.shape[1], starts[1:]) if len(order) else []
    yield from zip(numbers.tolist(), positions, strict=True)


class _Best:
    """The k best of every row of a block so far, and candidates that wait to be merged."""

    def __init__(self, rows: int, k: int) -> None:
        self.indices = np.full((rows, k), -1, np.int32)
        self.similarity = np.full((rows, k), -np.inf, np.float32)
        self._waiting: list[tuple[Rows, Rows, Floats]] = []
        self._count = 0

    def offer(self, rows: Rows, members: Rows, similarity: Floats) -> None:
        """Keep what is better than the k-th best so far, of products (rows, members)."""
        k = self.indices.shape[1]
        bar = self.similarity[rows, -1:]
        if np.isneginf(bar).any() and k < len(members):
            bar = np.maximum(bar, -np.partition(-similarity, k - 1, axis=1)[:, k - 1 : k])
        flat = np.flatnonzero((similarity >= bar) & (similarity > -np.inf))
        row, column = np.divmod(flat, len(members))
        self._waiting.append((rows[row], members[column], similarity.ravel()[flat]))
        self._count += len(flat)
        if self._count > _PENDING * len(self.indices):
            self.merge()

    def merge(self) -> None:
        """Choose the k best again, of equals those of the lower index."""
        rows, k = self.indices.shape
        current = (np.repeat(np.arange(rows), k), self.indices.ravel(), self.similarity.ravel())
        row, index, value = map(np.concatenate, zip(current, *self._waiting, strict=True))
        order = np.lexsort((index, -value, row))
        first = np.searchsorted(row[order], np.arange(rows))
        best = order[first[:, None] + np.arange(k)]
        self.indices = index[best].astype(np.int32)
        self.similarity = value[best]
        self._waiting = []
        self._count = 0
