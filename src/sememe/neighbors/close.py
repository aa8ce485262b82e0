"""All pairs of vectors that are closer than a threshold, or the closest ones: exact, and quick.

The vectors are turned so that their first components carry the most, and of the others only the
length is kept: by Cauchy and Schwarz the inner product of these short vectors is never below the
true one. Only pairs that pass it are computed in full.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from threading import Lock
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from sememe.costs import warn_of_duration
from sememe.errors import InputError
from sememe.neighbors.exact import Floats, Ints, Rows, as_vectors
from sememe.processes import map_in_threads
from sememe.progress import progress_bar

_FULL = 20_000.0  # what it costs to compute one candidate, in multiplications of a product
_EXPECTED = 20  # pairs of the sample that must pass before what passes is well estimated
_DECIMALS = 6


@dataclass(frozen=True)
class Sizes:
    """How the work is divided, and how many pairs there may be."""

    rows: int = 1024  # of one product; with the columns, 8 MB
    columns: int = 2048
    sample: int = 2000  # rows from which the number of components is estimated
    candidates: int = 2048  # pairs computed in full at once
    components: tuple[int, ...] = (16, 32, 64, 96, 128, 192, 256)  # how many may be kept
    most: int = 20_000_000  # pairs: so many take a gigabyte while they are sorted


SIZES = Sizes()


class ClosePairs(NamedTuple):
    """Pairs of rows, the closest first; of equals, the lower rows first.

    first, second: int32 (pairs,), first < second; similarity: float32 (pairs,), inner products to
    six decimals: beyond, float32 has only rounding, and equals would not be equal.
    """

    first: Ints
    second: Ints
    similarity: Floats


def closer_than(
    rows: ArrayLike, threshold: float, progress: bool | None = None, sizes: Sizes = SIZES
) -> ClosePairs:
    """All pairs of unit rows, float32 (n, dim), whose inner product is at least `threshold`.

    InputError for rows that are no such array, or more than 20 million such pairs.

    Example:
        >>> pairs = closer_than([[1, 0], [0.6, 0.8], [0, 1]], 0.7)
        >>> pairs.first.tolist(), pairs.second.tolist()
        ([1], [2])
    """
    pairs = _Pairs(threshold, None, sizes)
    _search(as_vectors(rows), pairs, progress, sizes)
    return pairs.best()


def closest(
    rows: ArrayLike, count: int, progress: bool | None = None, sizes: Sizes = SIZES
) -> ClosePairs:
    """The `count` pairs of unit rows, float32 (n, dim), with the greatest inner products, or all.

    InputError for rows that are no such array, or a count above 20 million.

    Example:
        >>> closest([[1, 0], [0.6, 0.8], [0, 1]], 1).similarity.round(3).tolist()
        [0.800000011920929]
    """
    base = as_vectors(rows)
    pairs_in_all = len(base) * (len(base) - 1) // 2
    count = min(count, pairs_in_all)
    if count > sizes.most:
        raise InputError(
            f"{count:,} pairs are more than the {sizes.most:,} that are kept: ask for less."
        )
    sample = _sample(base, sizes)
    similarities = np.sort((sample @ sample.T)[np.tri(len(sample), k=-1, dtype=bool)])[::-1]
    passing = _EXPECTED + 2 * count * len(similarities) // max(1, pairs_in_all)
    while True:  # seldom twice: where the sample is not like the rest
        threshold = -np.inf
        if passing < len(similarities):
            threshold = float(similarities[passing]) - _slack(base)
        pairs = _Pairs(threshold, count, sizes)
        if count > 0:
            _search(base, pairs, progress, sizes)
        if len(pairs) >= count:
            return pairs.best()
        passing *= 8


def _search(rows: Floats, pairs: "_Pairs", progress: bool | None, sizes: Sizes) -> None:
    """Compare all rows with one another, and add the pairs that reach the threshold."""
    if len(rows) < 2:
        return
    short = _short(rows, pairs.threshold, sizes)
    slack = _slack(rows)

    def search_block(start: int) -> None:
        for first, second in _candidates(short, start, pairs, slack, sizes):
            similarity = np.einsum("ij,ij->i", rows[first], rows[second]).round(_DECIMALS)
            close = similarity >= pairs.threshold
            pairs.add(first[close], second[close], similarity[close])

    started = time.perf_counter()
    search_block(0)
    seconds = (time.perf_counter() - started) * len(rows) / sizes.rows / 2
    warn_of_duration(f"Comparing {len(rows):,} texts with one another", seconds)
    # Early rows have more later ones: taken from both ends, the work is spread evenly.
    blocks = range(sizes.rows, len(rows), sizes.rows)
    order = sorted(blocks, key=lambda start: -abs(2 * start - len(rows)))
    with progress_bar(len(rows), "texts", progress) as bar:
        # One thread multiplies, the other one chooses.
        for _ in map_in_threads(2, search_block, order):
            bar.update(sizes.rows)


def _slack(rows: Floats) -> float:
    """What rounding can take from an inner product of unit rows."""
    return float(10**-_DECIMALS + 2 * rows.shape[1] * np.finfo(np.float32).eps)


def _sample(rows: Floats, sizes: Sizes) -> Floats:
    size = min(len(rows), sizes.sample)
    return rows[np.linspace(0, len(rows) - 1, size).astype(np.int64)]


def _short(rows: Floats, threshold: float, sizes: Sizes) -> Floats:
    """Shorter vectors whose inner products are, but for rounding, never below the rows'."""
    if len(rows) <= sizes.sample:
        return rows
    sample = _sample(rows, sizes)
    axes = np.linalg.eigh(sample.T.astype(np.float64) @ sample)[1][:, ::-1].astype(np.float32)
    dim = rows.shape[1]

    def cost(components: int) -> float:
        short = sample if components == dim else _with_rest(sample, axes[:, :components], sizes)
        return components + _FULL * float(np.mean(short @ short.T >= threshold))

    components = min((*(count for count in sizes.components if count < dim), dim), key=cost)
    return rows if components == dim else _with_rest(rows, axes[:, :components], sizes)


