"""All pairs of vectors that are closer than a threshold, or the closest ones: exact, and quick.

No pair is missed. The vectors are turned so that their first components carry the most (principal
components), and of the others only the length is kept, as one component more: by the inequality of
Cauchy and Schwarz the inner product of these short vectors is never below the true one. Only pairs
that pass it are computed in full. How many components are kept follows from a sample.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sememe.errors import InputError

MOST = 50_000_000
"""So many pairs are kept at the most."""

_ROWS, _COLUMNS = 1024, 8192  # of one product: 32 MB
_SAMPLE = 2000
_CHECKED = 65_536  # candidates computed in full at once
_FULL = 600.0  # what it costs to look at one candidate, in multiplications of a product
_SLACK = 1e-5  # rounding of float32, so that the bound stays one

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]


class Pairs(NamedTuple):
    """Pairs of rows, the closest first; of equals, the lower rows first.

    first, second: int32 (pairs,), first < second; similarity: float32 (pairs,).
    """

    first: Ints
    second: Ints
    similarity: Floats

_NONE = Pairs(np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, np.float32))


def closer_than(rows: Floats, threshold: float) -> Pairs:
    """All pairs of unit rows (n, dim) whose inner product is at least `threshold`.

    Raises:
        InputError: there are more than `MOST` of them.

    Example:
        >>> rows = np.array([[1, 0], [0.6, 0.8], [0, 1]], np.float32)
        >>> closer_than(rows, 0.7)[:2]
        (array([1], dtype=int32), array([2], dtype=int32))
    """
    found = _Found(None)
    _search(rows, threshold, found)
    return found.best()


def closest(rows: Floats, count: int) -> Pairs:
    """The `count` pairs of unit rows (n, dim) with the greatest inner products."""
    count = min(count, len(rows) * (len(rows) - 1) // 2)
    threshold = _threshold_for(rows, count)
    while True:
        found = _Found(count)
        _search(rows, threshold, found)
        if len(found) >= count or threshold <= -1.0:
            return found.best()
        threshold = max(-1.0, threshold - max(0.05, (1 - threshold) / 2))


def _search(rows: Floats, threshold: float, found: "_Found") -> None:
    short = _short(rows, threshold)
    found.bar = threshold
    blocks = _blocks(len(rows))

    def search(block: tuple[int, int]) -> None:
        for part in _candidates(short, *block, found):
            found.add(_checked(rows, *part, found.bar))

    with ThreadPoolExecutor(2) as threads:  # while one multiplies, the other one looks through
        for _ in threads.map(search, blocks):
            pass


def _blocks(count: int) -> Iterator[tuple[int, int]]:
    for row in range(0, count, _ROWS):
        for column in range(row - row % _COLUMNS, count, _COLUMNS):
            yield row, column


def _short(rows: Floats, threshold: float) -> Floats:
    """Vectors (n, kept + 1) whose inner products are never below those of the rows."""
    chosen = rows[np.linspace(0, len(rows) - 1, min(len(rows), _SAMPLE)).astype(np.int64)]
    _, axes = np.linalg.eigh(chosen.T.astype(np.float64) @ chosen)
    turned = axes[:, ::-1].astype(np.float32)
    cheapest, price = rows.shape[1], float(rows.shape[1])
    for kept in (16, 32, 64, 96, 128, 192, 256):
        if kept < rows.shape[1]:
            short = _with_rest(chosen, turned[:, :kept])
            passing = np.mean(short @ short.T >= threshold - _SLACK) - 1 / len(chosen)
            cost = kept + max(0.0, float(passing)) * _FULL
            if cost < price:
                cheapest, price = kept, cost
    return rows if cheapest == rows.shape[1] else _with_rest(rows, turned[:, :cheapest])


def _with_rest(rows: Floats, axes: Floats) -> Floats:
    head = rows @ axes
    rest = np.sqrt(np.maximum(0, (rows * rows).sum(1) - (head * head).sum(1)))
    return np.hstack([head, rest[:, None]])


def _candidates(
    short: Floats, row: int, column: int, found: "_Found"
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    products = short[row : row + _ROWS] @ short[column : column + _COLUMNS].T
    flat = np.flatnonzero(products >= found.bar - _SLACK)
    first, second = np.divmod(flat, products.shape[1])
    first, second = first + row, second + column
    above = first < second
    first, second = first[above], second[above]
    for start in range(0, len(first), _CHECKED):
        yield first[start : start + _CHECKED], second[start : start + _CHECKED]


def _checked(
    rows: Floats, first: NDArray[np.int64], second: NDArray[np.int64], bar: float
) -> Pairs:
    similarity = np.einsum("ij,ij->i", rows[first], rows[second])
    kept = similarity >= bar
    return Pairs(
        first[kept].astype(np.int32), second[kept].astype(np.int32), similarity[kept]
    )


class _Found:
    """Pairs found so far; of too many, those above a bar that rises."""

    def __init__(self, wanted: int | None) -> None:
        self.wanted, self.bar = wanted, -1.0
        self._parts: list[Pairs] = []
        self._count = 0
        self._lock = Lock()

    def __len__(self) -> int:
        return self._count

    def add(self, pairs: Pairs) -> None:
        """Keep pairs; called from several threads."""
        with self._lock:
            self._parts.append(pairs)
            self._count += len(pairs.first)
            if self.wanted is None:
                if self._count > MOST:
                    raise InputError(
                        f"More than {MOST:,} pairs are closer than {self.bar:.3f}: give a higher "
                        "threshold, or ask for the closest ones by their number."
                    )
            elif self._count > 2 * self.wanted + _CHECKED:
                self._parts = [self._cut()]
                self._count = len(self._parts[0].first)
                self.bar = float(self._parts[0].similarity[-1])

    def best(self) -> Pairs:
        """All, or the best so many, in order."""
        return self._cut()

    def _cut(self) -> Pairs:
        joined = Pairs(*(np.concatenate(part) for part in zip(_NONE, *self._parts, strict=True)))
        order = np.lexsort((joined.second, joined.first, -joined.similarity))[: self.wanted]
        return Pairs(*(part[order] for part in joined))


def _threshold_for(rows: Floats, count: int) -> float:
    """About the similarity of the pair number `count`, a little below, by a sample."""
    chosen = rows[np.linspace(0, len(rows) - 1, min(len(rows), _SAMPLE)).astype(np.int64)]
    found = (chosen @ chosen.T)[np.triu_indices(len(chosen), 1)]
    share = count / (len(rows) * (len(rows) - 1) / 2)
    at = min(len(found) - 1, int(2 * share * len(found)) + 20)
    return float(np.partition(found, len(found) - 1 - at)[len(found) - 1 - at]) if len(found) else -1.0
