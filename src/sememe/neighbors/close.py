"""All pairs of vectors that are closer than a threshold, or the closest ones: exact, and quick.

No pair is missed. The vectors are turned so that their first components carry the most (principal
components), and of the others only the length is kept, as one component more: by the inequality of
Cauchy and Schwarz the inner product of these short vectors is never below the true one. Only pairs
that pass it are computed in full. How many components are kept follows from a sample.
"""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sememe.costs import duration
from sememe.errors import CostWarning, InputError, warn
from sememe.neighbors.vectors import checked
from sememe.progress import progress_bar

MOST = 20_000_000
"""So many pairs are kept at the most: they take a gigabyte while they are sorted."""

_ROWS, _COLUMNS = 1024, 2048  # of one product: 8 MB
_SAMPLE = 2000
_CHECKED = 2048  # candidates computed in full at once
_FULL = 20_000.0  # what it costs to compute one candidate, in multiplications of a product
_KEPT = (16, 32, 64, 96, 128, 192, 256)
_EXPECTED = 20  # pairs of the sample that must pass before what passes is well estimated
_DECIMALS = 6
_LONG_SECONDS = 60

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]


class ClosePairs(NamedTuple):
    """Pairs of rows, the closest first; of equals, the lower rows first.

    first, second: int32 (pairs,), first < second; similarity: float32 (pairs,), inner products to
    six decimals: beyond, float32 has only rounding, and equals would not be equal.
    """

    first: Ints
    second: Ints
    similarity: Floats


_NONE = ClosePairs(np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, np.float32))


def closer_than(rows: ArrayLike, threshold: float, progress: bool | None = None) -> ClosePairs:
    """All pairs of unit rows, float32 (n, dim), whose inner product is at least `threshold`.

    `progress`: a bar: True, False, or None for one on a terminal.

    Raises:
        InputError: rows that are no such array, or more than `MOST` such pairs.

    Example:
        >>> found = closer_than([[1, 0], [0.6, 0.8], [0, 1]], 0.7)
        >>> found.first.tolist(), found.second.tolist()
        ([1], [2])
    """
    return _searched(checked(rows), _Found(threshold), progress).best()


def closest(rows: ArrayLike, count: int, progress: bool | None = None) -> ClosePairs:
    """The `count` pairs of unit rows, float32 (n, dim), with the greatest inner products.

    Where there are fewer pairs, all of them. `progress` is `closer_than`'s.

    Raises:
        InputError: rows that are no such array, or more than `MOST` pairs asked for.

    Example:
        >>> closest([[1, 0], [0.6, 0.8], [0, 1]], 1).similarity.round(3).tolist()
        [0.800000011920929]
    """
    base = checked(rows)
    every = len(base) * (len(base) - 1) // 2
    wanted = min(count, every)
    if wanted > MOST:
        raise InputError(f"{count:,} pairs are more than the {MOST:,} that are kept: ask for less.")
    if wanted < 1:
        return _NONE
    sample = _sample(base)
    known = np.sort((sample @ sample.T)[np.tri(len(sample), k=-1, dtype=bool)])[::-1]
    passing = _EXPECTED + 2 * wanted * len(known) // max(1, every)
    while True:  # seldom twice: where the sample is not like the rest
        least = float(known[passing]) - _slack(base) if passing < len(known) else -np.inf
        found = _searched(base, _Found(least, wanted), progress)
        if len(found) >= wanted:
            return found.best()
        passing *= 8


def _searched(rows: Floats, found: "_Found", progress: bool | None) -> "_Found":
    """Look at all pairs of rows, and add those above the bar."""
    if len(rows) < 2:
        return found
    short, slack = _short(rows, found.bar), _slack(rows)

    def search(row: int) -> None:
        for first, second in _candidates(short, row, found, slack):
            found.add(*_above(rows, first, second, found.bar))

    started = time.perf_counter()
    search(0)
    seconds = (time.perf_counter() - started) * len(rows) / _ROWS / 2
    if seconds > _LONG_SECONDS:
        said = f"To compare {len(rows):,} texts with one another will take about"
        warn(f"{said} {duration(seconds)}.", CostWarning)
    # Early rows have more later ones: taken from both ends, the work goes on evenly.
    rest = sorted(range(_ROWS, len(rows), _ROWS), key=lambda row: -abs(2 * row - len(rows)))
    with ThreadPoolExecutor(2) as threads, progress_bar(len(rows), "texts", progress) as bar:
        for _ in threads.map(search, rest):  # while one thread multiplies, the other one looks
            bar.update(_ROWS)
    return found