def _with_rest(rows: Floats, axes: Floats, sizes: Sizes) -> Floats:
    """Components along the axes, and the length of what they leave."""
    short = np.empty((len(rows), axes.shape[1] + 1), np.float32)
    for start in range(0, len(rows), sizes.candidates):
        part = slice(start, start + sizes.candidates)
        block, out = rows[part], short[part]
        np.matmul(block, axes, out=out[:, :-1])
        # Not by the difference of two squares: of a short rest that would leave rounding alone.
        out[:, -1] = np.linalg.norm(block - out[:, :-1] @ axes.T, axis=1)
    return short


def _candidates(
    short: Floats, start: int, pairs: "_Pairs", slack: float, sizes: Sizes
) -> Iterator[tuple[Rows, Rows]]:
    """Pairs of a block of rows and all later rows that may reach the threshold, some at a time."""
    block = short[start : start + sizes.rows]
    for column in range(start, len(short), sizes.columns):
        products = block @ short[column : column + sizes.columns].T
        flat = np.flatnonzero(products >= pairs.threshold - slack)
        for at in range(0, len(flat), sizes.candidates):
            first, second = np.divmod(flat[at : at + sizes.candidates], products.shape[1])
            first, second = first + start, second + column
            is_later = first < second
            yield first[is_later], second[is_later]


class _Pairs:
    """Pairs that reach the threshold; where only `count` are needed, the threshold rises.

    What is dropped has `count` better pairs, or equal ones of lower rows: so the result does not
    depend on the order in which pairs come.
    """

    def __init__(self, threshold: float, count: int | None, sizes: Sizes) -> None:
        self.threshold = threshold
        self._count = count
        self._sizes = sizes
        empty = np.empty(0, np.int32)
        self._parts = [ClosePairs(empty, empty, np.empty(0, np.float32))]
        self._size = 0
        self._lock = Lock()

    def __len__(self) -> int:
        return self._size

    def add(self, first: Rows, second: Rows, similarity: Floats) -> None:
        """Keep pairs; called from several threads."""
        if len(first) == 0:
            return
        part = ClosePairs(first.astype(np.int32), second.astype(np.int32), similarity)
        with self._lock:
            self._parts.append(part)
            self._size += len(first)
            if self._count is None:
                if self._size > self._sizes.most:
                    raise InputError(
                        f"more than {self._sizes.most:,} pairs are closer than "
                        f"{self.threshold:g}: give a higher threshold, or ask for the closest "
                        "ones by their number."
                    )
            elif self._size > 2 * self._count + self._sizes.candidates:
                self._parts = [self.best()]
                self._size = self._count
                self.threshold = float(self._parts[0].similarity[-1])

    def best(self) -> ClosePairs:
        first, second, similarity = map(np.concatenate, zip(*self._parts, strict=True))
        order = np.lexsort((second, first, -similarity))[: self._count]
        return ClosePairs(first[order], second[order], similarity[order])
