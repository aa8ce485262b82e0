"""Exact nearest neighbours among vectors: every inner product, a block at a time."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sememe.costs import rate, record_rate
from sememe.errors import InputError
from sememe.progress import counted

BLOCK_COLUMNS = 32_768
BLOCK_BYTES = 32 * 2**20
"""Of one block of products: it stays in the cache between the product and the choice."""

_GROUPS = 16  # columns compared together when the k-th best similarity is bounded from below
_NORMALIZED_ROWS = 65_536  # at once
_ROUNDING = 1e-6
_TIMED = 2000  # vectors compared with one another, to know how fast this machine is

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Neighbors:
    """The nearest neighbours of each row, the best first; of equals, the lower index first.

    `indices`, int32 (n, k), are rows of the vectors that were searched, `similarity`, float32 (n,
    k), the inner products. `recall` is which share of the true neighbours is among them.
    """

    indices: Ints
    similarity: Floats
    recall: float = 1.0


def as_vectors(vectors: ArrayLike, *, name: str = "vectors", may_be_one: bool = False) -> Floats:
    """A contiguous float32 (n, dim) array of finite numbers, or InputError.

    `may_be_one` takes a single vector (dim,) as a row. Packed bits, uint8, have no cosine.
    """
    try:
        values = np.asarray(vectors)
        rows = np.ascontiguousarray(values, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} are not an array of numbers with rows of one length.") from error
    if values.dtype == np.uint8:
        raise InputError(
            f'{name} are uint8, as the packed bits of dtype="binary" are, which have no cosine: '
            "compare those by Hamming distance (docs/small-vectors.md), and numbers as float32."
        )
    rows = rows[None] if may_be_one and rows.ndim == 1 else rows
    if rows.ndim != 2:
        raise InputError(f"{name} have shape {rows.shape}: give one row a vector, (n, dim).")
    # One pass over sums first: a NaN or an infinity in a row survives into its sum.
    with np.errstate(over="ignore", invalid="ignore"):
        suspects = np.flatnonzero(~np.isfinite(rows.sum(axis=1)))
    bad = suspects[~np.isfinite(rows[suspects]).all(axis=1)]
    if len(bad):
        raise InputError(
            f"row {bad[0]} of the {name} has a value that is not a finite number "
            f"({len(bad)} such row{'s' * (len(bad) > 1)}): leave it out or encode it again."
        )
    return rows


def normalized(vectors: ArrayLike) -> Floats:
    """Vectors scaled to unit length, a new array; a row of zeros, without direction, stays.

    Example:
        >>> normalized([[3.0, 4.0], [0.0, 0.0]]).round(1).tolist()
        [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    rows = as_vectors(vectors)
    scaled = np.empty_like(rows)
    for start in range(0, len(rows), _NORMALIZED_ROWS):  # so that temporary arrays stay small
        block = slice(start, start + _NORMALIZED_ROWS)
        largest = np.abs(rows[block]).max(axis=1, keepdims=True, initial=0)
        # Squares of large values would overflow.
        out = np.divide(rows[block], np.where(largest > 0, largest, 1), out=scaled[block])
        length = np.linalg.norm(out, axis=1, keepdims=True)
        np.divide(out, np.where(length > 0, length, 1), out=out)
    return scaled


def unit_rows(vectors: ArrayLike, texts: int) -> Floats:
    """One vector of unit length a text: the array itself if it is that, as a copy may be large."""
    rows = as_vectors(vectors)
    if len(rows) != texts:
        raise InputError(
            f"{counted(len(rows), 'vector')} for {counted(texts, 'text')}: give one vector a text."
        )
    squares = np.einsum("ij,ij->i", rows, rows)
    return rows if (np.abs(squares - 1) < _ROUNDING).all() else normalized(rows)


def nearest(vectors: ArrayLike, k: int, *, queries: ArrayLike | None = None) -> Neighbors:
    """Find, by inner product, the `k` vectors nearest to each query, or to each other vector.

    The inner product is the cosine where rows have unit length (see `normalized`). Without
    `queries` the vectors are compared with one another and none is its own neighbour (an identical
    vector in another row is a neighbour like any other).

    Args:
        vectors: float (n, dim).
        k: how many neighbours. Where there are fewer, there are fewer columns: n for queries,
            n - 1 without.
        queries: float (m, dim), or None for the vectors themselves.

    Raises:
        InputError: k below 1, arrays that are not two-dimensional or not of one dimension, or a
            row with a NaN or an infinity.

    Example:
        >>> nearest([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]], k=1).indices.ravel().tolist()
        [1, 0, 1]
    """
    if k < 1:
        raise InputError(f"k={k}: ask for at least 1 neighbour.")
    base = as_vectors(vectors)
    if queries is None:
        return Neighbors(*scan(base, base, k, skip_self=True))
    rows = as_vectors(queries, name="queries")
    if rows.shape[1] != base.shape[1]:
        raise InputError(
            f"queries have {rows.shape[1]} dimensions and vectors {base.shape[1]}: "
            "encode both with the same model."
        )
    return Neighbors(*scan(rows, base, k))


def comparison_seconds(dim: int) -> float:
    """How long this machine compares two vectors, in a search among many; measured once a process.

    >>> 0 < comparison_seconds(8) < 1e-3
    True
    """
    work = f"comparisons of two vectors of {dim}"
    if not rate(work):
        sample = np.random.default_rng(0).standard_normal((_TIMED, dim), np.float32)
        seconds = []
        for _ in range(3):
            started = time.perf_counter()
            nearest(sample, 1)
            seconds.append(time.perf_counter() - started)
        record_rate(work, _TIMED**2, min(seconds))
    return 1 / rate(work)


def scan(
    queries: Floats,
    base: Floats,
    k: int,
    *,
    skip_self: bool = False,
    block_columns: int = BLOCK_COLUMNS,
    block_bytes: int = BLOCK_BYTES,
) -> tuple[Ints, Floats]:
    """What `nearest` finds, of finite arrays of one width; `skip_self` if they are one array."""
    k = max(0, min(k, len(base) - skip_self))
    indices = np.empty((len(queries), k), dtype=np.int32)
    similarity = np.empty((len(queries), k), dtype=np.float32)
    if k == 0:
        return indices, similarity
    rows = max(1, block_bytes // (4 * min(len(base), block_columns)))
    for start in range(0, len(queries), rows):
        block = queries[start : start + rows]
        parts = []
        for column in range(0, len(base), block_columns):
            products = block @ base[column : column + block_columns].T
            if skip_self:
                diagonal = np.arange(start, start + len(block)) - column
                inside = np.flatnonzero((diagonal >= 0) & (diagonal < products.shape[1]))
                products[inside, diagonal[inside]] = -np.inf
            best = _best_columns(products, min(k, products.shape[1]))
            parts.append((best + column, np.take_along_axis(products, best, axis=1)))
        out = slice(start, start + len(block))
        indices[out], similarity[out] = merge_neighbors(parts, k)
    return indices, similarity


def merge_neighbors(parts: Sequence[tuple[Rows, Floats]], k: int) -> tuple[Rows, Floats]:
    """The k best of each row's neighbours in several parts (indices, similarity), best first."""
    if len(parts) == 1:
        return parts[0]
    indices = np.concatenate([part[0] for part in parts], axis=1)
    similarity = np.concatenate([part[1] for part in parts], axis=1)
    order = np.argsort(-similarity, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(indices, order, 1), np.take_along_axis(similarity, order, 1)


def _best_columns(products: Floats, k: int) -> Rows:
    """The columns of the k largest values of each row, largest first, ties by column."""
    rows, columns = products.shape
    # The maxima of disjoint groups of columns are k or more values of the row, so their k-th
    # largest is a lower bound of the row's, nearly tight, in a fraction of the time.
    width = columns // _GROUPS
    values = products
    if width >= 2 * k:
        values = products[:, : width * _GROUPS].reshape(rows, _GROUPS, width).max(axis=1)
    flat = np.flatnonzero(products >= _kth_largest(values, k))
    if len(flat) > 8 * k * rows:  # many equal values: of each row the first k of them
        kth = _kth_largest(products, k)
        equal = products == kth
        equal &= np.cumsum(equal, axis=1) <= k
        flat = np.flatnonzero((products > kth) | equal)
    row = flat // columns
    order = np.lexsort((-products.ravel()[flat], row))
    first = np.searchsorted(row, np.arange(rows))  # sorted by row already
    return np.asarray(flat[order[first[:, None] + np.arange(k)]] % columns)


def _kth_largest(values: Floats, k: int) -> Floats:
    return np.partition(values, values.shape[1] - k, axis=1)[:, -k, None]
