"""Exact nearest neighbours among vectors, by blocked matrix products.

No index and no approximation: every inner product is computed, a block at a time, so memory stays
bounded whatever the number of vectors. 10,000 vectors of 384 dimensions take well under a second on
two cores.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sememe.errors import InputError
from sememe.neighbors.vectors import checked

_BLOCK_COLUMNS = 32_768
_BLOCK_BYTES = 32 * 2**20  # small enough to stay in the cache between the product and the choice
_GROUPS = 16  # columns looked at together when the k-th best similarity is bounded from below


@dataclass(frozen=True)
class Neighbors:
    """The nearest neighbours of each row, the best first; of equals, the lower index first.

    Attributes:
        indices: int32 (n, k), rows of the vectors that were searched.
        similarity: float32 (n, k), the inner products.
        recall: which share of the true neighbours is among them, 1 where all were compared.
    """

    indices: NDArray[np.int32]
    similarity: NDArray[np.float32]
    recall: float = 1.0


def nearest(vectors: ArrayLike, k: int, *, queries: ArrayLike | None = None) -> Neighbors:
    """Find, by inner product, the `k` vectors nearest to each query, or to each other vector.

    The inner product is the cosine where rows have unit length (see `unit`). Without `queries` the
    vectors are compared with one another and none is its own neighbour (an identical vector in
    another row is a neighbour like any other).

    Args:
        vectors: float (n, dim).
        k: how many neighbours. Where there are fewer, there are fewer columns: n for queries,
            n - 1 without.
        queries: float (m, dim), or None for the vectors themselves.

    Returns:
        Neighbors with `indices` int32 and `similarity` float32, both (m, min(k, n)) or
        (n, min(k, n - 1)).

    Raises:
        InputError: k below 1, arrays that are not two-dimensional or not of one dimension, or a
            row with a NaN or an infinity.

    Example:
        >>> found = nearest([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]], k=1)
        >>> found.indices.ravel().tolist()
        [1, 0, 1]
    """
    if k < 1:
        raise InputError(f"k={k}: ask for at least 1 neighbour.")
    base = checked(vectors)
    asked = base if queries is None else checked(queries, name="queries")
    if asked.shape[1] != base.shape[1]:
        raise InputError(
            f"queries have {asked.shape[1]} dimensions and vectors {base.shape[1]}: "
            "encode both with the same model."
        )
    return Neighbors(*_scan(asked, base, k, itself=queries is None))


def scan(
    queries: NDArray[np.float32], base: NDArray[np.float32], k: int
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """What `nearest` finds, of float32 arrays that are known to be finite and of one width."""
    return _scan(queries, base, k, itself=False)


def _scan(
    queries: NDArray[np.float32], base: NDArray[np.float32], k: int, *, itself: bool
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    k = max(0, min(k, len(base) - itself))
    indices = np.empty((len(queries), k), dtype=np.int32)
    similarity = np.empty((len(queries), k), dtype=np.float32)
    if k == 0:
        return indices, similarity
    rows = max(1, _BLOCK_BYTES // (4 * min(len(base), _BLOCK_COLUMNS)))
    for start in range(0, len(queries), rows):
        block = slice(start, min(start + rows, len(queries)))
        own = np.arange(block.start, block.stop) if itself else None
        indices[block], similarity[block] = _nearest_of_block(queries[block], base, k, own)
    return indices, similarity


def _nearest_of_block(
    queries: NDArray[np.float32],
    base: NDArray[np.float32],
    k: int,
    itself: NDArray[np.int64] | None,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The k best columns of a block of rows; `itself` is the column each row must not get."""
    parts = []
    for start in range(0, len(base), _BLOCK_COLUMNS):
        columns = base[start : start + _BLOCK_COLUMNS]
        similarity = queries @ columns.T
        if itself is not None:
            inside = np.flatnonzero((itself >= start) & (itself < start + len(columns)))
            similarity[inside, itself[inside] - start] = -np.inf
        best = _best(similarity, min(k, len(columns)))
        parts.append((best + start, np.take_along_axis(similarity, best, axis=1)))
    return merged(parts, k)


def merged(
    parts: Sequence[tuple[NDArray[np.int64], NDArray[np.float32]]], k: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The k best of each row's neighbours in several parts (indices, similarity), best first."""
    if len(parts) == 1:
        return parts[0]
    indices = np.concatenate([part[0] for part in parts], axis=1)
    similarity = np.concatenate([part[1] for part in parts], axis=1)
    order = np.argsort(-similarity, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(indices, order, 1), np.take_along_axis(similarity, order, 1)


def _best(similarity: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """The columns of the k largest values of each row, largest first, ties by column."""
    bound = _bound_of_kth(similarity, k)
    flat = np.flatnonzero(similarity >= bound)
    if len(flat) > 8 * k * len(similarity):  # many equal values: bound them exactly instead
        flat = _without_surplus_ties(similarity, k)
    rows = flat // similarity.shape[1]
    order = np.lexsort((-similarity.ravel()[flat], rows))
    first = np.searchsorted(rows, np.arange(len(similarity)))  # sorted by row as it is
    chosen = flat[order[first[:, None] + np.arange(k)]]
    return np.asarray(chosen % similarity.shape[1])


def _bound_of_kth(similarity: NDArray[np.float32], k: int) -> NDArray[np.float32]:
    """A lower bound (rows, 1) of each row's k-th largest value, cheap and nearly tight.

    The maxima of disjoint groups of columns are k or more different values of the row, so the k-th
    largest of them cannot exceed the k-th largest of all; it takes a fraction of the time.
    """
    rows, columns = similarity.shape
    width = columns // _GROUPS
    if width < 2 * k:
        return _kth_largest(similarity, k)
    maxima = similarity[:, : width * _GROUPS].reshape(rows, _GROUPS, width).max(axis=1)
    return _kth_largest(maxima, k)


def _kth_largest(values: NDArray[np.float32], k: int) -> NDArray[np.float32]:
    return np.partition(values, values.shape[1] - k, axis=1)[:, -k, None]


def _without_surplus_ties(similarity: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """Flat positions of the values above each row's k-th largest, and of its first k equals."""
    kth = _kth_largest(similarity, k)
    equal = similarity == kth
    equal &= np.cumsum(equal, axis=1) <= k
    return np.flatnonzero((similarity > kth) | equal)
