"""How sure a figure is: intervals and paired tests by the bootstrap (Efron and Tibshirani, 1993).

Items are drawn with replacement, as many as there are, and the statistic is computed again, many
times: so it would vary from one sample of items to the next. A statistic is any function of arrays
with a row an item, such as `spearman`, or `np.mean` over a value for each item. Draws for which it
is NaN or raises an InputError (only one class, say) are left out.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sememe.errors import InputError

Statistic = Callable[..., Any]


@dataclass(frozen=True)
class Interval:
    """A figure, and where it lies with the confidence that was chosen."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Comparison:
    """The first system's figure less the second's, its interval, and the two-sided p-value."""

    difference: float
    low: float
    high: float
    p: float

    @property
    def better(self) -> bool:
        """The first is better: the interval lies above 0, and there are enough items to say so."""
        return self.low > 0 and self.p < 0.05

    @property
    def worse(self) -> bool:
        """The first is worse, as surely."""
        return self.high < 0 and self.p < 0.05


def interval(
    statistic: Statistic,
    *arrays: ArrayLike,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """`statistic(*arrays)` with its percentile bootstrap interval.

    Row i of all arrays is item i. The same seed draws the same items. Raises InputError for fewer
    than 2 rows, different numbers of them, a NaN or an infinity, options out of range, and a
    statistic that is not defined for all items or for most draws.

        >>> interval(np.mean, [1, 1, 1, 0]).value
        0.75
    """
    options: Any = {"confidence": confidence, "resamples": resamples, "seed": seed}
    return side_by_side(statistic, arrays[:1], *arrays[1:], **options)[0][0]


def paired_test(
    statistic: Statistic,
    first: ArrayLike,
    second: ArrayLike,
    *gold: ArrayLike,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Comparison:
    """Two systems on the same items: `statistic(first, *gold) - statistic(second, *gold)`.

    p is twice the share of draws whose difference is on the other side of 0, the sample itself
    counted as one of them: it is never 0, and below 1 - confidence only where the interval is clear
    of 0. It is at least 2 ** (1 - n), as that of n coins which all fall on one side: draws of a few
    items that agree cannot differ. Options and errors as in `interval`.

        >>> paired_test(np.mean, [1, 1, 1, 0], [1, 1, 1, 0]).p
        1.0
    """
    options: Any = {"confidence": confidence, "resamples": resamples, "seed": seed}
    return side_by_side(statistic, (first, second), *gold, **options)[1][0, 1]


def side_by_side(
    statistic: Statistic,
    systems: Sequence[ArrayLike],
    *gold: ArrayLike,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
    centred: bool = False,
) -> tuple[list[Interval], dict[tuple[int, int], Comparison]]:
    """`interval` of each system and `paired_test` of each two, by their places, of the same draws.

    With `centred`, draws are shifted so that their mean is the figure itself. A partition needs it:
    in a draw an item comes more than once, and is in one group with itself.
    """
    arrays = [np.asarray(column) for column in (*systems, *gold)]
    _check(arrays, confidence, resamples)
    truth = arrays[len(systems) :]
    values = np.array([float(statistic(array, *truth)) for array in arrays[: len(systems)]])
    random, n = np.random.default_rng(seed), len(arrays[0])
    draws = np.full((len(systems), resamples), np.nan)
    for i in range(resamples):
        rows = random.integers(0, n, n)
        with suppress(InputError):
            drawn = [array[rows] for array in truth]
            draws[:, i] = [statistic(array[rows], *drawn) for array in arrays[: len(systems)]]
    intervals = [
        Interval(float(value), *_bounds(value, each, confidence, n, centred)[:2])
        for value, each in zip(values, draws, strict=True)
    ]
    comparisons = {}
    for i, j in combinations(range(len(systems)), 2):
        difference = float(values[i] - values[j])
        low, high, shifted = _bounds(difference, draws[i] - draws[j], confidence, n, centred)
        beyond = min((shifted <= 0).sum(), (shifted >= 0).sum())
        p = max(2 * (beyond + 1) / (len(shifted) + 1), 2.0 ** (1 - n))
        comparisons[i, j] = Comparison(difference, low, high, float(min(1, p)))
    return intervals, comparisons


def _bounds(
    value: float, draws: NDArray[np.float64], confidence: float, n: int, centred: bool
) -> tuple[float, float, NDArray[np.float64]]:
    """The percentile interval, and the draws for which the statistic is defined."""
    defined = draws[np.isfinite(draws)]
    if not np.isfinite(value) or 2 * len(defined) <= len(draws):
        raise InputError(
            f"the statistic is {value:g} for all {n} rows, and defined for {len(defined)} of "
            f"{len(draws)} draws of them: give more rows, or rows that differ more."
        )
    if centred:
        defined = defined + (value - defined.mean())
    low, high = np.quantile(defined, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high), defined


def _check(arrays: Sequence[NDArray[Any]], confidence: float, resamples: int) -> None:
    """InputError for arrays that do not fit each other, or options out of range."""
    names = [f"array {i}" for i in range(1, len(arrays) + 1)]
    n = len(arrays[0])
    if len({*map(len, arrays)}) > 1:
        counts = ", ".join(f"{name} has {len(x)}" for name, x in zip(names, arrays, strict=True))
        raise InputError(f"the numbers of rows differ ({counts}): give each a row for every item.")
    if n == 0:
        raise InputError(f"{' and '.join(names)}: no rows, so there is nothing to measure.")
    for name, array in zip(names, arrays, strict=True):
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            bad = np.unique(np.nonzero(~np.isfinite(array))[0])
            more = f" ({len(bad)} such rows)" if len(bad) > 1 else ""
            raise InputError(
                f"row {bad[0]} of {name} is not a finite number{more}: leave it out or mend it."
            )
    if n < 2 or resamples < 1 or not 0 < confidence < 1:
        raise InputError(
            f"{n} rows, resamples={resamples}, confidence={confidence}: give at least 2 rows, at "
            "least 1 resample, and a confidence between 0 and 1, such as 0.95."
        )