def _slack(rows: Floats) -> float:
    """What rounding can take from an inner product of unit rows."""
    return float(10**-_DECIMALS + 2 * rows.shape[1] * np.finfo(np.float32).eps)


def _sample(rows: Floats) -> Floats:
    size = min(len(rows), _SAMPLE)
    return rows[np.linspace(0, len(rows) - 1, size).astype(np.int64)]


def _short(rows: Floats, threshold: float) -> Floats:
    """Vectors (n, kept + 1) whose inner products are, but for rounding, never below the rows'."""
    if len(rows) <= _SAMPLE:
        return rows
    sample = _sample(rows)
    turned = np.linalg.eigh(sample.T.astype(np.float64) @ sample)[1][:, ::-1].astype(np.float32)
    dim = rows.shape[1]

    def cost(kept: int) -> float:
        short = sample if kept == dim else _with_rest(sample, turned[:, :kept])
        return kept + _FULL * float(np.mean(short @ short.T >= threshold))

    kept = min((*(kept for kept in _KEPT if kept < dim), dim), key=cost)
    return rows if kept == dim else _with_rest(rows, turned[:, :kept])


def _with_rest(rows: Floats, axes: Floats) -> Floats:
    """Components along the axes, and the length of what they leave."""
    short = np.empty((len(rows), axes.shape[1] + 1), np.float32)
    for start in range(0, len(rows), _CHECKED):
        block, out = rows[start : start + _CHECKED], short[start : start + _CHECKED]
        np.matmul(block, axes, out=out[:, :-1])
        # Not by the difference of two squares: of a short rest that would leave rounding alone.
        out[:, -1] = np.linalg.norm(block - out[:, :-1] @ axes.T, axis=1)
    return short


def _candidates(
    short: Floats, row: int, found: "_Found", slack: float
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Pairs of a block of rows and all later rows that may be above the bar, some at a time."""
    block = short[row : row + _ROWS]
    for column in range(row, len(short), _COLUMNS):
        products = block @ short[column : column + _COLUMNS].T
        flat = np.flatnonzero(products >= found.bar - slack)
        for start in range(0, len(flat), _CHECKED):
            first, second = np.divmod(flat[start : start + _CHECKED], products.shape[1])
            later = first + row < second + column
            yield first[later] + row, second[later] + column


def _above(
    rows: Floats, first: NDArray[np.int64], second: NDArray[np.int64], bar: float
) -> ClosePairs:
    similarity = np.einsum("ij,ij->i", rows[first], rows[second]).round(_DECIMALS)
    kept = similarity >= bar
    return ClosePairs(first[kept].astype(np.int32), second[kept].astype(np.int32), similarity[kept])


class _Found:
    """Pairs found so far, above a bar; where only so many are wanted, the bar rises.

    What is dropped has so many better pairs, or equal ones of lower rows: so the result does not
    depend on the order in which pairs come.
    """

    def __init__(self, bar: float, wanted: int | None = None) -> None:
        self.bar = bar
        self._wanted = wanted
        self._parts = [_NONE]
        self._count = 0
        self._lock = Lock()

    def __len__(self) -> int:
        return self._count

    def add(self, first: Ints, second: Ints, similarity: Floats) -> None:
        """Keep pairs; called from several threads."""
        if len(first) == 0:
            return
        with self._lock:
            self._parts.append(ClosePairs(first, second, similarity))
            self._count += len(first)
            if self._wanted is None:
                if self._count > MOST:
                    raise InputError(
                        f"more than {MOST:,} pairs are closer than {self.bar:g}: give a higher "
                        "threshold, or ask for the closest ones by their number."
                    )
            elif self._count > 2 * self._wanted + _CHECKED:
                self._parts = [self.best()]
                self._count = self._wanted
                self.bar = float(self._parts[0].similarity[-1])

    def best(self) -> ClosePairs:
        """All, or the best so many, in order."""
        joined = (np.concatenate(part) for part in zip(*self._parts, strict=True))
        first, second, similarity = joined
        order = np.lexsort((second, first, -similarity))[: self._wanted]
        return ClosePairs(first[order], second[order], similarity[order])
