"""How sure a figure is: intervals and paired tests by the bootstrap (Efron and Tibshirani, 1993).

Items are drawn with replacement, as many as there are, and the statistic is computed again, many
times: so it would vary from one sample of items to the next. A statistic is any function of arrays
with a row an item, such as `spearman`, or `np.mean` over a value for each item. Draws for which it
is NaN or raises an InputError (only one class, say) are left out.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
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
    return Interval(*_bootstrap(statistic, arrays, confidence, resamples, seed)[:3])


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

    def difference(first: ArrayLike, second: ArrayLike, *gold: ArrayLike) -> Any:
        return statistic(first, *gold) - statistic(second, *gold)

    arrays = (first, second, *gold)
    value, low, high, draws = _bootstrap(difference, arrays, confidence, resamples, seed)
    beyond = min((draws <= 0).sum(), (draws >= 0).sum())
    p = min(1, max(2 * (beyond + 1) / (len(draws) + 1), 2.0 ** (1 - len(np.asarray(first)))))
    return Comparison(value, low, high, float(p))


def _bootstrap(
    statistic: Statistic,
    columns: tuple[ArrayLike, ...],
    confidence: float,
    resamples: int,
    seed: int,
) -> tuple[float, float, float, NDArray[np.float64]]:
    """The statistic of all rows, its interval, and its value for each draw that has one."""
    arrays = [np.asarray(column) for column in columns]
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
    value = float(statistic(*columns))
    random = np.random.default_rng(seed)
    draws = np.full(resamples, np.nan)
    for i in range(resamples):
        rows = random.integers(0, n, n)
        with suppress(InputError):
            draws[i] = statistic(*(array[rows] for array in arrays))
    draws = draws[np.isfinite(draws)]
    if not np.isfinite(value) or 2 * len(draws) <= resamples:
        raise InputError(
            f"the statistic is {value:g} for all {n} rows, and defined for {len(draws)} of "
            f"{resamples} draws of them: give more rows, or rows that differ more."
        )
    low, high = np.quantile(draws, [(1 - confidence) / 2, (1 + confidence) / 2])
    return value, float(low), float(high), draws
